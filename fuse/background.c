/* SPDX-License-Identifier: Apache-2.0 */
/* Going to the background. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>

#include "fuse/background.h"
#include "fuse/log.h"
#include "fuse/util.h"

/* The child writes one byte when it is ready; if it ends before, the pipe does. What is
 * wrong it has said itself by then. */
static void wait_for_child(int fd)
{
	char status = 1;

	while (read(fd, &status, 1) < 0 && errno == EINTR)
		;
	_exit(status);
}

int background_start(void)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		int r = -errno;

		log_error("cannot go to the background: %m");
		return r;
	}
	if (pid > 0) {
		close(pipe_fds[1]);
		wait_for_child(pipe_fds[0]);
	}
	close(pipe_fds[0]);
	setsid();
	log_init(true, true);
	return pipe_fds[1];
}

void background_turn_away(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	log_init(false, true);
}

void background_ready(int fd)
{
	char status = 0;

	background_turn_away();
	while (write(fd, &status, 1) < 0 && errno == EINTR)
		;
	close(fd);
}
