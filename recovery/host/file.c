#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "text.h"

#define BUFFER_LEN (1u << 20)

_Static_assert(sizeof(off_t) == 8, "packages may be larger than 2 GiB: use -D_FILE_OFFSET_BITS=64");

/* --- reading --- */

enum status input_open(struct input *input, const char *path, struct problem *problem)
{
	*input = (struct input){.path = path};
	/* O_NONBLOCK: opening a pipe without a writer would wait for ever. */
	input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (input->fd < 0)
		return problem_input(problem, path, errno);
	if (fstat(input->fd, &input->stat) != 0)
		problem_input(problem, path, errno);
	else if (S_ISDIR(input->stat.st_mode))
		problem_input(problem, path, EISDIR);
	else if (!S_ISREG(input->stat.st_mode) && !S_ISBLK(input->stat.st_mode))
		problem_set(problem, STATUS_USAGE, path,
			    "is neither a file nor a block device. Copy it to a file first.");
	if (problem->status != STATUS_OK) {
		input_close(input);
		return problem->status;
	}
	off_t end = lseek(input->fd, 0, SEEK_END);
	if (end < 0) {
		problem_input(problem, path, errno);
		input_close(input);
		return problem->status;
	}
	input->size = (uint64_t)end;
	return STATUS_OK;
}

enum status input_read(struct input *input, uint64_t off, void *buf, size_t len,
		       struct problem *problem)
{
	uint8_t *to = buf;
	while (len) {
		ssize_t got = pread(input->fd, to, len, (off_t)off);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return problem_input(problem, input->path, errno);
		if (got == 0)
			return problem_set(problem, STATUS_DOWNLOAD_FAILED, input->path,
					   "became shorter while it was read. "
					   "Wait until nothing writes to it, then start again.");
		to += got;
		off += (uint64_t)got;
		len -= (size_t)got;
	}
	return STATUS_OK;
}

enum status input_check_unchanged(struct input *input, struct problem *problem)
{
	struct stat now;
	if (fstat(input->fd, &now) != 0)
		return problem_input(problem, input->path, errno);
	if (now.st_size != input->stat.st_size ||
	    now.st_mtim.tv_sec != input->stat.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != input->stat.st_mtim.tv_nsec)
		return problem_set(problem, STATUS_DOWNLOAD_FAILED, input->path,
				   "changed while it was read. "
				   "Wait until nothing writes to it, then start again.");
	return STATUS_OK;
}

void input_close(struct input *input)
{
	if (input->fd >= 0)
		close(input->fd);
	input->fd = -1;
}

enum status file_load(const char *path, size_t limit, uint8_t **bytes, size_t *len,
		      struct problem *problem)
{
	struct input input;
	*bytes = NULL;
	if (input_open(&input, path, problem) != STATUS_OK)
		return problem->status;
	if (input.size > limit) {
		problem_input(problem, path, EFBIG);
	} else {
		*len = (size_t)input.size;
		*bytes = memory_get(*len + 1);
		if (input_read(&input, 0, *bytes, *len, problem) != STATUS_OK) {
			free(*bytes);
			*bytes = NULL;
		}
	}
	input_close(&input);
	return problem->status;
}

bool file_is_same(const char *path, const struct stat *other)
{
	struct stat stat_path;
	return stat(path, &stat_path) == 0 && stat_path.st_dev == other->st_dev &&
	       stat_path.st_ino == other->st_ino;
}

/* --- writing --- */

/* The temporary file that must not outlive the program. A signal handler reads it: only whole
 * pointers are stored. */
static char *volatile unfinished;

static void remove_unfinished(void)
{
	char *path = unfinished;
	if (path)
		unlink(path);
}

static void on_signal(int number)
{
	remove_unfinished();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch_for_the_end(void)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};
	static bool watching;
	if (watching)
		return;
	watching = true;
	atexit(remove_unfinished);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct sigaction old;
		struct sigaction action = {.sa_handler = on_signal};
		/* Who started us with it ignored (nohup) wants it ignored. */
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	}
	/* A file size limit shall be an error that is told, not a death. */
	signal(SIGXFSZ, SIG_IGN);
}

/* Where the file really is, so that a link to it stays a link. */
static enum status real_path(struct output *output, const char *path, struct problem *problem)
{
	struct stat at;
	if (stat(path, &at) != 0) {
		output->path = memory_text("%s", path);
		return STATUS_OK;
	}
	if (S_ISDIR(at.st_mode))
		return problem_output(problem, path, EISDIR);
	if (!S_ISREG(at.st_mode))
		return problem_set(problem, STATUS_USAGE, path,
				   "is not a regular file. Name a new file.");
	output->path = realpath(path, NULL);
	if (!output->path)
		return problem_output(problem, path, errno);
	return STATUS_OK;
}

static int open_temporary(struct output *output, mode_t mode)
{
	const char *slash = strrchr(output->path, '/');
	int folder_len = slash ? (int)(slash - output->path + 1) : 0;
	const char *name = slash ? slash + 1 : output->path;

	for (unsigned attempt = 0; attempt < 100; attempt++) {
		char *path = memory_text("%.*s.%.200s.%ld-%u.tmp", folder_len, output->path, name,
					 (long)getpid(), attempt);
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd >= 0) {
			output->temporary = path;
			unfinished = path;
			return fd;
		}
		free(path);
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

enum status output_open(struct output *output, const char *path, mode_t mode,
			struct problem *problem)
{
	*output = (struct output){.fd = -1};
	if (!path[0])
		return problem_set(problem, STATUS_USAGE, "(empty name)",
				   "is no name for a file. Name the file to write.");
	if (real_path(output, path, problem) != STATUS_OK)
		return problem->status;
	watch_for_the_end();
	output->fd = open_temporary(output, mode);
	if (output->fd < 0) {
		problem_output(problem, path, errno);
		output_abandon(output);
		return problem->status;
	}
	output->buffer = memory_get(BUFFER_LEN);
	return STATUS_OK;
}

void output_keep_owner(struct output *output, const struct stat *other)
{
	/* Without the right to give files away the file stays the caller's, who could write to the
	 * old one. */
	if (fchown(output->fd, other->st_uid, other->st_gid) != 0 &&
	    fchown(output->fd, (uid_t)-1, other->st_gid) != 0)
		errno = 0;
	fchmod(output->fd, other->st_mode & 0777);
}

static enum status write_at(struct output *output, uint64_t off, const uint8_t *bytes, size_t len,
			    struct problem *problem)
{
	while (len) {
		ssize_t put = pwrite(output->fd, bytes, len, (off_t)off);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return problem_output(problem, output->path, errno);
		bytes += put;
		off += (uint64_t)put;
		len -= (size_t)put;
	}
	return STATUS_OK;
}

static enum status flush(struct output *output, struct problem *problem)
{
	size_t len = output->buffered;
	output->buffered = 0;
	return write_at(output, output->at - len, output->buffer, len, problem);
}

enum status output_append(struct output *output, const void *bytes, size_t len,
			  struct problem *problem)
{
	if (len > BUFFER_LEN - output->buffered && flush(output, problem) != STATUS_OK)
		return problem->status;
	if (len >= BUFFER_LEN) {
		if (write_at(output, output->at, bytes, len, problem) != STATUS_OK)
			return problem->status;
	} else {
		memcpy(output->buffer + output->buffered, bytes, len);
		output->buffered += len;
	}
	output->at += len;
	return STATUS_OK;
}

enum status output_append_zeros(struct output *output, uint64_t len, struct problem *problem)
{
	static const uint8_t zeros[4096];
	while (len) {
		size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
		if (output_append(output, zeros, part, problem) != STATUS_OK)
			return problem->status;
		len -= part;
	}
	return STATUS_OK;
}

enum status output_rewrite(struct output *output, uint64_t off, const void *bytes, size_t len,
			   struct problem *problem)
{
	if (flush(output, problem) != STATUS_OK)
		return problem->status;
	return write_at(output, off, bytes, len, problem);
}

enum status output_copy(struct output *output, struct input *input, uint64_t off, uint64_t len,
			struct problem *problem)
{
	uint8_t *buffer = memory_get(BUFFER_LEN);
	while (len && problem->status == STATUS_OK) {
		size_t part = len < BUFFER_LEN ? (size_t)len : BUFFER_LEN;
		if (input_read(input, off, buffer, part, problem) == STATUS_OK)
			output_append(output, buffer, part, problem);
		off += part;
		len -= part;
	}
	free(buffer);
	return problem->status;
}

static int rename_fresh(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system that does not know the flag: the next best. */
	if (access(to, F_OK) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(from, to);
}

/* The name itself is durable when its folder is. A folder that cannot be flushed is not worth a
 * failure. */
static void flush_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? memory_text("%.*s", (int)(slash - path + 1), path) : memory_text(".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(folder);
}

enum status output_commit(struct output *output, bool fresh, struct problem *problem)
{
	if (flush(output, problem) != STATUS_OK)
		return problem->status;
	if (fsync(output->fd) != 0)
		return problem_output(problem, output->path, errno);
	int failed = fresh ? rename_fresh(output->temporary, output->path)
			   : rename(output->temporary, output->path);
	if (failed) {
		if (errno == EEXIST)
			return problem_set(problem, STATUS_NOT_PERMITTED, output->path,
					   "exists already and is never overwritten. "
					   "Choose another name, or move it away.");
		return problem_output(problem, output->path, errno);
	}
	unfinished = NULL;
	flush_folder(output->path);
	free(output->temporary);
	output->temporary = NULL;
	output_abandon(output);
	return STATUS_OK;
}

void output_abandon(struct output *output)
{
	if (output->temporary) {
		unlink(output->temporary);
		unfinished = NULL;
		free(output->temporary);
		output->temporary = NULL;
	}
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
	free(output->buffer);
	free(output->path);
	output->buffer = NULL;
	output->path = NULL;
}

/* --- a source for core --- */

static enum detail source_read(struct source *source, void *buf, size_t len, size_t *got,
			       struct fault *fault)
{
	struct file_source *file = (struct file_source *)source;
	if (file->at >= file->input->size) {
		*got = 0;
		return DETAIL_OK;
	}
	uint64_t left = file->input->size - file->at;
	size_t part = len < left ? len : (size_t)left;
	ssize_t done;
	do
		done = pread(file->input->fd, buf, part, (off_t)file->at);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return fault_errno(fault, DETAIL_SOURCE_READ, source->name, errno);
	file->at += (uint64_t)done;
	*got = (size_t)done;
	return DETAIL_OK;
}

static enum detail source_seek(struct source *source, uint64_t off, struct fault *fault)
{
	struct file_source *file = (struct file_source *)source;
	(void)fault;
	file->at = off;
	return DETAIL_OK;
}

static void source_close(struct source *source)
{
	(void)source;
}

void file_source_init(struct file_source *source, struct input *input)
{
	static const struct source_ops ops = {
		.read = source_read,
		.seek = source_seek,
		.close = source_close,
	};
	*source = (struct file_source){
		.source = {.ops = &ops, .size = input->size},
		.input = input,
	};
	text_copy(source->source.name, sizeof(source->source.name), input->path);
}
