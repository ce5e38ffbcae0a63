#include "package.h"
#include "bytes.h"

const uint8_t package_magic[8] = {0x4c, 0x42, 0x4f, 0x41, 0x54, 0x0d, 0x0a, 0x1a};

enum detail package_header_load(const uint8_t raw[PACKAGE_HEADER_LEN],
				struct package_header *header)
{
	if (memcmp(raw, package_magic, sizeof(package_magic)))
		return DETAIL_NOT_A_PACKAGE;
	if (load_be32(raw + 8) != PACKAGE_FORMAT_VERSION)
		return DETAIL_FORMAT_VERSION;
	if (load_be32(raw + 12) || !bytes_are_zero(raw + 32, 32))
		return DETAIL_HEADER_FLAGS;
	header->manifest_len = load_be64(raw + 16);
	if (header->manifest_len < PACKAGE_MANIFEST_MIN ||
	    header->manifest_len > PACKAGE_MANIFEST_MAX)
		return DETAIL_MANIFEST_LENGTH;
	header->payload_len = load_be64(raw + 24);
	/* A file offset has 63 bits; keeping below makes every later sum safe. */
	if (header->payload_len > (uint64_t)INT64_MAX - PACKAGE_HEAD_MAX)
		return DETAIL_SIZE_MISMATCH;
	return DETAIL_OK;
}

void package_header_store(const struct package_header *header, uint8_t raw[PACKAGE_HEADER_LEN])
{
	memset(raw, 0, PACKAGE_HEADER_LEN);
	memcpy(raw, package_magic, sizeof(package_magic));
	store_be32(raw + 8, PACKAGE_FORMAT_VERSION);
	store_be64(raw + 16, header->manifest_len);
	store_be64(raw + 24, header->payload_len);
}

enum detail package_signatures_len(const uint8_t raw[8], size_t *len)
{
	uint64_t n = load_be64(raw);

	if (n < PACKAGE_SIGNATURE_MIN_BLOCK || n > PACKAGE_SIGNATURES_MAX || n % 8)
		return DETAIL_SIGNATURE_BLOCK;
	*len = (size_t)n;
	return DETAIL_OK;
}

static enum detail load_entry(const uint8_t *raw, size_t len, size_t *off,
			      struct package_signature *entry)
{
	if (!range_within(*off, PACKAGE_SIGNATURE_ENTRY, len))
		return DETAIL_SIGNATURE_BLOCK;
	const uint8_t *p = raw + *off;
	uint64_t n = load_be64(p + 40);
	uint64_t padded = (n + 7) & ~UINT64_C(7);
	*off += PACKAGE_SIGNATURE_ENTRY;
	if (load_be32(p + 36) || !n || n > PACKAGE_SIGNATURE_MAX ||
	    !range_within(*off, padded, len))
		return DETAIL_SIGNATURE_BLOCK;
	if (!bytes_are_zero(raw + *off + n, (size_t)(padded - n)))
		return DETAIL_SIGNATURE_BLOCK;
	*entry = (struct package_signature){
		.key_id = p,
		.algorithm = load_be32(p + 32),
		.bytes = raw + *off,
		.len = (size_t)n,
	};
	*off += (size_t)padded;
	return DETAIL_OK;
}

enum detail package_signatures_load(const uint8_t *raw, size_t len, struct package_signatures *out)
{
	size_t named, off = PACKAGE_SIGNATURE_MIN_BLOCK;
	uint64_t count;

	if (len < PACKAGE_SIGNATURE_MIN_BLOCK || package_signatures_len(raw, &named) ||
	    named != len)
		return DETAIL_SIGNATURE_BLOCK;
	count = load_be64(raw + 8);
	if (count > PACKAGE_SIGNATURE_COUNT_MAX)
		return DETAIL_SIGNATURE_BLOCK;
	out->count = (size_t)count;
	for (size_t i = 0; i < out->count; i++) {
		enum detail detail = load_entry(raw, len, &off, &out->at[i]);
		if (detail)
			return detail;
		for (size_t j = 0; j < i; j++)
			if (hash_equal(out->at[i].key_id, out->at[j].key_id))
				return DETAIL_SIGNATURE_BLOCK;
	}
	return off == len ? DETAIL_OK : DETAIL_SIGNATURE_BLOCK;
}

void package_id(const uint8_t *head, size_t head_len, uint8_t id[HASH_LEN])
{
	struct hash h;

	hash_begin(&h);
	hash_add(&h, PACKAGE_DOMAIN, sizeof(PACKAGE_DOMAIN));
	hash_add(&h, head, head_len);
	hash_end(&h, id);
}
