/* SPDX-License-Identifier: Apache-2.0 */
/* The reference decider. Clarity goes before speed everywhere. */
#include <stdarg.h>
#include <string.h>

#include "tests/fuzz/reference-decide.h"

/* The last literal is one that no zone's path has: it stands for every other name. */
const char *const ref_components[REF_COMPONENTS + 1] = { "a", "b", "production", "other",
							 "*" };

const char *const ref_verbs[] = { "list",      "read",	     "create",	"write", "delete",
				  "write-own", "delete-own", "approve", "admin" };
const unsigned ref_n_verbs = sizeof(ref_verbs) / sizeof(ref_verbs[0]);

/* What an operation takes: all of the words of `needs`, or of `owner_needs` from whoever
 * owns the object; "|" makes it any of them. The words are those of policy.ini(5). */
static const struct {
	const char *operation, *needs, *owner_needs;
} operations[] = {
	{ "lookup", "list", NULL },
	{ "readdir", "list", NULL },
	{ "readlink", "list", NULL },
	{ "getxattr", "list", NULL },
	{ "chdir", "list", NULL },
	{ "access-read", "read", NULL },
	{ "access-write", "write", NULL },
	{ "access-change-dir", "create|delete|delete-own", NULL },
	{ "open-read", "read", NULL },
	{ "open-write", "write", NULL },
	{ "open-read-write", "read write", NULL },
	{ "write", "write", NULL },
	{ "read", "read", NULL },
	{ "truncate", "write", NULL },
	{ "fallocate", "write", NULL },
	{ "create", "create", NULL },
	{ "mkdir", "create", NULL },
	{ "mknod", "create", NULL },
	{ "symlink", "create", NULL },
	{ "link", "create", NULL },
	{ "unlink", "delete", NULL },
	{ "rmdir", "delete", NULL },
	{ "rename-from", "delete", NULL },
	{ "rename-to", "create", NULL },
	{ "rename-over", "write", NULL },
	{ "rename-over-dir", "create delete", NULL },
	{ "rename-exchange", "write delete", NULL },
	{ "move-out", "read delete", NULL },
	{ "chmod", "admin", "write" },
	{ "chown", "admin", NULL },
	{ "chgrp-own", "admin", "write" },
	{ "utimes", "admin", "write" },
	{ "touch", "write", NULL },
	{ "setxattr", "admin", NULL },
	{ "removexattr", "admin", NULL },
	{ "set-acl", "admin", NULL },
	{ "set-flags", "admin", NULL },
	{ "hold", "admin", NULL },
	{ "release", "admin", NULL },
	{ "promote", "promote", NULL },
	{ "approve", "approve", NULL },
	{ "unapprove", "approve", NULL },
};

/* Printing */

struct printer {
	char *text;
	size_t size, n;
	unsigned line; /* of what is printed next */
};

static void __attribute__((format(printf, 2, 3)))
print(struct printer *printer, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(printer->text + printer->n, printer->size - printer->n, format,
		      arguments);
	va_end(arguments);
	for (int i = 0; i < n; i++)
		printer->line += printer->text[printer->n + (size_t)i] == '\n';
	printer->n += (size_t)n;
}

static void print_ids(struct printer *printer, const char *key, const uint32_t *ids,
		      unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		print(printer, "%s%s%u", i == 0 ? key : "", i == 0 ? " = " : ", ",
		      ids[i]);
	if (n > 0)
		print(printer, "\n");
}

static void print_role(struct printer *printer, const struct ref_policy *policy,
		       unsigned number)
{
	const struct ref_role *role = &policy->roles[number];
	bool any = false;

	print(printer, "[role r%u]\n", number);
	print_ids(printer, "groups", role->gids, role->n_gids);
	print_ids(printer, "users", role->uids, role->n_uids);
	for (unsigned i = 0; i < policy->n_roles; i++) {
		if (!role->includes[i])
			continue;
		print(printer, "%sr%u", any ? ", " : "include = ", i);
		any = true;
	}
	print(printer, "\n");
}

static void print_grant(struct printer *printer, const char *role, uint32_t verbs)
{
	bool any = false;

	print(printer, "allow %s = ", role);
	for (unsigned i = 0; i < ref_n_verbs; i++) {
		if (!(verbs >> i & 1))
			continue;
		print(printer, "%s%s", any ? ", " : "", ref_verbs[i]);
		any = true;
	}
	print(printer, "\n");
}

static void print_zone(struct printer *printer, const struct ref_policy *policy,
		       struct ref_zone *zone)
{
	zone->line = printer->line;
	print(printer, "[zone z%u]\npath = ", (unsigned)(zone - policy->zones));
	for (unsigned i = 0; i < zone->path.n; i++)
		print(printer, "/%s", ref_components[zone->path.components[i]]);
	print(printer, "%s\n", zone->path.n == 0 ? "/" : "");
	for (unsigned i = 0; i <= REF_EVERYONE; i++) {
		char name[16] = "everyone";

		if (zone->grants[i] == 0)
			continue;
		if (i != REF_EVERYONE)
			(void)snprintf(name, sizeof(name), "r%u", i);
		zone->grant_lines[i] = printer->line;
		print_grant(printer, name, zone->grants[i]);
	}
}

void ref_print(struct ref_policy *policy, char *text, size_t size)
{
	struct printer printer = { text, size, 0, 1 };

	text[0] = '\0';
	/* Zones first: roles may be used before they are told. */
	for (unsigned i = 0; i < policy->n_zones; i++)
		print_zone(&printer, policy, &policy->zones[i]);
	for (unsigned i = 0; i < policy->n_roles; i++)
		print_role(&printer, policy, i);
}

/* Deciding */

static bool in_group(const struct ref_subject *subject, uint32_t gid)
{
	if (subject->gid == gid)
		return true;
	for (unsigned i = 0; i < subject->n_groups; i++) {
		if (subject->groups[i] == gid)
			return true;
	}
	return false;
}

static bool holds_directly(const struct ref_role *role, const struct ref_subject *subject)
{
	for (unsigned i = 0; i < role->n_uids; i++) {
		if (role->uids[i] == subject->uid)
			return true;
	}
	for (unsigned i = 0; i < role->n_gids; i++) {
		if (in_group(subject, role->gids[i]))
			return true;
	}
	return false;
}

bool ref_holds(const struct ref_policy *policy, const struct ref_subject *subject,
	       unsigned role)
{
	if (role == REF_EVERYONE || holds_directly(&policy->roles[role], subject))
		return true;
	/* Or a role that includes it is held: only later ones do, so this ends. */
	for (unsigned i = role + 1; i < policy->n_roles; i++) {
		if (policy->roles[i].includes[role] && ref_holds(policy, subject, i))
			return true;
	}
	return false;
}

/* The first `n` components of a zone's path, against those of a path. */
static bool begins_alike(const struct ref_path *zone, const struct ref_path *path,
			 unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (zone->components[i] != REF_STAR &&
		    zone->components[i] != path->components[i])
			return false;
	}
	return true;
}

static bool matches(const struct ref_path *zone, const struct ref_path *path)
{
	return zone->n <= path->n && begins_alike(zone, path, zone->n);
}

/* Of two zones that match one path: the deeper; else the one that has a literal where the
 * other has "*", counted from the left. */
static bool goes_before(const struct ref_path *one, const struct ref_path *other)
{
	if (one->n != other->n)
		return one->n > other->n;
	for (unsigned i = 0; i < one->n; i++) {
		bool one_star = one->components[i] == REF_STAR;

		if (one_star != (other->components[i] == REF_STAR))
			return !one_star;
	}
	return false;
}

int ref_zone_of(const struct ref_policy *policy, const struct ref_path *path)
{
	int best = -1;

	for (unsigned i = 0; i < policy->n_zones; i++) {
		if (!matches(&policy->zones[i].path, path))
			continue;
		if (best < 0 ||
		    goes_before(&policy->zones[i].path, &policy->zones[best].path))
			best = (int)i;
	}
	return best;
}

uint32_t ref_verbs_in(const struct ref_policy *policy, const struct ref_subject *subject,
		      int zone)
{
	uint32_t verbs = 0;

	for (unsigned i = 0; zone >= 0 && i <= REF_EVERYONE; i++) {
		if (i < policy->n_roles || i == REF_EVERYONE)
			verbs |= ref_holds(policy, subject, i)
					 ? policy->zones[zone].grants[i]
					 : 0;
	}
	return verbs == 0 ? 0 : verbs | 1; /* any verb brings "list" along */
}

static bool has_verb(uint32_t verbs, const char *word, size_t length)
{
	for (unsigned i = 0; i < ref_n_verbs; i++) {
		if (strlen(ref_verbs[i]) == length &&
		    memcmp(ref_verbs[i], word, length) == 0)
			return verbs >> i & 1;
	}
	return false;
}

/* A verb, or its -own form for the owner. */
static bool may(uint32_t verbs, const char *word, size_t length, bool owns)
{
	char own[32];
	int n = snprintf(own, sizeof(own), "%.*s-own", (int)length, word);

	return has_verb(verbs, word, length) || (owns && has_verb(verbs, own, (size_t)n));
}

static bool may_all(uint32_t verbs, const char *needs, bool owns)
{
	bool any = strchr(needs, '|') != NULL, result = !any;

	for (const char *p = needs; *p;) {
		size_t length = strcspn(p, " |");
		bool one = may(verbs, p, length, owns);

		result = any ? result || one : result && one;
		p += length + (p[length] != '\0');
	}
	return result;
}

static bool is_allowed(uint32_t verbs, const char *operation, bool owns)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(operations[i].operation, operation) != 0)
			continue;
		return may_all(verbs, operations[i].needs, owns) ||
		       (owns && operations[i].owner_needs &&
			may_all(verbs, operations[i].owner_needs, true));
	}
	return false;
}

enum ref_answer ref_decide(const struct ref_policy *policy,
			   const struct ref_subject *subject, int zone,
			   const char *operation, bool owns)
{
	uint32_t verbs = ref_verbs_in(policy, subject, zone);

	if (zone < 0)
		return REF_NO_ZONE;
	if (is_allowed(verbs, operation, owns))
		return REF_ALLOWED;
	if (verbs == 0)
		return REF_NO_ROLE;
	return is_allowed(verbs, operation, true) ? REF_NOT_OWNER : REF_NOT_GRANTED;
}

/* Every name at every depth below is tried; below the deepest zone nothing is new. */
bool ref_leads_to_listed(const struct ref_policy *policy,
			 const struct ref_subject *subject, const struct ref_path *path)
{
	struct ref_path below = *path;

	if (path->n >= REF_DEPTH)
		return false;
	below.n++;
	for (unsigned i = 0; i < REF_COMPONENTS; i++) {
		int zone;

		below.components[path->n] = i;
		zone = ref_zone_of(policy, &below);
		/* It must be a zone of its own, not the one that the path is in. */
		if (zone >= 0 && policy->zones[zone].path.n > path->n &&
		    ref_verbs_in(policy, subject, zone) != 0)
			return true;
		if (ref_leads_to_listed(policy, subject, &below))
			return true;
	}
	return false;
}

bool ref_zones_below(const struct ref_policy *policy, const struct ref_path *path)
{
	for (unsigned i = 0; i < policy->n_zones; i++) {
		const struct ref_path *zone = &policy->zones[i].path;

		if (zone->n > path->n && begins_alike(zone, path, path->n))
			return true;
	}
	return false;
}
