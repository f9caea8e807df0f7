/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon may do: root, with only the capabilities that it needs. */
#pragma once

#include <stdbool.h>

/* Gives up supplementary groups (CVE-2022-0358), all capabilities but those listed in
 * privilege.c, and the right to gain any (no_new_privs); switches off the kernel's
 * automatic changes of capabilities with the file-system uid (SECBIT_NO_SETUID_FIXUP),
 * which creds.h relies on. `for_auditd`: also keeps what
 * records to auditd take. For the present thread and those it starts later. 0, or
 * -errno, logged. */
int privilege_reduce(bool for_auditd);

/* The same for a process that only mounts and unmounts. */
int privilege_reduce_to_mounting(void);

/* As many descriptors as the hard limit allows. */
void privilege_raise_descriptors(void);
