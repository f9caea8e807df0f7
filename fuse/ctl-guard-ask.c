/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: one question to one guard, and its answer put together. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>

#include "fuse/control-protocol.h"
#include "fuse/ctl-guards.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

/* A reload may have to wait for the name service, and that for a network. */
#define PATIENCE_S 60
#define DATAGRAMS  4096 /* of one answer, at most */

static const char *fault_of(int error)
{
	switch (error) {
	case -ENOENT:
		return "it serves without control (its start logged why): SIGHUP has it "
		       "read its policy again";
	case -ECONNREFUSED:
		return "it has ended: 'umount' the mount and mount it anew";
	case -EAGAIN:
		return "it has not answered for 60 s";
	case -EBADMSG:
		return "what it answers is not understood: use the modelguardctl that "
		       "belongs to it";
	case -ENODATA:
		return "it ended before its answer was whole";
	default:
		return strerrordesc_np(-error);
	}
}

/* A connected socket, or -errno. */
static int connect_guard(const struct ctl_guard *guard)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd =
		RET_ERRNO(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	snprintf(address.sun_path, sizeof(address.sun_path),
		 CONTROL_DIRECTORY "/" CONTROL_NAME_FORMAT, gnu_dev_major(guard->device),
		 gnu_dev_minor(guard->device));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int send_request(int fd, enum control_verb verb)
{
	char text[CONTROL_REQUEST_MAX];
	int length = snprintf(text, sizeof(text), "{\"version\": %d, \"verb\": \"%s\"}",
			      CONTROL_VERSION, control_verb_name(verb));
	ssize_t n = RET_ERRNO(send(fd, text, (size_t)length, MSG_NOSIGNAL));

	return n < 0 ? (int)n : 0;
}

static bool has_our_version(const json_t *part)
{
	return json_integer_value(json_object_get(part, "version")) == CONTROL_VERSION;
}

/* Appends the items of a part to the list that it is of. */
static int add_items(json_t *document, const json_t *part)
{
	const char *name = json_string_value(json_object_get(part, "list"));
	json_t *items = json_object_get(part, "items"), *list;

	if (!name || !json_is_array(items))
		return -EBADMSG;
	list = json_object_get(document, name);
	if (!list)
		return json_object_set(document, name, items) < 0 ? -ENOMEM : 0;
	return json_array_extend(list, items) < 0 ? -EBADMSG : 0;
}

/* unix(7): room for one descriptor, aligned. */
union passed {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* What came with a datagram is kept in *passed, or closed. */
static void take_passed(struct msghdr *message, int *passed)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	if (passed && *passed < 0)
		*passed = fd;
	else
		close(fd);
}

static ssize_t receive_bytes(int fd, char *buffer, int *passed)
{
	struct iovec iov = { buffer, CONTROL_ANSWER_MAX };
	union passed control;
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t n = RET_ERRNO(recvmsg(fd, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC));

	if (n >= 0)
		take_passed(&message, passed);
	return n;
}

/* One datagram. 1: it was the last; 0; or -errno. */
static int receive(int fd, char *buffer, json_t **document, int *passed)
{
	ssize_t n = receive_bytes(fd, buffer, passed);
	json_t *part;
	int r = 0;

	if (n <= 0)
		return n < 0 ? (int)n : -ENODATA;
	if (n > CONTROL_ANSWER_MAX)
		return -EBADMSG;
	part = json_loadb(buffer, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!has_our_version(part))
		r = -EBADMSG;
	else if (!*document)
		*document = json_incref(part);
	else if (json_object_get(part, "list"))
		r = add_items(*document, part);
	else
		r = json_is_true(json_object_get(part, "end")) ? 1 : -EBADMSG;
	json_decref(part);
	return r;
}

static int receive_all(int fd, json_t **document, int *passed)
{
	_cleanup_(freep) char *buffer = malloc(CONTROL_ANSWER_MAX);
	int r = buffer ? 0 : -ENOMEM;

	for (int i = 0; r == 0 && i < DATAGRAMS; i++)
		r = receive(fd, buffer, document, passed);
	return r == 0 ? -EMSGSIZE : r;
}

static json_t *ask(const struct ctl_guard *guard, enum control_verb verb, int *passed,
		   struct ctl_fault *fault)
{
	_cleanup_(closep) int fd = connect_guard(guard);
	json_t *document = NULL;
	int r = fd < 0 ? fd : send_request(fd, verb);
	const char *refused;

	/* What it refuses, it may refuse before it has read the request. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		r = receive_all(fd, &document, passed);
	refused = json_string_value(json_object_get(document, "refused"));
	if (r > 0 && !refused)
		return document;
	snprintf(fault->text, sizeof(fault->text), "%s", refused ? refused : fault_of(r));
	json_decref(document);
	return NULL;
}

json_t *ctl_ask_guard(const struct ctl_guard *guard, enum control_verb verb,
		      struct ctl_fault *fault)
{
	return ask(guard, verb, NULL, fault);
}

int ctl_guard_source(const struct ctl_guard *guard, struct ctl_fault *fault)
{
	int fd = -1;
	json_t *document = ask(guard, CONTROL_SOURCE, &fd, fault);

	if (!document)
		closep(&fd);
	else if (fd < 0)
		snprintf(fault->text, sizeof(fault->text), "%s", fault_of(-EBADMSG));
	json_decref(document);
	return fd;
}

int ctl_no_answer(const struct ctl_guard *guard, const struct ctl_fault *fault)
{
	fputs("modelguardctl: ", stderr);
	ctl_puts_safe(stderr, ctl_guard_name(guard));
	fputs(": ", stderr);
	ctl_puts_safe(stderr, fault->text);
	fputc('\n', stderr);
	return CTL_FAILED;
}
