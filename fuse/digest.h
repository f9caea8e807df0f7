/* SPDX-License-Identifier: Apache-2.0 */
/* The SHA-256 of one file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define DIGEST_BYTES	32
#define DIGEST_HEX_SIZE (2 * DIGEST_BYTES + 1)

/* SHA-256 (FIPS 180-4). */
struct digest {
	uint8_t bytes[DIGEST_BYTES];
};

/* Shared by those who hash and those who look on; both fields are atomic. */
struct digest_meter {
	uint64_t n_bytes; /* hashed so far */
	bool stop;	  /* hashing ends with -ECANCELED */
};

/* Hashes what a readable descriptor of a regular file holds, from its beginning whatever
 * its offset is, which stays; what comes next is read from the disk meanwhile. `meter`
 * may be NULL. 0 with what the file was before and after in *ret_stat (may be NULL);
 * -EBUSY: it changed meanwhile (size, mtime or ctime); -EINVAL: not a regular file;
 * -ECANCELED; -ENOMEM; the error of fstat(2) or pread(2). A store through a mapping that
 * was made and written before need not show in mtime or ctime: exclude writers where that
 * counts. */
int digest_file(int fd, struct digest_meter *meter, struct digest *ret,
		struct stat *ret_stat);

/* Of bytes in memory. 0: it allocates nothing. */
int digest_bytes(const void *bytes, size_t length, struct digest *ret);

/* Whether mtime, ctime, size, inode and device agree. */
bool digest_same_file(const struct stat *one, const struct stat *other);

bool digest_equal(const struct digest *one, const struct digest *other);

/* Lower-case hex and a NUL. */
void digest_hex(const struct digest *digest, char ret[DIGEST_HEX_SIZE]);

/* From exactly 64 lower-case hex digits, whatever follows them. False: not that. */
bool digest_parse(const char *hex, struct digest *ret);
