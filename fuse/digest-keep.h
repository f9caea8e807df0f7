/* SPDX-License-Identifier: Apache-2.0 */
/* A file's digest kept on the file itself, for as long as it does not change. */
#pragma once

#include <sys/stat.h>

#include "fuse/digest.h"

/* Holds, as text, "1 sha256 HEX SIZE MTIME BEGIN END", times as SECONDS.NANOSECONDS.
 * trusted.* takes CAP_SYS_ADMIN (xattr(7)), and the guard shows none of it.
 *
 * mtime and size alone prove nothing: whoever may write a file may set its mtime back.
 * ctime cannot be set, but writing it down changes it. So a span of some milliseconds is
 * written down that the ctime of the writing lies in, and the file is held by a read
 * lease (fcntl(2), F_SETLEASE) from before it is compared with what was hashed until that
 * span is over: nobody can open it for writing meanwhile, and what changes later has a
 * later ctime. */
#define DIGEST_XATTR "trusted.modelguard.digest"

/* Keeps what digest_file() has found out. `fd` is open for reading; *st is what
 * digest_file() said, and is set to what the file is now: trying changes ctime, too. 0;
 * -EBUSY: it has changed since, or is open for writing; -EAGAIN: it took too
 * long each time; -EOPNOTSUPP, -EINVAL: no leases or no such attributes here;
 * -ENOSPC, -EPERM ... of fsetxattr(2). After anything but 0 nothing is kept, and nothing
 * is wrong. */
int digest_keep(int fd, const struct digest *digest, struct stat *st);

/* What is kept, if the file has not changed since. 0 with the file's attributes in
 * *ret_stat; -ENODATA: nothing is kept that holds; or an error of fstat(2). */
int digest_recall(int fd, struct digest *ret, struct stat *ret_stat);
