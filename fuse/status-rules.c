/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard tells root of its rules: which line has decided how often. */
#include <errno.h>
#include <stdlib.h>

#include "fuse/control-protocol.h"
#include "fuse/status-internal.h"

/* The line's text without blanks around it. */
static json_t *text_of(const struct policy *policy, unsigned line)
{
	size_t length = 0;
	const char *text = policy_line(policy, line, &length);

	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	return json_text(text ? text : "", length);
}

/* A grant, or with none the section of a zone, which is named where no grant applies. */
static json_t *rule(const struct policy *policy, const struct zone *zone,
		    const struct grant *grant, const struct line_tally *tally)
{
	unsigned line = grant ? grant->line : zone->line;

	return json_pack(
		"{s:I, s:s, s:o, s:o, s:o, s:o}", "line", (json_int_t)line, "zone",
		zone->name, "role",
		grant ? json_string(policy->roles[grant->role].name) : json_null(),
		"text", text_of(policy, line), "allowed", json_count(tally->n_allowed),
		"denied", json_count(tally->n_denied));
}

struct rules {
	const struct policy_snapshot *snapshot;
	json_t *list;
	uint64_t n, n_never_hit;
	int failed;
};

static void add_rule(struct rules *rules, const struct zone *zone,
		     const struct grant *grant)
{
	const struct tally *tally = rules->snapshot->tally;
	const struct line_tally *line = &tally->lines[grant ? grant->line : zone->line];

	/* A section decides only where it is the reason of a denial. */
	if (!grant && line->n_denied == 0)
		return;
	rules->n++;
	rules->n_never_hit += grant && line->n_allowed == 0;
	if (rules->n <= CONTROL_ITEMS)
		rules->failed |= json_array_append_new(
			rules->list, rule(rules->snapshot->policy, zone, grant, line));
}

int status_set_rules(const struct policy_snapshot *snapshot, json_t *document)
{
	const struct policy *policy = snapshot->policy;
	struct rules rules = { .snapshot = snapshot, .list = json_array() };

	for (size_t i = 0; i < policy->n_zones; i++) {
		const struct zone *zone = &policy->zones[i];

		add_rule(&rules, zone, NULL);
		for (size_t j = 0; j < zone->n_grants; j++)
			add_rule(&rules, zone, &zone->grants[j]);
	}
	rules.failed |= json_object_set_new(document, "rules", rules.list);
	rules.failed |= json_object_set_new(document, "n_rules", json_count(rules.n));
	rules.failed |= json_object_set_new(document, "n_never_hit",
					    json_count(rules.n_never_hit));
	return rules.failed ? -ENOMEM : 0;
}
