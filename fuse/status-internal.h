/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the status share; nobody else includes it. */
#pragma once

#include <string.h>

#include "fuse/json-text.h"
#include "fuse/policy-store.h"
#include "fuse/status.h"

static inline json_t *json_of(const char *text)
{
	return json_text(text, strlen(text));
}

static inline json_t *json_count(uint64_t count)
{
	return json_integer((json_int_t)count);
}

struct policy_store *status_policies(struct status *status);

/* Set members of the document: who holds what open, and how often each rule decided.
 * 0 or -ENOMEM. */
int status_set_handles(const struct status_parts *parts,
		       const struct policy_snapshot *snapshot, json_t *document);
int status_set_rules(const struct policy_snapshot *snapshot, json_t *document);
