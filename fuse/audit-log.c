/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the log among auditd's descriptors, follows it through rotations, and knows our
 * records in it by the pid that the kernel gave them. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fuse/audit-log.h"

#define PATH_SIZE   64
#define BUFFER_SIZE 65536 /* any line fits */

/* proc_pid_fdinfo(5) */
static bool is_appended_to(pid_t pid, int number)
{
	char path[PATH_SIZE], line[128];
	unsigned flags = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, number);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "flags: %o", &flags);
	(void)fclose(file);
	return (flags & O_APPEND) && (flags & O_ACCMODE) == O_WRONLY;
}

static bool stat_number(pid_t pid, int number, struct stat *ret)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, number);
	return stat(path, ret) == 0 && S_ISREG(ret->st_mode);
}

/* The one regular file that auditd appends to; 0: none. */
static int find_number(pid_t pid)
{
	char path[PATH_SIZE];
	struct dirent *entry;
	int found = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (found == 0 && (entry = readdir(dir))) {
		int number = atoi(entry->d_name);
		struct stat st;

		if (number > 2 && stat_number(pid, number, &st) &&
		    is_appended_to(pid, number))
			found = number;
	}
	(void)closedir(dir);
	return found;
}

/* The same file goes on where it was left, and be it by an auditd that has ended. */
static bool open_number(struct audit_log *log, pid_t pid, const struct stat *st)
{
	bool is_same = log->dev == st->st_dev && log->ino == st->st_ino;
	char path[PATH_SIZE];
	int fd;

	if (is_same && log->fd >= 0)
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, log->number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	audit_log_leave(log);
	log->fd = fd;
	if (!is_same)
		log->at = log->pid == pid ? 0 : lseek(fd, 0, SEEK_END);
	log->dev = st->st_dev;
	log->ino = st->st_ino;
	return true;
}

enum audit_log_state audit_log_find(struct audit_log *log, pid_t pid)
{
	struct stat st;

	if (log->pid != pid || !stat_number(pid, log->number, &st)) {
		int number = find_number(pid);

		if (number == 0 || !stat_number(pid, number, &st))
			return log->ino == 0 ? AUDIT_LOG_UNREADABLE : AUDIT_LOG_CLOSED;
		log->number = number;
	}
	if (!open_number(log, pid, &st))
		return AUDIT_LOG_UNREADABLE;
	log->pid = pid;
	return AUDIT_LOG_OPEN;
}

static const char *find(const char *text, const char *end, const char *word)
{
	return memmem(text, (size_t)(end - text), word, strlen(word));
}

/* 0 if it is not there. The text ends with a byte that is no digit. */
static uint64_t number_after(const char *text, const char *end, const char *word)
{
	const char *at = find(text, end, word);

	return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/* No value of a record can hold a blank, a quote or '=': see record_format_audit(). */
bool audit_log_parse(const char *line, size_t length, pid_t pid,
		     struct audit_log_line *ret)
{
	const char *end = line + length;
	const char *type = find(line, end, "type=");
	const char *text = type ? find(type, end, "): pid=") : NULL;
	uint64_t part;

	if (!text || strtoull(text + strlen("): pid="), NULL, 10) != (uint64_t)pid)
		return false;
	text = find(text, end, " msg='op=");
	if (!text || find(type + 1, end, "type=") ||
	    (!find(text, end, " res=success'") && !find(text, end, " res=failed'")))
		return false;

	ret->seqno = number_after(text, end, " seqno=");
	part = number_after(text, end, ret->seqno == 0 ? " count=" : " part=");
	ret->part = (unsigned)(ret->seqno != 0 && part > 0 ? part - 1 : part);
	ret->refused = find(text, end, " refused=yes ") != NULL;
	return true;
}

/* The lines in a buffer; returns how many bytes they are. */
static size_t read_lines(const char *buffer, size_t length,
			 void (*call)(void *data, const struct audit_log_line *line),
			 void *data)
{
	const pid_t pid = getpid();
	size_t at = 0;

	for (;;) {
		const char *end = memchr(buffer + at, '\n', length - at);
		struct audit_log_line line;

		if (!end)
			break;
		if (audit_log_parse(buffer + at, (size_t)(end - buffer) - at, pid, &line))
			call(data, &line);
		at = (size_t)(end - buffer) + 1;
	}
	/* A line that does not fit is none of ours. */
	return at == 0 && length == BUFFER_SIZE ? length : at;
}

bool audit_log_read(struct audit_log *log,
		    void (*call)(void *data, const struct audit_log_line *line),
		    void *data)
{
	static _Thread_local char buffer[BUFFER_SIZE];
	bool grew = false;
	struct stat st;

	if (log->fd < 0)
		return false;
	if (fstat(log->fd, &st) == 0 && st.st_size < log->at)
		log->at = 0; /* truncated; auditd appends */
	for (;;) {
		ssize_t n = pread(log->fd, buffer, sizeof(buffer), log->at);
		size_t n_read = n > 0 ? read_lines(buffer, (size_t)n, call, data) : 0;

		if (n_read == 0)
			return grew;
		log->at += (off_t)n_read;
		grew = true;
	}
}

bool audit_log_is_full(const struct audit_log *log)
{
	struct statvfs st;

	return log->fd >= 0 && fstatvfs(log->fd, &st) == 0 && st.f_blocks > 0 &&
	       st.f_bfree == 0;
}

void audit_log_leave(struct audit_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}
