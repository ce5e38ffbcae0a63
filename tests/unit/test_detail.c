/* The table of details: append-only numbers, and a sentence and an advice that a person can use. */
#include "support.h"

#include <ctype.h>

struct row {
	const char *name;
	int number;
	const char *sentence, *advice;
};
#define ROW(name, number, sentence, advice) {#name, number, sentence, advice},
static const struct row rows[] = {DETAIL_TABLE(ROW)};

static void numbers_are_unique_and_in_known_statuses(void **state)
{
	(void)state;
	static const int statuses[] = {0, 2, 3, 10, 20, 30, 40};
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool known = false;
		at_case("%s", rows[i].name);
		for (size_t j = 0; j < i; j++)
			check(rows[j].number != rows[i].number &&
			      strcmp(rows[j].name, rows[i].name));
		for (size_t s = 0; s < COUNT(statuses); s++)
			known |= rows[i].number / 100 == statuses[s];
		check(known);
	}
}

static void numbers_ascend_and_statuses_stand_together(void **state)
{
	(void)state;
	assert_string_equal(rows[0].name, "OK");
	assert_int_equal(rows[0].number, 0);
	for (size_t i = 1; i < COUNT(rows); i++) {
		int before = rows[i - 1].number, number = rows[i].number;
		at_case("%s", rows[i].name);
		if (before / 100 == number / 100)
			check(number > before);
		else
			check(number / 100 > before / 100 && number % 100 == 1);
	}
}

/* The numbers that have been given away. A change here means that a number in the field changed its
 * meaning. */
static void numbers_keep_their_meaning(void **state)
{
	(void)state;
	assert_int_equal(DETAIL_USAGE, 201);
	assert_int_equal(DETAIL_NOT_PERMITTED, 301);
	assert_int_equal(DETAIL_SOURCE_NOT_FOUND, 1001);
	assert_int_equal(DETAIL_HTTP_REDIRECT_SCHEME, 1017);
	assert_int_equal(DETAIL_TOO_SHORT, 2001);
	assert_int_equal(DETAIL_SIGNATURE_WRONG, 2010);
	assert_int_equal(DETAIL_INDEX_HASH, 2020);
	assert_int_equal(DETAIL_BELOW_FLOOR, 2030);
	assert_int_equal(DETAIL_NO_TRUST_STORE, 2035);
	assert_int_equal(DETAIL_BOARD_MISSING, 3001);
	assert_int_equal(DETAIL_READ_BACK, 3018);
	assert_int_equal(DETAIL_NO_MEDIUM, 3027);
	assert_int_equal(DETAIL_SLOT_KEPT, 3029);
	assert_int_equal(DETAIL_FLAGS_NOT_STORED, 3022);
	assert_int_equal(DETAIL_HEALTH_FAILED, 4001);
	assert_int_equal(DETAIL_SLOT_NOT_RUNNING, 4005);
	assert_int_equal(DETAIL_FELL_BACK, 4006);
	assert_int_equal(DETAIL_STATE_LOST, 3030);
	assert_int_equal(DETAIL_NOT_RECOVERY, 307);
}

static void sentences_and_advice_are_for_people(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *s = rows[i].sentence, *a = rows[i].advice;
		at_case("%s", rows[i].name);
		check(s[0] && islower((unsigned char)s[0]));
		check(s[strlen(s) - 1] != '.' && s[strlen(s) - 1] != ' ');
		check(!strstr(s, "  ") && !strstr(a, "  "));
		if (rows[i].number == 0) {
			check(!a[0]);
			continue;
		}
		check(a[0] && isupper((unsigned char)a[0]) && a[strlen(a) - 1] == '.');
	}
}

static void functions_agree_with_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum detail d = DETAIL_OK;
		at_case("%s", rows[i].name);
		check(detail_at(i, &d) == 0 && (int)d == rows[i].number);
		check(!strcmp(detail_name(d), rows[i].name));
		check(!strcmp(detail_sentence(d), rows[i].sentence));
		check(!strcmp(detail_advice(d), rows[i].advice));
		check((int)detail_status(d) == rows[i].number / 100);
	}
	enum detail d;
	assert_int_equal(detail_at(COUNT(rows), &d), -1);
	assert_int_equal(detail_at(SIZE_MAX, &d), -1);
}

/* A number from a newer version's record must not crash an older one. */
static void unknown_numbers_are_survived(void **state)
{
	(void)state;
	static const int unknown[] = {1, 99, 200, 299, 1099, 2099, 4999, 9999, 2147483647, -1};
	for (size_t i = 0; i < COUNT(unknown); i++) {
		enum detail d = (enum detail)unknown[i];
		at_case("%d", unknown[i]);
		check(!strcmp(detail_name(d), "UNKNOWN"));
		check(detail_sentence(d) && detail_sentence(d)[0]);
		check(detail_advice(d));
	}
}

static void statuses_have_names(void **state)
{
	(void)state;
	assert_string_equal(status_name(STATUS_OK), "ok");
	assert_string_equal(status_name(STATUS_USAGE), "usage");
	assert_string_equal(status_name(STATUS_NOT_PERMITTED), "not_permitted");
	assert_string_equal(status_name(STATUS_DOWNLOAD_FAILED), "download_failed");
	assert_string_equal(status_name(STATUS_VERIFY_FAILED), "verify_failed");
	assert_string_equal(status_name(STATUS_INSTALL_FAILED), "install_failed");
	assert_string_equal(status_name(STATUS_POSTCHECK_FAILED), "postcheck_failed");
	assert_non_null(status_name((enum status)77));
}

static void faults_are_filled_and_cut(void **state)
{
	(void)state;
	struct fault fault = {.sys_errno = 5};
	char long_name[400];
	memset(long_name, 'n', sizeof(long_name));
	long_name[399] = 0;

	assert_detail(fault_set(&fault, DETAIL_SOURCE_READ, "stick"), DETAIL_SOURCE_READ);
	assert_int_equal(fault.detail, DETAIL_SOURCE_READ);
	assert_string_equal(fault.object, "stick");
	assert_int_equal(fault.sys_errno, 0);
	assert_detail(fault_errno(&fault, DETAIL_DEVICE_WRITE, "boot_a", 28), DETAIL_DEVICE_WRITE);
	assert_int_equal(fault.sys_errno, 28);
	assert_string_equal(fault.object, "boot_a");
	assert_detail(fault_set(&fault, DETAIL_UNSIGNED, NULL), DETAIL_UNSIGNED);
	assert_string_equal(fault.object, "");
	assert_detail(fault_set(&fault, DETAIL_UNSIGNED, long_name), DETAIL_UNSIGNED);
	assert_int_equal(strlen(fault.object), sizeof(fault.object) - 1);
	assert_detail(fault_set(NULL, DETAIL_UNSIGNED, "x"), DETAIL_UNSIGNED);
	assert_detail(fault_errno(NULL, DETAIL_UNSIGNED, "x", 5), DETAIL_UNSIGNED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_are_unique_and_in_known_statuses),
		TEST(numbers_ascend_and_statuses_stand_together),
		TEST(numbers_keep_their_meaning),
		TEST(sentences_and_advice_are_for_people),
		TEST(functions_agree_with_the_table),
		TEST(unknown_numbers_are_survived),
		TEST(statuses_have_names),
		TEST(faults_are_filled_and_cut),
	};
	return RUN_ALL(tests);
}
