#include "keys.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "keys_engine.h"
#include "text.h"

#define PASS_MIN 4
#define PASS_MAX 1024
#define PEM_MAX (64u << 10)

/* DER of a P-256 SubjectPublicKeyInfo up to the point (RFC 5480 section 2). */
static const uint8_t spki_start[KEYS_SPKI_LEN - 65] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
};

static void key_id(const uint8_t point[65], uint8_t id[HASH_LEN])
{
	uint8_t spki[KEYS_SPKI_LEN];
	memcpy(spki, spki_start, sizeof(spki_start));
	memcpy(spki + sizeof(spki_start), point, 65);
	SHA256(spki, sizeof(spki), id);
}

void keys_id_text(const uint8_t id[HASH_LEN], char text[2 * HASH_LEN + 1])
{
	struct text t = {.at = text, .size = 2 * HASH_LEN + 1, .len = 0};
	text_hex(&t, id, HASH_LEN);
}

static bool coordinate(EVP_PKEY *pkey, const char *which, uint8_t to[32])
{
	BIGNUM *number = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, which, &number) == 1 &&
		  BN_bn2binpad(number, to, 32) == 32;
	BN_free(number);
	return ok;
}

static bool coordinates(EVP_PKEY *pkey, uint8_t point[65])
{
	point[0] = 4; /* uncompressed: SEC 1 section 2.3.3 */
	return coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, point + 1) &&
	       coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, point + 33);
}

static bool point_of(EVP_PKEY *pkey, uint8_t point[65])
{
	unsigned char *der = NULL;

	if (coordinates(pkey, point))
		return true;
	/* A key in a token may not know its coordinates, but can be asked for its public half as a
	 * whole. */
	int len = i2d_PUBKEY(pkey, &der);
	const unsigned char *at = der;
	EVP_PKEY *public = len > 0 ? d2i_PUBKEY(NULL, &at, len) : NULL;
	bool ok = public && coordinates(public, point);
	EVP_PKEY_free(public);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok;
}

enum status keys_public_of(struct trust_key *key, EVP_PKEY *pkey, const char *object,
			   struct problem *problem)
{
	static const char advice[] = "Make one for Lifeboat with `lifeboat-pack keygen`";
	char curve[64] = "";

	if (!EVP_PKEY_is_a(pkey, "EC")) {
		const char *type = EVP_PKEY_get0_type_name(pkey);
		return problem_set(problem, STATUS_USAGE, object,
				   "is a key of type %s; packages are signed with ECDSA on P-256. "
				   "%s.",
				   type ? type : "unknown", advice);
	}
	if (EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) != 1 ||
	    (strcmp(curve, "prime256v1") != 0 && strcmp(curve, "P-256") != 0))
		return problem_set(problem, STATUS_USAGE, object,
				   "is a key on the curve %s; packages are signed on P-256. %s.",
				   curve[0] ? curve : "(unnamed)", advice);
	if (!point_of(pkey, key->point))
		return problem_set(problem, STATUS_USAGE, object,
				   "has no public half that can be read. %s.", advice);
	key_id(key->point, key->id);
	return STATUS_OK;
}

/* --- PEM --- */

enum pem_kind { PEM_NONE, PEM_PUBLIC, PEM_PRIVATE, PEM_CERTIFICATE, PEM_REQUEST, PEM_OTHER };

static enum pem_kind pem_kind_of(const char *name)
{
	size_t len = strlen(name);
	if (strcmp(name, "PUBLIC KEY") == 0)
		return PEM_PUBLIC;
	if (strcmp(name, "EC PARAMETERS") == 0)
		return PEM_NONE; /* stands before the key in files of `openssl ecparam -genkey` */
	if (len >= 11 && strcmp(name + len - 11, "PRIVATE KEY") == 0)
		return PEM_PRIVATE;
	if (strstr(name, "CERTIFICATE REQUEST"))
		return PEM_REQUEST;
	return strstr(name, "CERTIFICATE") ? PEM_CERTIFICATE : PEM_OTHER;
}

/* The first thing that a PEM file holds, and how many there are. */
static enum pem_kind pem_look(const uint8_t *bytes, size_t len, unsigned *count)
{
	enum pem_kind first = PEM_NONE;
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	char *name, *header;
	unsigned char *data;
	long data_len;

	*count = 0;
	while (bio && PEM_read_bio(bio, &name, &header, &data, &data_len) == 1) {
		enum pem_kind kind = pem_kind_of(name);
		if (kind != PEM_NONE && (*count)++ == 0)
			first = kind;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)data_len);
	}
	BIO_free(bio);
	ERR_clear_error();
	return first;
}

/* Checks that a key file holds one thing of the wanted kind, and says what it holds otherwise. */
static enum status pem_expect(enum pem_kind wanted, const uint8_t *bytes, size_t len,
			      const char *path, struct problem *problem)
{
	unsigned count;
	const char *want = wanted == PEM_PUBLIC ? "public" : "private";
	enum pem_kind kind = pem_look(bytes, len, &count);

	if (kind == wanted && count == 1)
		return STATUS_OK;
	if (kind == wanted)
		return problem_set(problem, STATUS_USAGE, path,
				   "holds %u keys. Put each into a file of its own.", count);
	switch (kind) {
	case PEM_PUBLIC:
		return problem_set(problem, STATUS_USAGE, path,
				   "is a public key, but signing takes the private one. "
				   "Name the .key file.");
	case PEM_PRIVATE:
		return problem_set(problem, STATUS_USAGE, path,
				   "is a private key, which belongs into no device. "
				   "Name the .pub file.");
	case PEM_CERTIFICATE:
		return problem_set(problem, STATUS_USAGE, path,
				   "is a certificate, but a %s key is wanted.%s", want,
				   wanted == PEM_PUBLIC ? " Take the key out of it with "
							  "`openssl x509 -pubkey -noout -in`."
							: " Name the .key file.");
	case PEM_REQUEST:
		return problem_set(problem, STATUS_USAGE, path,
				   "is a certificate request, but a %s key is wanted. "
				   "Name the .%s file.",
				   want, wanted == PEM_PUBLIC ? "pub" : "key");
	case PEM_OTHER:
		return problem_set(problem, STATUS_USAGE, path,
				   "holds something other than a key. Name a %s key in PEM.", want);
	default:
		break;
	}
	if (!len)
		return problem_set(problem, STATUS_USAGE, path,
				   "is empty, but a %s key is wanted. Check the name.", want);
	if (bytes[0] == 0x30)
		return problem_set(problem, STATUS_USAGE, path,
				   "looks like DER. Turn it into PEM with "
				   "`openssl pkey %s-inform DER -in`.",
				   wanted == PEM_PUBLIC ? "-pubin -pubout " : "");
	return problem_set(problem, STATUS_USAGE, path, "holds no key in PEM. Name a %s key.",
			   want);
}

/* --- public keys --- */

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = strlen(name);
	if (len > 4 && strcmp(name + len - 4, ".pub") == 0)
		len -= 4;
	return memory_text("%.*s", (int)len, name);
}

enum status keys_load_public(struct trust_key *key, const char *path, struct problem *problem)
{
	uint8_t *bytes;
	size_t len;

	*key = (struct trust_key){.name = NULL};
	if (file_load(path, PEM_MAX, &bytes, &len, problem) != STATUS_OK)
		return problem->status;
	if (pem_expect(PEM_PUBLIC, bytes, len, path, problem) == STATUS_OK) {
		BIO *bio = BIO_new_mem_buf(bytes, (int)len);
		EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
		if (pkey)
			keys_public_of(key, pkey, path, problem);
		else
			problem_set(
				problem, STATUS_USAGE, path,
				"is a damaged public key. Get it again from where it was made.");
		EVP_PKEY_free(pkey);
		BIO_free(bio);
		ERR_clear_error();
	}
	free(bytes);
	if (problem->status == STATUS_OK)
		key->name = name_of(path);
	return problem->status;
}

enum status keys_load_trust(struct trust *trust, const char *const *paths, size_t count,
			    struct problem *problem)
{
	struct trust_key *keys = memory_get(count * sizeof(*keys));

	*trust = (struct trust){.keys = keys, .count = count};
	for (size_t i = 0; i < count; i++) {
		if (keys_load_public(&keys[i], paths[i], problem) != STATUS_OK)
			return problem->status;
		for (size_t k = 0; k < i; k++) {
			if (hash_equal(keys[k].id, keys[i].id))
				return problem_set(problem, STATUS_USAGE, paths[i],
						   "is the same key as %s. Name each key once.",
						   paths[k]);
		}
	}
	return STATUS_OK;
}

void keys_free_trust(struct trust *trust)
{
	for (size_t i = 0; i < trust->count; i++)
		free((char *)trust->keys[i].name); /* const for core; made by name_of */
	free((struct trust_key *)trust->keys);
	*trust = (struct trust){.keys = NULL};
}

/* --- private keys --- */

enum status keys_load_pass(const char *path, char **pass, struct problem *problem)
{
	uint8_t *bytes;
	size_t len;

	*pass = NULL;
	if (file_load(path, 4096, &bytes, &len, problem) != STATUS_OK)
		return problem->status;
	bytes[strcspn((char *)bytes, "\r\n")] = 0;
	if (!bytes[0]) {
		free(bytes);
		return problem_set(problem, STATUS_USAGE, path,
				   "has no pass phrase on its first line. Write one there.");
	}
	*pass = (char *)bytes;
	return STATUS_OK;
}

bool keys_ask_pass(const char *name, bool twice, char **pass)
{
	char typed[PASS_MAX + 1];
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);

	*pass = NULL;
	if (terminal < 0) /* OpenSSL would take standard input then */
		return false;
	close(terminal);
	char *prompt = memory_text("Pass phrase of %s: ", name);
	if (EVP_read_pw_string_min(typed, twice ? PASS_MIN : 0, sizeof(typed), prompt, twice) == 0)
		*pass = memory_text("%s", typed);
	OPENSSL_cleanse(typed, sizeof(typed));
	ERR_clear_error();
	free(prompt);
	return *pass != NULL;
}

struct asking {
	const char *name; /* of the key */
	char *pass;	  /* NULL: ask on the terminal */
	bool asked;
};

/* OpenSSL asks again for each form that it tries: the person answers once. */
static int give_pass(char *buf, int size, int writing, void *data)
{
	struct asking *asking = data;
	bool again = asking->asked;

	(void)writing;
	asking->asked = true;
	if (!asking->pass && (again || !keys_ask_pass(asking->name, false, &asking->pass)))
		return -1;
	size_t len = strlen(asking->pass);
	if (len > (size_t)size)
		return -1;
	memcpy(buf, asking->pass, len);
	return (int)len;
}

static enum status load_pem_private(EVP_PKEY **pkey, const char *path, struct asking *asking,
				    struct problem *problem)
{
	uint8_t *bytes;
	size_t len;

	if (file_load(path, PEM_MAX, &bytes, &len, problem) != STATUS_OK)
		return problem->status;
	if (pem_expect(PEM_PRIVATE, bytes, len, path, problem) == STATUS_OK) {
		BIO *bio = BIO_new_mem_buf(bytes, (int)len);
		*pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_pass, asking) : NULL;
		if (!*pkey && asking->asked)
			problem_set(problem, STATUS_NOT_PERMITTED, path,
				    "is protected by a pass phrase, and the right one was not "
				    "given. Type it, or use --pass-file.");
		else if (!*pkey)
			problem_set(problem, STATUS_USAGE, path,
				    "is a damaged private key. Take it from your copy.");
		BIO_free(bio);
		ERR_clear_error();
	}
	OPENSSL_cleanse(bytes, len);
	free(bytes);
	return problem->status;
}

/* "scheme:", as in RFC 3986, and no file of that name. */
static bool is_uri(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
	struct stat at;
	return len > 1 && name[len] == ':' && stat(name, &at) != 0;
}

/* The first private key that a provider finds at an address. *known: there is one that knows such
 * addresses. */
static EVP_PKEY *load_from_provider(const char *uri, UI_METHOD *ui, struct asking *asking,
				    bool *known)
{
	EVP_PKEY *pkey = NULL;
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, ui, asking, NULL, NULL);

	*known = store != NULL;
	if (!store)
		return NULL;
	OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
	while (!pkey && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		if (info)
			pkey = OSSL_STORE_INFO_get1_PKEY(info);
		else if (OSSL_STORE_error(store))
			break;
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	return pkey;
}

static enum status load_stored_private(EVP_PKEY **pkey, const char *uri, struct asking *asking,
				       struct problem *problem)
{
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_pass, 0);
	bool provider, engine = false;

	*pkey = load_from_provider(uri, ui, asking, &provider);
	if (!*pkey && !provider)
		*pkey = keys_engine_load(uri, ui, asking, &engine);
	if (!*pkey && !provider && !engine)
		problem_set(problem, STATUS_USAGE, uri,
			    "cannot be opened: no OpenSSL provider or engine on this machine knows "
			    "this kind of address. Install one (for pkcs11: pkcs11-provider, or "
			    "libengine-pkcs11-openssl).");
	else if (!*pkey)
		problem_set(problem, STATUS_DOWNLOAD_FAILED, uri,
			    "gives no private key. Check the address, the PIN and that the token "
			    "is plugged in.");
	UI_destroy_method(ui);
	ERR_clear_error();
	return problem->status;
}

/* A token's key may come with a number that stands for it and is not it. */
static void extract(struct private_key *key)
{
	BIGNUM *number = NULL;
	if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1)
		key->extractable = BN_bn2binpad(number, key->scalar, sizeof(key->scalar)) ==
					   sizeof(key->scalar) &&
				   keys_scalar_fits(key);
	BN_clear_free(number);
	ERR_clear_error();
}

enum status keys_load_private(struct private_key *key, const char *name, const char *pass_file,
			      struct problem *problem)
{
	struct asking asking = {.name = name};

	*key = (struct private_key){.pkey = NULL};
	if (pass_file && keys_load_pass(pass_file, &asking.pass, problem) != STATUS_OK)
		return problem->status;
	if (is_uri(name))
		load_stored_private(&key->pkey, name, &asking, problem);
	else
		load_pem_private(&key->pkey, name, &asking, problem);
	if (asking.pass)
		OPENSSL_cleanse(asking.pass, strlen(asking.pass));
	free(asking.pass);
	if (problem->status != STATUS_OK)
		return problem->status;
	if (keys_public_of(&key->public, key->pkey, name, problem) != STATUS_OK)
		return problem->status;
	key->public.name = name;
	extract(key);
	return STATUS_OK;
}

void keys_free_private(struct private_key *key)
{
	EVP_PKEY_free(key->pkey);
	OPENSSL_cleanse(key, sizeof(*key));
}
