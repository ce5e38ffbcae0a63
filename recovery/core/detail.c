#include "detail.h"
#include "text.h"

struct row {
	enum detail detail;
	const char *name;
	const char *sentence;
	const char *advice;
};

#define DETAIL_ROW(name, number, sentence, advice) {DETAIL_##name, #name, sentence, advice},
static const struct row table[] = {DETAIL_TABLE(DETAIL_ROW)};

static const struct row *find(enum detail detail)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].detail == detail)
			return &table[i];
	return NULL;
}

void fault_fill(struct fault *fault, enum detail detail, const char *object, int sys_errno)
{
	if (!fault)
		return;
	*fault = (struct fault){.detail = detail, .sys_errno = sys_errno};
	text_copy(fault->object, sizeof(fault->object), object ? object : "");
}

enum status detail_status(enum detail detail)
{
	return (enum status)((int)detail / 100);
}

const char *detail_name(enum detail detail)
{
	const struct row *row = find(detail);
	return row ? row->name : "UNKNOWN";
}

const char *detail_sentence(enum detail detail)
{
	const struct row *row = find(detail);
	return row ? row->sentence : "failed in a way that this version does not know";
}

const char *detail_advice(enum detail detail)
{
	const struct row *row = find(detail);
	return row ? row->advice : "";
}

const char *status_name(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return "ok";
	case STATUS_USAGE:
		return "usage";
	case STATUS_NOT_PERMITTED:
		return "not_permitted";
	case STATUS_DOWNLOAD_FAILED:
		return "download_failed";
	case STATUS_VERIFY_FAILED:
		return "verify_failed";
	case STATUS_INSTALL_FAILED:
		return "install_failed";
	case STATUS_POSTCHECK_FAILED:
		return "postcheck_failed";
	}
	return "unknown";
}

int detail_at(size_t i, enum detail *detail)
{
	if (i >= sizeof(table) / sizeof(table[0]))
		return -1;
	*detail = table[i].detail;
	return 0;
}
