/* SPDX-License-Identifier: Apache-2.0 */
/* Small idioms: cleanup attributes, handing over ownership, errno as a return value. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* Evaluates a system call that returns -1 on failure: its result, or -errno. */
#define RET_ERRNO(call)                                           \
	({                                                        \
		__typeof__(call) _result = (call);                \
		_result < 0 ? (__typeof__(call))-errno : _result; \
	})

/* Hands a descriptor over: the variable no longer owns it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(pointer)                               \
	({                                              \
		__typeof__(pointer) _taken = (pointer); \
		(pointer) = NULL;                       \
		_taken;                                 \
	})

/* The name by which this process reaches what a descriptor is open on. */
struct fd_path {
	char text[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
};

static inline const char *fd_path(int fd, struct fd_path *buffer)
{
	snprintf(buffer->text, sizeof(buffer->text), "/proc/self/fd/%d", fd);
	return buffer->text;
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}
