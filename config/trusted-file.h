/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file that nobody else can have written: a policy, and what lies beside it. */
#pragma once

#include <stddef.h>

#include "config/policy-load.h"

/* The bytes of the file, a new string without a NUL. What policy_load() refuses is
 * refused. Returns 0, -EINVAL, -ENOMEM, or an -errno of open(2), read(2) or fstat(2); all
 * but -ENOMEM are in *complaints. */
int trusted_file_read(const char *file, struct complaints *complaints, char **ret,
		      size_t *ret_length);
