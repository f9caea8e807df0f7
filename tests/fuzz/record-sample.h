/* SPDX-License-Identifier: Apache-2.0 */
/* A record made of input bytes, and what must be read back from it, written down apart
 * from the encoder's own table. */
#pragma once

#include "fuse/record.h"

#include "tests/fuzz/fuzz.h"

#define SAMPLE_STRINGS 17

struct sample {
	struct record record;
	struct actor actor;
	char *strings[SAMPLE_STRINGS]; /* what the record's pointers point to */
	size_t n_strings;
};

enum expected_form {
	EXPECT_TEXT,
	EXPECT_PROSE,
	EXPECT_NUMBER,
	EXPECT_ID,
	EXPECT_OWNER,
	EXPECT_OCTAL,
	EXPECT_FLAGS,
	EXPECT_DEVICE, /* number: major << 32 | minor */
	EXPECT_TIME,
};

struct expected {
	const char *name;
	enum expected_form form;
	const char *text; /* NULL: unknown */
	char suffix[16];  /* what follows the text */
	uint64_t number;  /* not for texts */
	struct timespec time;
};

#define EXPECTED_MAX 48

void sample_init(struct sample *sample, struct bytes *bytes);
void sample_fini(struct sample *sample);

/* What the record says, in its order. Returns how many fields. */
size_t sample_expect(const struct sample *sample, struct expected ret[EXPECTED_MAX]);

/* A text and its suffix in one string, the caller's. */
char *expected_text(const struct expected *expected);
