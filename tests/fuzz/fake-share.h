/* SPDX-License-Identifier: Apache-2.0 */
/* A small source directory with a policy and a trail, and a neighbour that nothing may
 * touch. */
#pragma once

#include <stdbool.h>

/* Stands in the neighbour's file: seen in no answer. */
#define SHARE_SECRET "secret of the neighbour"

struct share {
	char base[64]; /* holds the others */
	char source[96], policy[96], trail[96], outside[96];
	bool is_strict; /* the policy that is there */
};

/* Makes it all anew in a temporary directory of this process. */
void share_make(struct share *share);

/* Puts another policy there: one that grants less, or the first one again. */
void share_change_policy(struct share *share);

/* What must hold afterwards: the neighbour is as it was, no device was made, every line
 * of the trail is a record. */
void share_check(const struct share *share);

void share_remove(const struct share *share);
