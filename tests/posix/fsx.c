/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on one file, each compared with a copy in memory:
 *
 *	posix-fsx [-m] [-s SEED] [-t SECONDS] FILE
 *
 * -m: reads and writes through shared mappings, too. Ends with status 0, or 1 at the
 *first difference, with the last operations and the seed that repeats them. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX (256 * 1024)
#define IO_MAX	 (64 * 1024)
#define PAGE	 4096
#define KEPT	 32 /* operations that are told of when something is wrong */

/* The file, and what it has to be. `good` is zero beyond `size`. */
static struct {
	const char *path;
	int fd;
	off_t size;
	unsigned char good[FILE_MAX];
	bool mapped;
	unsigned seed;
} fsx = { .seed = 1 };

static struct operation_log {
	const char *name;
	long offset, length;
	off_t size;
} done[KEPT];
static unsigned long n_done;

static void note(const char *name, long offset, long length)
{
	done[n_done++ % KEPT] = (struct operation_log){ name, offset, length, fsx.size };
}

static void fail(const char *what)
{
	unsigned long first = n_done > KEPT ? n_done - KEPT : 0;
	int error = errno;

	for (unsigned long i = first; i < n_done; i++) {
		const struct operation_log *log = &done[i % KEPT];

		fprintf(stderr, "%8lu %-10s offset %-8ld length %-8ld size %ld\n", i,
			log->name, log->offset, log->length, (long)log->size);
	}
	fprintf(stderr, "%s (errno %s); seed %u\n", what, strerrorname_np(error),
		fsx.seed);
	exit(1);
}

static long below(long limit)
{
	return limit > 0 ? random() % limit : 0;
}

static void compare(const unsigned char *data, long offset, long length)
{
	for (long i = 0; i < length; i++) {
		if (data[i] == fsx.good[offset + i])
			continue;
		fprintf(stderr, "byte %ld is 0x%02x and has to be 0x%02x\n", offset + i,
			data[i], fsx.good[offset + i]);
		errno = 0;
		fail("a difference");
	}
}

static void check_size(void)
{
	struct stat st;

	if (fstat(fsx.fd, &st) < 0)
		fail("fstat");
	if (st.st_size != fsx.size) {
		fprintf(stderr, "the size is %ld\n", (long)st.st_size);
		fail("a wrong size");
	}
}

/* New bytes for a range, also in the copy; the file may grow by it. */
static void fill(long offset, long length)
{
	for (long i = 0; i < length; i++)
		fsx.good[offset + i] = (unsigned char)random();
	if (offset + length > fsx.size)
		fsx.size = offset + length;
}

static void do_read(long offset, long length)
{
	static unsigned char buffer[IO_MAX];
	long left = fsx.size - offset;
	long expected = left < 0 ? 0 : left < length ? left : length;

	if (pread(fsx.fd, buffer, (size_t)length, offset) != expected)
		fail("a short read");
	compare(buffer, offset, expected);
}

static void do_write(long offset, long length)
{
	fill(offset, length);
	if (pwrite(fsx.fd, fsx.good + offset, (size_t)length, offset) != length)
		fail("a short write");
}

static unsigned char *map(long offset, long length, int protection, long *ret_skip)
{
	unsigned char *mapping;

	*ret_skip = offset % PAGE;
	mapping = mmap(NULL, (size_t)(length + *ret_skip), protection, MAP_SHARED, fsx.fd,
		       offset - *ret_skip);
	if (mapping == MAP_FAILED)
		fail("mmap");
	return mapping;
}

static void do_map_read(long offset, long length)
{
	unsigned char *mapping;
	long skip;

	if (!fsx.mapped || offset + length > fsx.size || length == 0)
		return;
	mapping = map(offset, length, PROT_READ, &skip);
	compare(mapping + skip, offset, length);
	munmap(mapping, (size_t)(length + skip));
}

/* Sometimes without msync(2): then munmap(2) has to be enough. */
static void do_map_write(long offset, long length)
{
	unsigned char *mapping;
	long skip;

	if (!fsx.mapped || length == 0)
		return;
	if (offset + length > fsx.size && ftruncate(fsx.fd, offset + length) < 0)
		fail("ftruncate");
	fill(offset, length);
	mapping = map(offset, length, PROT_READ | PROT_WRITE, &skip);
	memcpy(mapping + skip, fsx.good + offset, (size_t)length);
	if (below(2) && msync(mapping, (size_t)(length + skip), MS_SYNC) < 0)
		fail("msync");
	munmap(mapping, (size_t)(length + skip));
}

static void do_truncate(long offset, long length)
{
	(void)length;
	if (offset < fsx.size)
		memset(fsx.good + offset, 0, (size_t)(fsx.size - offset));
	fsx.size = offset;
	if (below(2) ? ftruncate(fsx.fd, offset) < 0 : truncate(fsx.path, offset) < 0)
		fail("truncate");
}

/* fallocate(2), where the file system has the mode. */
static void do_fallocate(long offset, long length)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	int mode = modes[below(5)];
	long end = offset + length;

	if (length == 0)
		return;
	if (fallocate(fsx.fd, mode, offset, length) < 0) {
		if (errno == EOPNOTSUPP)
			return;
		fail("fallocate");
	}
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && offset < fsx.size)
		memset(fsx.good + offset, 0,
		       (size_t)((end < fsx.size ? end : fsx.size) - offset));
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > fsx.size)
		fsx.size = end;
}

static void do_copy(long offset, long length)
{
	off_t from = below(fsx.size), to = offset;
	long left;

	/* Ranges of one file may not overlap: copy_file_range(2). */
	if (from + length > fsx.size)
		length = fsx.size - from;
	if (length == 0 || (to < from + length && from < to + length))
		return;
	memcpy(fsx.good + to, fsx.good + from, (size_t)length);
	if (to + length > fsx.size)
		fsx.size = to + length;
	for (left = length; left > 0;) {
		ssize_t n = copy_file_range(fsx.fd, &from, fsx.fd, &to, (size_t)left, 0);

		if (n <= 0)
			fail("copy_file_range");
		left -= n;
	}
}

static void do_reopen(long offset, long length)
{
	(void)offset;
	(void)length;
	close(fsx.fd);
	fsx.fd = open(fsx.path, O_RDWR);
	if (fsx.fd < 0)
		fail("open");
}

static void do_sync(long offset, long length)
{
	(void)offset;
	(void)length;
	if (fsync(fsx.fd) < 0)
		fail("fsync");
}

/* A second descriptor at the same time sees the same. */
static void do_other_reader(long offset, long length)
{
	int kept = fsx.fd;

	fsx.fd = open(fsx.path, O_RDONLY);
	if (fsx.fd < 0)
		fail("open");
	do_read(offset, length);
	close(fsx.fd);
	fsx.fd = kept;
}

static void do_append(long offset, long length)
{
	int fd = open(fsx.path, O_WRONLY | O_APPEND);

	offset = fsx.size;
	if (offset + length > FILE_MAX)
		length = FILE_MAX - offset;
	fill(offset, length);
	if (fd < 0 || write(fd, fsx.good + offset, (size_t)length) != length)
		fail("append");
	close(fd);
}

static const struct {
	const char *name;
	int weight;
	void (*function)(long offset, long length);
} operations[] = {
	{ "read", 6, do_read },		{ "write", 6, do_write },
	{ "map-read", 4, do_map_read }, { "map-write", 4, do_map_write },
	{ "truncate", 3, do_truncate }, { "fallocate", 4, do_fallocate },
	{ "copy", 2, do_copy },		{ "reopen", 1, do_reopen },
	{ "sync", 1, do_sync },		{ "other", 2, do_other_reader },
	{ "append", 1, do_append },
};

static void do_one(void)
{
	long offset = below(FILE_MAX), length = below(IO_MAX), pick = below(34);
	size_t i = 0;

	if (offset + length > FILE_MAX)
		length = FILE_MAX - offset;
	while ((pick -= operations[i].weight) >= 0)
		i++;
	note(operations[i].name, offset, length);
	operations[i].function(offset, length);
	check_size();
}

static void usage(void)
{
	errx(2, "usage: posix-fsx [-m] [-s SEED] [-t SECONDS] FILE");
}

int main(int argc, char *argv[])
{
	int option, seconds = 5;
	struct timespec now;
	time_t end;

	while ((option = getopt(argc, argv, "ms:t:")) != -1) {
		if (option == 'm')
			fsx.mapped = true;
		else if (option == 's')
			fsx.seed = (unsigned)atoi(optarg);
		else if (option == 't')
			seconds = atoi(optarg);
		else
			usage();
	}
	if (optind != argc - 1)
		usage();
	fsx.path = argv[optind];
	fsx.fd = open(fsx.path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fsx.fd < 0)
		err(1, "%s", fsx.path);
	srandom(fsx.seed);
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (end = now.tv_sec + seconds; now.tv_sec < end;) {
		for (int i = 0; i < 100; i++)
			do_one();
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	printf("%lu operations\n", n_done);
	return 0;
}
