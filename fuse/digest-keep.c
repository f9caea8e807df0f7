/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping a digest on its file. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/xattr.h>
#include <time.h>

#include "fuse/digest-keep.h"
#include "fuse/util.h"

#define TEXT_SIZE 192
#define ATTEMPTS  16

static const struct timespec millisecond = { .tv_nsec = 1000000 };

/* fcntl(2): the owner may, or CAP_LEASE. The signal of somebody who waits to write is one
 * that is ignored unless it is asked for; they wait for a few milliseconds. */
static int take_lease(int fd, uid_t owner)
{
	int r = fcntl(fd, F_SETSIG, SIGURG), own;

	if (r < 0)
		return -errno;
	own = setfsuid(owner);
	r = (int)RET_ERRNO(fcntl(fd, F_SETLEASE, F_RDLCK));
	setfsuid((uid_t)own);
	return r == -EAGAIN ? -EBUSY : r;
}

static void leavep(int *fd)
{
	if (*fd >= 0)
		fcntl(*fd, F_SETLEASE, F_UNLCK);
}

static void print_text(const struct digest *digest, const struct stat *st,
		       const struct timespec *changed, char ret[TEXT_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	snprintf(ret, TEXT_SIZE, "1 sha256 %s %jd %jd.%09ld %jd.%09ld", hex,
		 (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		 (intmax_t)changed->tv_sec, changed->tv_nsec);
}

/* Once: -EAGAIN if the tick ended in between. */
static int write_text(int fd, const struct digest *digest, struct stat *st)
{
	struct timespec tick;
	char text[TEXT_SIZE];

	clock_gettime(CLOCK_REALTIME_COARSE, &tick);
	print_text(digest, st, &tick, text);
	if (fsetxattr(fd, DIGEST_XATTR, text, strlen(text), 0) < 0 || fstat(fd, st) < 0)
		return -errno;
	return st->st_ctim.tv_sec == tick.tv_sec && st->st_ctim.tv_nsec == tick.tv_nsec
		       ? 0
		       : -EAGAIN;
}

static void wait_for_next_tick(const struct timespec *tick)
{
	struct timespec now;

	do {
		nanosleep(&millisecond, NULL);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == tick->tv_sec && now.tv_nsec == tick->tv_nsec);
}

int digest_keep(int fd, const struct digest *digest, struct stat *st)
{
	_cleanup_(leavep) int leased = -1;
	struct stat now;
	int r = take_lease(fd, st->st_uid);

	if (r < 0)
		return r;
	leased = fd;
	if (fstat(fd, &now) < 0)
		return -errno;
	if (!digest_same_file(&now, st))
		return -EBUSY;
	for (int i = 0; i < ATTEMPTS; i++) {
		r = write_text(fd, digest, &now);
		if (r != -EAGAIN)
			break;
		nanosleep(&millisecond, NULL);
	}
	if (r < 0)
		fremovexattr(fd, DIGEST_XATTR);
	if (fstat(fd, &now) < 0)
		return -errno;
	wait_for_next_tick(&now.st_ctim);
	*st = now;
	return r;
}

int digest_recall(int fd, struct digest *ret, struct stat *ret_stat)
{
	static const char start[] = "1 sha256 ";
	char kept[TEXT_SIZE], expected[TEXT_SIZE];
	ssize_t n;

	if (fstat(fd, ret_stat) < 0)
		return -errno;
	n = fgetxattr(fd, DIGEST_XATTR, kept, sizeof(kept) - 1);
	if (n < 0)
		return -ENODATA;
	kept[n] = '\0';
	if (strncmp(kept, start, sizeof(start) - 1) != 0 ||
	    !digest_parse(kept + sizeof(start) - 1, ret))
		return -ENODATA;
	print_text(ret, ret_stat, &ret_stat->st_ctim, expected);
	return strcmp(kept, expected) == 0 ? 0 : -ENODATA;
}
