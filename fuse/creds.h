/* SPDX-License-Identifier: Apache-2.0 */
/* As whom the serving thread acts in the source. All of it is per thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From here to creds_restore() what this thread makes in the source belongs to the
 * caller, counts against their quota and inherits a setgid directory's group as it
 * should. The thread keeps its capabilities (privilege.h sets SECBIT_NO_SETUID_FIXUP):
 * whether it may is decided before, by role. setfsuid(2) and setfsgid(2) are per thread
 * and, unlike setegid(2), do not break /proc/self/fd. */
void creds_become(uid_t uid, gid_t gid);

/* What the source's kernel decides by. */
struct creds {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
	uint64_t capabilities; /* of CREDS_CAPABILITIES; one bit each */
};

/* Capabilities that decide about files (capabilities(7)): CAP_CHOWN, CAP_DAC_OVERRIDE,
 * CAP_DAC_READ_SEARCH, CAP_FOWNER and CAP_FSETID are bits 0 to 4. */
#define CREDS_CAPABILITIES ((uint64_t)0x1f)

/* From here to creds_restore() this thread may in the source what the caller may, and has
 * no right of its own: no open_by_handle_at(2), no record, nothing but the operation
 * itself. 0, or -errno: then nothing has changed. */
int creds_assume(const struct creds *creds);

/* Ends either; harmless if none was begun. */
void creds_restore(void);
