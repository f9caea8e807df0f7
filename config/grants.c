/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a set of grants, and which of them are in force. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/grants.h"
#include "config/text.h"

struct grants *grants_new(void)
{
	struct grants *grants = calloc(1, sizeof(*grants));

	if (grants)
		grants->n_refs = 1;
	return grants;
}

struct grants *grants_ref(struct grants *grants)
{
	__atomic_add_fetch(&grants->n_refs, 1, __ATOMIC_RELAXED);
	return grants;
}

static void free_strings(struct timed_grant *grant)
{
	free(grant->user.name);
	free(grant->by.name);
	free(grant->role_name);
	free(grant->reason);
	free(grant->revoked_by.name);
}

struct grants *grants_unref(struct grants *grants)
{
	if (!grants || __atomic_sub_fetch(&grants->n_refs, 1, __ATOMIC_ACQ_REL) != 0)
		return NULL;
	for (size_t i = 0; i < grants->n_items && !grants->parent; i++)
		free_strings(&grants->items[i]);
	grants_unref(grants->parent);
	free(grants->items);
	free(grants->text);
	free(grants);
	return NULL;
}

void grants_unrefp(struct grants **grants)
{
	*grants = grants_unref(*grants);
}

static int copy_text(char **text)
{
	if (!*text)
		return 0;
	*text = strdup(*text);
	return *text ? 0 : -ENOMEM;
}

int grants_add(struct grants *grants, const struct timed_grant *grant)
{
	struct timed_grant *items =
		reallocarray(grants->items, grants->n_items + 1, sizeof(*items));
	struct timed_grant copy = *grant;
	int r = 0;

	if (!items)
		return -ENOMEM;
	grants->items = items;
	r |= copy_text(&copy.user.name);
	r |= copy_text(&copy.by.name);
	r |= copy_text(&copy.role_name);
	r |= copy_text(&copy.reason);
	r |= copy_text(&copy.revoked_by.name);
	if (r != 0) {
		free_strings(&copy);
		return -ENOMEM;
	}
	items[grants->n_items++] = copy;
	return 0;
}

void grants_drop_ended(struct grants *grants, int64_t wall)
{
	size_t n = 0;

	for (size_t i = 0; i < grants->n_items; i++) {
		if (grants->items[i].until <= wall)
			free_strings(&grants->items[i]);
		else
			grants->items[n++] = grants->items[i];
	}
	grants->n_items = n;
}

static void compose_one(FILE *stream, const struct timed_grant *grant)
{
	fprintf(stream, "\n[grant %u]\nuser = %s %u\nrole = %s\n", grant->id,
		grant->user.name, grant->user.uid, grant->role_name);
	fprintf(stream, "from = %" PRId64 "\nuntil = %" PRId64 "\nuptime = %" PRId64 "\n",
		grant->from, grant->until, grant->boot_from);
	fprintf(stream, "by = %s %u\nreason = %s\n", grant->by.name, grant->by.uid,
		grant->reason);
	if (grant->revoked != 0)
		fprintf(stream, "revoked = %" PRId64 "\nrevoked-by = %s %u\n",
			grant->revoked, grant->revoked_by.name, grant->revoked_by.uid);
}

char *grants_compose(const struct grants *grants, size_t *ret_length)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_length);

	if (!stream)
		return NULL;
	fputs("; Grants that end; written by 'modelguardctl grant' and 'revoke'.\n",
	      stream);
	for (size_t i = 0; i < grants->n_items; i++)
		compose_one(stream, &grants->items[i]);
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

bool grant_text_fits(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > GRANT_TEXT_MAX || text_is_blank(text[0]) ||
	    text_is_blank(text[length - 1]))
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f ||
		    (c == ';' && (i == 0 || text_is_blank(text[i - 1]))))
			return false;
	}
	return true;
}

bool grant_is_valid(const struct timed_grant *grant, const struct moment *now)
{
	return grant->fault == GRANT_SOUND && grant->revoked == 0 &&
	       grant->from <= now->wall && now->wall < grant->until &&
	       now->boot < grant->boot_until;
}

/* An empty set that may take any of the other's. */
static struct grants *new_part(struct grants *of)
{
	struct grants *part = grants_new();

	if (!part)
		return NULL;
	part->items = calloc(of->n_items + 1, sizeof(*part->items));
	if (!part->items)
		return grants_unref(part);
	part->parent = grants_ref(of);
	return part;
}

struct grants *grants_select(struct grants *grants, const struct moment *now)
{
	struct grants *valid = new_part(grants);

	for (size_t i = 0; valid && i < grants->n_items; i++) {
		if (grant_is_valid(&grants->items[i], now))
			valid->items[valid->n_items++] = grants->items[i];
	}
	return valid;
}

bool grant_same(const struct timed_grant *one, const struct timed_grant *other)
{
	return one->id == other->id && one->user.uid == other->user.uid &&
	       one->from == other->from && one->until == other->until &&
	       strcmp(one->role_name, other->role_name) == 0;
}

const struct timed_grant *grants_find(const struct grants *grants,
				      const struct timed_grant *grant)
{
	for (size_t i = 0; grants && i < grants->n_items; i++) {
		if (grant_same(&grants->items[i], grant))
			return &grants->items[i];
	}
	return NULL;
}

struct grants *grants_keep(struct grants *grants, const struct grants *other)
{
	struct grants *kept = new_part(grants);

	for (size_t i = 0; kept && i < grants->n_items; i++) {
		if (grants_find(other, &grants->items[i]))
			kept->items[kept->n_items++] = grants->items[i];
	}
	return kept;
}

static void take_earlier(int64_t *next, int64_t at, int64_t now)
{
	if (at > now && at < *next)
		*next = at;
}

void grants_next_change(const struct grants *grants, const struct moment *now,
			struct moment *ret)
{
	*ret = (struct moment){ INT64_MAX, INT64_MAX };
	for (size_t i = 0; i < grants->n_items; i++) {
		const struct timed_grant *grant = &grants->items[i];

		if (grant->fault != GRANT_SOUND || grant->revoked != 0)
			continue;
		take_earlier(&ret->wall, grant->from, now->wall);
		take_earlier(&ret->wall, grant->until, now->wall);
		take_earlier(&ret->boot, grant->boot_until, now->boot);
	}
}

const char *grant_state_name(const struct timed_grant *grant, const struct moment *now)
{
	if (grant->revoked != 0)
		return "revoked";
	if (grant->fault == GRANT_OVER || now->wall >= grant->until)
		return "ended";
	if (grant->fault != GRANT_SOUND)
		return "void";
	if (now->boot >= grant->boot_until)
		return "ended";
	return now->wall < grant->from ? "not-begun" : "in-force";
}

const char *grant_fault_name(enum grant_fault fault)
{
	static const char *const names[] = {
		[GRANT_SOUND] = "nothing is wrong with it",
		[GRANT_NO_ROLE] = "the policy has no such role",
		[GRANT_NOT_GRANTABLE] =
			"the policy does not name the role in 'grantable'",
		[GRANT_TOO_LONG] = "it is for longer than the policy's 'max-grant'",
		[GRANT_NO_USER] = "the name service does not know the user",
		[GRANT_OTHER_USER] = "the user's name belongs to another uid now",
		[GRANT_OVER] = "it has ended",
	};

	return names[fault];
}
