/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: how far a long work is, on a terminal. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "fuse/manifest.h"

struct ctl_progress {
	const char *what; /* "verifying" */
	struct timespec begin;
	bool shown;
};

/* Begins; shows nothing unless stderr is a terminal. */
void ctl_progress_begin(struct ctl_progress *progress, const char *what);

/* As manifest_plan.progress has it; the context is the struct. Returns 0. */
int ctl_progress_show(void *context, const struct manifest_progress *manifest);

/* Clears the line, before anything else is printed. */
void ctl_progress_end(struct ctl_progress *progress);

/* "10.0 GB", by powers of 1000. */
#define CTL_SIZE_TEXT 32
const char *ctl_size(uint64_t n_bytes, char buffer[static CTL_SIZE_TEXT]);
