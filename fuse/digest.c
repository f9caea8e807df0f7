/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing a file at the speed of the processor: the kernel reads ahead meanwhile. */
#include <fcntl.h>
#include <linux/magic.h>
/* They allocate nothing: config/hash.c says what the newer ones do without memory. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>
#include <sys/vfs.h>

#include "fuse/digest.h"
#include "fuse/util.h"

#define BUFFER_BYTES (256 * 1024) /* fits a core's cache together with what it copies */
#define AHEAD_BYTES  (8 * 1024 * 1024)

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

/* What is asked for ahead, in halves of AHEAD_BYTES. */
struct ahead {
	bool wanted;
	off_t asked; /* up to here */
};

/* Not through FUSE: a file in passthrough would be read a second time, by the daemon. */
static void ahead_init(struct ahead *ahead, int fd)
{
	struct statfs st;

	*ahead = (struct ahead){ 0 };
	if (fstatfs(fd, &st) < 0 || st.f_type == FUSE_SUPER_MAGIC)
		return;
	ahead->wanted = posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0;
}

static void ahead_ask(struct ahead *ahead, int fd, off_t at, off_t size)
{
	if (!ahead->wanted || ahead->asked >= size || at + AHEAD_BYTES / 2 < ahead->asked)
		return;
	if (posix_fadvise(fd, ahead->asked, at + AHEAD_BYTES - ahead->asked,
			  POSIX_FADV_WILLNEED) != 0)
		ahead->wanted = false;
	ahead->asked = at + AHEAD_BYTES;
}

static bool is_stopped(const struct digest_meter *meter)
{
	return meter && __atomic_load_n(&meter->stop, __ATOMIC_RELAXED);
}

static int hash_contents(int fd, const struct stat *st, struct digest_meter *meter,
			 SHA256_CTX *context)
{
	_cleanup_(freep) unsigned char *buffer = malloc(BUFFER_BYTES);
	struct ahead ahead;
	off_t at = 0;

	if (!buffer)
		return -ENOMEM;
	ahead_init(&ahead, fd);
	while (at <= st->st_size) { /* the last read finds the end, or that it grew */
		ssize_t n;

		if (is_stopped(meter))
			return -ECANCELED;
		ahead_ask(&ahead, fd, at, st->st_size);
		n = RET_ERRNO(pread(fd, buffer, BUFFER_BYTES, at));
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		SHA256_Update(context, buffer, (size_t)n);
		at += n;
		if (meter)
			__atomic_add_fetch(&meter->n_bytes, n, __ATOMIC_RELAXED);
	}
	return -EBUSY;
}

int digest_file(int fd, struct digest_meter *meter, struct digest *ret,
		struct stat *ret_stat)
{
	struct stat before, after;
	SHA256_CTX context;
	int r;

	if (fstat(fd, &before) < 0)
		return -errno;
	if (!S_ISREG(before.st_mode))
		return -EINVAL;
	SHA256_Init(&context);
	r = hash_contents(fd, &before, meter, &context);
	if (r < 0)
		return r;
	if (fstat(fd, &after) < 0)
		return -errno;
	if (!digest_same_file(&before, &after))
		return -EBUSY;
	if (ret_stat)
		*ret_stat = after;
	SHA256_Final(ret->bytes, &context);
	return 0;
}

int digest_bytes(const void *bytes, size_t length, struct digest *ret)
{
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, bytes, length);
	SHA256_Final(ret->bytes, &context);
	return 0;
}

static bool same_time(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

bool digest_same_file(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
	       one->st_size == other->st_size &&
	       same_time(&one->st_mtim, &other->st_mtim) &&
	       same_time(&one->st_ctim, &other->st_ctim);
}

bool digest_equal(const struct digest *one, const struct digest *other)
{
	return memcmp(one->bytes, other->bytes, DIGEST_BYTES) == 0;
}

void digest_hex(const struct digest *digest, char ret[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		ret[2 * i] = digits[digest->bytes[i] >> 4];
		ret[2 * i + 1] = digits[digest->bytes[i] & 0xf];
	}
	ret[2 * DIGEST_BYTES] = '\0';
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool digest_parse(const char *hex, struct digest *ret)
{
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_value(hex[2 * i]);
		int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);

		if (low < 0)
			return false;
		ret->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
