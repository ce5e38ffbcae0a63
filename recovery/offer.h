/* A package that was found is shown, agreed to, and installed; and what comes after that. */
#ifndef LIFEBOAT_OFFER_H
#define LIFEBOAT_OFFER_H

#include "session.h"

/*
 * Looks at everything that is plugged in. wanted: only this package (an interrupted install), or
 * NULL: the one that fits best. True: there was one, and something was done about it.
 */
bool offer_from_stick(struct recover *r, const uint8_t *wanted);

/*
 * The same for an address; with a connection made first. Nothing when it is too early to look
 * again.
 */
bool offer_from_network(struct recover *r, const char *url, const uint8_t *wanted);

#endif
