/*
 * Keys behind an OpenSSL engine. Engines are what OpenSSL had before providers; Debian 12 has one
 * for PKCS #11 (libengine-pkcs11-openssl), and no provider.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "keys_engine.h"

#include <openssl/engine.h>
#include <openssl/err.h>
#include <string.h>

#ifdef OPENSSL_NO_ENGINE

EVP_PKEY *keys_engine_load(const char *uri, UI_METHOD *ui, void *ui_data, bool *known)
{
	(void)uri;
	(void)ui;
	(void)ui_data;
	*known = false;
	return NULL;
}

#else

EVP_PKEY *keys_engine_load(const char *uri, UI_METHOD *ui, void *ui_data, bool *known)
{
	EVP_PKEY *pkey = NULL;

	*known = false;
	if (strncmp(uri, "pkcs11:", 7) != 0)
		return NULL;
	ENGINE_load_builtin_engines();
	ENGINE *engine = ENGINE_by_id("pkcs11");
	if (engine && ENGINE_init(engine)) {
		*known = true;
		pkey = ENGINE_load_private_key(engine, uri, ui, ui_data);
		ENGINE_finish(engine); /* the key keeps a hold of its own */
	}
	ENGINE_free(engine);
	ERR_clear_error();
	return pkey;
}

#endif
