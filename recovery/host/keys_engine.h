#ifndef LIFEBOAT_HOST_KEYS_ENGINE_H
#define LIFEBOAT_HOST_KEYS_ENGINE_H

#include <openssl/evp.h>
#include <openssl/ui.h>
#include <stdbool.h>

/* The private key at a pkcs11: address (RFC 7512), or NULL. *known: there is an engine that knows
 * such addresses. */
EVP_PKEY *keys_engine_load(const char *uri, UI_METHOD *ui, void *ui_data, bool *known);

#endif
