/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: audit rules by which records of ours are dropped. */
#include <errno.h>
#include <string.h>

#include "fuse/audit-rules.h"
#include "fuse/util.h"

/* What the guard writes (modelguard-audit(7)). */
static const uint32_t our_types[] = { AUDIT_DAC_CHECK, AUDIT_USYS_CONFIG,
				      AUDIT_TRUSTED_APP };

/* "never,user" and "user,never" are the same. 0, -ENOENT or -EINVAL. */
static int parse_list(const char *text, struct audit_rule_data *rule)
{
	char one[16], other[16], end;

	if (sscanf(text, "%15[a-z],%15[a-z]%c", one, other, &end) != 2)
		return -EINVAL;
	for (int i = 0; i < 2; i++) {
		const char *list = i == 0 ? one : other, *action = i == 0 ? other : one;

		if (strcmp(list, "user") == 0)
			rule->flags = AUDIT_FILTER_USER;
		else if (strcmp(list, "exclude") == 0)
			rule->flags = AUDIT_FILTER_EXCLUDE;
		else
			continue;
		rule->action = strcmp(action, "never") == 0 ? AUDIT_NEVER : AUDIT_ALWAYS;
		return 0;
	}
	return -ENOENT;
}

static int parse_words(char *line, struct audit_rule_data **rule)
{
	char *state = NULL, *option = strtok_r(line, " \t", &state), *value;
	int r;

	if (!option || (strcmp(option, "-a") != 0 && strcmp(option, "-A") != 0))
		return -ENOENT;
	value = strtok_r(NULL, " \t", &state);
	r = value ? parse_list(value, *rule) : -EINVAL;
	while (r == 0 && (option = strtok_r(NULL, " \t", &state))) {
		value = strtok_r(NULL, " \t", &state);
		if (!value)
			return -EINVAL;
		if (strcmp(option, "-F") == 0 &&
		    audit_rule_fieldpair_data(rule, value, (int)(*rule)->flags) != 0)
			return -EINVAL;
	}
	return r;
}

int audit_rule_parse(const char *line, struct audit_rule_data **ret)
{
	_cleanup_(freep) char *copy = strdup(line);
	_cleanup_(freep) struct audit_rule_data *rule = audit_rule_create_data();
	int r = copy && rule ? parse_words(copy, &rule) : -ENOMEM;

	if (r == 0)
		*ret = take_ptr(rule);
	return r;
}

static bool compare(uint32_t one, uint32_t operator, uint32_t other)
{
	switch (operator) {
	case AUDIT_EQUAL:
		return one == other;
	case AUDIT_NOT_EQUAL:
		return one != other;
	case AUDIT_LESS_THAN:
		return one < other;
	case AUDIT_LESS_THAN_OR_EQUAL:
		return one <= other;
	case AUDIT_GREATER_THAN:
		return one > other;
	case AUDIT_GREATER_THAN_OR_EQUAL:
		return one >= other;
	default:
		return true;
	}
}

static bool may_match(const struct audit_rule_data *rule, uint32_t type)
{
	for (uint32_t i = 0; i < rule->field_count; i++) {
		uint32_t operator= rule->fieldflags[i], value = rule->values[i];

		switch (rule->fields[i]) {
		case AUDIT_MSGTYPE:
			if (!compare(type, operator, value))
				return false;
			break;
		case AUDIT_UID:
		case AUDIT_EUID:
		case AUDIT_GID:
		case AUDIT_EGID:
			if (!compare(0, operator, value))
				return false;
			break;
		default:
			break;
		}
	}
	return true;
}

/* kernel/auditfilter.c, audit_filter(): whatever matches in `exclude` is dropped. */
bool audit_rule_drops(const struct audit_rule_data *rule)
{
	if (rule->flags != AUDIT_FILTER_EXCLUDE &&
	    (rule->flags != AUDIT_FILTER_USER || rule->action != AUDIT_NEVER))
		return false;
	for (size_t i = 0; i < sizeof(our_types) / sizeof(*our_types); i++) {
		if (may_match(rule, our_types[i]))
			return true;
	}
	return false;
}
