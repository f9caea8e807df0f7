/* SPDX-License-Identifier: Apache-2.0 */
/* The directory behind the guard: what identifies an inode there, and how it is opened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct source {
	int root_fd; /* O_RDONLY directory, opened before anything is mounted over it */
	bool has_handles; /* the filesystem has file handles (name_to_handle_at(2)) */
	int mount_id;	  /* of the mount that root_fd is on, with has_handles */
	bool is_local;	  /* on a disk of this machine: nobody else changes it */
	struct stat root;
};

#define SOURCE_HANDLE_MAX 128 /* MAX_HANDLE_SZ of name_to_handle_at(2) */

/* What an inode is, beyond reuse of its number: the file handle holds a generation. */
struct source_id {
	dev_t dev;
	ino_t ino;
	int handle_type;
	unsigned handle_bytes; /* 0: no handle; a descriptor must be kept */
	unsigned char handle[SOURCE_HANDLE_MAX];
};

/* Opens a directory. 0 or -errno (ENOTDIR, ENOENT, ...). */
int source_init(struct source *source, const char *path);
void source_fini(struct source *source);

/* Opens a name in a directory with O_PATH, never following a link, leaving the directory
 * or entering another mount (openat2(2); EXDEV for a mount point inside the source:
 * nothing may be reached there that this daemon serves itself). The caller owns the
 * descriptor; -errno. */
int source_open_name(int dir_fd, const char *name);

/* Identifies what is at a name in a directory, as source_open_name() would find it. An
 * inode without a handle is opened as well: *ret_fd is then the caller's, else -1. 0 or
 * -errno (EXDEV: a mount point). With handles two system calls where opening takes four;
 * what is replaced in between, behind the guard, may be told with the attributes of its
 * successor. */
int source_find(const struct source *source, int dir_fd, const char *name,
		struct source_id *ret_id, struct stat *ret_stat, int *ret_fd);

/* Identifies what a descriptor refers to. 0 and sets both, or -errno. */
int source_identify(const struct source *source, int fd, struct source_id *ret_id,
		    struct stat *ret_stat);

/* Opens an inode by its handle (open_by_handle_at(2), needs CAP_DAC_READ_SEARCH). The
 * caller owns the descriptor; -ESTALE if the inode is gone. Never called for FIFOs and
 * devices without O_PATH: opening one blocks or acts. */
int source_open_id(const struct source *source, const struct source_id *id, int flags);
