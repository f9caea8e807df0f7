/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls the daemon can still make once it serves: seccomp(2). */
#pragma once

/* For all threads, and for good. Any other call than those listed in call-filter.c fails
 * with ENOSYS, as on a kernel that does not have it, so that a C library that tries a
 * newer one goes on with what it did before. None is logged by the kernel: a C library
 * tries clone3(2) for every thread. 0, or -errno if the kernel does not take the filter.
 *
 * Builds with a sanitizer, whose own calls are many, and for 32-bit machines have no
 * filter (call-filter-none.c): 0. */
int call_filter_install(void);
