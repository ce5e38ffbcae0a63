#include "support_screen.h"

#include <unistd.h>

static uint64_t fake_ms(struct clock *clock)
{
	return ((struct session *)clock)->ms;
}
static const struct clock_ops clock_ops = {.monotonic_ms = fake_ms};

/* A board with slots A (release 1, confirmed) and B (empty), in recovery. */
struct session *new_session(size_t slots)
{
	struct session *s = arena_alloc(sizeof(*s));
	char name[] = "/tmp/lifeboat-screen-XXXXXX";
	int ends[2];

	s->clock.ops = &clock_ops;
	s->ms = 1000;
	s->out = mkstemp(name);
	check(s->out >= 0);
	unlink(name);
	assert_int_equal(pipe(ends), 0);
	s->typed = ends[0];
	s->in = ends[1];

	strcpy(s->board.product, "lifeboat,reference");
	s->board.slot_count = slots;
	strcpy(s->board.slots[0].name, "A");
	strcpy(s->board.slots[1].name, "B");
	s->board.source_count = 1;
	s->board.sources[0] = BOARD_SOURCE_STICK;
	s->flags = (struct flags){.order_count = 1, .slot = {{3, true}, {0, false}}};
	s->record.slot[0] = (struct state_slot){.release = 1, .version = "1.0"};

	screen_open(&s->screen, &s->clock, true, false);
	serial_open(&s->serial, s->typed, s->out, 0);
	screen_add_skin(&s->screen, &s->serial.skin);
	return s;
}

void end_session(struct session *s)
{
	screen_close(&s->screen);
	serial_close(&s->serial);
	close(s->in);
	close(s->out);
	close(s->typed);
}

/* What was written since the last look. */
const char *seen(struct session *s)
{
	off_t len = lseek(s->out, 0, SEEK_CUR);

	s->seen = arena_alloc((size_t)len + 1);
	assert_int_equal(pread(s->out, s->seen, (size_t)len, 0), len);
	assert_int_equal(ftruncate(s->out, 0), 0);
	lseek(s->out, 0, SEEK_SET);
	return s->seen;
}

void is_seen(struct session *s, const char *text)
{
	if (!strstr(seen(s), text))
		fail_msg("not seen: %s\nbut:\n%s", text, s->seen);
}

void show_device(struct session *s)
{
	screen_device(&s->screen, &s->board, &s->flags, &s->record, NULL, -1);
}

struct screen_package package_2(enum origin origin)
{
	struct screen_package package = {
		.origin = origin, .release = 2, .size = MIB(31), .version = "2.0"};

	strcpy(package.name, "update.boat");
	strcpy(package.medium, "sda1");
	strcpy(package.signer, "development");
	return package;
}

struct plan plan_for(size_t target, bool in_place)
{
	struct plan plan = {.target = target, .image_count = 2, .total = MIB(36)};

	strcpy(plan.images[0].label, target ? "boot_b" : "boot_a");
	plan.images[0].image_len = MIB(6);
	plan.images[0].partition_len = MIB(8);
	strcpy(plan.images[1].label, target ? "system_b" : "system_a");
	plan.images[1].image_len = MIB(30);
	plan.images[1].partition_len = MIB(32);
	plan.in_place = in_place;
	return plan;
}

void found_and_planned(struct session *s, size_t target, bool in_place)
{
	struct screen_package package = package_2(ORIGIN_STICK);
	struct plan plan = plan_for(target, in_place);

	screen_found(&s->screen, &package);
	screen_plan(&s->screen, &plan, false);
}

void step(struct session *s, enum step at)
{
	struct progress progress = {.step = at};

	screen_progress(&s->screen, &progress);
}

/* A long step over both images at a speed, half of each image unchanged. */
void long_step(struct session *s, enum step at, uint64_t bytes_per_s)
{
	struct progress progress = {.step = at, .total = MIB(36)};
	uint64_t start = s->ms;

	while (progress.done < progress.total) {
		progress.role = progress.done < MIB(6) ? "boot" : "system";
		progress.done += KIB(256);
		progress.written = progress.unchanged = progress.done / 2;
		s->ms = start + progress.done * 1000 / bytes_per_s;
		screen_progress(&s->screen, &progress);
		assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
	}
}

/* Lets time pass, a tenth of a second at a time, until something is chosen. */
enum action wait_for_choice(struct session *s, unsigned seconds)
{
	enum action action = screen_poll(&s->screen);

	for (unsigned i = 0; i < seconds * 10 && action == ACTION_NONE; i++) {
		s->ms += 100;
		action = screen_poll(&s->screen);
	}
	return action;
}

struct result result_of(enum detail detail, const char *object, uint32_t slot)
{
	struct result result = {.what = RESULT_INSTALL, .release = 2, .slot = slot};

	strcpy(result.version, "2.0");
	fault_set(&result.fault, detail, object);
	return result;
}

void offer_install(struct session *s, unsigned seconds)
{
	static const enum action actions[] = {ACTION_INSTALL, ACTION_MENU};

	screen_offer(&s->screen, QUESTION_INSTALL, actions, 2, ACTION_INSTALL, seconds);
}

void type(struct session *s, const char *keys)
{
	assert_int_equal(write(s->in, keys, strlen(keys)), (int)strlen(keys));
}
