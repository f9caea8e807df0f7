/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: long answers go through a pager, on a terminal only. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/ctl-pager.h"
#include "fuse/ctl.h"

/* less need not be installed. */
#define DEFAULT_PAGER \
	"if command -v less >/dev/null; then exec less -R; else exec cat; fi"
#define NOT_FOUND 127 /* as sh(1) has it */

static struct {
	pid_t pid; /* 0: there is none */
	int terminal;
	struct sigaction interrupt; /* as it was; the pager has it while it runs */
} pager;

static const char *pager_command(void)
{
	const char *command = getenv("PAGER");

	if (!isatty(STDOUT_FILENO))
		return NULL;
	if (!command)
		return DEFAULT_PAGER;
	return *command && strcmp(command, "cat") != 0 ? command : NULL;
}

/* In the child: `from` becomes its standard input. */
static void run_pager(const char *command, int from)
{
	dup2(from, STDIN_FILENO);
	setenv("LESS", "FRX", 0); /* what git(1) and systemctl(1) set as well */
	signal(SIGPIPE, SIG_DFL);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(NOT_FOUND);
}

void ctl_pager_start(void)
{
	const char *command = pager_command();
	int ends[2];

	if (!command || pager.pid != 0)
		return;
	fflush(stdout);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	pager.terminal = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	pager.pid = pager.terminal < 0 ? -1 : fork();
	if (pager.pid == 0)
		run_pager(command, ends[0]);
	if (pager.pid > 0) {
		signal(SIGPIPE, SIG_IGN); /* whoever leaves the pager has read enough */
		sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_IGN },
			  &pager.interrupt);
		ctl_colour_through_pipe(ctl_colour(stdout, CTL_PLAIN)[0] != '\0');
		dup2(ends[1], STDOUT_FILENO);
	} else {
		if (pager.terminal >= 0)
			close(pager.terminal);
		pager.pid = 0;
	}
	close(ends[0]);
	close(ends[1]);
}

int ctl_pager_end(void)
{
	int status = 0;

	if (pager.pid == 0)
		return CTL_OK;
	fflush(stdout);
	clearerr(stdout);
	dup2(pager.terminal, STDOUT_FILENO); /* the last writing end: it reads the end */
	close(pager.terminal);
	while (waitpid(pager.pid, &status, 0) < 0 && errno == EINTR)
		;
	pager.pid = 0;
	ctl_colour_through_pipe(false);
	signal(SIGPIPE, SIG_DFL);
	sigaction(SIGINT, &pager.interrupt, NULL);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != NOT_FOUND)
		return CTL_OK;
	return ctl_fail("the pager could not be run: set PAGER to one that can, or to "
			"'cat'");
}
