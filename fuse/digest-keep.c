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

#define TEXT_SIZE 256
#define ATTEMPTS  16

/* For how long the attribute may take to be written; it is written again if it took
 * longer. */
#define SPAN_NS 4000000

#define SECOND_NS 1000000000

static const struct timespec while_waiting = { .tv_nsec = 500000 };

/* When the attribute was written: no ctime of the file before or after lies in between.
 */
struct span {
	struct timespec begin, end;
};

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

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static bool is_within(const struct timespec *time, const struct span *span)
{
	return !is_before(time, &span->begin) && !is_before(&span->end, time);
}

static void print_text(const struct digest *digest, const struct stat *st,
		       const struct span *span, char ret[TEXT_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	snprintf(ret, TEXT_SIZE, "1 sha256 %s %jd %jd.%09ld %jd.%09ld %jd.%09ld", hex,
		 (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		 (intmax_t)span->begin.tv_sec, span->begin.tv_nsec,
		 (intmax_t)span->end.tv_sec, span->end.tv_nsec);
}

/* A ctime is never before the coarse clock; with multigrain timestamps it may be after
 * it, whoever was given a finer one (Documentation/filesystems/multigrain-ts.rst). */
static struct span span_from_now(void)
{
	struct span span;

	clock_gettime(CLOCK_REALTIME_COARSE, &span.begin);
	clock_gettime(CLOCK_REALTIME, &span.end);
	span.end.tv_nsec += SPAN_NS;
	if (span.end.tv_nsec >= SECOND_NS) {
		span.end.tv_sec++;
		span.end.tv_nsec -= SECOND_NS;
	}
	return span;
}

/* Once: -EAGAIN if it took too long. */
static int write_text(int fd, const struct digest *digest, struct stat *st,
		      const struct span *span)
{
	char text[TEXT_SIZE];

	print_text(digest, st, span, text);
	if (fsetxattr(fd, DIGEST_XATTR, text, strlen(text), 0) < 0 || fstat(fd, st) < 0)
		return -errno;
	return is_within(&st->st_ctim, span) ? 0 : -EAGAIN;
}

/* From then on each ctime is later. */
static void wait_for_end(const struct span *span)
{
	struct timespec now;

	for (;;) {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		/* A clock that was set back is not waited for. */
		if (!is_within(&now, span))
			return;
		nanosleep(&while_waiting, NULL);
	}
}

int digest_keep(int fd, const struct digest *digest, struct stat *st)
{
	_cleanup_(leavep) int leased = -1;
	struct span span;
	struct stat now;
	int r = take_lease(fd, st->st_uid);

	if (r < 0)
		return r;
	leased = fd;
	if (fstat(fd, &now) < 0)
		return -errno;
	if (!digest_same_file(&now, st))
		return -EBUSY;
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
		span = span_from_now();
		r = write_text(fd, digest, &now, &span);
	}
	if (r < 0)
		fremovexattr(fd, DIGEST_XATTR);
	else
		wait_for_end(&span);
	if (fstat(fd, &now) < 0)
		return -errno;
	*st = now;
	return r;
}

/* What print_text() printed of times. */
static bool parse_span(const char *text, struct span *ret)
{
	intmax_t begin, end;

	if (sscanf(text, " %jd.%9ld %jd.%9ld", &begin, &ret->begin.tv_nsec, &end,
		   &ret->end.tv_nsec) != 4)
		return false;
	ret->begin.tv_sec = (time_t)begin;
	ret->end.tv_sec = (time_t)end;
	return true;
}

int digest_recall(int fd, struct digest *ret, struct stat *ret_stat)
{
	static const char start[] = "1 sha256 ";
	char kept[TEXT_SIZE], expected[TEXT_SIZE];
	const char *times = kept;
	struct span span;
	ssize_t n;

	if (fstat(fd, ret_stat) < 0)
		return -errno;
	n = fgetxattr(fd, DIGEST_XATTR, kept, sizeof(kept) - 1);
	if (n <= 0)
		return -ENODATA;
	kept[n] = '\0';
	/* The version, the algorithm, the digest, the size, mtime: then the span. */
	for (int i = 0; times && i < 5; i++)
		times = strchr(times + 1, ' ');
	if (!times || strncmp(kept, start, sizeof(start) - 1) != 0 ||
	    !digest_parse(kept + sizeof(start) - 1, ret) || !parse_span(times, &span))
		return -ENODATA;
	print_text(ret, ret_stat, &span, expected);
	return strcmp(kept, expected) == 0 && is_within(&ret_stat->st_ctim, &span)
		       ? 0
		       : -ENODATA;
}
