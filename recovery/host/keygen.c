#include "verbs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "keys.h"
#include "options.h"

enum { ENCRYPT = 1, PASS_FILE };

static const struct option_spec specs[] = {
	{ENCRYPT, "encrypt", 0, false},
	{PASS_FILE, "pass-file", 0, true},
	{0},
};

/* Writes what a BIO holds to a file that must not exist yet. */
static enum status store(const char *path, BIO *bio, mode_t mode, struct problem *problem)
{
	struct output output;
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	if (output_open(&output, path, mode, problem) != STATUS_OK)
		return problem->status;
	if (output_append(&output, bytes, (size_t)len, problem) == STATUS_OK)
		output_commit(&output, true, problem);
	output_abandon(&output);
	return problem->status;
}

static enum status write_pair(const char *key_path, const char *pub_path, EVP_PKEY *pkey,
			      char *pass, struct problem *problem)
{
	BIO *key = BIO_new(BIO_s_secmem());
	BIO *pub = BIO_new(BIO_s_mem());

	if (!key || !pub || PEM_write_bio_PUBKEY(pub, pkey) != 1)
		problem_set(problem, STATUS_INSTALL_FAILED, pub_path,
			    "could not be made: OpenSSL failed. Check its installation.");
	else if (PEM_write_bio_PKCS8PrivateKey(key, pkey, pass ? EVP_aes_256_cbc() : NULL, pass,
					       pass ? (int)strlen(pass) : 0, NULL, NULL) != 1)
		problem_set(problem, STATUS_INSTALL_FAILED, key_path,
			    "could not be made: OpenSSL failed. Check its installation.");
	else if (store(key_path, key, 0600, problem) == STATUS_OK &&
		 store(pub_path, pub, 0644, problem) != STATUS_OK)
		unlink(key_path); /* made a moment ago by this process, and nothing was told of it
				   */
	BIO_free(key);
	BIO_free(pub);
	ERR_clear_error();
	return problem->status;
}

/* Before a pass phrase is asked for; store() makes sure of it. */
static enum status refuse_existing(const char *path, struct problem *problem)
{
	if (access(path, F_OK) == 0)
		problem_set(problem, STATUS_NOT_PERMITTED, path,
			    "exists already and is never overwritten. "
			    "Choose another name, or move it away.");
	return problem->status;
}

static enum status make_pair(const char *key_path, const char *pub_path, char *pass,
			     struct trust_key *public, struct problem *problem)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	if (!pkey)
		problem_set(problem, STATUS_INSTALL_FAILED, key_path,
			    "could not be made: OpenSSL failed. Check its installation.");
	else if (keys_public_of(public, pkey, key_path, problem) == STATUS_OK)
		write_pair(key_path, pub_path, pkey, pass, problem);
	EVP_PKEY_free(pkey);
	return problem->status;
}

static void forget(char *pass)
{
	if (pass)
		OPENSSL_cleanse(pass, strlen(pass));
	free(pass);
}

/* pass: NULL: none; when encrypt is true it is asked for then. */
static enum status make(const char *name, bool encrypt, char *pass, struct problem *problem)
{
	char *key_path = memory_text("%s.key", name);
	char *pub_path = memory_text("%s.pub", name);
	char *asked = NULL;
	char id[2 * HASH_LEN + 1];
	struct trust_key public;

	if (refuse_existing(key_path, problem) == STATUS_OK &&
	    refuse_existing(pub_path, problem) == STATUS_OK) {
		if (encrypt && !pass && !keys_ask_pass(key_path, true, &asked))
			problem_set(problem, STATUS_NOT_PERMITTED, key_path,
				    "was not made: no pass phrase was given. Type the same one "
				    "twice, 4 characters or more, or use --pass-file.");
		else
			make_pair(key_path, pub_path, pass ? pass : asked, &public, problem);
		forget(asked);
	}
	if (problem->status == STATUS_OK) {
		keys_id_text(public.id, id);
		printf("private key: %s (keep it secret, and keep a copy)\n"
		       "public key:  %s (for the devices)\n"
		       "key id:      %s\n",
		       key_path, pub_path, id);
	}
	free(key_path);
	free(pub_path);
	return problem->status;
}

static enum status run(char **words, struct problem *problem)
{
	struct options options = {.verb = "keygen", .specs = specs, .next = words};
	const char *name = NULL, *pass_file = NULL;
	bool encrypt = false;
	char *pass = NULL;
	const struct option_place places[] = {
		{ENCRYPT, .given = &encrypt},
		{PASS_FILE, .value = &pass_file},
		{OPTION_ARGUMENT, .value = &name},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) != STATUS_OK)
		return problem->status;
	if (!name || !name[0])
		return problem_set(problem, STATUS_USAGE, "NAME",
				   "is missing. See `lifeboat-pack keygen --help`.");
	if (pass_file && keys_load_pass(pass_file, &pass, problem) != STATUS_OK)
		return problem->status;
	make(name, encrypt, pass, problem);
	forget(pass);
	return problem->status;
}

const struct verb verb_keygen = {
	.name = "keygen",
	.summary = "make a key pair for signing",
	.help = "Usage: lifeboat-pack keygen [--encrypt] [--pass-file FILE] NAME\n\n"
		"Makes NAME.key (private, PEM PKCS #8, readable by its owner only) and NAME.pub\n"
		"(public, PEM), ECDSA on P-256, and prints the key's id. An existing file is "
		"never\n"
		"overwritten.\n\n"
		"  --encrypt         ask for a pass phrase to protect the private key\n"
		"  --pass-file FILE  the same, with the pass phrase on the first line of FILE\n",
	.run = run,
};
