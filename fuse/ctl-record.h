/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a record of its own, of what root did to the source behind the guard. */
#pragma once

#include "fuse/record.h"

/* Sends a record to the kernel's audit, whoever runs us as its actor. 0 or -errno. */
int ctl_record(struct record *record);
