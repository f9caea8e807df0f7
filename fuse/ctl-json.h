/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what --json prints. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* A string; bytes that are not UTF-8, which a JSON string cannot hold, as \xNN. */
json_t *ctl_json_text(const char *bytes, size_t length);

/* Sets a member; steals the value. */
void ctl_json_set(json_t *object, const char *name, json_t *value);
void ctl_json_set_text(json_t *object, const char *name, const char *text);

/* Prints the document on stdout and drops it. Returns 0, or -ENOMEM if it is NULL. */
int ctl_json_print(json_t *document);
