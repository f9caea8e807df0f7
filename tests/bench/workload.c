/* SPDX-License-Identifier: Apache-2.0 */
/* The hot loops of scripts/bench: each runs one workload and prints what came of it. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB	    (1024L * 1024)
#define PAGE	    4096L
#define THREADS_MAX 64

/* What a run came to, and how many records of each kind a guard must have written of it.
 */
struct result {
	double work, seconds;
	long opens, creates, writes, unlinks;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* xorshift64: the same order in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle(int *order, int n, uint64_t seed)
{
	for (int i = 0; i < n; i++)
		order[i] = i;
	for (int i = n - 1; i > 0; i--) {
		int j = (int)(next_random(&seed) % (uint64_t)(i + 1));
		int other = order[i];

		order[i] = order[j];
		order[j] = other;
	}
}

static int *shuffled(int n, uint64_t seed)
{
	int *order = malloc((size_t)n * sizeof(*order));

	if (!order)
		err(1, "malloc");
	shuffle(order, n, seed);
	return order;
}

static void *buffer_new(size_t size)
{
	void *buffer;

	if (posix_memalign(&buffer, PAGE, size) != 0)
		errx(1, "no memory");
	for (uint64_t *p = buffer, seed = 88172645463325252ULL;
	     p < (uint64_t *)buffer + size / sizeof(*p); p++)
		*p = next_random(&seed);
	return buffer;
}

static int open_or_die(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags | O_CLOEXEC, mode);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void file_name(char path[static PATH_MAX], const char *dir, long i)
{
	snprintf(path, PATH_MAX, "%s/file-%06ld.bin", dir, i);
}

/* With "inside" a workload enters its directory first and names the files from there. */
static const char *enter_if(bool inside, const char *dir)
{
	if (inside && chdir(dir) < 0)
		err(1, "%s", dir);
	return inside ? "." : dir;
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || value < 0)
		errx(2, "not a number: %s", text);
	return value;
}

/* --- Preparing. */

static void fill(int fd, const char *path, const char *buffer, long size)
{
	for (long done = 0; done < size;) {
		long length = size - done < MIB ? size - done : MIB;
		ssize_t n = write(fd, buffer, (size_t)length);

		if (n < 0)
			err(1, "%s", path);
		done += n;
	}
}

/* A file as safetensors has them: length of the header, header, tensors back to back. */
static void make_model(const char *path, long size, int tensors)
{
	char *buffer = buffer_new(MIB);
	char *header = calloc(1, (size_t)tensors * 160 + 64);
	long share = size / tensors / PAGE * PAGE;
	uint64_t length;
	int fd = open_or_die(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	char *p = header;

	if (!header)
		err(1, "malloc");
	*p++ = '{';
	for (int i = 0; i < tensors; i++)
		p += sprintf(
			p,
			"%s\"model.layers.%d.weight\":{\"dtype\":\"F16\",\"shape\":[%ld],"
			"\"data_offsets\":[%ld,%ld]}",
			i ? "," : "", i, share / 2, i * share, (i + 1) * share);
	*p++ = '}';
	while ((p - header) % 8 != 0)
		*p++ = ' ';
	length = (uint64_t)(p - header);
	if (write(fd, &length, sizeof(length)) < 0 || write(fd, header, length) < 0)
		err(1, "%s", path);
	fill(fd, path, buffer, share * tensors);
	if (fsync(fd) < 0)
		err(1, "%s", path);
	close(fd);
	free(header);
	free(buffer);
}

static void make_files(const char *dir, long first, long count, long size)
{
	char path[PATH_MAX], *buffer = buffer_new(MIB);

	for (long i = first; i < first + count; i++) {
		int fd;

		file_name(path, dir, i);
		fd = open_or_die(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		fill(fd, path, buffer, size);
		close(fd);
	}
	free(buffer);
}

static void make_tree(const char *top, long dirs, long files, long size)
{
	char path[PATH_MAX];

	for (long i = 0; i < dirs; i++) {
		snprintf(path, sizeof(path), "%s/dir-%05ld", top, i);
		if (mkdir(path, 0755) < 0)
			err(1, "%s", path);
		make_files(path, 0, files, size);
	}
}

/* --- One big file. */

static struct result read_file(const char *path, long unused, double limit)
{
	char *buffer = buffer_new(MIB);
	struct result result = { .opens = 1 };
	double start = now();
	int fd = open_or_die(path, O_RDONLY, 0);
	ssize_t n;

	(void)unused;
	while ((n = read(fd, buffer, MIB)) > 0) {
		result.work += (double)n / MIB;
		if (now() - start > limit)
			break;
	}
	if (n < 0)
		err(1, "%s", path);
	result.seconds = now() - start;
	close(fd);
	free(buffer);
	return result;
}

static const char *map_file(const char *path, long *ret_size)
{
	int fd = open_or_die(path, O_RDONLY, 0);
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		err(1, "%s", path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "mmap %s", path);
	close(fd);
	*ret_size = st.st_size;
	return map;
}

static struct result touch_pages(const char *path, long count, double limit)
{
	struct result result = { .opens = 1 };
	uint64_t seed = 2463534242, sum = 0;
	double start = now();
	long size, i;
	const volatile char *map = map_file(path, &size);

	for (i = 0; i < count; i++) {
		sum += (uint64_t)
			map[(long)(next_random(&seed) % (uint64_t)(size / PAGE)) * PAGE];
		if (i % 64 == 0 && now() - start > limit)
			break;
	}
	result.work = (double)i;
	result.seconds = now() - start;
	if (sum == 1)
		puts("");
	munmap((void *)(uintptr_t)map, (size_t)size);
	return result;
}

/* As safetensors.safe_open does: the header is read and parsed, the tensors are mapped.
 */
static struct result load_model(const char *path, long unused, double limit)
{
	struct result result = { .opens = 1 };
	uint64_t length, sum = 0;
	double start = now();
	int fd = open_or_die(path, O_RDONLY, 0);
	char *header, *p;
	const volatile char *map;
	struct stat st;

	(void)unused;
	if (read(fd, &length, sizeof(length)) != sizeof(length) || length > 100 * MIB)
		errx(1, "%s: no header", path);
	header = calloc(1, length + 1);
	if (!header || read(fd, header, length) != (ssize_t)length || fstat(fd, &st) < 0)
		err(1, "%s", path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "mmap %s", path);
	close(fd);
	for (p = header; (p = strstr(p, "\"data_offsets\":[")) != NULL;) {
		long from, to;

		if (sscanf(p, "\"data_offsets\":[%ld,%ld]", &from, &to) != 2)
			errx(1, "%s: bad header", path);
		for (long at = from; at < to; at += PAGE)
			sum += (uint64_t)map[(long)(sizeof(length) + length) + at];
		result.work += (double)(to - from) / MIB;
		if (now() - start > limit)
			break;
		p++;
	}
	result.seconds = now() - start;
	if (sum == 1)
		puts("");
	munmap((void *)(uintptr_t)map, (size_t)st.st_size);
	free(header);
	return result;
}

/* Each pass opens the file anew. A pass ends at `most` seconds, finished or not; if it
 * takes less than `least`, there are more of them. */
static struct result passes(struct result (*pass)(const char *, long, double),
			    const char *path, long count, double least, double most)
{
	struct result all = { 0 };

	do {
		struct result one = pass(path, count, most);

		all.work += one.work;
		all.seconds += one.seconds;
		all.opens += one.opens;
	} while (all.seconds < least);
	return all;
}

/* A first reader opens the file, reads from it and maps it, and holds it while the second
 * one, another process, is measured. */
static void hold_in_another_process(const char *path)
{
	int ready[2], done[2];
	char byte = 0;
	long size;

	if (pipe(ready) < 0 || pipe(done) < 0)
		err(1, "pipe");
	if (fork() == 0) {
		const volatile char *map;
		int fd = open_or_die(path, O_RDONLY, 0);

		close(done[1]);
		if (read(fd, &byte, 1) != 1)
			err(1, "%s", path);
		map = map_file(path, &size);
		byte = map[0];
		if (write(ready[1], "r", 1) != 1 || read(done[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(done[0]);
	if (read(ready[0], &byte, 1) != 1)
		errx(1, "the first reader ended early");
	close(ready[0]);
	/* done[1] stays open until this process ends, and so does the first reader. */
}

/* --- Many small files. */

struct crew {
	const char *dir;
	int n_files;
	double seconds;
	pthread_barrier_t barrier;
	atomic_long opens;
};

struct member {
	struct crew *crew;
	pthread_t thread;
	uint64_t seed;
};

static void *open_read_close(void *arg)
{
	struct member *member = arg;
	struct crew *crew = member->crew;
	int *order = shuffled(crew->n_files, member->seed);
	char path[PATH_MAX], bytes[256];
	long opens = 0;
	double end;

	pthread_barrier_wait(&crew->barrier);
	end = now() + crew->seconds;
	for (int i = 0; now() < end; i = (i + 1) % crew->n_files) {
		int fd;

		file_name(path, crew->dir, order[i]);
		fd = open_or_die(path, O_RDONLY, 0);
		if (read(fd, bytes, sizeof(bytes)) <= 0)
			err(1, "%s", path);
		close(fd);
		opens++;
	}
	crew->opens += opens;
	free(order);
	return NULL;
}

static struct result run_crew(const char *dir, int files, int threads, double seconds)
{
	struct crew crew = { .dir = dir, .n_files = files, .seconds = seconds };
	struct member members[THREADS_MAX];
	double start;

	if (threads > THREADS_MAX)
		errx(2, "too many threads");
	pthread_barrier_init(&crew.barrier, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++) {
		members[i] = (struct member){ .crew = &crew, .seed = 1000 + (uint64_t)i };
		if (pthread_create(&members[i].thread, NULL, open_read_close,
				   &members[i]))
			errx(1, "pthread_create");
	}
	pthread_barrier_wait(&crew.barrier);
	start = now();
	for (int i = 0; i < threads; i++)
		pthread_join(members[i].thread, NULL);
	return (struct result){ .work = (double)crew.opens,
				.seconds = now() - start,
				.opens = crew.opens };
}

static void read_whole(const char *path, char *buffer)
{
	int fd = open_or_die(path, O_RDONLY, 0);
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		err(1, "%s", path);
	while ((n = read(fd, buffer, MIB)) > 0)
		;
	if (n < 0)
		err(1, "%s", path);
	close(fd);
}

/* One epoch of a torch DataLoader: the workers are processes, the order is shuffled. */
static struct result load_shuffled(const char *dir, int files, int processes)
{
	int *order = shuffled(files, 42), start_pipe[2], status;
	struct result result = { .work = files, .opens = files };
	char byte, path[PATH_MAX];
	double start;

	if (pipe(start_pipe) < 0)
		err(1, "pipe");
	for (int worker = 0; worker < processes; worker++) {
		char *buffer;

		if (fork() != 0)
			continue;
		close(start_pipe[1]);
		buffer = buffer_new(MIB);
		if (read(start_pipe[0], &byte, 1) < 0)
			_exit(1);
		for (int i = worker; i < files; i += processes) {
			file_name(path, dir, order[i]);
			read_whole(path, buffer);
		}
		_exit(0);
	}
	usleep(20000); /* all have their buffer */
	start = now();
	close(start_pipe[1]);
	for (int worker = 0; worker < processes; worker++)
		if (wait(&status) < 0 || status != 0)
			errx(1, "a worker failed");
	result.seconds = now() - start;
	free(order);
	return result;
}

/* --- Writing. */

/* Overwrites a region of a new file again and again. */
static struct result write_blocks(const char *path, long block, long region, double limit,
				  long most)
{
	char *buffer = buffer_new((size_t)block);
	int fd = open_or_die(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	struct result result = { .creates = 1 };
	double start = now();
	long at = 0;

	while (result.writes * block < most) {
		if (pwrite(fd, buffer, (size_t)block, at) != block)
			err(1, "%s", path);
		at = at + block < region ? at + block : 0;
		result.writes++;
		if (now() - start > limit)
			break;
	}
	result.seconds = now() - start;
	result.work = (double)(result.writes * block) / MIB;
	close(fd);
	free(buffer);
	return result;
}

/* As trainers save: under another name, made durable, then renamed over the last one.
 * Where that takes too long, less is saved; what counts is bytes a second. */
static struct result save_checkpoint(const char *path, long size, double limit)
{
	char temporary[PATH_MAX], *buffer = buffer_new(MIB);
	struct result result = { .creates = 1 };
	double start = now();
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	fd = open_or_die(temporary, O_WRONLY | O_CREAT | O_EXCL, 0644);
	while (result.writes < size / MIB && now() - start < limit) {
		if (write(fd, buffer, MIB) != MIB)
			err(1, "%s", temporary);
		result.writes++;
	}
	if (fsync(fd) < 0 || close(fd) < 0 || rename(temporary, path) < 0)
		err(1, "%s", path);
	result.seconds = now() - start;
	result.work = (double)result.writes;
	free(buffer);
	return result;
}

static struct result create_files(const char *dir, long count)
{
	struct result result = { .work = (double)count, .creates = count };
	char path[PATH_MAX];
	double start = now();

	for (long i = 0; i < count; i++) {
		file_name(path, dir, i);
		close(open_or_die(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
	}
	result.seconds = now() - start;
	return result;
}

static struct result unlink_files(const char *dir, long count)
{
	struct result result = { .work = (double)count, .unlinks = count };
	char path[PATH_MAX];
	double start = now();

	for (long i = 0; i < count; i++) {
		file_name(path, dir, i);
		if (unlink(path) < 0)
			err(1, "%s", path);
	}
	result.seconds = now() - start;
	return result;
}

/* --- Names. */

static struct result stat_names(const char *dir, int files, double seconds)
{
	int *order = shuffled(files, 7);
	struct result result = { 0 };
	char path[PATH_MAX];
	struct stat st;
	double start = now();

	/* The first round only makes the kernel remember the names. */
	for (long i = 0; i <= files || now() - start < seconds; i++) {
		if (i == files)
			start = now();
		file_name(path, dir, order[i % files]);
		if (lstat(path, &st) < 0)
			err(1, "%s", path);
		result.work += i >= files;
	}
	result.seconds = now() - start;
	free(order);
	return result;
}

static DIR *opendir_or_die(const char *path)
{
	DIR *dir = opendir(path);

	if (!dir)
		err(1, "%s", path);
	return dir;
}

static struct result read_directory(const char *path, double seconds)
{
	struct result result = { 0 };
	double start = now();

	do {
		DIR *dir = opendir_or_die(path);

		while (readdir(dir))
			result.work++;
		closedir(dir);
	} while (now() - start < seconds);
	result.seconds = now() - start;
	return result;
}

/* Reads the files of a tree of two levels, directory by directory, as cp -r would; at
 * most so many, and at most for so long. */
static struct result read_all(const char *top, double limit, long most)
{
	char path[PATH_MAX], name[PATH_MAX], *buffer = buffer_new(MIB);
	struct result result = { 0 };
	double start = now();
	DIR *outer = opendir_or_die(top);
	struct dirent *dir, *file;

	while (result.opens < most && now() - start < limit && (dir = readdir(outer))) {
		DIR *inner;

		if (dir->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", top, dir->d_name);
		inner = opendir_or_die(path);
		while (result.opens < most && (file = readdir(inner))) {
			if (file->d_name[0] == '.')
				continue;
			if ((size_t)snprintf(name, sizeof(name), "%s/%s", path,
					     file->d_name) >= sizeof(name))
				errx(1, "%s: too long", path);
			read_whole(name, buffer);
			result.opens++;
		}
		closedir(inner);
	}
	closedir(outer);
	result.seconds = now() - start;
	result.work = (double)result.opens;
	free(buffer);
	return result;
}

static long lines_in(const char *text, ssize_t length)
{
	long lines = 0;

	for (ssize_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	return lines;
}

/* A program; its work is the lines that it prints. It is ended after so many lines, or so
 * long. */
static struct result run_program(char **argv, double limit, long most)
{
	struct result result = { 0 };
	char *buffer = buffer_new(MIB);
	bool ended = false;
	int output[2], status;
	double start = now();
	pid_t pid;

	if (pipe(output) < 0)
		err(1, "pipe");
	pid = fork();
	if (pid == 0) {
		dup2(output[1], STDOUT_FILENO);
		close(output[0]);
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	close(output[1]);
	while (!ended) {
		ssize_t n = read(output[0], buffer, MIB);

		if (n <= 0)
			break;
		result.work += (double)lines_in(buffer, n);
		ended = result.work >= (double)most || now() - start > limit;
	}
	if (ended)
		kill(pid, SIGKILL);
	result.seconds = now() - start;
	if (waitpid(pid, &status, 0) < 0 || (!ended && status != 0))
		errx(1, "%s: status %#x", argv[0], (unsigned)status);
	free(buffer);
	return result;
}

/* --- The command line. */

static const char usage[] = "usage: workload VERB ARGUMENT...\n"
			    "  make-model FILE BYTES TENSORS\n"
			    "  make-files DIR COUNT BYTES\n"
			    "  make-tree DIR DIRECTORIES FILES BYTES\n"
			    "  read FILE SECONDS [second]\n"
			    "  touch FILE COUNT SECONDS [second]\n"
			    "  load FILE SECONDS [second]\n"
			    "  open-read-close DIR FILES THREADS SECONDS [inside]\n"
			    "  loader DIR FILES PROCESSES\n"
			    "  write FILE BLOCK REGION SECONDS BYTES\n"
			    "  save FILE BYTES MOST-SECONDS\n"
			    "  create DIR FILES\n"
			    "  unlink DIR FILES\n"
			    "  stat DIR FILES SECONDS\n"
			    "  readdir DIR SECONDS\n"
			    "  read-all DIR MOST-SECONDS MOST-FILES\n"
			    "  run DIR MOST-SECONDS MOST-LINES PROGRAM ARGUMENT...\n";

static const char *text_at(int argc, char **argv, int i)
{
	if (i >= argc) {
		fputs(usage, stderr);
		exit(2);
	}
	return argv[i];
}

#define TEXT(i)	   text_at(argc, argv, i)
#define NUMBER(i)  number(TEXT(i))
#define SECONDS(i) strtod(TEXT(i), NULL)
#define SECOND(i)  (argc > (i) && strcmp(argv[i], "second") == 0)

static bool prepare(int argc, char **argv)
{
	const char *verb = TEXT(1);

	if (strcmp(verb, "make-model") == 0)
		make_model(TEXT(2), NUMBER(3), (int)NUMBER(4));
	else if (strcmp(verb, "make-files") == 0)
		make_files(TEXT(2), 0, NUMBER(3), NUMBER(4));
	else if (strcmp(verb, "make-tree") == 0)
		make_tree(TEXT(2), NUMBER(3), NUMBER(4), NUMBER(5));
	else
		return false;
	return true;
}

static struct result measure(int argc, char **argv)
{
	const char *verb = TEXT(1), *path = TEXT(2);
	struct result (*pass)(const char *, long, double) = NULL;
	struct result result;

	if (strcmp(verb, "read") == 0)
		pass = read_file;
	else if (strcmp(verb, "touch") == 0)
		pass = touch_pages;
	else if (strcmp(verb, "load") == 0)
		pass = load_model;
	if (pass) {
		bool second = argc > 6 && strcmp(argv[6], "second") == 0;

		if (second)
			hold_in_another_process(path);
		result = passes(pass, path, NUMBER(3), SECONDS(4), SECONDS(5));
		result.opens += second ? 2 : 0;
		return result;
	}
	if (strcmp(verb, "open-read-close") == 0) {
		path = enter_if(argc > 6 && strcmp(argv[6], "inside") == 0, path);
		return run_crew(path, (int)NUMBER(3), (int)NUMBER(4), SECONDS(5));
	}
	if (strcmp(verb, "loader") == 0)
		return load_shuffled(path, (int)NUMBER(3), (int)NUMBER(4));
	if (strcmp(verb, "write") == 0)
		return write_blocks(path, NUMBER(3), NUMBER(4), SECONDS(5), NUMBER(6));
	if (strcmp(verb, "save") == 0)
		return save_checkpoint(path, NUMBER(3), SECONDS(4));
	if (strcmp(verb, "create") == 0)
		return create_files(path, NUMBER(3));
	if (strcmp(verb, "unlink") == 0)
		return unlink_files(path, NUMBER(3));
	if (strcmp(verb, "stat") == 0) {
		path = enter_if(argc > 5 && strcmp(argv[5], "inside") == 0, path);
		return stat_names(path, (int)NUMBER(3), SECONDS(4));
	}
	if (strcmp(verb, "readdir") == 0)
		return read_directory(path, SECONDS(3));
	if (strcmp(verb, "read-all") == 0)
		return read_all(enter_if(true, path), SECONDS(3), NUMBER(4));
	if (strcmp(verb, "run") == 0 && argc > 5) {
		enter_if(true, path);
		return run_program(&argv[5], SECONDS(3), NUMBER(4));
	}
	fputs(usage, stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct result result;

	if (prepare(argc, argv))
		return 0;
	result = measure(argc, argv);
	printf("{\"work\": %.3f, \"seconds\": %.6f, \"open\": %ld, \"create\": %ld, "
	       "\"write\": %ld, \"unlink\": %ld}\n",
	       result.work, result.seconds, result.opens, result.creates, result.writes,
	       result.unlinks);
	return 0;
}
