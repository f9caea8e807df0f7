/* SPDX-License-Identifier: Apache-2.0 */
/* The records that the kernel was given and that are not known to be in the log: each is
 * kept until it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "fuse/record.h"

struct custody;

/* One message to the kernel. Of one record's parts, each points to the next. */
struct custody_item {
	struct custody_item *next_part;
	uint64_t seqno; /* 0: a record without a number, known by `part` alone */
	unsigned part;
	int type;     /* AUDIT_DAC_CHECK, ... */
	bool success; /* res= */
	bool refused; /* its operation did not happen after all: the log must say so */

	/* Below: the custody's. */
	enum { CUSTODY_SENDING, CUSTODY_ACCEPTED, CUSTODY_OWED } state;
	bool is_proven;			  /* seen in the log while it was being sent */
	bool is_sent;			  /* once at least, or maybe */
	uint64_t begun, accepted;	  /* by the custody's clock; 0: not accepted */
	struct timespec since;		  /* CLOCK_REALTIME: when it was taken first */
	struct custody_item *prev, *next; /* in the order of `begun` */
	struct custody_item *next_alike;  /* of the same hash */

	size_t length; /* of text, without NUL */
	char text[];
};

/* All functions lock inside; none sends with the lock held. The gate is closed at first
 * and the window is the smallest. NULL: no memory. */
struct custody *custody_new(void);
struct custody *custody_free(struct custody *custody);

/* The items of one record, from malloc; NULL: no memory. */
struct custody_item *custody_item_new(const char *text, size_t length);
void custody_item_free(struct custody_item *first);

/* At most so many items are taken; beyond, who has another waits. */
void custody_set_window(struct custody *custody, size_t n_items);

/* While it is closed nothing is taken, and who waits is sent away. */
void custody_open(struct custody *custody);
void custody_close(struct custody *custody);

/* Takes all parts of a record before the first is sent. Waits for room, unless `at_once`:
 * then gate and window do not count. 0, and the items are the custody's; else they are
 * the caller's still: -ENOTCONN when the gate is closed, -ETIMEDOUT after 10 s. */
int custody_take(struct custody *custody, struct custody_item *first, bool at_once);

/* How sending them ended: exactly one of these for all that was taken at a time.
 * accepted: the kernel has acknowledged all. abandoned: it has none of them. owed: it may
 * have the first `n`, and all are to be sent (again). refused: it may have the first `n`,
 * which are to be disowned. */
void custody_accepted(struct custody *custody, struct custody_item *first);
void custody_abandoned(struct custody *custody, struct custody_item *first);
void custody_owed(struct custody *custody, struct custody_item *first, unsigned n);
void custody_refused(struct custody *custody, struct custody_item *first, unsigned n);

/* A line of the log: it is safe. */
void custody_prove(struct custody *custody, uint64_t seqno, unsigned part, bool refused);

/* The kernel and auditd let no record pass another. So what was accepted before one was
 * begun that is proven by now, and is not proven itself, is missing: true. */
bool custody_has_hole(struct custody *custody);

/* The custody's clock now. */
uint64_t custody_stamp(struct custody *custody);

/* Whether an item was accepted before a stamp. */
bool custody_has_before(struct custody *custody, uint64_t stamp);

/* For a log that cannot be read: takes for proven what was accepted before a stamp, but
 * for the last n of all. True if there was any. */
bool custody_prove_before(struct custody *custody, uint64_t stamp, size_t n);

/* From now on all are owed that the kernel has acknowledged. */
void custody_owe_all(struct custody *custody);

/* A copy of the first item that is owed, to be sent: it counts as begun now. NULL: none,
 * or no memory. The caller frees it. */
struct custody_item *custody_next_owed(struct custody *custody);

/* The kernel has acknowledged the copy. No harm if the item is proven already. */
void custody_paid(struct custody *custody, const struct custody_item *copy);

bool custody_has_owed(struct custody *custody);

/* Whether nothing is left but what threads are sending. */
bool custody_is_settled(struct custody *custody);

/* Forgets the items without a number, and whether there is any. */
void custody_drop_unnumbered(struct custody *custody);
bool custody_has_unnumbered(struct custody *custody);

/* How many there are; *ret_since (if not NULL): when the first of them was taken. */
size_t custody_count(struct custody *custody, struct timespec *ret_since);

/* Whether the window is half full; lets those who wait for room go on if there is some.
 * To be called by who proves, once a look. */
bool custody_looked(struct custody *custody);

/* Readable from when the window is half full until custody_looked(). */
int custody_wake_fd(const struct custody *custody);
