/* SPDX-License-Identifier: Apache-2.0 */
/* Whose files are made: the file-system ids of the serving thread. */
#pragma once

#include <sys/types.h>

/* From here to creds_restore() what this thread makes in the source belongs to the
 * caller, counts against their quota and inherits a setgid directory's group as it
 * should. The thread keeps its capabilities (privilege.h sets SECBIT_NO_SETUID_FIXUP):
 * whether it may is decided before, by role. setfsuid(2) and setfsgid(2) are per thread
 * and, unlike setegid(2), do not break /proc/self/fd. */
void creds_become(uid_t uid, gid_t gid);
void creds_restore(void);
