/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: who a running process is, as the guard sees it. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fuse/ctl-process.h"
#include "fuse/program.h"
#include "fuse/util.h"

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* The number at *text, after blanks. */
static bool next_number(const char **text, uint32_t *ret)
{
	char *end;
	unsigned long number;

	*text += strspn(*text, " \t");
	if (!isdigit((unsigned char)**text))
		return false;
	number = strtoul(*text, &end, 10);
	*text = end;
	*ret = (uint32_t)number;
	return number <= UINT32_MAX;
}

/* The fourth of Uid: and Gid: is the file-system id (proc(5)). */
static bool read_id(const char *text, uint32_t *ret)
{
	for (int i = 0; i < 4; i++) {
		if (!next_number(&text, ret))
			return false;
	}
	return true;
}

static int read_groups(const char *text, struct process *process)
{
	size_t room = strlen(text) / 2 + 1; /* a digit and a blank each */
	uint32_t gid;

	process->groups = calloc(room, sizeof(*process->groups));
	if (!process->groups)
		return -ENOMEM;
	while (process->subject.n_groups < room && next_number(&text, &gid))
		process->groups[process->subject.n_groups++] = gid;
	process->subject.groups = process->groups;
	return 0;
}

static int read_status(FILE *status, struct process *process)
{
	_cleanup_(freep) char *line = NULL;
	struct subject *subject = &process->subject;
	bool has_uid = false, has_gid = false;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, status) > 0) {
		if (strncmp(line, "Uid:", 4) == 0)
			has_uid = read_id(line + 4, &subject->uid);
		else if (strncmp(line, "Gid:", 4) == 0)
			has_gid = read_id(line + 4, &subject->gid);
		else if (strncmp(line, "Groups:", 7) == 0 && !process->groups)
			r = read_groups(line + 7, process);
	}
	if (r == 0 && ferror(status))
		return -ESRCH; /* it has ended meanwhile */
	return r == 0 && !(has_uid && has_gid && process->groups) ? -EINVAL : r;
}

/* A line of a small file; empty if it cannot be read. */
static void read_line(pid_t pid, const char *name, char *buffer, size_t size)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	buffer[0] = '\0';
	if (file && fgets(buffer, (int)size, file))
		buffer[strcspn(buffer, "\n")] = '\0';
}

static void read_program(struct process *process)
{
	char path[64], text[PATH_MAX];
	const char *at = text;
	ssize_t n;

	read_line(process->pid, "comm", process->comm, sizeof(process->comm));
	read_line(process->pid, "loginuid", text, sizeof(text));
	if (!next_number(&at, &process->login_uid))
		process->login_uid = (uid_t)-1;
	snprintf(path, sizeof(path), "/proc/%d/exe", process->pid);
	n = readlink(path, text, sizeof(text));
	if (n > 0)
		process->exe = strndup(text, (size_t)n);
}

/* As caller.c does it for a role that asks. */
static void read_unit(struct process *process)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[64], text[4096];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", process->pid);
	file = fopen(path, "re");
	n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	text[n] = '\0';
	if (program_unit(text, process->unit, sizeof(process->unit)))
		process->subject.unit = process->unit;
}

int process_read(pid_t pid, struct process *ret)
{
	_cleanup_(fclosep) FILE *status = NULL;
	char path[64];
	int r;

	*ret = (struct process){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return errno == ENOENT ? -ESRCH : -errno;
	r = read_status(status, ret);
	if (r < 0)
		return r;
	read_program(ret);
	if (ret->exe && program_is_here(pid, ret->exe))
		ret->subject.exe = ret->exe;
	read_unit(ret);
	return 0;
}

void process_fini(struct process *process)
{
	free(process->groups);
	free(process->exe);
}
