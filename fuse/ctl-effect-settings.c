/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: settings of the guard and of zones that a change of the policy changes.
 */
#include <string.h>

#include "fuse/ctl-effect.h"
#include "fuse/util.h"

static const char *const audit_failure_words[] = { "deny", "allow" };
static const char *const audit_writes_words[] = { "each", "ranges" };
static const char *const groups_from_words[] = { "process", "database" };
static const char *const modes_words[] = { "role", "owner" };
static const char *const mapped_words[] = { "allow", "refuse" };
static const char *const pickle_words[] = { "refuse", "allow" };
static const char *const approvals_words[] = { "none", "1", "2", "3", "4",
					       "5",    "6", "7", "8" };
/* By the bits of enum gate_format. */
static const char *const format_words[] = {
	"any",	"safetensors",	     "gguf",	   "safetensors, gguf",
	"onnx", "safetensors, onnx", "gguf, onnx", "safetensors, gguf, onnx",
};
static const char *const no_yes_words[] = { "no", "yes" };

int effect_add_setting(struct effect *effect, const struct effect_setting *setting)
{
	struct effect_setting *more;

	if (strcmp(setting->old, setting->new) == 0)
		return 0;
	more = reallocarray(effect->settings, effect->n_settings + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	effect->settings = more;
	more[effect->n_settings++] = *setting;
	effect->widened |= setting->weaker;
	return 0;
}

/* Whether a role may be granted now that could not be. */
static bool more_grantable(const struct policy *old, const struct policy *new)
{
	for (unsigned i = 1; i < new->n_roles; i++) {
		bool could = false;

		if (!role_set_has(&new->grantable, i))
			continue;
		for (unsigned j = 1; j < old->n_roles; j++)
			could |= role_set_has(&old->grantable, j) &&
				 strcmp(old->roles[j].name, new->roles[i].name) == 0;
		if (!could)
			return true;
	}
	return false;
}

static int compare_guard(struct effect *effect)
{
	const struct policy *old = effect->old, *new = effect->new;
	const struct effect_setting settings[] = {
		{ NULL, "audit-failure", audit_failure_words[old->audit_failure],
		  audit_failure_words[new->audit_failure],
		  new->audit_failure == AUDIT_FAILURE_ALLOW },
		{ NULL, "audit-writes", audit_writes_words[old->audit_writes],
		  audit_writes_words[new->audit_writes],
		  new->audit_writes == AUDIT_WRITES_RANGES },
		/* Whoever left a group keeps what it gave until they log in again. */
		{ NULL, "groups-from", groups_from_words[old->groups_from],
		  groups_from_words[new->groups_from],
		  new->groups_from == GROUPS_FROM_PROCESS },
		/* 24h is 1d. */
		{ NULL, "max-grant", old->max_grant_text,
		  new->max_grant == old->max_grant ? old->max_grant_text
						   : new->max_grant_text,
		  new->max_grant > old->max_grant },
		{ NULL, "grantable", old->grantable_text, new->grantable_text,
		  more_grantable(old, new) },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && r == 0; i++)
		r = effect_add_setting(effect, &settings[i]);
	return r;
}

static int compare_zones(struct effect *effect, const struct point *point)
{
	const struct zone *old = point->old, *new = point->new;
	const char *path = point->path;
	const struct effect_setting settings[] = {
		{ path, "modes", modes_words[old->modes], modes_words[new->modes],
		  new->modes == ZONE_MODES_ROLE },
		{ path, "mapped-writes", mapped_words[old->mapped_writes],
		  mapped_words[new->mapped_writes],
		  new->mapped_writes == MAPPED_WRITES_ALLOW },
		{ path, "write-once", no_yes_words[old->write_once],
		  no_yes_words[new->write_once], !new->write_once },
		{ path, "retain", old->retain_text ? old->retain_text : "none",
		  new->retain_text ? new->retain_text : "none",
		  new->retain < old->retain },
		{ path, "separation-of-duties", no_yes_words[old->gates.separation],
		  no_yes_words[new->gates.separation], !new->gates.separation },
		{ path, "approvals", approvals_words[old->gates.approvals],
		  approvals_words[new->gates.approvals],
		  new->gates.approvals < old->gates.approvals },
		{ path, "formats", format_words[old->gates.formats],
		  format_words[new->gates.formats],
		  (new->gates.formats & ~old->gates.formats) != 0 ||
			  new->gates.formats == 0 },
		{ path, "pickle", pickle_words[old->gates.pickle],
		  pickle_words[new->gates.pickle], new->gates.pickle },
		{ path, "promote-from", old->promote_from ? old->promote_from : "none",
		  new->promote_from ? new->promote_from : "none",
		  new->promote_from != NULL },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && r == 0; i++)
		r = effect_add_setting(effect, &settings[i]);
	return r;
}

int effect_find_settings(struct effect *effect)
{
	int r;

	if (!effect->old)
		return 0;
	r = compare_guard(effect);
	if (r == 0)
		r = effect_find_limits(effect);
	for (size_t i = 0; i < effect->points.n_items && r == 0; i++) {
		const struct point *point = &effect->points.items[i];

		if (point->old && point->new)
			r = compare_zones(effect, point);
	}
	return r;
}
