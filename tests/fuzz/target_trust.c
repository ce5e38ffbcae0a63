/* The target signatures once more, with real ECDSA, which OpenSSL judges too. */
#include "target_signatures.c"
