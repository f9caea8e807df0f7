/* SPDX-License-Identifier: Apache-2.0 */
/* A list of records in the order of sending, found by number, behind a gate. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fuse/audit-custody.h"

#define N_CHAINS     4096 /* a power of 2 */
#define WINDOW_MIN   8
#define BYTES_MAX    (16 << 20)
#define WAIT_SECONDS 10

struct custody {
	pthread_mutex_t lock; /* all below; a leaf: no other lock is taken under it */
	pthread_cond_t room;
	bool is_open;
	size_t window, n_waiting;
	size_t n, bytes;
	uint64_t clock;
	uint64_t newest_proven; /* the highest `begun` of all that were proven */
	struct custody_item *head, *tail;
	struct custody_item *chains[N_CHAINS];

	int wake_fd;
	bool has_woken; /* since the last look */
};

struct custody *custody_new(void)
{
	struct custody *custody = calloc(1, sizeof(*custody));

	if (!custody)
		return NULL;
	custody->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (custody->wake_fd < 0) {
		free(custody);
		return NULL;
	}
	custody->window = WINDOW_MIN;
	(void)pthread_mutex_init(&custody->lock, NULL);
	(void)pthread_cond_init(&custody->room, NULL);
	return custody;
}

struct custody *custody_free(struct custody *custody)
{
	if (!custody)
		return NULL;
	while (custody->head) {
		struct custody_item *item = custody->head;

		custody->head = item->next;
		free(item);
	}
	close(custody->wake_fd);
	(void)pthread_cond_destroy(&custody->room);
	(void)pthread_mutex_destroy(&custody->lock);
	free(custody);
	return NULL;
}

struct custody_item *custody_item_new(const char *text, size_t length)
{
	struct custody_item *item = malloc(sizeof(*item) + length + 1);

	if (!item)
		return NULL;
	*item = (struct custody_item){ .length = length };
	memcpy(item->text, text, length);
	item->text[length] = '\0';
	return item;
}

void custody_item_free(struct custody_item *first)
{
	while (first) {
		struct custody_item *next = first->next_part;

		free(first);
		first = next;
	}
}

static struct custody_item **chain_of(struct custody *custody, uint64_t seqno,
				      unsigned part)
{
	return &custody->chains[(seqno + (uint64_t)part * 257) & (N_CHAINS - 1)];
}

/* Under the lock, as all below that are static. */
static void link_last(struct custody *custody, struct custody_item *item)
{
	item->begun = ++custody->clock;
	item->prev = custody->tail;
	item->next = NULL;
	if (custody->tail)
		custody->tail->next = item;
	else
		custody->head = item;
	custody->tail = item;
}

static void unlink_item(struct custody *custody, struct custody_item *item)
{
	if (item->prev)
		item->prev->next = item->next;
	else
		custody->head = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else
		custody->tail = item->prev;
}

static void insert(struct custody *custody, struct custody_item *item)
{
	struct custody_item **chain = chain_of(custody, item->seqno, item->part);

	link_last(custody, item);
	item->next_alike = *chain;
	*chain = item;
	custody->n++;
	custody->bytes += item->length;
}

static void withdraw(struct custody *custody, struct custody_item *item)
{
	struct custody_item **at = chain_of(custody, item->seqno, item->part);

	while (*at != item)
		at = &(*at)->next_alike;
	*at = item->next_alike;
	unlink_item(custody, item);
	custody->n--;
	custody->bytes -= item->length;
}

/* Who sends it still has a pointer to it: then it is theirs to free. */
static void settle(struct custody *custody, struct custody_item *item)
{
	if (item->begun > custody->newest_proven)
		custody->newest_proven = item->begun;
	withdraw(custody, item);
	if (item->state == CUSTODY_SENDING)
		item->is_proven = true;
	else
		free(item);
}

void custody_set_window(struct custody *custody, size_t n_items)
{
	pthread_mutex_lock(&custody->lock);
	custody->window = n_items < WINDOW_MIN ? WINDOW_MIN : n_items;
	pthread_mutex_unlock(&custody->lock);
}

static void set_open(struct custody *custody, bool is_open)
{
	pthread_mutex_lock(&custody->lock);
	custody->is_open = is_open;
	pthread_cond_broadcast(&custody->room);
	pthread_mutex_unlock(&custody->lock);
}

void custody_open(struct custody *custody)
{
	set_open(custody, true);
}

void custody_close(struct custody *custody)
{
	set_open(custody, false);
}

static bool is_full(const struct custody *custody)
{
	return custody->n >= custody->window || custody->bytes >= BYTES_MAX;
}

static bool is_half_full(const struct custody *custody)
{
	return custody->n >= custody->window / 2 || custody->bytes >= BYTES_MAX / 2;
}

static int wait_for_room(struct custody *custody)
{
	struct timespec deadline;
	int r = 0;

	if (custody->is_open && !is_full(custody))
		return 0;
	(void)clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += WAIT_SECONDS;
	custody->n_waiting++;
	while (r == 0 && custody->is_open && is_full(custody))
		r = pthread_cond_clockwait(&custody->room, &custody->lock,
					   CLOCK_MONOTONIC, &deadline);
	custody->n_waiting--;
	return custody->is_open ? -r : -ENOTCONN;
}

int custody_take(struct custody *custody, struct custody_item *first, bool at_once)
{
	struct timespec now;
	bool wake = false;
	int r = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&custody->lock);
	if (!at_once)
		r = wait_for_room(custody);
	for (struct custody_item *item = r == 0 ? first : NULL; item;
	     item = item->next_part) {
		item->state = CUSTODY_SENDING;
		item->since = now;
		insert(custody, item);
	}
	if (!custody->has_woken && is_half_full(custody))
		wake = custody->has_woken = true;
	pthread_mutex_unlock(&custody->lock);
	if (wake)
		(void)eventfd_write(custody->wake_fd, 1);
	return r;
}

void custody_accepted(struct custody *custody, struct custody_item *first)
{
	struct custody_item *item = first;

	pthread_mutex_lock(&custody->lock);
	while (item) {
		struct custody_item *next = item->next_part;

		item->state = CUSTODY_ACCEPTED;
		item->accepted = ++custody->clock;
		if (item->is_proven)
			free(item);
		item = next;
	}
	pthread_mutex_unlock(&custody->lock);
}

void custody_abandoned(struct custody *custody, struct custody_item *first)
{
	custody_refused(custody, first, 0);
}

void custody_owed(struct custody *custody, struct custody_item *first, unsigned n)
{
	struct custody_item *item = first;

	pthread_mutex_lock(&custody->lock);
	for (unsigned i = 0; item; i++) {
		struct custody_item *next = item->next_part;

		item->state = CUSTODY_OWED;
		item->is_sent = i < n;
		if (item->is_proven)
			free(item);
		item = next;
	}
	pthread_mutex_unlock(&custody->lock);
}

void custody_refused(struct custody *custody, struct custody_item *first, unsigned n)
{
	struct custody_item *item = first;

	pthread_mutex_lock(&custody->lock);
	for (unsigned i = 0; item; i++) {
		struct custody_item *next = item->next_part;

		if (!item->is_proven)
			withdraw(custody, item);
		if (i < n) {
			item->state = CUSTODY_OWED;
			item->is_proven = false;
			item->refused = item->is_sent = true;
			insert(custody, item);
		} else {
			free(item);
		}
		item = next;
	}
	pthread_mutex_unlock(&custody->lock);
}

void custody_prove(struct custody *custody, uint64_t seqno, unsigned part, bool refused)
{
	struct custody_item *item;

	pthread_mutex_lock(&custody->lock);
	item = *chain_of(custody, seqno, part);
	while (item && (item->seqno != seqno || item->part != part))
		item = item->next_alike;
	if (item && (refused || !item->refused))
		settle(custody, item);
	pthread_mutex_unlock(&custody->lock);
}

bool custody_has_hole(struct custody *custody)
{
	bool result = false;

	pthread_mutex_lock(&custody->lock);
	for (const struct custody_item *item = custody->head;
	     item && item->begun < custody->newest_proven && !result; item = item->next)
		result = item->state == CUSTODY_ACCEPTED &&
			 item->accepted < custody->newest_proven;
	pthread_mutex_unlock(&custody->lock);
	return result;
}

uint64_t custody_stamp(struct custody *custody)
{
	uint64_t stamp;

	pthread_mutex_lock(&custody->lock);
	stamp = ++custody->clock;
	pthread_mutex_unlock(&custody->lock);
	return stamp;
}

bool custody_has_before(struct custody *custody, uint64_t stamp)
{
	bool result = false;

	pthread_mutex_lock(&custody->lock);
	for (const struct custody_item *item = custody->head;
	     item && item->begun < stamp && !result; item = item->next)
		result = item->state == CUSTODY_ACCEPTED && item->accepted < stamp;
	pthread_mutex_unlock(&custody->lock);
	return result;
}

bool custody_prove_before(struct custody *custody, uint64_t stamp, size_t n)
{
	struct custody_item *item, *next;
	bool result = false;

	pthread_mutex_lock(&custody->lock);
	for (item = custody->head; item && item->begun < stamp && custody->n > n;
	     item = next) {
		next = item->next;
		if (item->state == CUSTODY_ACCEPTED && item->accepted < stamp) {
			settle(custody, item);
			result = true;
		}
	}
	pthread_mutex_unlock(&custody->lock);
	return result;
}

void custody_owe_all(struct custody *custody)
{
	pthread_mutex_lock(&custody->lock);
	for (struct custody_item *item = custody->head; item; item = item->next)
		if (item->state == CUSTODY_ACCEPTED) {
			item->state = CUSTODY_OWED;
			item->is_sent = true;
		}
	pthread_mutex_unlock(&custody->lock);
}

static struct custody_item *first_owed(const struct custody *custody)
{
	struct custody_item *item = custody->head;

	while (item && item->state != CUSTODY_OWED)
		item = item->next;
	return item;
}

struct custody_item *custody_next_owed(struct custody *custody)
{
	struct custody_item *copy = NULL, *item;

	pthread_mutex_lock(&custody->lock);
	item = first_owed(custody);
	if (item)
		copy = custody_item_new(item->text, item->length);
	if (copy) {
		unlink_item(custody, item);
		link_last(custody, item);
		*copy = *item;
	}
	pthread_mutex_unlock(&custody->lock);
	return copy;
}

void custody_paid(struct custody *custody, const struct custody_item *copy)
{
	struct custody_item *item;

	pthread_mutex_lock(&custody->lock);
	item = *chain_of(custody, copy->seqno, copy->part);
	while (item && item->begun != copy->begun)
		item = item->next_alike;
	if (item) {
		item->state = CUSTODY_ACCEPTED;
		item->accepted = ++custody->clock;
	}
	pthread_mutex_unlock(&custody->lock);
}

bool custody_has_owed(struct custody *custody)
{
	bool result;

	pthread_mutex_lock(&custody->lock);
	result = first_owed(custody) != NULL;
	pthread_mutex_unlock(&custody->lock);
	return result;
}

bool custody_is_settled(struct custody *custody)
{
	const struct custody_item *item;

	pthread_mutex_lock(&custody->lock);
	item = custody->head;
	while (item && item->state == CUSTODY_SENDING)
		item = item->next;
	pthread_mutex_unlock(&custody->lock);
	return !item;
}

void custody_drop_unnumbered(struct custody *custody)
{
	struct custody_item *item, *next;

	pthread_mutex_lock(&custody->lock);
	for (item = custody->head; item; item = next) {
		next = item->next;
		if (item->seqno == 0) {
			withdraw(custody, item);
			free(item);
		}
	}
	pthread_mutex_unlock(&custody->lock);
}

bool custody_has_unnumbered(struct custody *custody)
{
	const struct custody_item *item;

	pthread_mutex_lock(&custody->lock);
	item = custody->head;
	while (item && item->seqno != 0)
		item = item->next;
	pthread_mutex_unlock(&custody->lock);
	return item != NULL;
}

size_t custody_count(struct custody *custody, struct timespec *ret_since)
{
	size_t n;

	pthread_mutex_lock(&custody->lock);
	n = custody->n;
	if (n > 0 && ret_since)
		*ret_since = custody->head->since;
	pthread_mutex_unlock(&custody->lock);
	return n;
}

bool custody_looked(struct custody *custody)
{
	eventfd_t count;
	bool result;

	(void)eventfd_read(custody->wake_fd, &count);
	pthread_mutex_lock(&custody->lock);
	result = is_half_full(custody);
	custody->has_woken = result; /* who looks comes back soon */
	if (custody->n_waiting > 0 && !is_full(custody))
		pthread_cond_broadcast(&custody->room);
	pthread_mutex_unlock(&custody->lock);
	return result;
}

int custody_wake_fd(const struct custody *custody)
{
	return custody->wake_fd;
}
