/* Sentences, keys and strings. */
#include "support_screen.h"

static void reasons_of_the_boot_script_have_sentences_of_their_own(void **state)
{
	(void)state;
	static const char *const words[] = {"",
					    "request",
					    "no-tries-left",
					    "boot-image-invalid",
					    "environment-damaged",
					    "trial-failed",
					    "install",
					    "something-new"};
	char text[COUNT(words)][WORDS_SIZE];

	for (size_t i = 0; i < COUNT(words); i++) {
		struct text t = TEXT_IN(text[i]);
		words_reason(&t, words[i]);
		check(t.len > 10 && t.at[t.len - 1] == '.');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(text[i], text[j]);
	}
	check(strstr(text[COUNT(words) - 1], "something-new"));
}

static void keys_are_unique(void **state)
{
	(void)state;
	for (int a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		char key = words_action_key((enum action)a);
		at_case("action %d", a);
		check(key >= 'a' && key <= 'z');
		assert_int_equal(words_action_of(key), a);
		assert_int_equal(words_action_of(key - 'a' + 'A'), a);
	}
	assert_int_equal(words_action_of(0), ACTION_NONE);
	assert_int_equal(words_action_of('\r'), ACTION_NONE);
}

static void strings_are_short_enough_and_ascii(void **state)
{
	(void)state;
	for (int i = 0; i < STRING_COUNT; i++) {
		const char *text = string((enum string)i);
		at_case("string %d: %s", i, text);
		check(text[0]);
		for (const char *p = text; *p; p++)
			check(*p >= 0x20 && *p < 0x7f);
	}
	for (int i = STRING_LABEL_DEVICE; i <= STRING_LABEL_NEXT; i++)
		check(strlen(string((enum string)i)) <= STRING_LABEL_WIDTH);
	assert_string_equal(string(STRING_COUNT), "");
}

static void placeholders_may_stand_in_any_order(void **state)
{
	(void)state;
	char buffer[64], small[8];
	struct text t = TEXT_IN(buffer), cut = TEXT_IN(small);

	say_with(&t, STRING_FAULT_ERRNO_TEXT, "5", "broken", NULL, NULL);
	assert_string_equal(buffer, "broken, error 5");
	text_clear(&t);
	say_with(&t, STRING_CHOSEN, NULL, NULL, NULL, NULL);
	assert_string_equal(buffer, "> ");
	text_clear(&t);
	say_with(&t, STRING_CHOSEN, "100 %1 %", NULL, NULL, NULL);
	assert_string_equal(buffer, "> 100 %1 %");
	say_with(&cut, STRING_CHOSEN, "much too long", NULL, NULL, NULL);
	assert_string_equal(small, "> much ");
}

/* The longest texts that can come fit into WORDS_SIZE. */
static void the_longest_sentences_are_not_cut(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);
	struct screen *screen = &s->screen;

	show_device(s);
	memset(screen->package.name, 'n', sizeof(screen->package.name) - 1);
	memset(screen->package.version, 'v', sizeof(screen->package.version) - 1);
	memset(screen->pending_version, 'v', sizeof(screen->pending_version) - 1);
	memset(screen->pending_origin, 'o', sizeof(screen->pending_origin) - 1);
	memset(screen->wait_object, 'o', sizeof(screen->wait_object) - 1);
	memset(screen->network_url, 'u', sizeof(screen->network_url) - 1);
	memset(screen->slots[0].version, 'v', sizeof(screen->slots[0].version) - 1);
	screen->look_stick = screen->look_network = true;
	screen->package.release = screen->plan.installed_release = screen->plan.total = UINT64_MAX;
	screen->plan.target = 1;
	screen->plan.in_place = screen->plan.repair = screen->plan.older = screen->resumes = true;
	words_plan(&t, screen);
	check(t.len + 1 < t.size && t.at[t.len - 1] == '.');
	text_clear(&t);
	words_pending(&t, screen);
	check(t.len + 1 < t.size && t.at[t.len - 1] == 'o');
	for (int wait = WAIT_PACKAGE; wait <= WAIT_SERVER; wait++) {
		screen->wait = (enum screen_wait)wait;
		text_clear(&t);
		words_wait(&t, screen);
		check(t.len + 1 < t.size);
	}
	memset(screen->result.fault.object, 'o', sizeof(screen->result.fault.object) - 1);
	memset(screen->result.fault.role, 'r', sizeof(screen->result.fault.role) - 1);
	screen->result.fault.offset = UINT64_MAX;
	screen->result.fault.sys_errno = 111;
	enum detail detail;
	for (size_t i = 1; !detail_at(i, &detail); i++) {
		screen->result.fault.detail = detail;
		text_clear(&t);
		words_fault(&t, &screen->result.fault, "");
		at_case("detail %d", detail);
		check(t.len + 1 < t.size && t.at[t.len - 1] == '.');
	}
	end_session(s);
}

static void time_left_is_said_in_steps(void **state)
{
	(void)state;
	static const struct {
		uint32_t seconds;
		const char *text;
	} cases[] = {
		{PACE_UNKNOWN, ""},
		{0, ", a few seconds left"},
		{4, ", a few seconds left"},
		{5, ", about 5 s left"},
		{6, ", about 10 s left"},
		{90, ", about 90 s left"},
		{91, ", about 2 min left"},
		{120, ", about 2 min left"},
		{121, ", about 3 min left"},
		{5340, ", about 89 min left"},
		{5341, ", about 1 h 30 min left"},
		{359999, ", about 100 h 0 min left"},
	};
	char buffer[64];
	struct text t = TEXT_IN(buffer);

	for (size_t i = 0; i < COUNT(cases); i++) {
		text_clear(&t);
		words_left(&t, cases[i].seconds);
		assert_string_equal(buffer, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reasons_of_the_boot_script_have_sentences_of_their_own),
		TEST(keys_are_unique),
		TEST(strings_are_short_enough_and_ascii),
		TEST(placeholders_may_stand_in_any_order),
		TEST(the_longest_sentences_are_not_cut),
		TEST(time_left_is_said_in_steps),
	};

	return RUN_ALL(tests);
}
