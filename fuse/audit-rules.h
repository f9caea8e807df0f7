/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: audit rules (auditctl(8)) by which records of ours are dropped.
 */
#pragma once

#include <libaudit.h>
#include <stdbool.h>

/* A rule of the lists user and exclude, from its line in audit.rules(7): *ret is the
 * caller's to free(). 0; -ENOENT: it is no such rule; -EINVAL: it is not understood. */
int audit_rule_parse(const char *line, struct audit_rule_data **ret);

/* Whether it may drop a record of the guard: by its type, and by the daemon being root's;
 * what else it asks for may be true. */
bool audit_rule_drops(const struct audit_rule_data *rule);
