#include "copy_log.h"
#include "core/text.h"
#include "platform/media.h"
#include "ui/report.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void write_all(struct app *app, struct out *out)
{
	static struct result result;
	const char *page;
	uint64_t first = 0;
	size_t len;

	report_row(out, "Device", app->board.product);
	report_slots(out, &app->screen);
	report_results_title(out, state_next_result(&app->state, &first, &result));
	for (uint64_t back = 0; state_next_result(&app->state, &back, &result);)
		report_past_result(out, &app->screen, &result);
	out_line(out, "");
	for (uint64_t back = STATE_LOG_BLOCKS; back-- > 0;) {
		page = state_log_block(&app->state, back, &len);
		if (page)
			out_text(out, page, len);
	}
	out_flush(out);
}

/* Returns 0 or an errno. The file is on the medium when it returns 0. */
static int write_file(struct app *app, const char *path)
{
	static struct out_fd out;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int error = 0;

	if (fd < 0)
		return errno;
	out_fd_open(&out, fd, true);
	write_all(app, &out.out);
	if (out.lost)
		error = ENOSPC;
	out_fd_close(&out);
	if (!error && fsync(fd))
		error = errno;
	if (close(fd) && !error)
		error = errno;
	return error;
}

enum detail copy_log(struct app *app, char *name, size_t size, struct fault *fault)
{
	static struct medium media[MEDIA_MAX];
	size_t count = media_list(NULL, app->disk.name, media, MEDIA_MAX);
	char path[80];
	struct text p = TEXT_IN(path), n = {.at = name, .size = size, .len = 0};
	enum detail detail = fault_set(fault, DETAIL_NO_MEDIUM, "this device");
	struct fault ignored;

	text_add(&p, MEDIA_MOUNT_POINT "/lifeboat-log-");
	text_u64(&p, app->state.record.boot_count);
	text_add(&p, ".txt");
	state_flush_log(&app->state, &ignored);
	for (size_t i = 0; i < count && detail; i++) {
		int error;

		if (media[i].kind != MEDIA_VFAT && media[i].kind != MEDIA_EXFAT &&
		    media[i].kind != MEDIA_EXT4)
			continue;
		app_poll(app);
		detail = media_mount_writable(&media[i], MEDIA_MOUNT_POINT, fault);
		if (detail)
			continue;
		error = write_file(app, path);
		media_unmount(MEDIA_MOUNT_POINT);
		if (error) {
			detail = fault_errno(fault,
					     error == ENOSPC ? DETAIL_NOT_ENOUGH_SPACE
							     : DETAIL_DEVICE_WRITE,
					     media[i].title, error);
			continue;
		}
		text_add(&n, path + sizeof(MEDIA_MOUNT_POINT));
		text_add(&n, " is on ");
		text_add(&n, media[i].title);
		text_add(&n, "; it can be removed now.");
	}
	return detail;
}
