#include "platform/health.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/child.h"
#include "platform/format.h"

static int keep(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len && entry->d_name[len - 1] != '~';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum detail judge(enum child_end end, int value, const char *path, uint32_t timeout_s,
			 struct fault *fault)
{
	char object[160];

	switch (end) {
	case CHILD_EXITED:
		if (value == 0)
			return DETAIL_OK;
		format_text(object, sizeof(object), "%.120s (exit status %d)", path, value);
		return fault_set(fault, DETAIL_HEALTH_FAILED, object);
	case CHILD_KILLED:
		format_text(object, sizeof(object), "%.120s (ended by signal %d)", path, value);
		return fault_set(fault, DETAIL_HEALTH_FAILED, object);
	case CHILD_TIMEOUT:
		format_text(object, sizeof(object), "%.120s (%u s)", path, timeout_s);
		return fault_set(fault, DETAIL_HEALTH_TIMEOUT, object);
	case CHILD_STOPPED:
		return fault_set(fault, DETAIL_INTERRUPTED, path);
	case CHILD_NOT_RUN:
		break;
	}
	return fault_errno(fault, DETAIL_HEALTH_UNUSABLE, path, value);
}

static enum detail run_check(const char *folder, const char *name, uint32_t timeout_s,
			     const struct watch *watch, struct fault *fault)
{
	char path[512], prefix[100];
	char *const argv[] = {path, NULL};
	enum child_end end;
	struct stat st;
	int value;

	if (format_text(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return fault_errno(fault, DETAIL_HEALTH_UNUSABLE, name, ENAMETOOLONG);
	if (stat(path, &st))
		return fault_errno(fault, DETAIL_HEALTH_UNUSABLE, path, errno);
	if (S_ISDIR(st.st_mode))
		return DETAIL_OK;
	/* One that is not executable is found out by exec. */
	if (!S_ISREG(st.st_mode))
		return fault_errno(fault, DETAIL_HEALTH_UNUSABLE, path, EACCES);
	format_text(prefix, sizeof(prefix), "%.90s: ", name);
	end = child_run(argv, timeout_s * 1000, prefix, watch, &value);
	return judge(end, value, path, timeout_s, fault);
}

enum detail health_run(const char *folder, uint32_t timeout_s, const struct watch *watch,
		       struct fault *fault)
{
	enum detail detail = DETAIL_OK;
	struct dirent **names;
	int count = scandir(folder, &names, keep, by_bytes);

	if (count < 0)
		return errno == ENOENT ? DETAIL_OK
				       : fault_errno(fault, DETAIL_HEALTH_UNUSABLE, folder, errno);
	if (count > HEALTH_CHECKS_MAX)
		detail = fault_errno(fault, DETAIL_HEALTH_UNUSABLE, folder, E2BIG);
	for (int i = 0; i < count; i++) {
		if (!detail)
			detail = run_check(folder, names[i]->d_name, timeout_s, watch, fault);
		free(names[i]);
	}
	free(names);
	return detail;
}
