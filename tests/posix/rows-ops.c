/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the conformance tables. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "rows.h"

#define MARKS_MAX 8

/* -1 with errno, or >= 0: "ok" unless the operation has written a result itself. */
typedef long operation(struct step *step);

static struct mark {
	char name[64];
	struct stat st;
} marks[MARKS_MAX];
static size_t n_marks;

void ops_mark(const char *name)
{
	if (n_marks == MARKS_MAX)
		errx(2, "too many marks");
	snprintf(marks[n_marks].name, sizeof(marks[n_marks].name), "%s", name);
	if (lstat(name, &marks[n_marks].st) < 0)
		memset(&marks[n_marks].st, 0, sizeof(marks[n_marks].st));
	n_marks++;
}

void ops_forget_marks(void)
{
	n_marks = 0;
}

static mode_t mode_of(const char *text)
{
	return (mode_t)strtoul(text, NULL, 8);
}

static long then_close(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

/* Closes and keeps the errno of what was done before. */
static long close_with(int fd, long result)
{
	int error = errno;

	close(fd);
	errno = error;
	return result;
}

static int flags_of(const char *text)
{
	static const struct {
		const char *name;
		int flag;
	} names[] = {
		{ "r", O_RDONLY },	    { "w", O_WRONLY },
		{ "rw", O_RDWR },	    { "creat", O_CREAT },
		{ "excl", O_EXCL },	    { "trunc", O_TRUNC },
		{ "append", O_APPEND },	    { "dir", O_DIRECTORY },
		{ "nofollow", O_NOFOLLOW }, { "path", O_PATH },
		{ "nonblock", O_NONBLOCK }, { "noatime", O_NOATIME },
		{ "tmpfile", O_TMPFILE },   { "sync", O_SYNC },
	};
	char buffer[128];
	int flags = 0;

	snprintf(buffer, sizeof(buffer), "%s", text);
	for (char *at = strtok(buffer, ","); at; at = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < sizeof(names) / sizeof(names[0]) &&
		       strcmp(names[i].name, at) != 0)
			i++;
		if (i == sizeof(names) / sizeof(names[0]))
			errx(2, "no such flag: %s", at);
		flags |= names[i].flag;
	}
	return flags;
}

static long do_open(struct step *step)
{
	const char *mode = step->args[3];

	return then_close(
		open(step->args[1], flags_of(step->args[2]), mode ? mode_of(mode) : 0));
}

static long do_mkdir(struct step *step)
{
	return mkdir(step->args[1], mode_of(step->args[2]));
}

static long do_mkfifo(struct step *step)
{
	return mkfifo(step->args[1], mode_of(step->args[2]));
}

static long do_mknod(struct step *step)
{
	static const mode_t kinds[] = {
		['c'] = S_IFCHR, ['b'] = S_IFBLK, ['s'] = S_IFSOCK, ['f'] = S_IFREG
	};

	return mknod(step->args[1],
		     kinds[(unsigned char)step->args[2][0]] | mode_of(step->args[3]),
		     step->args[2][0] == 'c' ? 0x103 : 0);
}

static long do_symlink(struct step *step)
{
	return symlink(step->args[1], step->args[2]);
}

static long do_link(struct step *step)
{
	return link(step->args[1], step->args[2]);
}

static long do_unlink(struct step *step)
{
	return unlink(step->args[1]);
}

static long do_rmdir(struct step *step)
{
	return rmdir(step->args[1]);
}

static long do_rename(struct step *step)
{
	const char *flag = step->args[3];
	unsigned flags = !flag				  ? 0
			 : strcmp(flag, "noreplace") == 0 ? RENAME_NOREPLACE
			 : strcmp(flag, "exchange") == 0  ? RENAME_EXCHANGE
							  : 0;

	return renameat2(AT_FDCWD, step->args[1], AT_FDCWD, step->args[2], flags);
}

static long do_chmod(struct step *step)
{
	return chmod(step->args[1], mode_of(step->args[2]));
}

static long do_fchmod(struct step *step)
{
	int fd = open(step->args[1], O_RDONLY | O_NONBLOCK);

	return fd < 0 ? -1 : close_with(fd, fchmod(fd, mode_of(step->args[2])));
}

static long do_chown(struct step *step)
{
	return chown(step->args[1], (uid_t)atoi(step->args[2]),
		     (gid_t)atoi(step->args[3]));
}

static long do_lchown(struct step *step)
{
	return lchown(step->args[1], (uid_t)atoi(step->args[2]),
		      (gid_t)atoi(step->args[3]));
}

static long do_fchown(struct step *step)
{
	int fd = open(step->args[1], O_RDONLY | O_NONBLOCK);

	return fd < 0 ? -1
		      : close_with(fd, fchown(fd, (uid_t)atoi(step->args[2]),
					      (gid_t)atoi(step->args[3])));
}

static long do_truncate(struct step *step)
{
	return truncate(step->args[1], atol(step->args[2]));
}

static long do_ftruncate(struct step *step)
{
	int fd = open(step->args[1], O_WRONLY);

	return fd < 0 ? -1 : close_with(fd, ftruncate(fd, atol(step->args[2])));
}

static long do_fallocate(struct step *step)
{
	int fd = open(step->args[1], O_WRONLY);
	int error;

	if (fd < 0)
		return -1;
	error = posix_fallocate(fd, atol(step->args[2]), atol(step->args[3]));
	close(fd);
	errno = error;
	return error ? -1 : 0;
}

static int space_mode_of(const char *text)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{ "allocate", 0 },
		{ "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "punch-grow", FALLOC_FL_PUNCH_HOLE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zero-keep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
		{ "insert", FALLOC_FL_INSERT_RANGE },
		{ "unshare", FALLOC_FL_UNSHARE_RANGE },
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, text) == 0)
			return modes[i].mode;
	errx(2, "no such mode: %s", text);
}

/* fallocate(2), and the sum of the file's bytes, each times its place. */
static long do_space(struct step *step)
{
	int fd = open(step->args[1], O_RDWR);
	unsigned long sum = 0, at = 0;
	unsigned char buffer[4096];
	long r;
	ssize_t n;

	if (fd < 0)
		return -1;
	r = fallocate(fd, space_mode_of(step->args[2]), atol(step->args[3]),
		      atol(step->args[4]));
	if (r < 0)
		return close_with(fd, r);
	while ((n = pread(fd, buffer, sizeof(buffer), (off_t)at)) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum += buffer[i] * ++at;
	snprintf(step->result, RESULT_MAX, "%lu:%lu", at, sum);
	return close_with(fd, 0);
}

static long do_seek(struct step *step)
{
	int fd = open(step->args[1], O_RDONLY);
	off_t found;

	if (fd < 0)
		return -1;
	found = lseek(fd, atol(step->args[3]),
		      strcmp(step->args[2], "hole") == 0 ? SEEK_HOLE : SEEK_DATA);
	if (found >= 0)
		snprintf(step->result, RESULT_MAX, "%ld", (long)found);
	return close_with(fd, found);
}

static struct timespec time_of(const char *text)
{
	if (strcmp(text, "now") == 0)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (strcmp(text, "omit") == 0)
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return (struct timespec){ .tv_sec = atol(text), .tv_nsec = 123456789 };
}

static long set_times(struct step *step, int flags)
{
	struct timespec times[2] = { time_of(step->args[2]), time_of(step->args[3]) };

	return utimensat(AT_FDCWD, step->args[1], times, flags);
}

static long do_utimens(struct step *step)
{
	return set_times(step, 0);
}

static long do_lutimens(struct step *step)
{
	return set_times(step, AT_SYMLINK_NOFOLLOW);
}

static long do_access(struct step *step)
{
	int mask = F_OK;

	for (const char *c = step->args[2]; *c; c++)
		mask |= *c == 'r' ? R_OK : *c == 'w' ? W_OK : *c == 'x' ? X_OK : 0;
	return access(step->args[1], mask);
}

static long do_readlink(struct step *step)
{
	ssize_t n = readlink(step->args[1], step->result, RESULT_MAX - 1);

	if (n >= 0)
		step->result[n] = '\0';
	return n;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static long do_list(struct step *step)
{
	struct dirent **entries;
	size_t length = 0;
	int n = scandir(step->args[1], &entries, NULL, by_name);

	for (int i = 0; i < n; i++) {
		if (length < RESULT_MAX - 300)
			length += (size_t)sprintf(step->result + length, "%s%s",
						  i ? "/" : "", entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return n;
}

static long do_chdir(struct step *step)
{
	char back[PATH_MAX];
	long r;

	if (!getcwd(back, sizeof(back)))
		return -1;
	r = chdir(step->args[1]);
	if (r == 0 && getuid() == 0 && chdir(back) < 0)
		err(2, "cannot go back");
	return r;
}

static long set_acl(struct step *step, acl_type_t type)
{
	acl_t acl = acl_from_text(step->args[2]);
	long r;

	if (!acl)
		errx(2, "no ACL: %s", step->args[2]);
	r = acl_set_file(step->args[1], type, acl);
	acl_free(acl);
	return r;
}

static long do_setacl(struct step *step)
{
	return set_acl(step, ACL_TYPE_ACCESS);
}

static long do_setdefault(struct step *step)
{
	return set_acl(step, ACL_TYPE_DEFAULT);
}

static long get_acl(struct step *step, acl_type_t type)
{
	acl_t acl = acl_get_file(step->args[1], type);
	char *text =
		acl ? acl_to_any_text(acl, NULL, ',', TEXT_ABBREVIATE | TEXT_NUMERIC_IDS)
		    : NULL;

	if (!text)
		return -1;
	snprintf(step->result, RESULT_MAX, "{%s}", text);
	acl_free(text);
	acl_free(acl);
	return 0;
}

static long do_getacl(struct step *step)
{
	return get_acl(step, ACL_TYPE_ACCESS);
}

static long do_getdefault(struct step *step)
{
	return get_acl(step, ACL_TYPE_DEFAULT);
}

static long do_setxattr(struct step *step)
{
	return lsetxattr(step->args[1], step->args[2], step->args[3],
			 strlen(step->args[3]), 0);
}

static long do_getxattr(struct step *step)
{
	ssize_t n = lgetxattr(step->args[1], step->args[2], step->result, RESULT_MAX - 1);

	if (n >= 0)
		step->result[n] = '\0';
	return n;
}

static long do_removexattr(struct step *step)
{
	return lremovexattr(step->args[1], step->args[2]);
}

static long do_listxattr(struct step *step)
{
	ssize_t n = llistxattr(step->args[1], step->result, RESULT_MAX - 1);

	for (ssize_t i = 0; i < n - 1; i++)
		if (step->result[i] == '\0')
			step->result[i] = '/';
	return n;
}

static long write_text(struct step *step, int flags)
{
	int fd = open(step->args[1], O_WRONLY | flags);
	const char *text = step->args[2];

	if (fd < 0)
		return -1;
	return close_with(fd, write(fd, text, strlen(text)));
}

static long do_write(struct step *step)
{
	return write_text(step, 0);
}

static long do_append(struct step *step)
{
	return write_text(step, O_APPEND);
}

static long do_read(struct step *step)
{
	int fd = open(step->args[1], O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, step->result, RESULT_MAX - 1);
	if (n >= 0)
		step->result[n] = '\0';
	return close_with(fd, n);
}

static long do_copy(struct step *step)
{
	int in = open(step->args[1], O_RDONLY);
	int out = open(step->args[2], O_WRONLY | O_CREAT | O_EXCL, 0755);
	ssize_t n;

	if (in < 0 || out < 0)
		return -1;
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	close(in);
	return close_with(out, n);
}

/* Runs a program by its name; "ok" if it ended in order. */
static long do_exec(struct step *step)
{
	int ends[2], error = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		err(2, "cannot fork");
	if (pid == 0) {
		execl(step->args[1], step->args[1], NULL);
		error = errno;
		_exit(write(ends[1], &error, sizeof(error)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], &error, sizeof(error)) < 0)
		err(2, "cannot read");
	close(ends[0]);
	waitpid(pid, NULL, 0);
	errno = error;
	return error ? -1 : 0;
}

/* Opens for writing what runs at the same time. */
static long do_write_running(struct step *step)
{
	int ends[2];
	pid_t pid;
	long r;

	if (pipe(ends) < 0 || (pid = fork()) < 0)
		err(2, "cannot fork");
	if (pid == 0) {
		close(ends[1]);
		dup2(ends[0], 0);
		execl(step->args[1], step->args[1], NULL);
		_exit(1);
	}
	close(ends[0]);
	usleep(50000);
	r = strcmp(step->args[2], "truncate") == 0
		    ? truncate(step->args[1], 0)
		    : then_close(open(step->args[1], O_WRONLY));
	close_with(ends[1], 0);
	close_with(-1, waitpid(pid, NULL, 0));
	return r;
}

static long do_connect(struct step *step)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", step->args[1]);
	return close_with(fd, connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static char type_of(mode_t mode)
{
	static const char types[] = { [S_IFREG >> 12] = 'f',  [S_IFDIR >> 12] = 'd',
				      [S_IFLNK >> 12] = 'l',  [S_IFIFO >> 12] = 'p',
				      [S_IFSOCK >> 12] = 's', [S_IFCHR >> 12] = 'c',
				      [S_IFBLK >> 12] = 'b' };

	return types[(mode & S_IFMT) >> 12];
}

static long show_stat(struct step *step, const struct stat *st)
{
	snprintf(step->result, RESULT_MAX, "%c%04o:%u:%u:%lu", type_of(st->st_mode),
		 st->st_mode & 07777, st->st_uid, st->st_gid,
		 (unsigned long)st->st_nlink);
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		sprintf(step->result + strlen(step->result), ":%ld", (long)st->st_size);
	return 0;
}

static long do_stat(struct step *step)
{
	struct stat st;

	return stat(step->args[1], &st) < 0 ? -1 : show_stat(step, &st);
}

static long do_lstat(struct step *step)
{
	struct stat st;

	return lstat(step->args[1], &st) < 0 ? -1 : show_stat(step, &st);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Which times are others than when the name was marked: "a", "m", "c". */
static long do_changed(struct step *step)
{
	struct mark *mark = marks;
	struct stat st;

	while (mark < marks + n_marks && strcmp(mark->name, step->args[1]) != 0)
		mark++;
	if (mark == marks + n_marks)
		errx(2, "not marked: %s", step->args[1]);
	if (lstat(step->args[1], &st) < 0)
		return -1;
	snprintf(step->result, RESULT_MAX, "+%s%s%s",
		 same_time(&st.st_atim, &mark->st.st_atim) ? "" : "a",
		 same_time(&st.st_mtim, &mark->st.st_mtim) ? "" : "m",
		 same_time(&st.st_ctim, &mark->st.st_ctim) ? "" : "c");
	return 0;
}

static long do_times(struct step *step)
{
	struct stat st;

	if (lstat(step->args[1], &st) < 0)
		return -1;
	snprintf(step->result, RESULT_MAX, "%ld.%09ld/%ld.%09ld", (long)st.st_atim.tv_sec,
		 st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return 0;
}

static const struct {
	const char *name;
	int n_args;
	operation *function;
} operations[] = {
	{ "open", 2, do_open },
	{ "mkdir", 2, do_mkdir },
	{ "mkfifo", 2, do_mkfifo },
	{ "mknod", 3, do_mknod },
	{ "symlink", 2, do_symlink },
	{ "link", 2, do_link },
	{ "unlink", 1, do_unlink },
	{ "rmdir", 1, do_rmdir },
	{ "rename", 2, do_rename },
	{ "chmod", 2, do_chmod },
	{ "fchmod", 2, do_fchmod },
	{ "chown", 3, do_chown },
	{ "lchown", 3, do_lchown },
	{ "fchown", 3, do_fchown },
	{ "truncate", 2, do_truncate },
	{ "ftruncate", 2, do_ftruncate },
	{ "fallocate", 3, do_fallocate },
	{ "space", 4, do_space },
	{ "seek", 3, do_seek },
	{ "utimens", 3, do_utimens },
	{ "lutimens", 3, do_lutimens },
	{ "access", 2, do_access },
	{ "readlink", 1, do_readlink },
	{ "list", 1, do_list },
	{ "chdir", 1, do_chdir },
	{ "setacl", 2, do_setacl },
	{ "setdefault", 2, do_setdefault },
	{ "getacl", 1, do_getacl },
	{ "getdefault", 1, do_getdefault },
	{ "setxattr", 3, do_setxattr },
	{ "getxattr", 2, do_getxattr },
	{ "removexattr", 2, do_removexattr },
	{ "listxattr", 1, do_listxattr },
	{ "write", 2, do_write },
	{ "append", 2, do_append },
	{ "read", 1, do_read },
	{ "copy", 2, do_copy },
	{ "exec", 1, do_exec },
	{ "write-running", 2, do_write_running },
	{ "connect", 1, do_connect },
	{ "stat", 1, do_stat },
	{ "lstat", 1, do_lstat },
	{ "changed", 1, do_changed },
	{ "times", 1, do_times },
};

void ops_do(struct step *step)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(operations[i].name, step->args[0]) != 0)
			continue;
		for (int n = 1; n <= operations[i].n_args; n++)
			if (!step->args[n])
				errx(2, "%s: an argument is missing", step->args[0]);
		if (operations[i].function(step) < 0)
			snprintf(step->result, RESULT_MAX, "%s", strerrorname_np(errno));
		else if (step->result[0] == '\0')
			strcpy(step->result, "ok");
		return;
	}
	errx(2, "no such operation: %s", step->args[0]);
}
