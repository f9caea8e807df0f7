/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a trail: which, in what order, and what has become of them since. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

#include "config/text.h"

#include "fuse/trail-files.h"
#include "fuse/trail.h"
#include "fuse/util.h"

#define DEFAULT_LOG   "/var/log/audit/audit.log"
#define ROTATED_MAX   999 /* auditd.conf(5): num_logs */
#define COPY_BYTES    (1 << 16)
#define DIRECTORY_LOG "audit.log" /* in a directory that is named as the input */

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int say(char **ret_why, int error, const char *what, const char *name,
	       const char *way_out)
{
	if (asprintf(ret_why, "cannot %s %s: %s%s", what, QUOTED(name),
		     strerrordesc_np(error), way_out) < 0)
		*ret_why = NULL;
	return -error;
}

static int say_unreadable(char **ret_why, int error, const char *name)
{
	const char *way_out = "";

	if (error == EACCES || error == EPERM)
		way_out = "; run it as root, or as a member of auditd's log_group";
	else if (error == ENOENT)
		way_out = "; name the trail with --input";
	return say(ret_why, error, "read", name, way_out);
}

static int on_setting(void *user, const char *section, const char *name,
		      const char *value)
{
	char **log_file = user;

	(void)section;
	if (strcmp(name, "log_file") == 0) {
		free(*log_file);
		*log_file = strdup(value);
	}
	return 1;
}

/* The log that auditd is told to write; a new string, or NULL without memory. */
static char *auditd_log(void)
{
	char *log_file = NULL;

	(void)ini_parse(TRAIL_AUDITD_CONF, on_setting, &log_file);
	return log_file ? log_file : strdup(DEFAULT_LOG);
}

/* Hundreds of rotated files may be open at once. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool is_known(const struct trail_files *files, const struct stat *st)
{
	for (size_t i = 0; i < files->n_items; i++)
		if (files->items[i].dev == st->st_dev &&
		    files->items[i].ino == st->st_ino)
			return true;
	return false;
}

/* Owns fd. */
static int add_fd(struct trail_files *files, int fd, const struct stat *st)
{
	struct trail_file *items =
		reallocarray(files->items, files->n_items + 1, sizeof(*items));

	if (!items) {
		close(fd);
		return -ENOMEM;
	}
	files->items = items;
	items[files->n_items++] =
		(struct trail_file){ fd, st->st_dev, st->st_ino, st->st_size };
	return 0;
}

/* Returns 1 if it was added, 0 if it is there already, or -errno. A FIFO that nobody
 * writes to must not stop us. */
static int add_file(struct trail_files *files, int directory, const char *name)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r;

	fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (is_known(files, &st))
		return 0;
	r = add_fd(files, take_fd(&fd), &st);
	return r < 0 ? r : 1;
}

/* K of NAME.K, 0 of NAME itself, or -1. */
static int rotation(const char *entry, const char *name)
{
	size_t length = strlen(name);
	char *end;
	long number;

	if (strncmp(entry, name, length) != 0)
		return -1;
	if (entry[length] == '\0')
		return 0;
	if (entry[length] != '.' || entry[length + 1] < '1' || entry[length + 1] > '9')
		return -1;
	number = strtol(entry + length + 1, &end, 10);
	return *end == '\0' && number <= ROTATED_MAX ? (int)number : -1;
}

/* Marks which of NAME, NAME.1 ... there are. */
static int find_rotated(const char *directory, const char *name,
			bool found[static ROTATED_MAX + 1])
{
	_cleanup_(closedirp) DIR *dir = opendir(directory);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		int number = rotation(entry->d_name, name);

		if (number >= 0)
			found[number] = true;
	}
	return 0;
}

static void reverse(struct trail_file *items, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct trail_file first = items[i];

		items[i] = items[n - 1 - i];
		items[n - 1 - i] = first;
	}
}

/* Newest first, because auditd may rotate meanwhile: a file then comes up once more under
 * the next number and is known, and none is missed. Adds them behind those that are
 * there, oldest first; stops at the first that is known when `newer_only`. */
static int add_rotated(struct trail_files *files, bool newer_only)
{
	bool found[ROTATED_MAX + 1] = { false };
	_cleanup_(closep) int directory = -1;
	size_t before = files->n_items;
	int r;

	directory = open(files->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	r = files->rotated ? find_rotated(files->directory, files->name, found) : 0;
	found[0] = found[0] || !files->rotated;
	for (int i = 0; r == 0 && i <= ROTATED_MAX; i++) {
		char *name = NULL;

		if (!found[i])
			continue;
		if (asprintf(&name, i == 0 ? "%s" : "%s.%d", files->name, i) < 0)
			return -ENOMEM;
		r = add_file(files, directory, name);
		free(name);
		if (r == -ENOENT && (i > 0 || newer_only))
			r = 0; /* just rotated away */
		else if (r == 0 && newer_only)
			break;
		else if (r > 0)
			r = 0;
	}
	reverse(files->items + before, files->n_items - before);
	return r;
}

/* Cuts PATH into directory and name. */
static int set_place(struct trail_files *files, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		files->directory = strdup(path);
		files->name = strdup(DIRECTORY_LOG);
		files->rotated = true;
	} else {
		files->directory = !slash ? strdup(".")
				   : slash == path
					   ? strdup("/")
					   : strndup(path, (size_t)(slash - path));
		files->name = strdup(slash ? slash + 1 : path);
	}
	return files->directory && files->name ? 0 : -ENOMEM;
}

static int copy_stdin(int to)
{
	char buffer[COPY_BYTES];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		for (ssize_t done = 0, w; n > 0 && done < n; done += w) {
			w = write(to, buffer + done, (size_t)(n - done));
			if (w < 0)
				return -errno;
		}
	}
	return 0;
}

static int open_stdin(struct trail_files *files, bool follow, char **ret_why)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r;

	if (follow) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0)
			return say(ret_why, errno, "make a file in", P_tmpdir, "");
		r = copy_stdin(fd);
		if (r < 0)
			return say(ret_why, -r, "copy", "stdin", "");
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return say(ret_why, errno, "read", "stdin", "");
	return add_fd(files, take_fd(&fd), &st);
}

int trail_files_open(const char *input, bool follow, struct trail_files *ret,
		     char **ret_why)
{
	_cleanup_(freep) char *log_file = NULL;
	int r;

	*ret = (struct trail_files){ 0 };
	if (input && strcmp(input, "-") == 0)
		return open_stdin(ret, follow, ret_why);
	allow_many_files();
	if (!input)
		input = log_file = auditd_log();
	r = input ? set_place(ret, input) : -ENOMEM;
	if (r < 0)
		return r;
	if (log_file)
		ret->rotated = true;
	r = add_rotated(ret, false);
	if (r == 0 && ret->n_items == 0)
		r = -ENOENT;
	if (r == -ENOMEM)
		return r;
	return r < 0 ? say_unreadable(ret_why, -r, input) : 0;
}

int trail_files_refresh(struct trail_files *files)
{
	size_t before = files->n_items;
	int r = files->directory ? add_rotated(files, true) : 0;

	return r < 0 ? r : (int)(files->n_items - before);
}

void trail_files_fini(struct trail_files *files)
{
	for (size_t i = 0; i < files->n_items; i++)
		close(files->items[i].fd);
	free(files->items);
	free(files->directory);
	free(files->name);
	*files = (struct trail_files){ 0 };
}
