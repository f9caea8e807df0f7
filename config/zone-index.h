/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the zone of a path: a tree of path components. Built once, read by any thread. */
#pragma once

#include <stdbool.h>

#include "config/policy.h"

struct zone_index;

/* From a policy whose zones and grants are complete; it borrows the zones' paths. Returns
 * NULL without memory. */
struct zone_index *zone_index_new(const struct policy *policy);
struct zone_index *zone_index_free(struct zone_index *index);

/* The index into policy->zones of the zone that owns the path, or -1. */
int zone_index_find(const struct zone_index *index, const char *path);

/* Whether any zone's path lies properly below. */
bool zone_index_has_below(const struct zone_index *index, const char *path);

/* A zone properly below the path where one of the roles is granted something, on some
 * path that belongs to that zone and not to one that goes before it; or -1. With very
 * many zones whose stars overlap it may miss one, as the time is bounded. */
int zone_index_leads_to(const struct zone_index *index, const struct role_set *roles,
			const char *path);

/* Whether there is one; faster. */
bool zone_index_leads(const struct zone_index *index, const struct role_set *roles,
		      const char *path);
