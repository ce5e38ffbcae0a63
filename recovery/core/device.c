#include "device.h"
#include "text.h"

#include <string.h>

void device_begin_result(const struct device *device, enum result_what what, int slot,
			 struct result *result)
{
	const struct state_record *record = &device->state->record;

	memset(result, 0, sizeof(*result));
	result->what = what;
	result->boot_count = record->boot_count;
	result->monotonic_ms = device->clock->ops->monotonic_ms(device->clock);
	device->clock->ops->wall(device->clock, result->wall, sizeof(result->wall));
	result->slot = slot < 0 ? RESULT_NO_SLOT : (uint32_t)slot;
	if (slot < 0)
		return;
	result->release = record->slot[slot].release;
	text_copy(result->version, sizeof(result->version), record->slot[slot].version);
	memcpy(result->package_id, record->slot[slot].package_id, HASH_LEN);
}

void device_keep_result(struct device *device, const struct result *result)
{
	struct fault ignored;

	state_add_result(device->state, result, &ignored);
	state_flush_log(device->state, &ignored);
}

enum detail device_store_flags(struct device *device, const struct flags *flags, bool anew,
			       struct fault *fault)
{
	return device->flag_store->ops->store(device->flag_store, flags, anew, fault);
}

enum detail device_forget_wipe(struct device *device, struct fault *fault)
{
	struct state_record *record = &device->state->record;
	struct state_record before = *record;
	enum detail detail;

	if (record->wipe == STATE_WIPE_NONE)
		return DETAIL_OK;
	record->wipe = STATE_WIPE_NONE;
	record->wipe_starts = 0;
	/* One block that goes bad must not ask for it again. */
	detail = state_store_record_twice(device->state, fault);
	if (detail)
		*record = before;
	return detail;
}
