/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what --json prints, by jansson. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuse/ctl-json.h"
#include "fuse/json-text.h"

json_t *ctl_json_text(const char *bytes, size_t length)
{
	return json_text(bytes, length);
}

void ctl_json_set(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value ? value : json_null());
}

void ctl_json_set_text(json_t *object, const char *name, const char *text)
{
	ctl_json_set(object, name, text ? ctl_json_text(text, strlen(text)) : NULL);
}

/* JSON_ENSURE_ASCII: nothing in it can steer a terminal. */
int ctl_json_print(json_t *document)
{
	if (!document)
		return -ENOMEM;
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(document);
	return 0;
}
