/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the places of the tree where two policies can differ. */
#include <stdbool.h>
#include <string.h>

#include "config/decide.h"

#include "fuse/ctl-points.h"
#include "fuse/util.h"

#define POINTS_MAX (1u << 20)

/* A zone's path from the next component on; the ones before it match the place. */
struct rest {
	const char *path; /* from its slash on, or "" at its end */
};

struct finder {
	const struct policy *old, *new;
	struct points *points;
	size_t room;
	char *path; /* of the place, long enough for any */
};

static size_t component_length(const char *path)
{
	return strcspn(path + 1, "/");
}

static bool is_star(const char *path)
{
	return path[1] == '*' && component_length(path) == 1;
}

/* Ended paths first, then "*", then by the next component. */
static int compare_rests(const void *one, const void *other)
{
	const char *a = ((const struct rest *)one)->path;
	const char *b = ((const struct rest *)other)->path;
	size_t n, m;
	int order;

	if (!*a || !*b)
		return (*a != '\0') - (*b != '\0');
	if (is_star(a) || is_star(b))
		return is_star(b) - is_star(a);
	n = component_length(a);
	m = component_length(b);
	order = memcmp(a + 1, b + 1, n < m ? n : m);
	return order != 0 ? order : (n > m) - (n < m);
}

static int add_point(struct finder *finder, size_t length)
{
	struct points *points = finder->points;
	const char *path = length > 0 ? finder->path : "/";
	struct point *point;

	finder->path[length] = '\0';
	if (points->n_items == POINTS_MAX)
		return -E2BIG;
	if (points->n_items == finder->room) {
		size_t room = finder->room ? 2 * finder->room : 64;
		struct point *more = reallocarray(points->items, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		points->items = more;
		finder->room = room;
	}
	point = &points->items[points->n_items];
	point->path = strdup(path);
	if (!point->path)
		return -ENOMEM;
	point->old = finder->old ? policy_zone(finder->old, path) : NULL;
	point->new = finder->new ? policy_zone(finder->new, path) : NULL;
	points->n_items++;
	return 0;
}

static int visit(struct finder *finder, struct rest *rests, size_t n_rests,
		 size_t length);

/* The next component is chosen: those that name it go on, and those with a "*" there. */
static int visit_next(struct finder *finder, const struct rest *stars, size_t n_stars,
		      const struct rest *named, size_t n_named, size_t length)
{
	_cleanup_(freep) struct rest *next =
		reallocarray(NULL, n_stars + n_named, sizeof(*next));
	const struct rest *first = n_named > 0 ? named : stars;
	size_t n = component_length(first->path) + 1;

	if (!next)
		return -ENOMEM;
	memcpy(finder->path + length, first->path, n);
	for (size_t i = 0; i < n_stars; i++)
		next[i].path = stars[i].path + 2;
	for (size_t i = 0; i < n_named; i++)
		next[n_stars + i].path = named[i].path + n;
	return visit(finder, next, n_stars + n_named, length + n);
}

/* At a place that all of these paths match so far. As deep as the longest of them, which
 * one line of a policy bounds. */
static int visit(struct finder *finder, struct rest *rests, size_t n_rests, size_t length)
{
	size_t stars = 0, named, to;
	int r = 0;

	qsort(rests, n_rests, sizeof(*rests), compare_rests);
	while (stars < n_rests && !*rests[stars].path)
		stars++;
	for (named = stars; named < n_rests && is_star(rests[named].path); named++)
		;
	if (stars > 0)
		r = add_point(finder, length);
	if (r == 0 && named > stars)
		r = visit_next(finder, &rests[stars], named - stars, NULL, 0, length);
	for (size_t from = named; from < n_rests && r == 0; from = to) {
		for (to = from + 1; to < n_rests; to++) {
			if (compare_rests(&rests[from], &rests[to]) != 0)
				break;
		}
		r = visit_next(finder, &rests[stars], named - stars, &rests[from],
			       to - from, length);
	}
	return r;
}

static size_t add_rests(const struct policy *policy, struct rest *rests, size_t n)
{
	for (size_t i = 0; policy && i < policy->n_zones; i++) {
		const char *path = policy->zones[i].path;

		rests[n++].path = path[1] == '\0' ? path + 1 : path;
	}
	return n;
}

/* Each component of a place is one of a zone's path: room for the longest of all, as
 * often as the deepest path has one. */
static char *new_path(const struct rest *rests, size_t n_rests)
{
	size_t longest = 0, deepest = 0;

	for (size_t i = 0; i < n_rests; i++) {
		size_t depth = 0;

		for (const char *path = rests[i].path; *path; depth++) {
			size_t n = component_length(path) + 1;

			longest = n > longest ? n : longest;
			path += n;
		}
		deepest = depth > deepest ? depth : deepest;
	}
	return malloc(longest * deepest + 1);
}

static int compare_pairs(const void *one, const void *other)
{
	const struct point *a = one, *b = other;

	if (a->old != b->old)
		return a->old < b->old ? -1 : 1;
	if (a->new != b->new)
		return a->new < b->new ? -1 : 1;
	return strcmp(a->path, b->path);
}

static int compare_paths(const void *one, const void *other)
{
	return strcmp(((const struct point *)one)->path,
		      ((const struct point *)other)->path);
}

/* Of the paths of one pair of zones the first is kept: "*" sorts before most names. */
static void keep_pairs(struct points *points)
{
	struct point *items = points->items;
	size_t n = 0;

	qsort(items, points->n_items, sizeof(*items), compare_pairs);
	for (size_t i = 0; i < points->n_items; i++) {
		if (n > 0 && items[n - 1].old == items[i].old &&
		    items[n - 1].new == items[i].new)
			free(items[i].path);
		else
			items[n++] = items[i];
	}
	points->n_items = n;
	qsort(items, n, sizeof(*items), compare_paths);
}

int points_find(const struct policy *old, const struct policy *new, struct points *ret)
{
	size_t n = (old ? old->n_zones : 0) + (new ? new->n_zones : 0);
	_cleanup_(freep) struct rest *rests = calloc(n + 1, sizeof(*rests));
	_cleanup_(freep) char *path = NULL;
	struct finder finder = { .old = old, .new = new, .points = ret };
	int r;

	if (!rests)
		return -ENOMEM;
	n = add_rests(new, rests, add_rests(old, rests, 0));
	rests[n++].path = ""; /* the root of the share */
	finder.path = path = new_path(rests, n);
	if (!path)
		return -ENOMEM;
	r = visit(&finder, rests, n, 0);
	if (r == 0)
		keep_pairs(ret);
	return r;
}

void points_fini(struct points *points)
{
	for (size_t i = 0; i < points->n_items; i++)
		free(points->items[i].path);
	free(points->items);
}
