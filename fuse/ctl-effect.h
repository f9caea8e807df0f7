/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what a change of the policy means: who gains and loses what, where. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "config/policy.h"

#include "fuse/ctl-people.h"
#include "fuse/ctl-points.h"

/* People who gain or lose by one line of a policy. */
struct effect_by {
	const struct role *role; /* of the new policy if it is gained, else of the old */
	unsigned line;
	const struct person **people; /* borrowed, in the order of the people */
	size_t n_people;
};

/* One line of the answer: "+ write /production: 12 people". */
struct effect_line {
	bool gained;
	verb_set verbs;
	struct effect_by *by;
	size_t n_by;
};

struct effect_place {
	const struct point *point;
	struct effect_line *lines;
	size_t n_lines;
};

/* A setting that is another one now. */
struct effect_setting {
	const char *path; /* NULL: in [guard], for the whole share */
	const char *name;
	const char *old, *new; /* borrowed from the policies */
	bool weaker;
};

struct effect {
	const struct policy *old; /* NULL: there was none that could be read */
	const struct policy *new;
	const struct people *people;
	struct points points;
	struct effect_place *places; /* those where something changes */
	size_t n_places;
	struct effect_setting *settings;
	size_t n_settings;
	bool widened; /* somebody gains something, or a setting is weaker */
};

/* Compares two policies by the decision itself, for everyone in `people`, at each place
 * where they can differ. The arguments are borrowed. Returns 0, -ENOMEM or -E2BIG (see
 * points_find()). Zero-initialise, then effect_fini(), also on failure. */
int effect_find(const struct policy *old, const struct policy *new,
		const struct people *people, struct effect *ret);
void effect_fini(struct effect *effect);

/* The settings alone; effect_find() does it. Returns 0 or -ENOMEM. */
int effect_find_settings(struct effect *effect);

/* Adds one if it differs, copied; its strings are borrowed. 0 or -ENOMEM. */
int effect_add_setting(struct effect *effect, const struct effect_setting *setting);

/* Of roles that only some programs or units hold: a setting's path is then the role, or
 * where somebody needs no such program any more. 0 or -ENOMEM. */
int effect_find_limits(struct effect *effect);

/* Prints on stdout. */
void effect_print(const struct effect *effect);

/* A new document, or NULL without memory. */
json_t *effect_json(const struct effect *effect);

/* Gathers the people of both policies and compares. Returns CTL_OK, or the exit status,
 * having said why. The caller finishes both. */
int ctl_find_effect(const struct policy *old, const struct policy *new,
		    struct people *ret_people, struct effect *ret);
