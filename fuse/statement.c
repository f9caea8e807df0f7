/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a statement that others can sign and check. */
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuse/ctl-json.h"
#include "fuse/statement.h"
#include "fuse/util.h"

static json_t *json_digest(const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	return json_pack("{s:s}", "sha256", hex);
}

static json_t *json_entry(const char *name, const struct manifest_entry *entry)
{
	json_t *item = json_object();

	ctl_json_set_text(item, "name", entry->path[0] ? entry->path : name);
	ctl_json_set(item, "digest", json_digest(&entry->digest));
	return item;
}

static json_t *list_entries(const char *name, const struct manifest *manifest,
			    enum manifest_type type)
{
	json_t *list = json_array();

	for (size_t i = 0; i < manifest->n_entries; i++)
		if (manifest->entries[i].type == type && manifest->entries[i].path[0])
			json_array_append_new(list,
					      json_entry(name, &manifest->entries[i]));
	if (manifest->type == type && type == MANIFEST_FILE)
		json_array_append_new(list, json_entry(name, &manifest->entries[0]));
	return list;
}

static json_t *list_directories(const struct manifest *manifest)
{
	json_t *list = json_array();

	for (size_t i = 0; i < manifest->n_entries; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];

		if (entry->type == MANIFEST_DIRECTORY && entry->path[0])
			json_array_append_new(
				list, ctl_json_text(entry->path, strlen(entry->path)));
	}
	return list;
}

static json_t *make_predicate(const char *name, const struct promoted *promoted,
			      const struct manifest *manifest)
{
	json_t *predicate = json_object();
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&promoted->when, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	ctl_json_set_text(predicate, "name", name);
	ctl_json_set_text(predicate, "type",
			  promoted->type == MANIFEST_FILE ? "file" : "tree");
	ctl_json_set(predicate, "digest", json_digest(&promoted->digest));
	ctl_json_set_text(predicate, "promotedOn", when);
	ctl_json_set(predicate, "files", json_integer((json_int_t)promoted->n_files));
	ctl_json_set(predicate, "bytes", json_integer((json_int_t)promoted->n_bytes));
	ctl_json_set(predicate, "directories", list_directories(manifest));
	ctl_json_set(predicate, "links", list_entries(name, manifest, MANIFEST_LINK));
	return predicate;
}

int statement_text(const char *name, const struct promoted *promoted,
		   const struct manifest *manifest, char **ret)
{
	json_t *statement = json_object();

	ctl_json_set_text(statement, "_type", "https://in-toto.io/Statement/v1");
	ctl_json_set(statement, "subject", list_entries(name, manifest, MANIFEST_FILE));
	ctl_json_set_text(statement, "predicateType", STATEMENT_PREDICATE_TYPE);
	ctl_json_set(statement, "predicate", make_predicate(name, promoted, manifest));
	*ret = json_dumps(statement, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(statement);
	return *ret ? 0 : -ENOMEM;
}

int statement_pae(const char *payload, char **ret, size_t *ret_length)
{
	int n = asprintf(ret, "DSSEv1 %zu %s %zu %s", strlen(STATEMENT_PAYLOAD_TYPE),
			 STATEMENT_PAYLOAD_TYPE, strlen(payload), payload);

	*ret_length = n > 0 ? (size_t)n : 0;
	return n < 0 ? -ENOMEM : 0;
}

/* RFC 4648, 4. */
static json_t *json_base64(const void *bytes, size_t length)
{
	_cleanup_(freep) char *text = malloc((length + 2) / 3 * 4 + 1);

	if (!text || length > INT_MAX / 2)
		return NULL;
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
	return json_string(text);
}

json_t *statement_envelope(const char *payload, const void *signature,
			   size_t signature_length)
{
	json_t *signatures = json_array();

	if (signature)
		json_array_append_new(
			signatures, json_pack("{s:o}", "sig",
					      json_base64(signature, signature_length)));
	return json_pack("{s:s, s:o, s:o}", "payloadType", STATEMENT_PAYLOAD_TYPE,
			 "payload", json_base64(payload, strlen(payload)), "signatures",
			 signatures);
}
