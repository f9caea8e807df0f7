/* SPDX-License-Identifier: Apache-2.0 */
/* Texts from outside in JSON. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* A string; bytes that are not UTF-8, which a JSON string cannot hold, as \xNN. NULL: no
 * memory. */
json_t *json_text(const char *bytes, size_t length);
