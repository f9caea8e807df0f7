/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: how findings are shown. */
#pragma once

#include "fuse/doctor.h"

/* Prints on stdout; `skipped` are checks that were not made, a list that ends with NULL.
 */
void ctl_doctor_print(const struct doctor *doctor, const char *const *skipped);

/* The same as JSON. Returns 0 or -ENOMEM. */
int ctl_doctor_print_json(const struct doctor *doctor, const char *const *skipped);

/* How many of a severity were found; of DOCTOR_UNKNOWN, how many could not be told. */
#define DOCTOR_UNKNOWN (-1)
size_t ctl_doctor_count(const struct doctor *doctor, int severity);
