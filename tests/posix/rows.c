/* SPDX-License-Identifier: Apache-2.0 */
/* Runs rows of the conformance tables in a directory: posix-rows DIRECTORY < ROWS
 *
 *   cred NAME UID GID GROUP,GROUP...   who NAME is; "r" is root
 *   row NAME                           a fresh directory of mode 0777 to work in
 *   umask MODE                         for the rest of the row
 *   tick                               lets the clock of the file system go on
 *   NAME OPERATION ARGUMENT...         a step, done as that somebody
 *
 * Prints a line for each row: its name, and the result of each step. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rows.h"

#define CREDS_MAX     32
#define GROUPS_MAX    8
#define ROW_DIRECTORY "row"

struct cred {
	char name[16];
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_MAX];
	size_t n_groups;
};

static struct cred creds[CREDS_MAX] = { { .name = "r" } };
static size_t n_creds = 1;

static const struct cred *find_cred(const char *name)
{
	for (size_t i = 0; i < n_creds; i++)
		if (strcmp(creds[i].name, name) == 0)
			return &creds[i];
	return NULL;
}

static void add_cred(const char *const *args)
{
	struct cred *cred = &creds[n_creds++];
	char groups[256];

	if (n_creds > CREDS_MAX)
		errx(2, "too many creds");
	snprintf(cred->name, sizeof(cred->name), "%s", args[1]);
	cred->uid = (uid_t)atoi(args[2]);
	cred->gid = (gid_t)atoi(args[3]);
	snprintf(groups, sizeof(groups), "%s", args[4] ? args[4] : "");
	for (char *at = strtok(groups, ","); at && cred->n_groups < GROUPS_MAX;
	     at = strtok(NULL, ","))
		cred->groups[cred->n_groups++] = (gid_t)atoi(at);
}

static void become(const struct cred *cred)
{
	if (setgroups(cred->n_groups, cred->groups) < 0 ||
	    setresgid(cred->gid, cred->gid, cred->gid) < 0 ||
	    setresuid(cred->uid, cred->uid, cred->uid) < 0)
		err(2, "cannot become %s", cred->name);
}

static void read_all(int fd, char *buffer, size_t size)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, buffer + length, size - 1 - length)) > 0)
		length += (size_t)n;
	buffer[length] = '\0';
}

/* In a process of its own, which may change its ids and working directory. */
static void do_step_as(const struct cred *cred, struct step *step)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0 || (pid = fork()) < 0)
		err(2, "cannot fork");
	if (pid == 0) {
		become(cred);
		ops_do(step);
		if (write(ends[1], step->result, strlen(step->result)) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	read_all(ends[0], step->result, RESULT_MAX);
	close(ends[0]);
	waitpid(pid, NULL, 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

static void leave_row(int top)
{
	if (fchdir(top) < 0)
		err(2, "cannot go back");
	if (nftw(ROW_DIRECTORY, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 &&
	    errno != ENOENT)
		err(2, "cannot remove the row's directory");
	ops_forget_marks();
	umask(0);
}

static void enter_row(int top, const char *name)
{
	leave_row(top);
	if (mkdir(ROW_DIRECTORY, 0777) < 0 || chdir(ROW_DIRECTORY) < 0)
		err(2, "cannot make the row's directory");
	printf("\n%s", name);
}

static void tick(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 11000000 }, NULL);
}

static void do_step(const char *const *args)
{
	static char result[RESULT_MAX];
	const struct cred *cred = find_cred(args[0]);
	struct step step = { .result = result };

	if (!cred || !args[1])
		errx(2, "not understood: %s", args[0]);
	memcpy(step.args, args + 1, sizeof(step.args));
	result[0] = '\0';
	if (cred == &creds[0])
		ops_do(&step);
	else
		do_step_as(cred, &step);
	printf(" %s", result);
}

static void do_line(int top, char *line)
{
	const char *args[ARGS_MAX + 2] = { NULL };
	size_t n = 0;

	for (char *at = strtok(line, " \n"); at && n <= ARGS_MAX;
	     at = strtok(NULL, " \n"))
		args[n++] = at;
	if (n == 0)
		return;
	if (strcmp(args[0], "cred") == 0)
		add_cred(args);
	else if (strcmp(args[0], "row") == 0)
		enter_row(top, args[1]);
	else if (strcmp(args[0], "umask") == 0)
		umask((mode_t)strtoul(args[1], NULL, 8));
	else if (strcmp(args[0], "tick") == 0)
		tick();
	else if (strcmp(args[0], "mark") == 0)
		ops_mark(args[1]);
	else
		do_step(args);
}

int main(int argc, char *argv[])
{
	char *line = NULL;
	size_t size = 0;
	int top;

	if (argc != 2 || chdir(argv[1]) < 0 || (top = open(".", O_PATH)) < 0)
		errx(2, "usage: posix-rows DIRECTORY < ROWS");
	umask(0);
	if (setgroups(0, NULL) < 0)
		err(2, "must be root");
	while (getline(&line, &size, stdin) > 0) {
		do_line(top, line);
		fflush(stdout); /* a child that is forked has nothing to print */
	}
	leave_row(top);
	putchar('\n');
	free(line);
	return 0;
}
