/* Takes the results and the log away on a stick or card. */
#ifndef LIFEBOAT_COPY_LOG_H
#define LIFEBOAT_COPY_LOG_H

#include "app.h"

/*
 * Writes lifeboat-log-N.txt (N: the boot count) to the top folder of the first medium that takes
 * it. name: what was written where, for people. Details: NO_MEDIUM, MOUNT_FAILED, DEVICE_WRITE,
 * NOT_ENOUGH_SPACE.
 */
enum detail copy_log(struct app *app, char *name, size_t size, struct fault *fault);

#endif
