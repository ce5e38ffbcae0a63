#include "tree.h"

#include <libfdt.h>

static bool property_is_sound(const void *fdt, int offset)
{
	const char *name;
	int len;

	return fdt_getprop_by_offset(fdt, offset, &name, &len) && len >= 0 && *name;
}

static bool structure_is_sound(const void *fdt)
{
	unsigned int depth = 0;
	int offset = 0, next = 0;

	for (;; offset = next) {
		/* A truncated tag gives FDT_END too, with next negative. */
		uint32_t tag = fdt_next_tag(fdt, offset, &next);

		if (next < 0)
			return false;
		switch (tag) {
		case FDT_BEGIN_NODE:
			/* The root comes first and once: after it closes, only the end may follow.
			 */
			if (!depth && offset)
				return false;
			depth++; /* a node takes eight bytes: this cannot overflow */
			break;
		case FDT_END_NODE:
			if (!depth)
				return false;
			if (!--depth)
				return fdt_next_tag(fdt, next, &next) == FDT_END && next >= 0;
			break;
		case FDT_PROP:
			if (!depth || !property_is_sound(fdt, offset))
				return false;
			break;
		case FDT_NOP:
			break;
		default: /* FDT_END before the root closed, or no tag at all */
			return false;
		}
	}
}

bool tree_is_sound(const void *fdt, size_t len)
{
	return len >= FDT_V17_SIZE && !fdt_check_header(fdt) && fdt_version(fdt) >= 17 &&
	       fdt_totalsize(fdt) <= len && fdt_num_mem_rsv(fdt) >= 0 && structure_is_sound(fdt);
}
