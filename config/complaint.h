/* SPDX-License-Identifier: Apache-2.0 */
/* How the list of everything wrong with a policy is built; policy-load.h has the list. */
#pragma once

#include "config/policy-load.h"

/* More than these are not kept: one last complaint says so. It bounds what a file of
 * rubbish can make us remember and print. */
#define COMPLAINTS_MAX 1000

/* Adds one, formatted; words from outside go in through QUOTED() (text.h). Returns 0 or
 * -ENOMEM. */
int complaints_add(struct complaints *complaints, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Orders them by line; those of one line stay as they were added. */
void complaints_sort(struct complaints *complaints);
