/* health: runs the health checks of a folder. */
#ifndef LIFEBOAT_HEALTH_H
#define LIFEBOAT_HEALTH_H

#include "core/detail.h"
#include "platform/watch.h"

#define HEALTH_CHECKS_MAX 256

/*
 * Runs every executable file of the folder, in the order of names (bytes), one after the other;
 * each may take timeout_s, then its process group is killed. Their output goes to watch->line as
 * "NAME: text". The first that fails ends it. No folder, or an empty one: healthy. Names that begin
 * with a dot or end in ~ are passed over, and so are folders.
 *
 * Details: HEALTH_FAILED (the object names the file and its exit status or signal), HEALTH_TIMEOUT,
 * HEALTH_UNUSABLE (a file that is not executable or cannot be run, a folder that cannot be read,
 * more than HEALTH_CHECKS_MAX), INTERRUPTED.
 */
enum detail health_run(const char *folder, uint32_t timeout_s, const struct watch *watch,
		       struct fault *fault);

#endif
