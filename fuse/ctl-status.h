/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl status: the state of a guard in words. */
#pragma once

#include <jansson.h>

/* Prints an answer (control-protocol.h) on stdout. */
void ctl_print_status(const json_t *answer);
