/* SPDX-License-Identifier: Apache-2.0 */
/* Texts from outside in JSON. */
#include <stdlib.h>

#include "config/text.h"

#include "fuse/json-text.h"

json_t *json_text(const char *bytes, size_t length)
{
	json_t *text = json_stringn(bytes, length);
	char *safe;

	if (text)
		return text;
	safe = text_safe(bytes, length);
	if (safe)
		text = json_string(safe);
	free(safe);
	return text;
}
