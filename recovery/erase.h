/* Erasing user data in recovery: what waits to be finished, and what a person chooses. */
#ifndef LIFEBOAT_ERASE_H
#define LIFEBOAT_ERASE_H

#include "session.h"

/*
 * When recovery has started, before anything else: a wipe that was asked for in the running system
 * or that was interrupted is done, and the system starts again. After a failure the menu comes.
 */
void erase_what_waits(struct recover *r);

/* Chosen in the menu: asks, and erases. */
void erase_when_agreed(struct recover *r);

#endif
