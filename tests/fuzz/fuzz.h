/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target has: the entry point, a check that ends the run, and input as
 * choices. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's, and replay-main.c's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding: says what was expected, and ends so that libFuzzer keeps the input. */
#define FUZZ_CHECK(condition, ...)                                                \
	do {                                                                      \
		if (!(condition)) {                                               \
			fprintf(stderr, "%s:%d: not so: %s:", __FILE__, __LINE__, \
				#condition);                                      \
			fprintf(stderr, " " __VA_ARGS__);                         \
			fputc('\n', stderr);                                      \
			abort();                                                  \
		}                                                                 \
	} while (0)

/* The input, taken from its front; zeros once it is used up. */
struct bytes {
	const uint8_t *next, *end;
};

static inline size_t bytes_left(const struct bytes *bytes)
{
	return (size_t)(bytes->end - bytes->next);
}

static inline uint8_t bytes_u8(struct bytes *bytes)
{
	return bytes->next < bytes->end ? *bytes->next++ : 0;
}

/* 0 .. n-1; n <= 256. */
static inline unsigned bytes_below(struct bytes *bytes, unsigned n)
{
	return bytes_u8(bytes) % n;
}

static inline uint64_t bytes_u64(struct bytes *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes_u8(bytes);
	return value;
}

/* At most `n` of what is left; borrowed. */
static inline const uint8_t *bytes_take(struct bytes *bytes, size_t n, size_t *ret_n)
{
	const uint8_t *from = bytes->next;

	*ret_n = n < bytes_left(bytes) ? n : bytes_left(bytes);
	bytes->next += *ret_n;
	return from;
}
