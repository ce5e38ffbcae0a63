/*
 * The back does not believe the front (I1): front_fetch is replaced by one that lies about a chunk
 * after it was proved, as a front in another process could that was taken over (--wrap, Makefile).
 */
#include "support_rig.h"

enum detail __real_front_fetch(struct front *front, const uint8_t **plain, struct fault *fault);
enum detail __wrap_front_fetch(struct front *front, const uint8_t **plain, struct fault *fault);

static struct {
	long lie_at; /* the fetch that lies, counted from the first one to be written */
	size_t bit;
	uint8_t lie[CHUNK_SIZE_MAX];
} front_that;

enum detail __wrap_front_fetch(struct front *front, const uint8_t **plain, struct fault *fault)
{
	enum detail detail = __real_front_fetch(front, plain, fault);

	if (detail || front_that.lie_at < 0 || front_that.lie_at--)
		return detail;
	memcpy(front_that.lie, *plain, front->current.plain_len);
	front_that.lie[front_that.bit / 8 % front->current.plain_len] ^=
		(uint8_t)(1 << front_that.bit % 8);
	*plain = front_that.lie;
	return DETAIL_OK;
}

/* Whatever is written, is what the package holds there. */
static void only_what_was_vouched_for(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	(void)disk;
	if (op->kind != OP_WRITE || !rig_is_target_dev(op->dev))
		return;
	const struct pkg_image *image = &rig.package->images[!strncmp(op->dev, "system", 6)];
	check(op->off < image->size);
	check(!memcmp(buf, image->plain + op->off,
		      op->off + op->len > image->size ? image->size - op->off : op->len));
}

static void i1_a_front_that_lies(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		long n = 0;
		for (;; n++) {
			at_case("%zu slots, chunk %ld", slots, n);
			rig_restore(-1);
			rig.disk->watch = only_what_was_vouched_for;
			front_that.lie_at = n;
			front_that.bit = (size_t)n * 2711;
			enum detail detail = rig_install(rig.package);
			if (front_that.lie_at >= 0) /* there are not so many */
				break;
			assert_detail(detail, DETAIL_CHUNK_CHANGED);
			check(*rig.result.fault.role);
			rig_i4_holds_on(rig.disk->durable);
			/* A front that is honest again finishes it. */
			front_that.lie_at = -1;
			assert_detail(rig_install(rig.package), DETAIL_OK);
			check(rig_slot_holds(rig.disk->durable, slots == 2, rig.package));
		}
		check(n > 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(i1_a_front_that_lies),
	};

	front_that.lie_at = -1;
	return RUN_ALL(tests);
}
