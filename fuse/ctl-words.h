/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: verbs, people and places of a policy in words. */
#pragma once

#include <jansson.h>

#include "config/policy.h"

#include "fuse/ctl-people.h"

/* "read, write" on stdout. */
void ctl_print_verbs(verb_set verbs);

/* People on stdout, with commas, in lines that end before column 80. */
struct ctl_list {
	unsigned indent;
	unsigned column; /* 0: nothing was printed yet */
};

void ctl_list_person(struct ctl_list *list, const struct people *people,
		     const struct person *person);
void ctl_list_end(struct ctl_list *list);

/* "policy.ini:31" on stdout. */
void ctl_print_place(const struct policy *policy, unsigned line);

/* An object with `kind`, `name` and the rest; for the caller to add to. */
json_t *ctl_json_person(const struct person *person);
json_t *ctl_json_zone(const struct zone *zone);

/* What is to be known about people who are not listed: members of the document. */
void ctl_json_set_notes(json_t *document, const struct people *people);
