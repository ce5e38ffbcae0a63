/* Package header. */
#include "fuzz.h"

#include "package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct package_header header;
	uint8_t *raw, again[PACKAGE_HEADER_LEN];
	enum detail detail;

	if (size < PACKAGE_HEADER_LEN)
		return 0;
	raw = fuzz_copy(data, PACKAGE_HEADER_LEN);
	detail = package_header_load(raw, &header);
	if (!detail) {
		must(!memcmp(raw, "LBOAT\r\n\x1a\0\0\0\1\0\0\0\0", 16));
		must(header.manifest_len >= 48 && header.manifest_len <= 1 << 20);
		/* The end of the package is a file offset, whatever the signature block's length */
		must(header.payload_len <= INT64_MAX &&
		     64 + header.manifest_len + PACKAGE_SIGNATURES_MAX <=
			     INT64_MAX - header.payload_len);
		package_header_store(&header, again);
		must(!memcmp(raw, again, sizeof(again)));
	} else {
		must(detail_status(detail) == STATUS_VERIFY_FAILED);
	}
	free(raw);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const struct {
		size_t off;
		uint8_t byte;
	} changes[] = {{64, 0}, {0, 0}, {11, 2}, {15, 1}, {63, 1}, {23, 47}, {19, 1}, {24, 0x7f}};
	uint8_t good[PACKAGE_HEADER_LEN + 1] = "LBOAT\r\n\x1a\0\0\0\1";

	store_be64(good + 16, 1000);
	store_be64(good + 24, 5000);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t raw[sizeof(good)];
		memcpy(raw, good, sizeof(raw));
		if (changes[i].off == 23)
			store_be64(raw + 16, 0);
		raw[changes[i].off] = changes[i].byte;
		if (changes[i].off == 24)
			memset(raw + 25, 0xff, 7);
		fuzz_seed(raw, PACKAGE_HEADER_LEN);
	}
}
