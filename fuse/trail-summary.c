/* SPDX-License-Identifier: Apache-2.0 */
/* Events added up: who did how much in which zone, to which file, and denials by rule. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fuse/trail-summary.h"
#include "fuse/trail-time.h"
#include "fuse/util.h"

enum count { COUNT_NOTHING, COUNT_READ, COUNT_WRITE, COUNT_CHANGE };

/* Looking counts as nothing, nor does an open for writing: its writes are on record. */
static enum count count_of(const char *operation)
{
	static const struct {
		const char *operation;
		enum count count;
	} counts[] = {
		{ "open-read", COUNT_READ },   { "open-read-write", COUNT_READ },
		{ "write", COUNT_WRITE },      { "truncate", COUNT_CHANGE },
		{ "fallocate", COUNT_CHANGE }, { "create", COUNT_CHANGE },
		{ "mkdir", COUNT_CHANGE },     { "mknod", COUNT_CHANGE },
		{ "symlink", COUNT_CHANGE },   { "link", COUNT_CHANGE },
		{ "unlink", COUNT_CHANGE },    { "rmdir", COUNT_CHANGE },
		{ "rename", COUNT_CHANGE },    { "chmod", COUNT_CHANGE },
		{ "chown", COUNT_CHANGE },     { "chgrp-own", COUNT_CHANGE },
		{ "utimes", COUNT_CHANGE },    { "touch", COUNT_CHANGE },
		{ "setxattr", COUNT_CHANGE },  { "removexattr", COUNT_CHANGE },
		{ "set-acl", COUNT_CHANGE },   { "set-flags", COUNT_CHANGE },
		{ "hold", COUNT_CHANGE },      { "release", COUNT_CHANGE },
		{ "promote", COUNT_CHANGE },   { "approve", COUNT_CHANGE },
		{ "unapprove", COUNT_CHANGE },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (strcmp(counts[i].operation, operation) == 0)
			return counts[i].count;
	return COUNT_NOTHING;
}

/* A record that corrects another came after it: what that one counted is taken back. */
static void take_back(struct tally *tally, const struct trail_event *event)
{
	const struct record *record = &event->record;
	enum count count = count_of(record->op);

	if (count == COUNT_WRITE) {
		uint64_t planned = event->as_planned;
		uint64_t done = event->outcome == TRAIL_OK ? record->len : 0;

		tally->bytes -= tally->bytes < planned ? tally->bytes : planned;
		tally->bytes += planned > 0 ? done : 0;
	}
	if (event->outcome == TRAIL_OK)
		return;
	if (count == COUNT_WRITE && tally->writes > 0)
		tally->writes--;
	else if (count == COUNT_CHANGE && tally->changes > 0)
		tally->changes--;
	else if (count == COUNT_READ && tally->reads > 0)
		tally->reads--;
}

void tally_add(struct tally *tally, const struct trail_event *event)
{
	if (event->corrects) {
		take_back(tally, event);
		return;
	}
	/* One record may stand for many (modelguard-audit(7), Repeated denials). */
	if (event->outcome == TRAIL_DENIED)
		tally->denied +=
			event->record.present & RECORD_COUNT ? event->record.count : 1;
	if (event->outcome != TRAIL_OK)
		return;
	switch (count_of(event->record.op)) {
	case COUNT_NOTHING:
		break;
	case COUNT_READ:
		tally->reads++;
		break;
	case COUNT_WRITE:
		tally->writes++;
		tally->bytes += event->record.len;
		break;
	case COUNT_CHANGE:
		tally->changes++;
		break;
	}
}

static int compare_keys(const void *one, const void *other)
{
	const struct summary_row *a = one, *b = other;
	int r = strcmp(a->where, b->where);

	if (r == 0)
		r = strcmp(a->actor.acct, b->actor.acct);
	if (r == 0)
		r = strcmp(a->why, b->why);
	if (r == 0)
		r = a->actor.uid < b->actor.uid ? -1 : a->actor.uid > b->actor.uid;
	return r;
}

static void row_free(struct summary_row *row)
{
	free((char *)row->actor.acct);
	free(row->where);
	free(row->why);
	free(row);
}

static void row_freep(struct summary_row **row)
{
	if (*row)
		row_free(*row);
}

static struct summary_row *row_new(const struct summary_row *key)
{
	_cleanup_(row_freep) struct summary_row *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	row->key = key->key;
	row->actor =
		(struct actor){ .acct = strdup(key->actor.acct), .uid = key->actor.uid };
	row->where = strdup(key->where);
	row->why = strdup(key->why);
	return row->actor.acct && row->where && row->why ? take_ptr(row) : NULL;
}

static int make_room(struct summary_table *table)
{
	size_t room = table->room ? 2 * table->room : 64;
	struct summary_row **rows;

	if (table->n_rows < table->room)
		return 0;
	rows = reallocarray(table->rows, room, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->room = room;
	return 0;
}

static struct summary_row *row_of(const struct hash_link *link)
{
	return (struct summary_row *)((const char *)link -
				      offsetof(struct summary_row, link));
}

static uint64_t key_of(const struct hash_link *link)
{
	return row_of(link)->key;
}

static uint64_t hash_row(const struct summary_row *row, uint64_t seed)
{
	uint64_t key = hash_bytes(seed, row->where, strlen(row->where));

	key = hash_bytes(key, row->why, strlen(row->why));
	key = hash_bytes(key, row->actor.acct, strlen(row->actor.acct));
	return hash_bytes(key, &row->actor.uid, sizeof(row->actor.uid));
}

/* The row of a key, made if there is none; NULL without memory. */
static struct summary_row *get_row(struct summary_table *table,
				   const struct summary_row *key)
{
	struct hash_link *link = hash_chain(&table->hash, key->key);
	struct summary_row *row;

	for (; link; link = link->next)
		if (row_of(link)->key == key->key && compare_keys(row_of(link), key) == 0)
			return row_of(link);
	if (make_room(table) < 0)
		return NULL;
	row = row_new(key);
	if (!row)
		return NULL;
	hash_add(&table->hash, &row->link);
	return table->rows[table->n_rows++] = row;
}

static void table_fini(struct summary_table *table)
{
	for (size_t i = 0; i < table->n_rows; i++)
		row_free(table->rows[i]);
	hash_fini(&table->hash);
	free(table->rows);
}

struct summary *summary_new(bool with_files)
{
	_cleanup_(summary_freep) struct summary *summary = calloc(1, sizeof(*summary));

	if (!summary || hash_init(&summary->zones.hash, key_of) < 0 ||
	    hash_init(&summary->files.hash, key_of) < 0 ||
	    hash_init(&summary->denials.hash, key_of) < 0)
		return NULL;
	summary->with_files = with_files;
	(void)getrandom(&summary->seed, sizeof(summary->seed), GRND_NONBLOCK);
	return take_ptr(summary);
}

struct summary *summary_free(struct summary *summary)
{
	if (!summary)
		return NULL;
	table_fini(&summary->zones);
	table_fini(&summary->files);
	table_fini(&summary->denials);
	free(summary);
	return NULL;
}

static int add_to(const struct summary *summary, struct summary_table *table,
		  const struct trail_event *event, const char *where, const char *why)
{
	struct summary_row key = {
		.actor = *event->record.actor,
		.where = (char *)where,
		.why = (char *)why,
	};
	struct summary_row *row;

	key.key = hash_row(&key, summary->seed);
	row = get_row(table, &key);
	if (!row)
		return -ENOMEM;
	tally_add(&row->tally, event);
	return 0;
}

static int add_denial(struct summary *summary, const struct trail_event *event)
{
	const struct record *record = &event->record;
	_cleanup_(freep) char *rule = NULL;

	if (!record->rule_file || record->rule_line == 0)
		rule = strdup("no rule");
	else if (asprintf(&rule, "%s:%u", record->rule_file, record->rule_line) < 0)
		rule = NULL;
	if (!rule)
		return -ENOMEM;
	return add_to(summary, &summary->denials, event, rule,
		      record->reason ? record->reason : "");
}

int summary_add(struct summary *summary, const struct trail_event *event)
{
	const struct record *record = &event->record;
	int r;

	if (summary->n_events == 0 ||
	    trail_time_compare(&record->time, &summary->first) < 0)
		summary->first = record->time;
	if (summary->n_events == 0 ||
	    trail_time_compare(&record->time, &summary->last) > 0)
		summary->last = record->time;
	summary->n_events++;
	if (!record->actor || record->kind != RECORD_DECISION)
		return 0;
	r = add_to(summary, &summary->zones, event,
		   record->zone ? record->zone : "(no zone)", "");
	if (r == 0 && summary->with_files && record->path)
		r = add_to(summary, &summary->files, event, record->path, "");
	if (r == 0 && event->outcome == TRAIL_DENIED)
		r = add_denial(summary, event);
	return r;
}

static int compare_counts(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int compare_rows(const void *one, const void *other)
{
	const struct summary_row *a = *(struct summary_row *const *)one;
	const struct summary_row *b = *(struct summary_row *const *)other;
	int r = compare_counts(a->tally.bytes, b->tally.bytes);

	if (r == 0)
		r = compare_counts(a->tally.changes + a->tally.denied,
				   b->tally.changes + b->tally.denied);
	if (r == 0)
		r = compare_counts(a->tally.reads, b->tally.reads);
	return r ? r : compare_keys(a, b);
}

void summary_sort(struct summary_table *table)
{
	if (table->n_rows > 0)
		qsort(table->rows, table->n_rows, sizeof(*table->rows), compare_rows);
}
