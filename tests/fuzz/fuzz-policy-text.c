/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a policy, and as its grants: refused with a reason for each refusal, or
 * sound and usable. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "config/decide.h"
#include "config/grants.h"
#include "config/policy-load.h"
#include "config/text.h"

#include "tests/fuzz/fuzz.h"

/* Of processor time, under sanitizers and on a slow machine; without them it is less than
 * a hundredth. */
#define SECONDS_MAX 5.0

/* "gN" and "uN" are N and so is "N"; "slow..." cannot be told; the rest is not known. */
static int find_id(const char *name, char letter, uint32_t *ret)
{
	const char *digits = *name == letter ? name + 1 : name;

	if (strncmp(name, "slow", 4) == 0)
		return -EIO;
	if (*digits == '\0' || strlen(digits) > 9 ||
	    digits[strspn(digits, "0123456789")] != '\0')
		return -ENOENT;
	*ret = (uint32_t)strtoul(digits, NULL, 10);
	return 0;
}

static int find_group(const char *name, gid_t *ret)
{
	return find_id(name, 'g', ret);
}

static int find_user(const char *name, uid_t *ret)
{
	return find_id(name, 'u', ret);
}

static const struct name_lookup names = { find_group, find_user };

static double processor_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check_complaints(const struct complaints *complaints, const uint8_t *text,
			     size_t size)
{
	unsigned n_lines = 1, last = 0;

	for (size_t i = 0; i < size; i++)
		n_lines += text[i] == '\n';
	for (size_t i = 0; i < complaints->n_items; i++) {
		const struct complaint *complaint = &complaints->items[i];

		FUZZ_CHECK(complaint->line <= n_lines, "line %u", complaint->line);
		FUZZ_CHECK(complaint->line >= last, "line %u", complaint->line);
		FUZZ_CHECK(strlen(complaint->text) > 10, "'%s'", complaint->text);
		for (const char *c = complaint->text; *c; c++)
			FUZZ_CHECK(*c >= 0x20 && *c < 0x7f, "'%s'", complaint->text);
		last = complaint->line;
	}
}

/* What modelguardctl shows of it. */
static void print_policy(const struct policy *policy)
{
	const char *line;
	size_t length;

	for (unsigned i = 1; (line = policy_line(policy, i, &length)); i++) {
		char *safe = text_safe(line, length);

		FUZZ_CHECK(safe && strlen(safe) >= length);
		free(safe);
	}
	for (size_t i = 0; i < policy->n_zones; i++) {
		const struct zone *zone = &policy->zones[i];

		FUZZ_CHECK(policy_line(policy, zone->line, &length), "%s", zone->name);
		for (size_t j = 0; j < zone->n_grants; j++)
			FUZZ_CHECK(policy_line(policy, zone->grants[j].line, &length) &&
				   zone->grants[j].verbs & VERB_SET(VERB_LIST));
	}
}

static void decide_in_zone(const struct policy *policy, const struct role_set *roles,
			   const struct zone *zone)
{
	struct verdict verdict;

	FUZZ_CHECK(policy_zone(policy, zone->path) == zone, "%s", zone->path);
	for (int operation = 0; operation < N_OPERATIONS; operation++) {
		policy_decide(policy, roles, zone, (enum operation)operation,
			      operation & 1, 0, &verdict);
		FUZZ_CHECK(verdict.line > 0 && verdict.zone == zone);
		FUZZ_CHECK(verdict.decision == DECISION_DENIED || verdict.role);
	}
	(void)policy_zones_below(policy, zone->path);
	(void)policy_leads_to_listed(policy, roles, zone->path);
	(void)policy_zone_led_to(policy, roles, zone->path);
}

static void decide(const struct policy *policy)
{
	/* Nobody's, everybody's, and those of the last role and zone. */
	struct subject subjects[3] = { { .uid = 4242, .gid = 4242 } };
	const struct role *last = &policy->roles[policy->n_roles - 1];
	struct role_holding holding;
	struct role_set roles;

	if (last->n_uids > 0)
		subjects[1].uid = last->uids[0];
	subjects[2].groups = last->gids;
	subjects[2].n_groups = last->n_gids;
	for (size_t i = 0; i < 3; i++) {
		policy_roles(policy, &subjects[i], &roles);
		FUZZ_CHECK(role_set_has(&roles, 0));
		for (unsigned j = 0; j < policy->n_roles; j++) {
			policy_role_holding(policy, &subjects[i], j, &holding);
			FUZZ_CHECK((holding.origin != ROLE_NOT_HELD) ==
				   role_set_has(&roles, j));
		}
		for (size_t j = 0; j < policy->n_zones; j++)
			decide_in_zone(policy, &roles, &policy->zones[j]);
	}
}

static void check_policy(const struct policy *policy, const uint8_t *data, size_t size)
{
	struct complaints complaints = { 0 };

	FUZZ_CHECK(policy->n_zones > 0 && policy->n_roles > 0 && policy->index);
	print_policy(policy);
	decide(policy);
	FUZZ_CHECK(policy_unenforceable(policy, &complaints) == (int)complaints.n_items);
	check_complaints(&complaints, data, size);
	complaints_fini(&complaints);
}

/* A file that nobody else can write; one for the process. */
static char file[80];

static void remove_file(void)
{
	(void)unlink(file);
}

static void put_file(const uint8_t *data, size_t size)
{
	const char *parent = getenv("TMPDIR");
	int fd;

	if (!file[0]) {
		(void)snprintf(file, sizeof(file), "%.40s/modelguard-fuzz-XXXXXX",
			       parent ? parent : "/tmp");
		fd = mkstemp(file);
		FUZZ_CHECK(atexit(remove_file) == 0);
	} else {
		fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	}
	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size, "%s: %m", file);
	close(fd);
}

/* The same bytes in a file come to the same. */
static void load(const uint8_t *data, size_t size, int expected, size_t n_complaints)
{
	struct complaints complaints = { 0 };
	struct policy *policy = NULL;
	int r;

	put_file(data, size);
	r = policy_load(file, &names, &complaints, &policy);
	FUZZ_CHECK(r == expected && complaints.n_items == n_complaints, "%d", r);
	complaints_fini(&complaints);
	policy_unref(policy);
}

/* What is written of a set is the same set. */
static void rewrite(const struct grants *grants)
{
	struct complaints complaints = { 0 };
	struct grants *again = NULL;
	size_t length;
	char *text = grants_compose(grants, &length);

	FUZZ_CHECK(text && grants_parse(text, length, &complaints, &again) == 0, "%s",
		   complaints.n_items ? complaints.items[0].text : "");
	FUZZ_CHECK(again->n_items == grants->n_items);
	for (size_t i = 0; i < grants->n_items; i++) {
		const struct timed_grant *one = &grants->items[i];
		const struct timed_grant *other = &again->items[i];

		FUZZ_CHECK(grant_same(one, other) &&
			   strcmp(one->reason, other->reason) == 0 &&
			   strcmp(one->user.name, other->user.name) == 0 &&
			   one->revoked == other->revoked);
	}
	grants_unref(again);
	free(text);
}

static void check_grants(const uint8_t *data, size_t size, const struct policy *policy)
{
	const struct moment now = { 1795444162, 700 };
	struct complaints complaints = { 0 };
	struct grants *grants = NULL, *valid;
	struct moment next;
	int r = grants_parse((const char *)data, size, &complaints, &grants);

	FUZZ_CHECK(r == 0 || r == -EINVAL, "%d", r);
	FUZZ_CHECK((r == 0) == (grants != NULL) && (r == 0) == (complaints.n_items == 0));
	check_complaints(&complaints, data, size);
	if (grants) {
		rewrite(grants);
		if (policy)
			grants_judge(grants, policy, &names, &now, &complaints);
		valid = grants_select(grants, &now);
		FUZZ_CHECK(valid && valid->n_items <= grants->n_items);
		grants_unref(valid);
		grants_next_change(grants, &now, &next);
		FUZZ_CHECK(next.wall > now.wall && next.boot > now.boot);
	}
	complaints_fini(&complaints);
	grants_unref(grants);
}

static struct policy *policy_for_grants(void)
{
	static const char text[] = "[guard]\ngrantable = r\n[role r]\ngroups = 1\n"
				   "[zone z]\npath = /\n";
	struct complaints complaints = { 0 };
	struct policy *policy = NULL;

	FUZZ_CHECK(policy_parse("policy.ini", text, strlen(text), &names, &complaints,
				&policy) == 0);
	return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct complaints complaints = { 0 };
	static struct policy *grantable; /* reachable until the end */
	struct policy *policy = NULL;
	double start = processor_seconds();
	int r = policy_parse("policy.ini", (const char *)data, size, &names, &complaints,
			     &policy);

	FUZZ_CHECK(r == 0 || r == -EINVAL, "%d", r);
	FUZZ_CHECK((r == 0) == (policy != NULL) && (r == 0) == (complaints.n_items == 0));
	check_complaints(&complaints, data, size);
	if (policy)
		check_policy(policy, data, size);
	load(data, size, r, complaints.n_items);
	if (!grantable)
		grantable = policy_for_grants();
	check_grants(data, size, grantable);
	FUZZ_CHECK(processor_seconds() - start < SECONDS_MAX, "%.1f s",
		   processor_seconds() - start);
	complaints_fini(&complaints);
	policy_unref(policy);
	return 0;
}
