/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a policy file that nobody else can have written. */
#include <stdlib.h>

#include "config/trusted-file.h"

int policy_load(const char *file, const struct name_lookup *names,
		struct complaints *complaints, struct policy **ret)
{
	char *text = NULL;
	size_t length = 0;
	int r = trusted_file_read(file, complaints, &text, &length);

	if (r == 0)
		r = policy_parse(file, text, length, names, complaints, ret);
	free(text);
	return r;
}
