/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a copy of a file or a tree beside it. */
#pragma once

/* Copies regular files, directories and symbolic links, with their execute bits; blocks
 * are shared where the file system can (copy_file_range(2)). Nothing is left of it after
 * an error. `to` must not exist. Both are names in the directory. 0 or -errno; -EINVAL:
 * there is a FIFO, a socket or a device. */
int ctl_copy(int dir_fd, const char *from, const char *to);

/* Removes a file or a tree. 0 or -errno. */
int ctl_remove(int dir_fd, const char *name);
