/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: how somebody came to a role, for a person and for a program. */
#pragma once

#include <jansson.h>

#include "config/decide.h"

/* A group's name, safely. */
void ctl_print_group(gid_t gid);
json_t *ctl_json_group(gid_t gid);

/* "through the group ml-engineers, only by /usr/bin/mv", "included by ml-engineer, ..."
 */
void ctl_print_holding(const struct policy *policy, const struct subject *subject,
		       unsigned role, const struct role_holding *holding);

/* ", only by /usr/bin/mv, only in runner.service", or nothing. */
void ctl_print_limits(const struct role *role);

/* An object with the role's name, and `by`, `group` or `included_by`; of a grant `until`,
 * `granted_by` and `reason`. */
json_t *ctl_json_holding(const struct policy *policy, const struct subject *subject,
			 unsigned role, const struct role_holding *holding);
