/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what a change of the policy means: who gains and loses what, where. */
#include <string.h>

#include "fuse/ctl-effect.h"
#include "fuse/ctl-rights.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

/* People who hold the same roles in both policies, so that one decision is for all. */
struct class
{
	struct role_set old, new;
	const struct person **people;
	size_t n_people;
};

struct classes {
	struct class *items;
	size_t n_items;
};

/* What one class gains and loses at one place. */
struct change {
	verb_set gained, lost;
	struct rights old, new;
};

static void classes_fini(struct classes *classes)
{
	for (size_t i = 0; i < classes->n_items; i++)
		free(classes->items[i].people);
	free(classes->items);
}

static bool same_roles(const struct role_set *one, const struct role_set *other)
{
	return memcmp(one, other, sizeof(*one)) == 0;
}

static struct class *find_class(struct classes *classes, const struct class *like)
{
	for (size_t i = 0; i < classes->n_items; i++) {
		if (same_roles(&classes->items[i].old, &like->old) &&
		    same_roles(&classes->items[i].new, &like->new))
			return &classes->items[i];
	}
	return NULL;
}

static int classify(const struct effect *effect, const struct person *person,
		    struct classes *classes)
{
	struct class like = { 0 }, *class;
	const struct person **more;

	if (effect->old)
		policy_roles(effect->old, &person->subject, &like.old);
	policy_roles(effect->new, &person->subject, &like.new);
	class = find_class(classes, &like);
	if (!class) {
		struct class *items = reallocarray(classes->items, classes->n_items + 1,
						   sizeof(*items));

		if (!items)
			return -ENOMEM;
		classes->items = items;
		class = &items[classes->n_items++];
		*class = like;
	}
	more = reallocarray(class->people, class->n_people + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	class->people = more;
	more[class->n_people++] = person;
	return 0;
}

static int find_classes(const struct effect *effect, struct classes *ret)
{
	int r = 0;

	for (size_t i = 0; i < effect->people->n_items && r == 0; i++)
		r = classify(effect, &effect->people->items[i], ret);
	return r;
}

/* Returns whether anything changes. */
static bool compare_class(const struct effect *effect, const struct class *class,
			  const struct point *point, struct change *ret)
{
	const struct subject *subject = &class->people[0]->subject;

	ctl_rights(effect->old, subject, point->old, &ret->old);
	ctl_rights(effect->new, subject, point->new, &ret->new);
	ret->gained = ctl_verbs_shown(ret->new.verbs & ~ret->old.verbs);
	ret->lost = ctl_verbs_shown(ret->old.verbs & ~ret->new.verbs);
	return ret->gained != 0 || ret->lost != 0;
}

/* By what a class gains or loses the verb; NULL: it does neither. */
static const struct verdict *verdict_of(const struct change *change, bool gained,
					enum verb verb)
{
	verb_set verbs = gained ? change->gained : change->lost;

	if (!(verbs & VERB_SET(verb)))
		return NULL;
	return gained ? &change->new.verdicts[verb] : &change->old.verdicts[verb];
}

/* Whether the same classes gain or lose both verbs, by the same lines. */
static bool same_line(const struct change *changes, size_t n, bool gained, enum verb one,
		      enum verb other)
{
	for (size_t i = 0; i < n; i++) {
		const struct verdict *a = verdict_of(&changes[i], gained, one);
		const struct verdict *b = verdict_of(&changes[i], gained, other);

		if (!a != !b || (a && a->line != b->line))
			return false;
	}
	return true;
}

static struct effect_by *by_of(struct effect_line *line, const struct verdict *verdict)
{
	struct effect_by *more;

	for (size_t i = 0; i < line->n_by; i++) {
		if (line->by[i].line == verdict->line)
			return &line->by[i];
	}
	more = reallocarray(line->by, line->n_by + 1, sizeof(*more));
	if (!more)
		return NULL;
	line->by = more;
	more[line->n_by] = (struct effect_by){ verdict->role, verdict->line, NULL, 0 };
	return &more[line->n_by++];
}

static int add_people(struct effect_by *by, const struct class *class)
{
	const struct person **more =
		reallocarray(by->people, by->n_people + class->n_people, sizeof(*more));

	if (!more)
		return -ENOMEM;
	by->people = more;
	memcpy(more + by->n_people, class->people, class->n_people * sizeof(*more));
	by->n_people += class->n_people;
	return 0;
}

/* A group whose members are listed is left out if one of them is in the line. */
static bool is_shown_by_member(const struct effect_line *line, const struct person *group)
{
	if (group->kind != PERSON_GROUP || group->listing != LISTING_WHOLE)
		return false;
	for (size_t i = 0; i < line->n_by; i++) {
		for (size_t j = 0; j < line->by[i].n_people; j++) {
			const struct person *person = line->by[i].people[j];

			if (person->kind == PERSON_USER &&
			    person_has_group(person, group->subject.gid))
				return true;
		}
	}
	return false;
}

static int compare_pointers(const void *one, const void *other)
{
	const struct person *a = *(const struct person *const *)one;
	const struct person *b = *(const struct person *const *)other;

	return a < b ? -1 : a > b;
}

static int compare_by(const void *one, const void *other)
{
	const struct effect_by *a = one, *b = other;

	return a->line < b->line ? -1 : a->line > b->line;
}

/* Users come before groups in the array of the people, and so wherever it is sorted. */
static void tidy_line(struct effect_line *line)
{
	size_t n_by = 0;

	for (size_t i = 0; i < line->n_by; i++) {
		struct effect_by *by = &line->by[i];
		size_t n = 0;

		for (size_t j = 0; j < by->n_people; j++) {
			if (!is_shown_by_member(line, by->people[j]))
				by->people[n++] = by->people[j];
		}
		by->n_people = n;
		qsort(by->people, n, sizeof(*by->people), compare_pointers);
	}
	for (size_t i = 0; i < line->n_by; i++) {
		if (line->by[i].n_people == 0)
			free(line->by[i].people);
		else
			line->by[n_by++] = line->by[i];
	}
	line->n_by = n_by;
	qsort(line->by, n_by, sizeof(*line->by), compare_by);
}

static struct effect_line *new_line(struct effect_place *place)
{
	struct effect_line *more =
		reallocarray(place->lines, place->n_lines + 1, sizeof(*more));

	if (!more)
		return NULL;
	place->lines = more;
	more[place->n_lines] = (struct effect_line){ 0 };
	return &more[place->n_lines++];
}

/* The line of a verb, and of the later ones that have the same people. */
static int add_line(struct effect_place *place, const struct classes *classes,
		    const struct change *changes, bool gained, enum verb verb)
{
	struct effect_line *line = new_line(place);
	int r = 0;

	if (!line)
		return -ENOMEM;
	line->gained = gained;
	for (unsigned i = verb; i < N_VERBS; i++) {
		if (same_line(changes, classes->n_items, gained, verb, (enum verb)i))
			line->verbs |= VERB_SET(i);
	}
	for (size_t i = 0; i < classes->n_items && r == 0; i++) {
		const struct verdict *verdict = verdict_of(&changes[i], gained, verb);
		struct effect_by *by = verdict ? by_of(line, verdict) : NULL;

		if (verdict)
			r = by ? add_people(by, &classes->items[i]) : -ENOMEM;
	}
	if (r == 0)
		tidy_line(line);
	return r;
}

static int add_lines(struct effect_place *place, const struct classes *classes,
		     const struct change *changes, bool gained)
{
	verb_set verbs = 0, done = 0;
	int r = 0;

	for (size_t i = 0; i < classes->n_items; i++)
		verbs |= gained ? changes[i].gained : changes[i].lost;
	for (unsigned i = 0; i < N_VERBS && r == 0; i++) {
		if (!(verbs & ~done & VERB_SET(i)))
			continue;
		r = add_line(place, classes, changes, gained, (enum verb)i);
		if (r == 0)
			done |= place->lines[place->n_lines - 1].verbs;
	}
	return r;
}

static int compare_place(struct effect *effect, const struct classes *classes,
			 const struct point *point, struct change *changes)
{
	struct effect_place *more, *place;
	bool any = false, gained = false;
	int r;

	for (size_t i = 0; i < classes->n_items; i++) {
		any |= compare_class(effect, &classes->items[i], point, &changes[i]);
		gained |= changes[i].gained != 0;
	}
	if (!any)
		return 0;
	effect->widened |= gained;
	more = reallocarray(effect->places, effect->n_places + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	effect->places = more;
	place = &more[effect->n_places++];
	*place = (struct effect_place){ .point = point };
	r = add_lines(place, classes, changes, true);
	return r < 0 ? r : add_lines(place, classes, changes, false);
}

int effect_find(const struct policy *old, const struct policy *new,
		const struct people *people, struct effect *ret)
{
	_cleanup_(classes_fini) struct classes classes = { 0 };
	_cleanup_(freep) struct change *changes = NULL;
	int r;

	*ret = (struct effect){ .old = old, .new = new, .people = people };
	r = points_find(old, new, &ret->points);
	if (r == 0)
		r = find_classes(ret, &classes);
	if (r < 0)
		return r;
	changes = calloc(classes.n_items, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < ret->points.n_items && r == 0; i++)
		r = compare_place(ret, &classes, &ret->points.items[i], changes);
	return r < 0 ? r : effect_find_settings(ret);
}

static void place_fini(struct effect_place *place)
{
	for (size_t i = 0; i < place->n_lines; i++) {
		for (size_t j = 0; j < place->lines[i].n_by; j++)
			free(place->lines[i].by[j].people);
		free(place->lines[i].by);
	}
	free(place->lines);
}

void effect_fini(struct effect *effect)
{
	for (size_t i = 0; i < effect->n_places; i++)
		place_fini(&effect->places[i]);
	free(effect->places);
	free(effect->settings);
	points_fini(&effect->points);
}

int ctl_find_effect(const struct policy *old, const struct policy *new,
		    struct people *ret_people, struct effect *ret)
{
	const struct policy *policies[] = { new, old };
	int status = ctl_gather_people(policies, old ? 2 : 1, ret_people);
	int r;

	if (status != CTL_OK)
		return status;
	r = effect_find(old, new, ret_people, ret);
	if (r == -E2BIG)
		return ctl_fail(
			"the '*' in the paths of the zones combine to more places "
			"than can be compared: use fewer");
	return r < 0 ? ctl_fail("no memory") : CTL_OK;
}
