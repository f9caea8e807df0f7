/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a request, in datagrams. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "fuse/control-answer.h"
#include "fuse/control-protocol.h"
#include "fuse/util.h"

#define WHOLE_ANSWER_S 30

/* Nothing in it can steer a terminal. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII)

#define STRINGIFY_(number) #number
#define STRINGIFY(number)  STRINGIFY_(number)
#define VERSION_TEXT	   "{\"version\":" STRINGIFY(CONTROL_VERSION)

struct sender {
	int fd;
	int pass;	 /* goes with the next datagram; -1: nothing */
	time_t deadline; /* CLOCK_MONOTONIC */
	size_t length;
	char datagram[CONTROL_ANSWER_MAX];
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* unix(7): room for one descriptor, aligned. */
union passed {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach(struct msghdr *message, union passed *passed, int fd)
{
	*passed = (union passed){ .header = { .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS,
					      .cmsg_len = CMSG_LEN(sizeof(fd)) } };
	memcpy(CMSG_DATA(&passed->header), &fd, sizeof(fd));
	message->msg_control = passed->bytes;
	message->msg_controllen = sizeof(passed->bytes);
}

static int flush(struct sender *sender)
{
	struct iovec iov = { sender->datagram, sender->length };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union passed passed;
	ssize_t n;

	if (now_s() >= sender->deadline)
		return -ETIMEDOUT;
	if (sender->pass >= 0)
		attach(&message, &passed, sender->pass);
	sender->pass = -1;
	n = RET_ERRNO(sendmsg(sender->fd, &message, MSG_NOSIGNAL));
	sender->length = 0;
	return n < 0 ? (int)n : 0;
}

static void put(struct sender *sender, const char *text)
{
	size_t length = strlen(text);

	memcpy(sender->datagram + sender->length, text, length);
	sender->length += length;
}

#define LIST_END "]}"

/* Room for the end of a list is left. False: the item does not fit in. */
static bool put_item(struct sender *sender, const json_t *item, bool first)
{
	size_t room = sizeof(sender->datagram) - sender->length - 1 - strlen(LIST_END);
	size_t at = sender->length + !first;
	size_t size = json_dumpb(item, sender->datagram + at, room,
				 DUMP_FLAGS | JSON_ENCODE_ANY);

	if (size == 0 || size > room)
		return false;
	if (!first)
		sender->datagram[sender->length] = ',';
	sender->length = at + size;
	return true;
}

static int send_list(struct sender *sender, const char *name, const json_t *list)
{
	size_t n = json_array_size(list), i = 0;
	int r = 0;

	do {
		bool first = true;

		put(sender, VERSION_TEXT ",\"list\":\"");
		put(sender, name);
		put(sender, "\",\"items\":[");
		while (i < n && put_item(sender, json_array_get(list, i), first)) {
			first = false;
			i++;
		}
		if (first && i < n)
			return -EMSGSIZE;
		put(sender, LIST_END);
		r = flush(sender);
	} while (r == 0 && i < n);
	return r;
}

static int send_head(struct sender *sender, const json_t *document)
{
	json_t *head = json_object(), *value;
	const char *name;

	json_object_set_new(head, "version", json_integer(CONTROL_VERSION));
	json_object_foreach((json_t *)document, name, value) if (!json_is_array(value))
		json_object_set(head, name, value);
	sender->length =
		json_dumpb(head, sender->datagram, sizeof(sender->datagram), DUMP_FLAGS);
	json_decref(head);
	if (sender->length == 0)
		return -ENOMEM;
	return sender->length > sizeof(sender->datagram) ? -EMSGSIZE : flush(sender);
}

static int send_all(struct sender *sender, const json_t *document)
{
	int r = send_head(sender, document);
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)document, name,
			    value) if (r == 0 && json_is_array(value)) r =
		send_list(sender, name, value);
	if (r < 0)
		return r;
	put(sender, VERSION_TEXT ",\"end\":true}");
	return flush(sender);
}

json_t *control_refuse(const struct control_refusal *refusal)
{
	return json_pack("{s:s, s:s}", "refused", refusal->text, "reason",
			 refusal->reason);
}

int control_answer(int fd, json_t *document, int pass)
{
	_cleanup_(freep) struct sender *sender = malloc(sizeof(*sender));
	int r;

	if (!document)
		document = control_refuse(&(struct control_refusal){
			.reason = "memory", .text = "the guard has no memory" });
	if (!sender || !document) {
		json_decref(document);
		return -ENOMEM;
	}
	sender->fd = fd;
	sender->pass = pass;
	sender->length = 0;
	sender->deadline = now_s() + WHOLE_ANSWER_S;
	r = send_all(sender, document);
	json_decref(document);
	return r;
}
