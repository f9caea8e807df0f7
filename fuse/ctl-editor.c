/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the admin's editor. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/ctl-editor.h"
#include "fuse/ctl.h"

/* What sh(1) gives: not found, and the first of those that tell a signal. */
#define NOT_FOUND 127
#define BY_SIGNAL 128

static const char *editor(void)
{
	const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");

	if (visual && *visual)
		return visual;
	if (plain && *plain)
		return plain;
	return "$(command -v editor || echo vi)";
}

/* By the shell, since the variables may hold arguments, too (environ(7)). It does not end
 * by a key that the editor has a use for. */
static void exec_editor(const char *path)
{
	char *command;

	if (asprintf(&command, "trap : INT QUIT; %s \"$1\"", editor()) < 0)
		_exit(NOT_FOUND);
	execl("/bin/sh", "sh", "-c", command, "sh", path, NULL);
	_exit(NOT_FOUND);
}

static int judge(int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);

	if (code == 0)
		return CTL_OK;
	if (code == NOT_FOUND)
		return ctl_fail("the editor cannot be run: set EDITOR to one that can");
	if (code > BY_SIGNAL)
		return ctl_fail("the editor was ended by signal %d (%s)",
				code - BY_SIGNAL, strsignal(code - BY_SIGNAL));
	return ctl_fail("the editor failed: exit status %d", code);
}

int ctl_run_editor(const char *path)
{
	static const int keys[] = { SIGINT, SIGQUIT };
	struct sigaction before[2], ignore = { .sa_handler = SIG_IGN };
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		exec_editor(path);
	}
	if (pid < 0)
		return ctl_fail("cannot start the editor: %m");
	/* The keys of the terminal are for the editor. */
	for (size_t i = 0; i < 2; i++)
		sigaction(keys[i], &ignore, &before[i]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < 2; i++)
		sigaction(keys[i], &before[i], NULL);
	return judge(status);
}
