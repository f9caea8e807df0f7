/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the conformance tables: what the interpreter and its operations share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define ARGS_MAX   6
#define RESULT_MAX 4096

/* One step of a row, and where its result goes: "ok", the name of an errno, or what was
 * found. */
struct step {
	const char *args[ARGS_MAX]; /* the operation first; NULL where there is none */
	char *result;		    /* RESULT_MAX bytes */
};

/* Does a step as whoever the calling process is, in its working directory, and writes the
 * result. */
void ops_do(struct step *step);

/* What stat(2) said of a name when it was marked, for the step `changed`. */
void ops_mark(const char *name);
void ops_forget_marks(void);
