/* The verb `recover`: what runs in the recovery system, for ever. */
#ifndef LIFEBOAT_RECOVER_H
#define LIFEBOAT_RECOVER_H

#include "app.h"

/* Returns an exit status only when init shall start it again; it usually ends with a restart. */
int recover_run(struct app *app);

#endif
