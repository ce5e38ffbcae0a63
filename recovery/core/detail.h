/*
 * Status and detail codes.
 *
 * Every check that can fail has its own number, so that one number from the field finds the line.
 * The table (detail.c) is append-only: a number is never given a second meaning. status = detail /
 * 100.
 *
 * Functions of core return an enum detail; DETAIL_OK is 0. Context (which object, which image,
 * errno) goes to a struct fault that the caller owns.
 */
#ifndef LIFEBOAT_DETAIL_H
#define LIFEBOAT_DETAIL_H

#include <stddef.h>
#include <stdint.h>

enum status {
	STATUS_OK = 0,
	STATUS_USAGE = 2,
	STATUS_NOT_PERMITTED = 3,
	STATUS_DOWNLOAD_FAILED = 10,
	STATUS_VERIFY_FAILED = 20,
	STATUS_INSTALL_FAILED = 30,
	STATUS_POSTCHECK_FAILED = 40,
};

/*
 * X(name, number, sentence, advice)
 *
 * The sentence follows the object's name and a colon ("stick: was pulled out ..."), so it starts in
 * lower case.
 */
#define DETAIL_TABLE(X)                                                                            \
	X(OK, 0, "done", "")                                                                       \
	/* 2xx, 3xx: the caller's */                                                               \
	X(USAGE, 201, "is not what this command takes", "See `lifeboat --help`.")                  \
	X(NOT_PERMITTED, 301, "is not permitted here",                                             \
	  "Be root; in recovery, choose it from the menu.")                                        \
	X(OLDER_NEEDS_CONSENT, 302, "is older than the installed release",                         \
	  "Say yes on the screen, or add --allow-older.")                                          \
	X(SINGLE_SLOT_RUNNING, 303, "cannot be installed while the only slot is running",          \
	  "Use `lifeboat request-recovery`, reboot, and install from recovery.")                   \
	X(NOT_CONFIRMED_YET, 305,                                                                  \
	  "is on trial, and the other slot is the only one that has proved itself",                \
	  "Run `lifeboat confirm` first.")                                                         \
	X(BUSY, 306, "is in use by another lifeboat process", "Wait for it to end.")               \
	X(NOT_RECOVERY, 307, "runs in the recovery system only",                                   \
	  "Use `lifeboat request-recovery` and restart, or `lifeboat install`.")                   \
	X(WIPE_NEEDS_CONSENT, 308, "is erased for good, so somebody must say yes",                 \
	  "Say yes on the screen, or add --yes.")                                                  \
	X(NOT_ON_TRIAL, 309, "has confirmed itself, and is not given up any more",                 \
	  "Install another release.")                                                              \
	/* 10xx: the package did not arrive */                                                     \
	X(SOURCE_NOT_FOUND, 1001, "cannot be opened",                                              \
	  "Check the name and that the medium is plugged in.")                                     \
	X(SOURCE_READ, 1002, "cannot be read",                                                     \
	  "Copy it again, or try another stick, card or port.")                                    \
	X(SOURCE_GONE, 1003, "was pulled out before the end",                                      \
	  "Plug it in again: the work goes on where it stopped.")                                  \
	X(NO_PACKAGE, 1004, "holds no package for this device",                                    \
	  "Copy a .boat file to the top folder or to lifeboat/ of the stick.")                     \
	X(MOUNT_FAILED, 1005, "has no file system that can be read",                               \
	  "Use a stick or card with vfat, exfat or ext4.")                                         \
	X(URL_INVALID, 1006, "is not a usable address", "Use http://host[:port]/path.")            \
	X(NETWORK_DOWN, 1007, "has no working network connection",                                 \
	  "Check the cable and the DHCP server.")                                                  \
	X(NAME_UNKNOWN, 1008, "cannot be resolved to an address",                                  \
	  "Check the name and the DNS server.")                                                    \
	X(CONNECT_FAILED, 1009, "does not accept connections",                                     \
	  "Check that the server runs and can be reached.")                                        \
	X(CONNECTION_LOST, 1010, "broke the connection, and trying again did not help",            \
	  "Check the network; what has arrived is kept.")                                          \
	X(HTTP_STATUS, 1011, "was answered by the server with an error",                           \
	  "Check the address; the server's status is shown.")                                      \
	X(HTTP_MALFORMED, 1012, "got an answer that is not HTTP",                                  \
	  "Check the server and proxies on the way.")                                              \
	X(HTTP_REDIRECTS, 1013, "is redirected without end", "Use the final address.")             \
	X(HTTP_LENGTH, 1014, "arrived with another length than announced",                         \
	  "Check the server; then try again.")                                                     \
	X(HTTP_NO_RANGE, 1015, "cannot be continued: the server does not support Range requests",  \
	  "Use a server that does.")                                                               \
	X(HTTP_CHANGED, 1016, "changed on the server while it was read", "Start again.")           \
	X(HTTP_REDIRECT_SCHEME, 1017, "is redirected to something other than http://",             \
	  "Use an http:// address.")                                                               \
	/* 20xx: the package is not to be trusted, or is not for this device */                    \
	X(TOO_SHORT, 2001, "is too short to be a package",                                         \
	  "Copy the file again; it is not complete.")                                              \
	X(NOT_A_PACKAGE, 2002, "is not a Lifeboat package", "Check that it is the right file.")    \
	X(FORMAT_VERSION, 2003, "has a package format that this version does not know",            \
	  "Update Lifeboat first.")                                                                \
	X(HEADER_FLAGS, 2004,                                                                      \
	  "has header flags or reserved bytes that this version does not know",                    \
	  "Update Lifeboat first.")                                                                \
	X(MANIFEST_LENGTH, 2005, "names a manifest length out of bounds",                          \
	  "The package is damaged; get it again.")                                                 \
	X(SIGNATURE_BLOCK, 2006, "has a malformed signature block",                                \
	  "The package is damaged; get it again.")                                                 \
	X(SIZE_MISMATCH, 2007, "has another size than its header says",                            \
	  "The file is cut short or has something appended; copy it again.")                       \
	X(UNSIGNED, 2008, "is not signed", "Sign it with `lifeboat-pack sign`.")                   \
	X(NO_KNOWN_KEY, 2009, "is signed with no key that this device trusts",                     \
	  "Use a package that was made for this device.")                                          \
	X(SIGNATURE_WRONG, 2010, "has a signature that does not hold",                             \
	  "The package is damaged or was changed; do not use it.")                                 \
	X(SIGNATURE_ALGORITHM, 2011, "has a signature algorithm that this version does not know",  \
	  "Update Lifeboat first.")                                                                \
	X(MANIFEST_MALFORMED, 2012, "has a manifest that is not a sound device tree",              \
	  "Build the package again.")                                                              \
	X(MANIFEST_MISSING, 2013, "is missing in the manifest", "Build the package again.")        \
	X(MANIFEST_UNKNOWN, 2014, "is unknown to this version but stands in the manifest",         \
	  "Update Lifeboat first.")                                                                \
	X(MANIFEST_VALUE, 2015, "has a value in the manifest that is not allowed",                 \
	  "Build the package again.")                                                              \
	X(THRESHOLD, 2016, "asks for another number of signatures than one",                       \
	  "Update Lifeboat first.")                                                                \
	X(ROLE_UNKNOWN, 2017, "is a signature role that this version does not know",               \
	  "Update Lifeboat first.")                                                                \
	X(ENCRYPTED, 2018, "is encrypted, which this version does not support",                    \
	  "Use a package that is not.")                                                            \
	X(SEGMENT_LAYOUT, 2019, "has segments that do not follow each other",                      \
	  "Build the package again.")                                                              \
	X(INDEX_HASH, 2020, "has an index page that the manifest does not vouch for",              \
	  "The package is damaged; get it again.")                                                 \
	X(INDEX_MALFORMED, 2021, "has an index page that makes no sense",                          \
	  "Build the package again.")                                                              \
	X(CHUNK_KIND, 2022, "has a chunk kind or flag that this version does not know",            \
	  "Update Lifeboat first.")                                                                \
	X(CHUNK_LENGTH, 2023, "has a chunk of a length that is not allowed",                       \
	  "Build the package again.")                                                              \
	X(CHUNK_STORED_HASH, 2024, "has a chunk whose stored bytes do not match",                  \
	  "The package is damaged; get it again.")                                                 \
	X(CHUNK_DECOMPRESS, 2025, "has a chunk that cannot be decompressed",                       \
	  "Build the package again.")                                                              \
	X(CHUNK_PLAIN_HASH, 2026, "has a chunk whose plain bytes do not match",                    \
	  "Build the package again.")                                                              \
	X(IMAGE_HASH, 2027, "has an image whose SHA-256 does not match its chunks",                \
	  "Build the package again.")                                                              \
	X(ENDED_EARLY, 2028, "ended before its last byte",                                         \
	  "Copy the file again; it is not complete.")                                              \
	X(WRONG_PRODUCT, 2029, "is for another product", "Use the package for this device.")       \
	X(BELOW_FLOOR, 2030, "is older than the oldest release that this device may run",          \
	  "Use a newer package.")                                                                  \
	X(NEEDS_NEWER_INSTALLED, 2031, "needs a newer installed release first",                    \
	  "Install the release in between.")                                                       \
	X(KEY_EPOCH, 2032, "is from a key epoch that this device has left behind",                 \
	  "Use a newer package.")                                                                  \
	X(IMAGE_ROLE_UNKNOWN, 2033, "is an image that this board has no place for",                \
	  "Use the package for this device.")                                                      \
	X(IMAGE_ROLE_MISSING, 2034, "is needed by this board and is not in the package",           \
	  "Use a complete package.")                                                               \
	X(NO_TRUST_STORE, 2035, "cannot be checked: this program has no keys built in",            \
	  "Install a release build of Lifeboat.")                                                  \
	X(PACKAGE_SWAPPED, 2036, "is not the package that was agreed to any more",                 \
	  "Do not change the stick or the server meanwhile; start again.")                         \
	/* 30xx: the device could not be changed */                                                \
	X(BOARD_MISSING, 3001, "has no board tree",                                                \
	  "Add the node /lifeboat to the device tree, or pass --board.")                           \
	X(BOARD_INVALID, 3002, "is wrong in the board tree", "Correct the board tree.")            \
	X(DISK_NOT_FOUND, 3003, "is on no disk of this device",                                    \
	  "Check the partition labels and the board tree.")                                        \
	X(DISK_AMBIGUOUS, 3004, "is on more than one disk",                                        \
	  "Remove one, or name the storage in the board tree.")                                    \
	X(GPT_INVALID, 3005, "has no sound partition table", "Partition the disk again.")          \
	X(PARTITION_MISSING, 3006, "is not in the partition table",                                \
	  "Check the partition labels and the board tree.")                                        \
	X(PARTITION_TWICE, 3007, "is more than once in the partition table",                       \
	  "Make the labels unique.")                                                               \
	X(PARTITION_BUSY, 3008, "is mounted or in use", "Unmount it first.")                       \
	X(PARTITION_CHANGED, 3009, "lies elsewhere for the kernel than in the partition table",    \
	  "Reboot, so that the kernel reads the table again.")                                     \
	X(DEVICE_OPEN, 3010, "cannot be opened",                                                   \
	  "Check the name, that you are root, and that the device works.")                         \
	X(DEVICE_READ, 3011, "cannot be read",                                                     \
	  "The storage is failing: see the kernel's log, and replace it.")                         \
	X(DEVICE_WRITE, 3012, "cannot be written", "It is failing, full or write-protected.")      \
	X(DEVICE_FLUSH, 3013, "cannot be flushed",                                                 \
	  "The storage is failing: see the kernel's log, and replace it.")                         \
	X(IMAGE_TOO_LARGE, 3014, "does not fit into its partition",                                \
	  "Use a smaller image or a larger partition.")                                            \
	X(EXTENT_OVERLAP, 3015, "overlap on the disk",                                             \
	  "Correct the board tree or the partition table.")                                        \
	X(SLOT_UNKNOWN, 3017, "is not a slot of this board", "Use one of the board tree's slots.") \
	X(READ_BACK, 3018, "does not hold what was written to it",                                 \
	  "The storage is failing: replace it.")                                                   \
	X(FLAGS_DAMAGED, 3019, "is damaged in both copies",                                        \
	  "Install from recovery: that writes it anew.")                                           \
	X(FLAGS_FULL, 3021, "has no room for the boot flags",                                      \
	  "Remove variables that are not needed.")                                                 \
	X(FLAGS_NOT_STORED, 3022, "could not be stored",                                           \
	  "The storage is failing: see the kernel's log, and replace it.")                         \
	X(STATE_TOO_SMALL, 3023, "is too small for the state", "Make it 3 MiB or larger.")         \
	X(CHUNK_CHANGED, 3024, "changed between check and write",                                  \
	  "The memory is failing: replace the device.")                                            \
	X(NOT_ENOUGH_SPACE, 3025, "has not enough free space", "Free some space.")                 \
	X(INTERRUPTED, 3026, "was interrupted before it was done",                                 \
	  "Start it again: it goes on where it stopped.")                                          \
	X(NO_MEDIUM, 3027, "has no stick or card that can be used",                                \
	  "Plug in a stick with vfat, exfat or ext4.")                                             \
	X(NO_SYSTEM, 3028, "has no system that could be started", "Install a package.")            \
	X(SLOT_KEPT, 3029,                                                                         \
	  "runs, or is the only one that has proved itself: it is not overwritten",                \
	  "Leave out --slot: Lifeboat chooses.")                                                   \
	X(STATE_LOST, 3030,                                                                        \
	  "held nothing that is valid: rollback floor, key epoch, history and log are lost",       \
	  "Install a current release; find out what erased it.")                                   \
	X(NOTHING_TO_WIPE, 3031, "names no partition that may be erased",                          \
	  "Add the property wipe to the board tree.")                                              \
	X(WIPE_GIVEN_UP, 3032, "was begun again and again, and never came to its end",             \
	  "Choose it again; the storage may be failing.")                                          \
	X(RESTARTS, 3033, "was started again and again, and got on with nothing",                  \
	  "Choose from the menu; the power supply, the stick or the storage may be failing.")      \
	/* 40xx: the installed system did not prove itself */                                      \
	X(HEALTH_FAILED, 4001, "failed its health check",                                          \
	  "See `lifeboat log`, which has what the check said.")                                    \
	X(HEALTH_TIMEOUT, 4002, "did not end its health check in time",                            \
	  "See `lifeboat log`; make the check quicker, or health-timeout longer.")                 \
	X(TRIAL_FAILED, 4003, "did not confirm itself and was given up",                           \
	  "See `lifeboat log` for the cause; install a later release.")                            \
	X(HEALTH_UNUSABLE, 4004, "cannot be run as a health check", "Make it an executable file.") \
	X(SLOT_NOT_RUNNING, 4005, "does not say which slot is running",                            \
	  "The boot script must pass lifeboat.slot= to the kernel.")                               \
	X(FELL_BACK, 4006, "did not come up any more, and the system before it was started",       \
	  "See `lifeboat log` for the cause; install it again, or a later release.")               \
	X(REJECTED, 4007, "was given up by hand",                                                  \
	  "Install something newer; nothing installs this package again by itself.")               \
	X(SLOT_NOT_BOOTABLE, 4008, "is marked as not bootable, and cannot confirm itself",         \
	  "Install a package into it; the boot script starts it then.")                            \
	X(FLAGS_WENT_BACK, 4009, "was installed, and the boot flags do not name it any more",      \
	  "Install it again.")

#define DETAIL_ENUM(name, number, sentence, advice) DETAIL_##name = (number),
enum detail { DETAIL_TABLE(DETAIL_ENUM) };
#undef DETAIL_ENUM

/*
 * What went wrong, for the result, the log and the screen. Filled by whoever finds the fault;
 * strings are cut.
 */
struct fault {
	enum detail detail;
	int sys_errno;	  /* 0: none */
	uint64_t offset;  /* in the image or device, where it applies */
	char role[32];	  /* of the image, or empty */
	char object[160]; /* what the sentence is about, with the numbers that explain it */
};

/* Sets the fault. object is cut to fit; NULL: "". fault may be NULL. */
void fault_fill(struct fault *fault, enum detail detail, const char *object, int sys_errno);

/* The same, and return the detail. Inline, so that who reads the caller alone (a compiler, an
 * analyser) sees that what comes back is the code that went in. */
static inline enum detail fault_errno(struct fault *fault, enum detail detail, const char *object,
				      int sys_errno)
{
	fault_fill(fault, detail, object, sys_errno);
	return detail;
}

static inline enum detail fault_set(struct fault *fault, enum detail detail, const char *object)
{
	return fault_errno(fault, detail, object, 0);
}

enum status detail_status(enum detail detail);
const char *
detail_name(enum detail detail); /* "SOURCE_GONE"; "UNKNOWN" for a number not in the table */
const char *detail_sentence(enum detail detail); /* never NULL */
const char *detail_advice(enum detail detail);	 /* never NULL, may be empty */
const char *status_name(enum status status);	 /* "ok", "download_failed", ... */

/* The i-th row of the table, DETAIL_OK at 0; returns 0, or -1 past its end. */
int detail_at(size_t i, enum detail *detail);

#endif
