/* child: runs a program in its own process group, for a bounded time, and hands its output on line
 * by line. */
#ifndef LIFEBOAT_CHILD_H
#define LIFEBOAT_CHILD_H

#include "platform/watch.h"

#define CHILD_LINE_SIZE 256 /* longer lines are cut into pieces */

enum child_end {
	CHILD_EXITED,  /* value: exit status */
	CHILD_KILLED,  /* value: signal that ended it */
	CHILD_TIMEOUT, /* its process group was killed */
	CHILD_NOT_RUN, /* value: errno */
	CHILD_STOPPED, /* the watch said stop; its process group was killed */
};

/*
 * argv[0]: a path, or a name that is looked for in PATH. Standard input is /dev/null. prefix goes
 * before each line of its output
 * ("50-net: "); NULL: none. A child that leaves processes behind with the output open does not hold
 * this up.
 */
enum child_end child_run(char *const argv[], uint32_t timeout_ms, const char *prefix,
			 const struct watch *watch, int *value);

#endif
