/*
 * A device around the native program, for what no disk image can show: put in front of the C
 * library with LD_PRELOAD, it shows the program another /sys, /dev, /proc/cmdline, /run and /etc,
 * block devices that are windows of files, sticks that can be mounted, media that fail, and a clock
 * that runs faster. The program is the one that ships; only what it asks the system is answered
 * here.
 *
 * SHIM_ROOT   folder that holds the device: sys/ dev/ proc/ run/ etc/ media/NODE/ (what is on a
 *             stick), and "nodes": lines NAME FILE OFFSET LENGTH MAJOR MINOR BUSY; "uevents" is
 *             the socket that takes the kernel's
 * SHIM_FAULT  lines OPERATION PATH FIRST LAST WHAT: a read, write or flush of a path that ends in
 *             PATH and touches bytes FIRST up to LAST fails with errno WHAT; "lost": a write does
 *             nothing; "end": the file ends at FIRST
 * SHIM_SPEED  how many seconds of the program pass in one second
 * SHIM_UID    who the program believes to be
 * SHIM_STAYS  the kernel refuses to restart
 * SHIM_ONLINE there is a network
 *
 * Nothing of the machine below can be changed through it: reboot ends the program, mount and sync
 * do nothing, and no program of /sbin is run.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/fs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NODES_MAX 16
#define FAULTS_MAX 8
#define FDS_MAX 256
#define PATH_SIZE 512
#define MOUNT_POINT "/run/lifeboat/medium"
#define RESTARTED 70 /* exit status where the machine would restart */
#define POWERED_OFF 71

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

struct node {
	char name[32], file[PATH_SIZE];
	unsigned long long off, len;
	unsigned major, minor;
	int busy;
};

struct fault {
	char operation[8], path[128], what[8];
	unsigned long long first, last;
};

static struct node nodes[NODES_MAX];
static size_t node_count;
static struct fault faults[FAULTS_MAX];
static size_t fault_count;
static const struct node *node_of[FDS_MAX];
static char path_of[FDS_MAX][PATH_SIZE];
static const char *root;
static int speed = 1;
static char mounted[32]; /* name of the node; empty: nothing */

__attribute__((constructor)) static void begin(void)
{
	const char *fault = getenv("SHIM_FAULT");
	char path[PATH_SIZE], line[2 * PATH_SIZE];
	FILE *file;

	root = getenv("SHIM_ROOT");
	if (getenv("SHIM_SPEED"))
		speed = atoi(getenv("SHIM_SPEED"));
	for (; fault && *fault && fault_count < FAULTS_MAX; fault_count++) {
		struct fault *f = &faults[fault_count];

		if (sscanf(fault, "%7s %127s %llu %llu %7s", f->operation, f->path, &f->first,
			   &f->last, f->what) != 5)
			abort();
		fault += strcspn(fault, "\n");
		fault += *fault == '\n';
	}
	if (!root)
		return;
	snprintf(path, sizeof(path), "%s/nodes", root);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && node_count < NODES_MAX) {
		struct node *n = &nodes[node_count++];

		if (sscanf(line, "%31s %511s %llu %llu %u %u %d", n->name, n->file, &n->off,
			   &n->len, &n->major, &n->minor, &n->busy) != 7)
			abort();
	}
	if (file)
		fclose(file);
}

/* --- Paths --- */

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && (!path[len] || path[len] == '/');
}

static bool is_ours(const char *path)
{
	static const char *const folders[] = {"/sys", "/run", "/etc/lifeboat", "/sbin"};
	static const char *const files[] = {"/proc/cmdline", "/proc/self/mountinfo"};

	if (!root || !path)
		return false;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (is_below(path, folders[i]))
			return true;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(path, files[i]))
			return true;
	return is_below(path, "/dev") && !is_below(path, "/dev/shm") && strcmp(path, "/dev/null") &&
	       strcmp(path, "/dev/zero") && strcmp(path, "/dev/full");
}

/* Where a path lies on the machine below. */
static const char *below(const char *path, char *buffer)
{
	if (!is_ours(path))
		return path;
	if (*mounted && is_below(path, MOUNT_POINT))
		snprintf(buffer, PATH_SIZE, "%s/media/%s%s", root, mounted,
			 path + strlen(MOUNT_POINT));
	else
		snprintf(buffer, PATH_SIZE, "%s%s", root, path);
	return buffer;
}

static const struct node *node_at(const char *path)
{
	if (!is_ours(path) || !is_below(path, "/dev"))
		return NULL;
	for (size_t i = 0; i < node_count; i++)
		if (strlen(path) > 5 && !strcmp(path + 5, nodes[i].name))
			return &nodes[i];
	return NULL;
}

static int opened(int fd, const char *path, const struct node *node)
{
	if (fd < 0 || fd >= FDS_MAX)
		return fd;
	node_of[fd] = node;
	snprintf(path_of[fd], PATH_SIZE, "%s", path);
	return fd;
}

int open(const char *path, int flags, ...)
{
	const struct node *node = node_at(path);
	char buffer[PATH_SIZE];
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!node)
		return opened(REAL(open)(below(path, buffer), flags, mode), path, NULL);
	if (node->busy && flags & O_EXCL) {
		errno = EBUSY;
		return -1;
	}
	return opened(REAL(open)(node->file, flags & ~O_EXCL), path, node);
}

int openat(int folder, const char *path, int flags, ...)
{
	char buffer[PATH_SIZE];
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return opened(REAL(openat)(folder, below(path, buffer), flags, mode), path, NULL);
}

int close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX)
		opened(fd, "", NULL);
	return REAL(close)(fd);
}

int access(const char *path, int mode)
{
	char buffer[PATH_SIZE];

	return REAL(access)(below(path, buffer), mode);
}

int mkdir(const char *path, mode_t mode)
{
	char buffer[PATH_SIZE];

	return REAL(mkdir)(below(path, buffer), mode);
}

DIR *opendir(const char *path)
{
	char buffer[PATH_SIZE];

	return REAL(opendir)(below(path, buffer));
}

char *realpath(const char *path, char *resolved)
{
	char buffer[PATH_SIZE];
	char *real = REAL(realpath)(below(path, buffer), resolved);

	if (real && is_ours(path) && is_below(real, root))
		memmove(real, real + strlen(root), strlen(real + strlen(root)) + 1);
	return real;
}

static int as_node(int result, const struct node *node, struct stat *st)
{
	if (result || !node)
		return result;
	st->st_mode = S_IFBLK | 0660;
	st->st_rdev = makedev(node->major, node->minor);
	st->st_size = 0;
	return 0;
}

int stat(const char *path, struct stat *st)
{
	const struct node *node = node_at(path);
	char buffer[PATH_SIZE];

	return as_node(REAL(stat)(node ? node->file : below(path, buffer), st), node, st);
}

int fstat(int fd, struct stat *st)
{
	return as_node(REAL(fstat)(fd, st), fd >= 0 && fd < FDS_MAX ? node_of[fd] : NULL, st);
}

int fstatat(int folder, const char *path, struct stat *st, int flags)
{
	char buffer[PATH_SIZE];

	return REAL(fstatat)(folder, below(path, buffer), st, flags);
}

/* --- Media --- */

/* What goes wrong with an operation, or NULL. */
static const struct fault *fault_at(const char *operation, int fd, unsigned long long off,
				    size_t len)
{
	const char *path = fd >= 0 && fd < FDS_MAX ? path_of[fd] : "";

	for (size_t i = 0; i < fault_count; i++) {
		const struct fault *f = &faults[i];
		size_t path_len = strlen(path), end = strlen(f->path);

		if (!strcmp(f->operation, operation) && path_len >= end &&
		    !strcmp(path + path_len - end, f->path) && off < f->last &&
		    off + len > f->first)
			return f;
	}
	return NULL;
}

static ssize_t failed(const struct fault *fault, size_t len)
{
	if (!strcmp(fault->what, "lost"))
		return (ssize_t)len;
	errno = atoi(fault->what);
	return -1;
}

/* The part of a transfer that lies within the device. */
static size_t within(const struct node *node, off_t off, size_t len)
{
	unsigned long long left;

	if (!node)
		return len;
	left = (unsigned long long)off < node->len ? node->len - (unsigned long long)off : 0;
	return len < left ? len : (size_t)left;
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	const struct node *node = fd >= 0 && fd < FDS_MAX ? node_of[fd] : NULL;
	const struct fault *fault = fault_at("read", fd, (unsigned long long)off, len);

	if (fault && !strcmp(fault->what, "end"))
		len = (unsigned long long)off < fault->first ? fault->first - (size_t)off : 0;
	else if (fault)
		return failed(fault, len);
	return REAL(pread)(fd, buf, within(node, off, len), off + (node ? (off_t)node->off : 0));
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	const struct node *node = fd >= 0 && fd < FDS_MAX ? node_of[fd] : NULL;
	const struct fault *fault = fault_at("write", fd, (unsigned long long)off, len);

	if (fault)
		return failed(fault, len);
	return REAL(pwrite)(fd, buf, within(node, off, len), off + (node ? (off_t)node->off : 0));
}

ssize_t write(int fd, const void *buf, size_t len)
{
	const struct fault *fault = fault_at("write", fd, 0, len);

	return fault ? failed(fault, len) : REAL(write)(fd, buf, len);
}

int fdatasync(int fd)
{
	const struct fault *fault = fault_at("flush", fd, 0, 1);

	return fault ? (int)failed(fault, 0) : REAL(fdatasync)(fd);
}

int ioctl(int fd, unsigned long request, ...)
{
	const struct node *node = fd >= 0 && fd < FDS_MAX ? node_of[fd] : NULL;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!node)
		return REAL(ioctl)(fd, request, arg);
	if (request == BLKGETSIZE64)
		*(uint64_t *)arg = node->len;
	else if (request == BLKSSZGET)
		*(int *)arg = 512;
	else
		return errno = ENOTTY, -1;
	return 0;
}

int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data)
{
	const struct node *node = node_at(source);
	char path[PATH_SIZE];

	(void)type;
	(void)flags;
	(void)data;
	if (!node || strcmp(target, MOUNT_POINT))
		return errno = ENODEV, -1;
	snprintf(path, sizeof(path), "%s/media/%s", root, node->name);
	if (REAL(access)(path, F_OK))
		return errno = EINVAL, -1;
	strcpy(mounted, node->name);
	return 0;
}

int umount2(const char *target, int flags)
{
	(void)flags;
	if (!*mounted || strcmp(target, MOUNT_POINT))
		return errno = EINVAL, -1;
	*mounted = 0;
	return 0;
}

/* --- Time --- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int64_t first;
	int result = REAL(clock_gettime)(clock, now);
	int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec;

	if (result || clock != CLOCK_MONOTONIC || speed == 1)
		return result;
	first = first ? first : ns;
	ns = first + (ns - first) * speed;
	now->tv_sec = ns / 1000000000;
	now->tv_nsec = ns % 1000000000;
	return 0;
}

int nanosleep(const struct timespec *rest, struct timespec *left)
{
	int64_t ns = (rest->tv_sec * 1000000000LL + rest->tv_nsec) / speed;
	struct timespec short_rest = {ns / 1000000000, ns % 1000000000};

	return REAL(nanosleep)(&short_rest, left);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return REAL(poll)(fds, count, timeout > 0 ? (timeout + speed - 1) / speed : timeout);
}

/* --- The machine --- */

uid_t geteuid(void)
{
	const char *uid = getenv("SHIM_UID");

	return uid ? (uid_t)atoi(uid) : REAL(geteuid)();
}

void sync(void)
{
}

int reboot(int action)
{
	if (getenv("SHIM_STAYS"))
		return errno = EPERM, -1;
	_exit(action == RB_AUTOBOOT ? RESTARTED : POWERED_OFF);
}

int execv(const char *path, char *const argv[])
{
	char buffer[PATH_SIZE];

	return REAL(execv)(below(path, buffer), argv);
}

int execvp(const char *name, char *const argv[])
{
	if (root)
		return errno = ENOENT, -1;
	return REAL(execvp)(name, argv);
}

/* What happens to the machine below is no event of this one: its own come through a socket. */
int socket(int domain, int type, int protocol)
{
	return REAL(socket)(root && domain == AF_NETLINK ? AF_UNIX : domain, type,
			    root && domain == AF_NETLINK ? 0 : protocol);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_un events = {.sun_family = AF_UNIX};

	if (!root || address->sa_family != AF_NETLINK)
		return REAL(bind)(fd, address, len);
	if (snprintf(events.sun_path, sizeof(events.sun_path), "%s/uevents", root) >=
	    (int)sizeof(events.sun_path))
		return errno = ENAMETOOLONG, -1;
	unlink(events.sun_path);
	return REAL(bind)(fd, (struct sockaddr *)&events, sizeof(events));
}

/* No cable is plugged in, or there is an address already; and nobody knows a name. */
static struct sockaddr_in own = {.sin_family = AF_INET};
static struct ifaddrs eth0 = {.ifa_name = (char *)"eth0", .ifa_addr = (struct sockaddr *)&own};

int getifaddrs(struct ifaddrs **list)
{
	if (!root)
		return REAL(getifaddrs)(list);
	eth0.ifa_flags = IFF_UP | IFF_RUNNING;
	own.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
	*list = getenv("SHIM_ONLINE") ? &eth0 : NULL;
	return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
	if (list != &eth0)
		REAL(freeifaddrs)(list);
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		struct addrinfo **list)
{
	if (hints && !(hints->ai_flags & AI_NUMERICHOST))
		return EAI_NONAME;
	return REAL(getaddrinfo)(host, service, hints, list);
}
