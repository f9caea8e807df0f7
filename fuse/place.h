/* SPDX-License-Identifier: Apache-2.0 */
/* A place: the zone of a node under one generation of the policy, in 64 bits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PLACE_NAME_MAX 48 /* a zone's name (policy.ini(5): at most 40 bytes) and NUL */

/* Bits 63..32: the generation (its low half); bit 31: other zones lie below; bit 30: the
 * zone says `modes = owner`; bits 29..0: the zone's index plus one, or 0 for none. The
 * whole is 0 if the place is not known. */
#define PLACE_ZONES_BELOW ((uint64_t)1 << 31)
#define PLACE_OWNER_MODES ((uint64_t)1 << 30)

static inline uint64_t place_make(uint64_t generation, bool zones_below, uint64_t zone)
{
	return generation << 32 | (zones_below ? PLACE_ZONES_BELOW : 0) | zone;
}

/* The zone's index plus one; 0: no zone. */
static inline uint64_t place_zone_number(uint64_t place)
{
	return place & (PLACE_OWNER_MODES - 1);
}

static inline bool place_same_generation(uint64_t a, uint64_t b)
{
	return a >> 32 == b >> 32;
}

/* Whatever lies below: for two places of one generation. */
static inline bool place_same_zone(uint64_t a, uint64_t b)
{
	return (a | PLACE_ZONES_BELOW) == (b | PLACE_ZONES_BELOW);
}
