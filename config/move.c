/* SPDX-License-Identifier: Apache-2.0 */
/* What a rename or a link takes by the zones of both names, and when it must copy. */
#include "config/move.h"

enum copy_reason move_copy_reason(const struct move_facts *facts)
{
	/* The source would have to enforce the modes of one directory and not of the
	 * other, and the file's own would begin or cease to count. */
	if (facts->modes_differ)
		return COPY_MODES;
	if (facts->moves_dir && facts->zones_below)
		return COPY_HOLDS_ZONE;
	if (facts->same_zone)
		return COPY_NOT_NEEDED;
	if (facts->moves_dir)
		return COPY_DIRECTORY;
	if (facts->exchange)
		return COPY_EXCHANGE;
	return facts->further_names ? COPY_FURTHER_NAMES : COPY_NOT_NEEDED;
}

enum operation move_operation(const struct move_facts *facts)
{
	if (facts->exchange)
		return OPERATION_RENAME_EXCHANGE;
	return facts->same_zone ? OPERATION_RENAME_FROM : OPERATION_MOVE_OUT;
}

const char *copy_reason_name(enum copy_reason reason)
{
	static const char *const names[N_COPY_REASONS] = {
		[COPY_MODES] = "modes count on one side only",
		[COPY_HOLDS_ZONE] = "the directory holds another zone",
		[COPY_DIRECTORY] = "a directory would change its zone",
		[COPY_EXCHANGE] = "an exchange across zones",
		[COPY_FURTHER_NAMES] = "further names of the file stay in the other zone",
		[COPY_LINK] = "a link into another zone",
	};

	return names[reason];
}
