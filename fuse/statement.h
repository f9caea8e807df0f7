/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a statement that others can sign and check: in-toto's, in DSSE's envelope.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "fuse/promoted.h"

#define STATEMENT_PAYLOAD_TYPE	 "application/vnd.in-toto+json"
#define STATEMENT_PREDICATE_TYPE "urn:x-modelguard:promotion:v1"

/* An in-toto Statement v1 (github.com/in-toto/attestation, spec/v1/statement.md): each
 * file is a subject, by its path below the top (`name`, the top's own, if the top is the
 * file). Links, and the digest of all of it, are in the predicate. Compact JSON, the same
 * for the same model; bytes of names that are not UTF-8 as \\xNN. *ret is the caller's to
 * free. 0 or -ENOMEM. */
int statement_text(const char *name, const struct promoted *promoted,
		   const struct manifest *manifest, char **ret);

/* What is signed of a payload: DSSE's pre-authentication encoding
 * (secure-systems-lab/dsse, protocol.md). *ret is the caller's to free. 0 or -ENOMEM. */
int statement_pae(const char *payload, char **ret, size_t *ret_length);

/* DSSE's envelope; `signature` may be NULL: then it is not signed yet. NULL: no memory.
 */
json_t *statement_envelope(const char *payload, const void *signature,
			   size_t signature_length);
