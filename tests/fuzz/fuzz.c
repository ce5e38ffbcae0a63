#include "fuzz.h"

void fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void *fuzz_copy(const void *bytes, size_t len)
{
	void *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

/* fuzz_main.c has the one that writes; libFuzzer needs none. */
__attribute__((weak)) void fuzz_seed(const void *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}

uint64_t feed_number(struct feed *input, size_t bytes)
{
	uint64_t value = 0;

	for (; bytes; bytes--) {
		value = value << 8 | (input->left ? *input->at : 0);
		input->at += input->left > 0;
		input->left -= input->left > 0;
	}
	return value;
}

const uint8_t *feed_take(struct feed *input, size_t len, size_t *got)
{
	const uint8_t *at = input->left ? input->at : NULL;

	*got = len < input->left ? len : input->left;
	input->at += *got;
	input->left -= *got;
	return at;
}

void feed_text(struct feed *input, char *to, size_t size)
{
	size_t len = 0;

	while (input->left) {
		char c = (char)feed_number(input, 1);
		if (!c)
			break;
		if (len + 1 < size)
			to[len++] = c;
	}
	to[len] = 0;
}

void bytes_number(struct bytes *to, uint64_t value, size_t bytes)
{
	uint8_t raw[8];

	store_be64(raw, value);
	bytes_add(to, raw + 8 - bytes, bytes);
}

void bytes_add(struct bytes *to, const void *from, size_t len)
{
	if (len > sizeof(to->at) - to->len)
		len = sizeof(to->at) - to->len;
	if (len)
		memcpy(to->at + to->len, from, len);
	to->len += len;
}

/* splitmix64 */
uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

size_t dice_below(struct dice *dice, size_t n)
{
	return (size_t)(dice_next(dice) % n);
}

uint64_t dice_number(struct dice *dice, uint64_t near)
{
	switch (dice_below(dice, 4)) {
	case 0:
		return near + dice_below(dice, 5) - 2;
	case 1:
		return dice_below(dice, 20);
	case 2:
		return (UINT64_C(1) << dice_below(dice, 64)) + dice_below(dice, 3) - 1;
	default:
		return near ^ UINT64_C(1) << dice_below(dice, 64);
	}
}

/* --- Medium --- */

enum { EIO_LINUX = 5 };

static struct sparse_page *page_at(struct sparse *medium, uint64_t number)
{
	for (size_t i = 0; i < medium->page_count; i++)
		if (medium->pages[i].number == number)
			return &medium->pages[i];
	return NULL;
}

static struct sparse_page *page_for(struct sparse *medium, uint64_t number)
{
	struct sparse_page *page = page_at(medium, number);

	if (page)
		return page;
	if (medium->page_count == medium->page_max) {
		medium->page_max = medium->page_max ? medium->page_max * 2 : 16;
		medium->pages = realloc(medium->pages, medium->page_max * sizeof(*medium->pages));
		if (!medium->pages)
			abort();
	}
	page = &medium->pages[medium->page_count++];
	memset(page, 0, sizeof(*page));
	page->number = number;
	return page;
}

/* The part of [off, off + len) that lies in its first page. */
static size_t within_page(uint64_t off, size_t len)
{
	size_t n = SPARSE_PAGE - (size_t)(off % SPARSE_PAGE);

	return len < n ? len : n;
}

void sparse_put(struct sparse *medium, uint64_t off, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	for (size_t n; len; off += n, from += n, len -= n) {
		n = within_page(off, len);
		memcpy(page_for(medium, off / SPARSE_PAGE)->bytes + off % SPARSE_PAGE, from, n);
	}
}

void sparse_get(struct sparse *medium, uint64_t off, void *bytes, size_t len)
{
	uint8_t *to = bytes;

	for (size_t n; len; off += n, to += n, len -= n) {
		struct sparse_page *page = page_at(medium, off / SPARSE_PAGE);

		n = within_page(off, len);
		if (page)
			memcpy(to, page->bytes + off % SPARSE_PAGE, n);
		else
			memset(to, 0, n);
	}
}

static void check_contract(const struct dev *dev, uint64_t off, size_t len)
{
	must(len > 0);
	must(off % dev->sector_size == 0 && len % dev->sector_size == 0);
	must(off <= dev->size && len <= dev->size - off);
}

static int sparse_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
	struct sparse *medium = (struct sparse *)dev;

	check_contract(dev, off, len);
	medium->reads++;
	if (medium->on_read)
		medium->on_read(medium, off, len);
	for (size_t i = 0; i < medium->bad_count; i++)
		if (medium->bad[i] >= off && medium->bad[i] - off < len)
			return EIO_LINUX;
	sparse_get(medium, off, buf, len);
	return 0;
}

static int sparse_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
	struct sparse *medium = (struct sparse *)dev;

	check_contract(dev, off, len);
	medium->writes++;
	if (medium->on_write)
		medium->on_write(medium, off, buf, len);
	if (medium->dead)
		return EIO_LINUX;
	sparse_put(medium, off, buf, len);
	return 0;
}

static int sparse_flush(struct dev *dev)
{
	struct sparse *sparse = (struct sparse *)dev;

	sparse->flushes++;
	return sparse->dead || sparse->no_flush ? EIO_LINUX : 0;
}

void sparse_open(struct sparse *medium, uint64_t size, uint32_t sector_size)
{
	static const struct dev_ops ops = {sparse_read, sparse_write, sparse_flush};

	*medium = (struct sparse){.dev = {.ops = &ops, .size = size, .sector_size = sector_size}};
}

void sparse_close(struct sparse *medium)
{
	free(medium->pages);
	medium->pages = NULL;
}
