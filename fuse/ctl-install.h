/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a policy file is read whole and replaced whole. */
#pragma once

#include <stddef.h>

struct policy_text {
	char *bytes; /* and a NUL; free() */
	size_t length;
};

/* Reads a regular file of at most POLICY_BYTES_MAX, not through a symbolic link. Returns
 * 0 or -errno (-ELOOP: a link, -EFBIG: too large, -EINVAL: not a regular file). */
int policy_text_read(const char *file, struct policy_text *ret);
void policy_text_fini(struct policy_text *text);

/* Replaces the file by these bytes: whoever opens it sees the old ones or the new ones.
 * The owner, the mode (but nobody else may write it) and the extended attributes, so the
 * SELinux label and ACLs, are those of the file that is replaced, or of the file `like`
 * if there is none yet. Returns CTL_OK, or CTL_FAILED, having said why; then all is as it
 * was. */
int policy_text_install(const char *file, const char *like, const char *bytes,
			size_t length);
