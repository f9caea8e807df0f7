/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay found, by person and path, added up in bounded memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fuse/replay-rows.h"
#include "fuse/trail-time.h"
#include "fuse/util.h"

/* From so much on the paths of a person are one row, and a little later the people. */
#define ROWS_BYTES_MAX ((size_t)64 << 20)

static struct replay_row *row_of(const struct hash_link *link)
{
	return (struct replay_row *)((const char *)link -
				     offsetof(struct replay_row, link));
}

static uint64_t key_of(const struct hash_link *link)
{
	return row_of(link)->key;
}

int replay_rows_init(struct replay_rows *rows)
{
	(void)getrandom(&rows->seed, sizeof(rows->seed), GRND_NONBLOCK);
	return hash_init(&rows->hash, key_of);
}

static void row_free(struct replay_row *row)
{
	free(row->acct);
	free(row->path);
	free(row->to_path);
	free(row);
}

static void row_freep(struct replay_row **row)
{
	if (*row)
		row_free(*row);
}

void replay_rows_fini(struct replay_rows *rows)
{
	for (size_t i = 0; i < rows->n_items; i++)
		row_free(rows->items[i]);
	hash_fini(&rows->hash);
	free(rows->items);
}

static uint64_t hash_text(uint64_t seed, const char *text)
{
	return text ? hash_bytes(seed, text, strlen(text) + 1) : seed;
}

static bool same_text(const char *one, const char *other)
{
	return one == other || (one && other && strcmp(one, other) == 0);
}

static bool same_key(const struct replay_row *a, const struct replay_row *b)
{
	return a->result == b->result && a->doubt == b->doubt && a->copy == b->copy &&
	       a->denial == b->denial && a->line == b->line && a->uid == b->uid &&
	       same_text(a->acct, b->acct) && same_text(a->path, b->path) &&
	       same_text(a->to_path, b->to_path);
}

static enum operation operation_of(const struct past *past)
{
	if (past->kind == PAST_OPERATION)
		return past->operation;
	return past->kind == PAST_LINK ? OPERATION_LINK : OPERATION_RENAME_FROM;
}

static void set_rule(struct replay_row *key, const struct judgement *judgement)
{
	const struct decided *decided = &judgement->decided;

	key->doubt = judgement->doubt;
	if (judgement->result == REPLAY_UNTOLD)
		return;
	key->line = decided->verdict.line;
	key->role = decided->verdict.role;
	key->zone = decided->verdict.zone;
	if (decided->granted)
		key->copy = decided->copy;
	else
		key->denial = decided->verdict.reason;
}

/* The row that a decision belongs to, by what makes it one; borrows. */
static struct replay_row make_key(const struct replay_rows *rows, const struct past *past,
				  const struct judgement *judgement)
{
	const struct record *record = past->record;
	const int numbers[] = { (int)judgement->result, (int)judgement->doubt,
				(int)judgement->decided.verdict.line,
				(int)record->actor->uid };
	bool has_path = rows->n_bytes < ROWS_BYTES_MAX;
	struct replay_row key = { .result = judgement->result };

	set_rule(&key, judgement);
	if (has_path) {
		key.path = (char *)record->path;
		key.to_path =
			past->kind == PAST_OPERATION ? NULL : (char *)record->new_path;
	}
	if (rows->n_bytes < ROWS_BYTES_MAX + ROWS_BYTES_MAX / 4) {
		key.acct = (char *)record->actor->acct;
		key.uid = record->actor->uid;
	}
	key.key = hash_bytes(rows->seed, numbers, sizeof(numbers));
	key.key = hash_text(hash_text(key.key, key.acct), key.path);
	return key;
}

static struct replay_row *find(const struct replay_rows *rows,
			       const struct replay_row *key)
{
	struct hash_link *link = hash_chain(&rows->hash, key->key);

	for (; link; link = link->next)
		if (row_of(link)->key == key->key && same_key(row_of(link), key))
			return row_of(link);
	return NULL;
}

static int copy_text(struct replay_rows *rows, const char *text, char **ret)
{
	*ret = NULL;
	if (!text)
		return 0;
	*ret = strdup(text);
	rows->n_bytes += strlen(text) + 1;
	return *ret ? 0 : -ENOMEM;
}

static struct replay_row *add(struct replay_rows *rows, const struct replay_row *key)
{
	_cleanup_(row_freep) struct replay_row *row = malloc(sizeof(*row));

	if (!row)
		return NULL;
	*row = *key;
	row->acct = row->path = row->to_path = NULL;
	if (copy_text(rows, key->acct, &row->acct) < 0 ||
	    copy_text(rows, key->path, &row->path) < 0 ||
	    copy_text(rows, key->to_path, &row->to_path) < 0)
		return NULL;
	if (rows->n_items == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 64;
		struct replay_row **items =
			reallocarray(rows->items, room, sizeof(*items));

		if (!items)
			return NULL;
		rows->items = items;
		rows->room = room;
	}
	rows->n_bytes += sizeof(*row) + sizeof(row);
	hash_add(&rows->hash, &row->link);
	return rows->items[rows->n_items++] = take_ptr(row);
}

int replay_rows_add(struct replay_rows *rows, const struct past *past,
		    const struct judgement *judgement, uint64_t count)
{
	const struct replay_row key = make_key(rows, past, judgement);
	const struct timespec *time = &past->record->time;
	struct replay_row *row = find(rows, &key);

	if (!row)
		row = add(rows, &key);
	if (!row)
		return -ENOMEM;
	if (row->count == 0 || trail_time_compare(time, &row->first) < 0)
		row->first = *time;
	if (row->count == 0 || trail_time_compare(time, &row->last) > 0)
		row->last = *time;
	row->operations |= (uint64_t)1 << operation_of(past);
	row->count += count;
	return 0;
}

void replay_rows_take_back(struct replay_rows *rows, const struct past *past,
			   const struct judgement *judgement)
{
	const struct replay_row key = make_key(rows, past, judgement);
	struct replay_row *row = find(rows, &key);

	if (row && row->count > 0)
		row->count--;
}

static int compare_texts(const char *one, const char *other)
{
	if (!one || !other)
		return (one == NULL) - (other == NULL);
	return strcmp(one, other);
}

static int compare(const void *one, const void *other)
{
	const struct replay_row *a = *(struct replay_row *const *)one;
	const struct replay_row *b = *(struct replay_row *const *)other;
	int r = (int)a->result - (int)b->result;

	if (r == 0)
		r = compare_texts(a->acct, b->acct);
	if (r == 0 && a->uid != b->uid)
		r = a->uid < b->uid ? -1 : 1;
	if (r == 0 && a->count != b->count)
		r = a->count > b->count ? -1 : 1;
	return r ? r : compare_texts(a->path, b->path);
}

void replay_rows_sort(struct replay_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n_items; i++) {
		if (rows->items[i]->count > 0) {
			rows->items[n++] = rows->items[i];
		} else {
			hash_remove(&rows->hash, &rows->items[i]->link);
			row_free(rows->items[i]);
		}
	}
	rows->n_items = n;
	if (n > 0)
		qsort(rows->items, n, sizeof(struct replay_row *), compare);
}
