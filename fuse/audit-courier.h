/* SPDX-License-Identifier: Apache-2.0 */
/* Asks and tells the kernel's audit on behalf of the watching thread, from a thread of
 * its own: whoever sends the kernel's audit anything while its backlog is full sleeps
 * there for up to a minute, and be it a question (kernel/audit.c: audit_receive()). */
#pragma once

#include <linux/audit.h>
#include <stdbool.h>
#include <stdint.h>

#include "fuse/audit-netlink.h"

struct courier;

struct courier_answer {
	int error; /* -errno of the question, or 0 */
	struct audit_status status;
	uint64_t stamp; /* what the question was asked with */
};

/* `send` sends all that is to be sent; it runs on the courier's thread. 0 or -errno:
 * EPROTONOSUPPORT, no audit in this kernel. */
int courier_new(void (*send)(void *data, struct audit_netlink *netlink), void *data,
		struct courier **ret);

/* Waits for the thread: for as long as the kernel keeps it. NULL is fine; returns NULL.
 */
struct courier *courier_free(struct courier *courier);

/* Asks, and waits for the answer for at most `ms`: false if there is none, because the
 * kernel has the question still. The next call then waits for that answer, and gets it
 * with the stamp of its own question. Takes some 100 us. One thread. */
bool courier_ask(struct courier *courier, int ms, uint64_t stamp,
		 struct courier_answer *ret);

/* Has `send` called soon, once more if it is running. Never sleeps. */
void courier_send(struct courier *courier);

/* Whether `send` is to be called, or runs. */
bool courier_is_sending(struct courier *courier);
