/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl log --summary: its two forms. */
#pragma once

#include "fuse/trail-summary.h"

#define CTL_BYTES_SIZE 32

/* "1.5 MiB". Returns buffer. */
const char *ctl_bytes(uint64_t n, char buffer[static CTL_BYTES_SIZE]);

void ctl_summary_print(struct summary *summary);

/* 0 or -ENOMEM. */
int ctl_summary_print_json(struct summary *summary, const struct trail *trail);
