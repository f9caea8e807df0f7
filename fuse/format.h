/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file is, told by its content, and whether it keeps to its format. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum format {
	FORMAT_UNKNOWN,
	FORMAT_SAFETENSORS,
	FORMAT_GGUF,
	FORMAT_ONNX,
	FORMAT_PICKLE,	   /* runs code when it is loaded; also a zip with one inside */
	FORMAT_COMPRESSED, /* what is inside cannot be told */
};

#define FORMAT_REASON_MAX 640

/* Zeroed: unknown, and not sound. */
struct format_verdict {
	enum format format;
	bool sound;	     /* it has a format that is checked, and keeps to it */
	unsigned n_external; /* references of an ONNX model to files beside it */
	char reason[FORMAT_REASON_MAX]; /* why it is not sound: one sentence without its
					   full stop, ASCII; "" if it is */
};

/* Reads the regular file `fd`, from its beginning whatever its offset is, which stays.
 * What is read, its time and its memory are bounded by the checkers, not by the file:
 * under 128 MiB of memory at any length. Returns 0 with a verdict, -EINVAL if it is no
 * regular file, -ENOMEM, or the error of fstat(2) or pread(2); there is no verdict then,
 * and the file must count as not sound. */
int format_inspect(int fd, struct format_verdict *ret_verdict);

/* "safetensors", ... */
const char *format_name(enum format format);
