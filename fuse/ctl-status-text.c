/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl status: the state of a guard in words. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fuse/ctl-status.h"
#include "fuse/ctl.h"

static long long number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
	const char *found = json_string_value(json_object_get(object, name));

	return found ? found : "?";
}

static void print_safe(const json_t *object, const char *name)
{
	ctl_puts_safe(stdout, text(object, name));
}

static void print_time(const json_t *object, const char *name)
{
	time_t at = number(object, name);
	char words[64] = "?";
	struct tm local;

	if (localtime_r(&at, &local))
		strftime(words, sizeof(words), "%Y-%m-%d %H:%M:%S", &local);
	fputs(words, stdout);
}

static void print_label(const char *label)
{
	printf("  %-12s ", label);
}

static const char *plural(long long n)
{
	return n == 1 ? "" : "s";
}

static void print_head(const json_t *answer)
{
	fputs(ctl_colour(stdout, CTL_BOLD), stdout);
	print_safe(answer, "mountpoint");
	fputs(ctl_colour(stdout, CTL_PLAIN), stdout);
	fputs(": guards ", stdout);
	print_safe(answer, "source");
	printf(", pid %lld, since ", number(answer, "pid"));
	print_time(answer, "since");
	putchar('\n');
}

static void print_policy(const json_t *policy)
{
	const char *on_disk = text(policy, "on_disk");

	print_label("policy");
	print_safe(policy, "file");
	printf(", generation %lld, in force since ", number(policy, "generation"));
	print_time(policy, "since");
	putchar('\n');
	print_label("");
	fputs("sha256 ", stdout);
	print_safe(policy, "sha256");
	putchar('\n');
	if (strcmp(on_disk, "same") == 0)
		return;
	print_label("");
	printf("%sthe file %s%s: %s\n", ctl_colour(stdout, CTL_RED),
	       strcmp(on_disk, "differs") == 0 ? "differs" : "cannot be read",
	       ctl_colour(stdout, CTL_PLAIN),
	       "'modelguardctl check' it, then 'modelguardctl reload'");
}

static void print_audit(const json_t *audit)
{
	bool well = strcmp(text(audit, "state"), "recording") == 0;

	print_label("records");
	fputs(ctl_colour(stdout, well ? CTL_GREEN : CTL_RED), stdout);
	print_safe(audit, "state");
	printf("%s, to ", ctl_colour(stdout, CTL_PLAIN));
	print_safe(audit, "sink");
	printf("; number %lld, %lld waiting\n", number(audit, "seqno"),
	       number(audit, "waiting"));
	if (!well) {
		print_label("");
		fputs("since ", stdout);
		print_time(audit, "gap_since");
		puts(strcmp(text(audit, "failure"), "deny") == 0
			     ? ", and what would be recorded does not happen"
			     : ", and what happens is not recorded");
	}
	if (number(audit, "gaps") == 0)
		return;
	print_label("");
	printf("%lld gap%s: %lld unrecorded, %lld refused, %lld lost\n",
	       number(audit, "gaps"), plural(number(audit, "gaps")),
	       number(audit, "unrecorded"), number(audit, "refused"),
	       number(audit, "lost"));
}

static void print_passthrough(const json_t *passthrough)
{
	print_label("passthrough");
	if (!json_is_true(json_object_get(passthrough, "available"))) {
		puts("off: the kernel does not have it (Linux 6.9); reads go through the "
		     "guard");
		return;
	}
	fputs("on", stdout);
	if (number(passthrough, "refused") > 0) {
		printf("; %lld open%s went without: ", number(passthrough, "refused"),
		       plural(number(passthrough, "refused")));
		print_safe(passthrough, "error");
	}
	putchar('\n');
}

static void print_rate(const json_t *answer, const char *name)
{
	const json_t *rate = json_object_get(answer, name);

	print_label(name);
	printf("%lld, %.1f a second in the last %.0f s\n", number(rate, "total"),
	       json_number_value(json_object_get(rate, "per_second")),
	       json_number_value(json_object_get(answer, "period")));
}

static void print_counts(const json_t *counts)
{
	long long directories = number(counts, "directories");

	printf("%lld reading, %lld writing, %lld director%s", number(counts, "reading"),
	       number(counts, "writing"), directories, directories == 1 ? "y" : "ies");
}

static void print_more(const json_t *answer, const char *list, const char *n)
{
	long long more = number(answer, n) -
			 (long long)json_array_size(json_object_get(answer, list));

	if (more > 0)
		printf("    and %lld more\n", more);
}

static void print_handles(const json_t *answer)
{
	const json_t *handles = json_object_get(answer, "handles");

	print_label("open");
	print_counts(handles);
	printf("; %lld past the guard\n", number(handles, "passthrough"));
	print_label("nodes");
	printf("%lld\n", number(answer, "nodes"));
	print_label("memory");
	printf("%.1f MiB\n", (double)number(answer, "memory") / (1 << 20));
}

static void print_roles_of(const json_t *person)
{
	const json_t *role, *roles = json_object_get(person, "roles");
	size_t i;

	if (json_array_size(roles) == 0)
		fputs("no role", stdout);
	for (i = 0; i < json_array_size(roles); i++) {
		role = json_array_get(roles, i);
		fputs(i > 0 ? ", " : "", stdout);
		ctl_puts_safe(stdout,
			      json_is_string(role) ? json_string_value(role) : "?");
	}
}

static void print_title(const char *title)
{
	printf("\n  %s%s%s\n", ctl_colour(stdout, CTL_BOLD), title,
	       ctl_colour(stdout, CTL_PLAIN));
}

static void print_people(const json_t *answer)
{
	const json_t *people = json_object_get(answer, "people");
	const json_t *roles = json_object_get(answer, "roles");

	if (json_array_size(people) == 0)
		return;
	print_title("Who has something open");
	for (size_t i = 0; i < json_array_size(people); i++) {
		const json_t *person = json_array_get(people, i);

		fputs("    ", stdout);
		print_safe(person, "name");
		fputs(" (", stdout);
		print_roles_of(person);
		fputs("): ", stdout);
		print_counts(person);
		putchar('\n');
	}
	print_more(answer, "people", "n_people");
	for (size_t i = 0; i < json_array_size(roles); i++) {
		const json_t *role = json_array_get(roles, i);

		fputs("    role ", stdout);
		print_safe(role, "name");
		printf(": %lld\n", number(role, "handles"));
	}
}

/* "alice has model-admin until 2026-11-23 22:00:00, by root: mend the upload" */
static void print_grant(const json_t *grant)
{
	bool in_force = strcmp(text(grant, "state"), "in-force") == 0;

	fputs("    ", stdout);
	print_safe(grant, "user");
	fputs(in_force ? " has " : " was granted ", stdout);
	print_safe(grant, "role");
	fputs(" until ", stdout);
	print_time(grant, "until");
	fputs(", by ", stdout);
	print_safe(grant, "by");
	fputs(": ", stdout);
	print_safe(grant, "reason");
	if (!in_force) {
		printf(" %s(", ctl_colour(stdout, CTL_RED));
		print_safe(grant, "state");
		if (json_is_string(json_object_get(grant, "why"))) {
			fputs(": ", stdout);
			print_safe(grant, "why");
		}
		printf(")%s", ctl_colour(stdout, CTL_PLAIN));
	}
	putchar('\n');
}

/* Those that have ended or were revoked are in the trail. */
static void print_grants(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "grants");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *grant = json_array_get(list, i);
		const char *state = text(grant, "state");

		if (strcmp(state, "ended") == 0 || strcmp(state, "revoked") == 0)
			continue;
		if (n++ == 0)
			print_title("Grants that end");
		print_grant(grant);
	}
}

static void print_unreachable(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "unreachable");

	if (json_array_size(list) == 0)
		return;
	print_title("Denied by now, but reading past the guard until they close it");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *reader = json_array_get(list, i);

		fputs("    ", stdout);
		print_safe(reader, "name");
		printf(" (pid %lld): ", number(reader, "pid"));
		print_safe(reader, "path");
		putchar('\n');
	}
	print_more(answer, "unreachable", "n_unreachable");
}

/* "policy.ini:31", as records have it. */
static void print_place(const json_t *answer, const json_t *rule)
{
	const char *file = text(json_object_get(answer, "policy"), "file");
	const char *slash = strrchr(file, '/');

	ctl_puts_safe(stdout, slash ? slash + 1 : file);
	printf(":%lld", number(rule, "line"));
}

static void print_rule(const json_t *answer, const json_t *rule)
{
	printf("    %10lld %10lld  ", number(rule, "allowed"), number(rule, "denied"));
	print_place(answer, rule);
	fputs(" in ", stdout);
	print_safe(rule, "zone");
	fputs(": ", stdout);
	print_safe(rule, "text");
	putchar('\n');
}

static bool is_hit(const json_t *rule)
{
	return number(rule, "allowed") > 0 || json_is_null(json_object_get(rule, "role"));
}

static void print_rules(const json_t *answer, bool hit)
{
	const json_t *list = json_object_get(answer, "rules");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *rule = json_array_get(list, i);

		if (is_hit(rule) != hit)
			continue;
		if (n++ == 0) {
			print_title(hit ? "What each rule decided" : "Rules never hit");
			printf("    %10s %10s\n", "allowed", "denied");
		}
		print_rule(answer, rule);
	}
}

void ctl_print_status(const json_t *answer)
{
	print_head(answer);
	print_policy(json_object_get(answer, "policy"));
	print_audit(json_object_get(answer, "audit"));
	print_passthrough(json_object_get(answer, "passthrough"));
	print_rate(answer, "requests");
	print_rate(answer, "denials");
	print_handles(answer);
	print_people(answer);
	print_unreachable(answer);
	print_grants(answer);
	print_rules(answer, true);
	print_rules(answer, false);
	print_more(answer, "rules", "n_rules");
}
