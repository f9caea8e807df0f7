/* SPDX-License-Identifier: Apache-2.0 */
/* What a file or a tree consists of, and the one digest that stands for all of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fuse/digest.h"

/* A tree with more names than this is refused: what is known of each is kept in memory.
 */
#define MANIFEST_ENTRIES_MAX 1000000

/* To hash less takes no longer than to keep a digest: a tick of the clock. */
#define MANIFEST_KEEP_MIN (4 << 20)

enum manifest_type {
	MANIFEST_FILE = 'f',
	MANIFEST_DIRECTORY = 'd',
	MANIFEST_LINK = 'l',
};

struct manifest_entry {
	char *path; /* below the top, "weights/a.bin"; "" is the top itself */
	enum manifest_type type;
	uint64_t size; /* of the contents, or of a link's target; 0 of directories */
	struct digest digest; /* of the same; zeroes of a directory */
	struct stat stat;     /* as it was listed and hashed; zeroed if it was parsed */
};

/* Zeroed is empty. */
struct manifest {
	struct manifest_entry
		*entries; /* by the bytes of their paths; parents come first */
	size_t n_entries;
	enum manifest_type type; /* of the top */
	/* A file: of its contents, as sha256sum(1) prints it. A directory: of the text
	 * below. A symbolic link: of its target. They are told apart by `type` alone. */
	struct digest digest;
	uint64_t n_bytes; /* in all files */
	size_t n_files;
	/* After an error: on what, as `path` above; NULL if it was on none in particular
	 */
	char *culprit;
};

struct manifest_progress {
	uint64_t n_bytes, n_bytes_total;
	size_t n_files; /* in all */
};

/* How to go about it; zeroed is fine. */
struct manifest_plan {
	unsigned n_threads; /* 0: one for each core that this process may use, up to 16 */
	/* Called by the thread that called, about ten times a second and once at the end.
	 * Anything but 0 ends the work, and is then what is returned. */
	int (*progress)(void *context, const struct manifest_progress *progress);
	void *context;
	bool recall; /* a digest that digest_keep() kept is as good as a new one */
	bool keep; /* keep it for each file of MANIFEST_KEEP_MIN bytes, where possible */
};

/* The type of a name, and of all that is below it. No symbolic link is followed, no other
 * mount entered. Nothing is read of the files' contents; digests of files stay zeroes.
 * `name` is one in the directory `dir_fd`; "." is the directory itself. 0; -EINVAL: a
 * FIFO, a socket or a device is in it; -E2BIG: more than MANIFEST_ENTRIES_MAX;
 * -ENAMETOOLONG: a path below the top is longer than PATH_MAX; -EBUSY: a directory
 * changed while it was read; -EXDEV: a mount is in it; -ENOMEM; or an error of the
 * system. Whatever is returned, manifest_fini() takes *ret. */
int manifest_list(int dir_fd, const char *name, struct manifest *ret);

/* The digests of files in a list, several at once, the largest first. `wanted` says of
 * each entry whether (NULL: all). `done`, if it is not NULL, is told of each file, in the
 * calling thread, with 0 or the file's error as of digest_file(); without it the first
 * error ends the work and is returned. -EBUSY: it is not what was listed. */
struct manifest_wish {
	bool (*wanted)(void *context, const struct manifest_entry *entry);
	void (*done)(void *context, struct manifest_entry *entry, int error);
	void *context;
};
int manifest_hash(int dir_fd, const char *name, const struct manifest_plan *plan,
		  const struct manifest_wish *wish, struct manifest *manifest);

/* Sets `digest` from the entries. 0 or -ENOMEM. */
int manifest_seal(struct manifest *manifest);

/* All of it: list, hash, look again that nothing has changed since it was listed, seal.
 * After 0 the tree was exactly this at one moment between the call and its return.
 * Errors as above; of -EBUSY, -EINVAL and -EXDEV `culprit` tells the path. */
int manifest_read(int dir_fd, const char *name, const struct manifest_plan *plan,
		  struct manifest *ret);

/* The text that a directory's digest is of. A header "modelguard-tree 1", then, sorted,
 * "TYPE SIZE HEX PATH" of each name below the top, HEX being "-" for a directory; each of
 * them ends in a NUL, which is in no path. *ret is the caller's to free. 0 or -ENOMEM. */
int manifest_text(const struct manifest *manifest, char **ret, size_t *ret_length);

/* Reads such a text back, sealed. -EINVAL: it is not exactly what manifest_text() writes.
 * -ENOMEM. */
int manifest_parse(const char *text, size_t length, struct manifest *ret);

/* The entry of a path, or NULL. */
const struct manifest_entry *manifest_find(const struct manifest *manifest,
					   const char *path);

/* The entry's name under `dir_fd` without following a link; flags as of open(2). */
int manifest_open(int dir_fd, const char *name, const struct manifest_entry *entry,
		  int flags);

void manifest_fini(struct manifest *manifest);
