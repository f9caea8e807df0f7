/* SPDX-License-Identifier: Apache-2.0 */
/* The fingerprint of a policy's text. */
#pragma once

#include <stddef.h>

/* SHA-256 (FIPS 180-4) in lower-case hex and a NUL. */
void policy_hash(const char *text, size_t length, char ret[65]);
