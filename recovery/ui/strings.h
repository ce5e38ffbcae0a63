/*
 * Every text that the screens say: the one table to translate.
 *
 * X(name, text). %1 to %4 in a text stand for what say() is given; a translation may use them in
 * any order. Sentences of result codes stand in core/detail.h. Tests and scripts watch for these
 * texts: they change only for a reason.
 */
#ifndef LIFEBOAT_STRINGS_H
#define LIFEBOAT_STRINGS_H

#include "core/text.h"

#define STRING_TABLE(X)                                                                            \
	/* labels: at most STRING_LABEL_WIDTH columns */                                           \
	X(LABEL_DEVICE, "Device")                                                                  \
	X(LABEL_SLOT, "Slot %1")                                                                   \
	X(LABEL_REASON, "Why")                                                                     \
	X(LABEL_PENDING, "Unfinished")                                                             \
	X(LABEL_TRIAL, "Last trial")                                                               \
	X(LABEL_STATE, "State")                                                                    \
	X(LABEL_FOUND, "Found")                                                                    \
	X(LABEL_NOTES, "Notes")                                                                    \
	X(LABEL_PLAN, "Plan")                                                                      \
	X(LABEL_RESULT, "Result")                                                                  \
	X(LABEL_ADVICE, "What to do")                                                              \
	X(LABEL_NEXT, "Next")                                                                      \
	/* who this is */                                                                          \
	X(TITLE_RECOVERY, "Lifeboat recovery")                                                     \
	X(TITLE_INSTALL, "Lifeboat install")                                                       \
	X(TITLE_WIPE, "Lifeboat wipe")                                                             \
	X(DEVELOPMENT, "Development build: it trusts development keys and offers a shell. "        \
		       "Not for products.")                                                        \
	X(VERSION, "version %1 (release %2)")                                                      \
	X(VERSION_START, "Version %1 (release %2)")                                                \
	X(SLOT_EMPTY, "empty or incomplete")                                                       \
	X(SLOT_UNKNOWN, "version unknown")                                                         \
	X(SLOT_RUNNING, ", running")                                                               \
	X(SLOT_CONFIRMED, ", confirmed")                                                           \
	X(SLOT_TRIAL, ", on trial")                                                                \
	X(SLOT_TRIES, ", tries left: %1")                                                          \
	X(SLOT_NEXT, ", starts next")                                                              \
	X(SLOT_NO_TRIES, ", no tries left")                                                        \
	X(SLOT_NOT_BOOTABLE, ", not bootable")                                                     \
	X(FLAGS_DAMAGED, "The boot flags are damaged in both copies, so no system is started. "    \
			 "An install writes them anew.")                                           \
	X(TABLE_DAMAGED, "The primary partition table is damaged; its backup is used. Write it "   \
			 "anew (sgdisk --load-backup, or `sfdisk` from the running system).")      \
	X(NO_RESTART,                                                                              \
	  "The boot flags take no store, so a restart would start the same system again: "         \
	  "this one stays up.")                                                                    \
	X(WORKING, "Another lifeboat process is working on this device.")                          \
	X(PENDING_RUNNING, "The install of version %1 was interrupted. Give the same command "     \
			   "again: it goes on where it stopped. (%2)")                             \
	X(PENDING, "The install of version %1 was interrupted. It goes on by itself as soon as "   \
		   "its package is there again: %2")                                               \
	X(WIPE_ASKED, "User data is to be erased: recovery does that before anything else.")       \
	X(WIPE_BEGUN, "Erasing user data was interrupted: recovery goes on with it before "        \
		      "anything else.")                                                            \
	/* why recovery runs; %1: the word of the boot script */                                   \
	X(REASON_NONE, "The boot loader started recovery and gave no reason.")                     \
	X(REASON_OTHER, "The boot loader started recovery for the reason '%1'.")                   \
	X(REASON_REQUEST, "Recovery was asked for.")                                               \
	X(REASON_NO_TRIES, "No slot may be started: each one is empty, or its tries are used up.") \
	X(REASON_BOOT_IMAGE, "No boot image passed the check of its signature, so none was "       \
			     "started.")                                                           \
	X(REASON_ENVIRONMENT, "Both copies of the boot loader's environment are damaged, so it "   \
			      "could not know which slot to start.")                               \
	X(REASON_TRIAL, "The new system did not confirm itself in the tries that it had.")         \
	X(REASON_WIPE, "User data is to be erased.")                                               \
	X(REASON_INSTALL, "An install was interrupted.")                                           \
	/* waiting */                                                                              \
	X(WAIT_STICK, "Waiting for a package: plug in a stick or card that holds one.")            \
	X(WAIT_STICK_NETWORK, "Waiting for a package: plug in a stick or card that holds one, or " \
			      "provide it at %1")                                                  \
	X(WAIT_NETWORK_ONLY, "Waiting for a package at %1")                                        \
	X(WAIT_MENU_ONLY, "No source of packages is set up; choose one in the menu.")              \
	X(WAIT_STICK_BACK, "The stick was pulled out: plug it in again, and the work goes on "     \
			   "where it stopped. (%1)")                                               \
	X(WAIT_NETWORK, "Waiting for the network: no address yet. Check the cable and the DHCP "   \
			"server. (%1)")                                                            \
	X(WAIT_SERVER, "The server does not answer; it is tried again, and the work goes on "      \
		       "where it stopped. (%1)")                                                   \
	X(WAIT_OVER, "It is there: the work goes on.")                                             \
	/* what was found */                                                                       \
	X(FOUND_ON, "%1 on %2")                                                                    \
	X(FOUND_VERSION, "version %1 (release %2), %3, signed with key '%4'")                      \
	X(FOUND_VERSION_NO_SIZE, "version %1 (release %2), signed with key '%4'")                  \
	X(FOUND_OTHERS, "Other packages that were found and are not used: %1")                     \
	/* what will happen */                                                                     \
	X(PLAN_INTO, "Install version %1 (release %2) into slot %3: %4.")                          \
	X(PLAN_KEEPS, " Slot %1 with %2 stays as it is.")                                          \
	X(PLAN_IN_PLACE, " It is the only slot: until all is done, only recovery can start.")      \
	X(PLAN_REPAIR, " This version is installed already; what is right is not written again.")  \
	X(PLAN_OLDER, " It is OLDER than the installed release %1.")                               \
	X(PLAN_RESUMES, " It goes on where it was interrupted.")                                   \
	X(PLAN_IMAGE, "%1 into a partition of %2")                                                 \
	/* what can be chosen */                                                                   \
	X(ASK_MENU, "What shall be done?")                                                         \
	X(ASK_INSTALL, "Install this version?")                                                    \
	X(ASK_OLDER, "Go back to an OLDER release? Data of the newer one may become unusable.")    \
	X(ASK_DONE, "Start the new system?")                                                       \
	X(ASK_FAILED, "What shall be done?")                                                       \
	X(ASK_LOG, "More of the log?")                                                             \
	X(ASK_WIPE, "Erase ALL user data, for good? The installed system stays as it is.")         \
	X(ASK_WIPED, "Start the installed system?")                                                \
	X(DO_INSTALL, "install now")                                                               \
	X(DO_YES, "yes")                                                                           \
	X(DO_NO, "no")                                                                             \
	X(DO_STICK, "install from a stick or card")                                                \
	X(DO_NETWORK, "install from the network")                                                  \
	X(DO_RESTART, "restart into the installed system")                                         \
	X(DO_POWER_OFF, "power off")                                                               \
	X(DO_LOG, "show the log")                                                                  \
	X(DO_OLDER_LOG, "older lines")                                                             \
	X(DO_COPY_LOG, "copy the log to the stick")                                                \
	X(DO_SHELL, "maintenance shell (development build only)")                                  \
	X(DO_WIPE, "erase user data (factory reset)")                                              \
	X(DO_WIPE_NOW, "delete all user data now")                                                 \
	X(DO_MENU, "show the menu")                                                                \
	X(OFFER, "  %1 or %2  %3")                                                                 \
	X(COUNTDOWN, "By itself in %1 s: %2.")                                                     \
	X(COUNTDOWN_STOP, " Key %1 stops it.")                                                     \
	X(CHOSEN, "> %1")                                                                          \
	X(CHOSEN_BY_ITSELF, "> %1 (nobody chose)")                                                 \
	/* the work */                                                                             \
	X(KEEP_ON, "Do not switch off.")                                                           \
	X(KEEP_STICK, "Do not switch off, and leave the stick in.")                                \
	X(KEEP_NETWORK, "Do not switch off, and leave the network connected.")                     \
	X(POWER_RECOVERY, " If the power fails all the same, the work goes on by itself at the "   \
			  "next start.")                                                           \
	X(POWER_RUNNING, " If the power fails all the same, the system that runs now starts "      \
			 "again; then give the same command again.")                               \
	X(STEP_CHECK, "Checking the signature and the manifest.")                                  \
	X(STEP_VERIFY_FIRST, "Checking the whole package before the only slot is overwritten.")    \
	X(STEP_VERIFY, "Checking the whole package.")                                              \
	X(STEP_MARK, "Marking slot %1 as not bootable.")                                           \
	X(STEP_WRITE, "Writing slot %1.")                                                          \
	X(STEP_READ_BACK, "Reading slot %1 back from the medium.")                                 \
	X(STEP_COMMIT, "Switching the boot flags to slot %1.")                                     \
	X(STEP_ERASE_MARK, "Storing that user data is being erased.")                              \
	X(STEP_ERASE, "Overwriting user data with zeros.")                                         \
	X(STEP_ERASE_READ_BACK, "Reading what was erased back from the medium.")                   \
	X(AT_CHECK, "checking")                                                                    \
	X(AT_WRITE, "writing")                                                                     \
	X(AT_ERASE, "erasing")                                                                     \
	X(AT_READ_BACK, "reading back")                                                            \
	X(DONE_OF, "%1 of %2")                                                                     \
	X(PROGRESS, "%1 %2, %3")                                                                   \
	X(PROGRESS_SPEED, ", %1/s")                                                                \
	X(LEFT_FEW, ", a few seconds left")                                                        \
	X(LEFT_SECONDS, ", about %1 s left")                                                       \
	X(LEFT_MINUTES, ", about %1 min left")                                                     \
	X(LEFT_HOURS, ", about %1 h %2 min left")                                                  \
	X(DONE_IN, "done in %1: %2 written, %3 unchanged")                                         \
	X(ERASED_IN, "done in %1: %2 overwritten, %3 held zeros already")                          \
	X(SECONDS, "%1 s")                                                                         \
	X(MINUTES, "%1 min %2 s")                                                                  \
	/* the end */                                                                              \
	X(RESULT_OK, "ok (0)")                                                                     \
	X(RESULT_BAD, "%1 (%2), code %3 %4")                                                       \
	X(INSTALLED, "Version %1 (release %2) is installed in slot %3.")                           \
	X(CONFIRMED, "Version %1 (release %2) in slot %3 is confirmed.")                           \
	X(CONFIRMED_UNKNOWN, "The system in slot %3 is confirmed.")                                \
	X(VERIFIED, "Version %1 (release %2) is genuine and complete.")                            \
	X(DONE, "Done.")                                                                           \
	X(WIPED, "User data is erased.")                                                           \
	X(WIPE_NAMES, "%1 (%2)")                                                                   \
	X(WIPE_TAKES, "Overwritten with zeros, and read back: %1.")                                \
	X(WIPE_REQUESTED, "User data is erased at the next start, by recovery, before anything "   \
			  "else.")                                                                 \
	X(WIPE_WITHDRAWN, "Nothing is erased at the next start.")                                  \
	X(DATA_REMAINS, "User data may still be on this device.")                                  \
	X(WIPE_GOES_ON, "Not all of it is erased. That goes on when recovery starts.")             \
	X(THE_PACKAGE, "package")                                                                  \
	X(FAULT_IMAGE, "image %1")                                                                 \
	X(FAULT_OFFSET, "at byte %1")                                                              \
	X(FAULT_ERRNO, "error %1")                                                                 \
	X(FAULT_ERRNO_TEXT, "%2, error %1")                                                        \
	X(STICK_CAN_GO, "The stick can be removed now.")                                           \
	X(ON_TRIAL, "The new system starts on trial. If it does not confirm itself, slot %1 with " \
		    "%2 starts again.")                                                            \
	X(ON_TRIAL_ALONE, "The new system starts on trial. If it does not confirm itself, "        \
			  "recovery starts again.")                                                \
	X(UNTOUCHED, "Nothing on the device was changed.")                                         \
	X(STANDS, "Nothing is done by itself for five minutes; then it goes on.")                  \
	X(INCOMPLETE, "Slot %1 is not complete and is not started.")                               \
	X(OTHER_AS_IT_WAS, " Slot %1 with %2 is as it was.")                                       \
	X(INCOMPLETE_ALONE, "Slot %1 is not complete. Recovery starts until an install succeeds.") \
	X(LEAVE_RESTART, "Restarting.")                                                            \
	X(LEAVE_POWER_OFF, "Switching off.")                                                       \
	X(LEAVE_SHELL, "Maintenance shell of a development build; 'exit' comes back to recovery.") \
	/* tables of status */                                                                     \
	X(RESULTS_TITLE, "Last results, the newest first")                                         \
	X(RESULTS_NONE, "No results yet.")                                                         \
	X(WHAT_INSTALL, "install")                                                                 \
	X(WHAT_CONFIRM, "confirm")                                                                 \
	X(WHAT_TRIAL, "trial")                                                                     \
	X(WHAT_VERIFY, "verify")                                                                   \
	X(WHAT_WIPE, "wipe")                                                                       \
	X(WHAT_OTHER, "work")                                                                      \
	X(IN_SLOT, "slot %1")                                                                      \
	X(AT_BOOT, "boot %1")                                                                      \
	/* what the system says */                                                                 \
	X(ERRNO_EPERM, "not permitted")                                                            \
	X(ERRNO_ENOENT, "no such file")                                                            \
	X(ERRNO_EIO, "input/output error")                                                         \
	X(ERRNO_ENAMETOOLONG, "the name is too long")                                              \
	X(ERRNO_ELOOP, "too many links")                                                           \
	X(ERRNO_EISDIR, "is a folder")                                                             \
	X(ERRNO_ESPIPE, "not a file or block device")                                              \
	X(ERRNO_ENOTDIR, "not a folder")                                                           \
	X(ERRNO_EFBIG, "too large")                                                                \
	X(ERRNO_EMFILE, "too many open files")                                                     \
	X(ERRNO_ENXIO, "no such device")                                                           \
	X(ERRNO_ENOMEM, "out of memory")                                                           \
	X(ERRNO_EACCES, "permission denied")                                                       \
	X(ERRNO_EBUSY, "busy")                                                                     \
	X(ERRNO_ENOSPC, "no space left")                                                           \
	X(ERRNO_EROFS, "read-only")                                                                \
	X(ERRNO_ENETDOWN, "network is down")                                                       \
	X(ERRNO_ENETUNREACH, "network is unreachable")                                             \
	X(ERRNO_ECONNRESET, "connection reset")                                                    \
	X(ERRNO_ETIMEDOUT, "timed out")                                                            \
	X(ERRNO_ECONNREFUSED, "connection refused")                                                \
	X(ERRNO_EHOSTUNREACH, "host is unreachable")                                               \
	X(ERRNO_ENOMEDIUM, "no medium")

#define STRING_LABEL_WIDTH 10

#define STRING_ENUM(name, text) STRING_##name,
enum string { STRING_TABLE(STRING_ENUM) STRING_COUNT };
#undef STRING_ENUM

/* The text of a string. Never NULL. */
const char *string(enum string id);

/* Appends a string. */
void say(struct text *t, enum string id);
/* Appends a string with %1 to %4 replaced; NULL counts as "". */
void say_with(struct text *t, enum string id, const char *a, const char *b, const char *c,
	      const char *d);

#endif
