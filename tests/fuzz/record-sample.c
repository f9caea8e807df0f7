/* SPDX-License-Identifier: Apache-2.0 */
/* A record made of input bytes, and what must be read back from it. */
#include "tests/fuzz/record-sample.h"

#define OP_MAX 64 /* record.h: words of ours */

/* Length 255: the following bytes many times over, for what does not fit into a part. */
#define REPEATED 255

static char *keep(struct sample *sample, char *string)
{
	FUZZ_CHECK(string && sample->n_strings < SAMPLE_STRINGS);
	sample->strings[sample->n_strings++] = string;
	return string;
}

static char *make_string(struct sample *sample, struct bytes *bytes, size_t max)
{
	unsigned length = bytes_u8(bytes), times = 1;
	const uint8_t *from;
	char *string, *end;
	size_t n;

	if (length == REPEATED) {
		times = 1u + bytes_u8(bytes);
		length = bytes_below(bytes, 32);
	}
	from = bytes_take(bytes, length, &n);
	n = strnlen((const char *)from, n);
	if (n * times > max) {
		times = 1;
		n = n < max ? n : max;
	}
	string = end = malloc(n * times + 1);
	for (; string && times > 0; times--, end += n)
		memcpy(end, from, n);
	if (string)
		*end = '\0';
	return keep(sample, string);
}

/* A string, or none. */
static const char *may_make(struct sample *sample, struct bytes *bytes, bool wanted)
{
	return wanted ? make_string(sample, bytes, SIZE_MAX / 4) : NULL;
}

static void make_actor(struct sample *sample, struct bytes *bytes, unsigned bits)
{
	struct actor *actor = &sample->actor;

	actor->acct = make_string(sample, bytes, SIZE_MAX / 4);
	actor->uid = bytes_u8(bytes) * 0x01010101u;
	actor->gid = bytes_u8(bytes);
	actor->pid = bytes_u8(bytes) << 8;
	actor->login_uid = bits & 2 ? (uid_t)-1 : 1000;
	actor->comm = may_make(sample, bytes, bits & 4);
	actor->exe = may_make(sample, bytes, bits & 8);
	sample->record.actor = actor;
}

static void make_numbers(struct record *record, struct bytes *bytes)
{
	record->present = (unsigned)bytes_u64(bytes);
	record->perm = bytes_u8(bytes);
	record->oflag = (unsigned)bytes_u64(bytes);
	record->ino = bytes_u64(bytes);
	record->dev_major = bytes_u8(bytes);
	record->dev_minor = (uint32_t)bytes_u64(bytes);
	record->mode = (unsigned)bytes_u64(bytes);
	record->off = bytes_u64(bytes);
	record->len = bytes_u64(bytes);
	record->size = bytes_u64(bytes);
	record->new_uid = (uid_t)bytes_u64(bytes);
	record->new_gid = (gid_t)-1;
	record->count = bytes_u64(bytes);
	record->rule_line = (unsigned)bytes_u64(bytes);
	record->gen = bytes_u64(bytes);
	record->seqno = bytes_u64(bytes);
	record->err = (int)bytes_u8(bytes);
	record->lost = bytes_u64(bytes);
	record->since.tv_sec = (time_t)bytes_u64(bytes);
	record->since.tv_nsec = (long)(bytes_u64(bytes) % 1000000000);
	record->until.tv_sec = (time_t)(bytes_u64(bytes) & UINT32_MAX);
}

void sample_init(struct sample *sample, struct bytes *bytes)
{
	static const char *const words[] = { "open-write", "fade", "gap", "rename-from" };
	unsigned op = bytes_below(bytes, 5), actor = bytes_u8(bytes);
	unsigned strings = bytes_u8(bytes) + bytes_u8(bytes) * 256u;
	struct record *record = &sample->record;

	*sample = (struct sample){ 0 };
	record->kind = (enum record_kind)bytes_below(bytes, 3);
	record->success = strings & 1;
	record->op = op < 4 ? words[op] : make_string(sample, bytes, OP_MAX);
	if (actor & 1)
		make_actor(sample, bytes, actor);
	record->path = may_make(sample, bytes, strings & 1 << 1);
	record->new_path = may_make(sample, bytes, strings & 1 << 2);
	record->xattr = may_make(sample, bytes, strings & 1 << 3);
	record->io = may_make(sample, bytes, strings & 1 << 4);
	record->opener = may_make(sample, bytes, strings & 1 << 5);
	record->note = may_make(sample, bytes, strings & 1 << 6);
	record->role = may_make(sample, bytes, strings & 1 << 7);
	record->zone = may_make(sample, bytes, strings & 1 << 8);
	record->rule_file = may_make(sample, bytes, strings & 1 << 9);
	record->hash = may_make(sample, bytes, strings & 1 << 10);
	record->old_hash = may_make(sample, bytes, strings & 1 << 11);
	record->reason = may_make(sample, bytes, strings & 1 << 12);
	record->grantee = may_make(sample, bytes, strings & 1 << 13);
	make_numbers(record, bytes); /* last: without input they are zeros */
}

void sample_fini(struct sample *sample)
{
	for (size_t i = 0; i < sample->n_strings; i++)
		free(sample->strings[i]);
}

struct list {
	const struct record *record;
	struct expected *items;
	size_t n;
};

static struct expected *add(struct list *list, const char *name, enum expected_form form)
{
	struct expected *item = &list->items[list->n++];

	FUZZ_CHECK(list->n <= EXPECTED_MAX);
	*item = (struct expected){ .name = name, .form = form };
	return item;
}

static void text(struct list *list, const char *name, const char *value)
{
	if (value)
		add(list, name, EXPECT_TEXT)->text = value;
}

static void number(struct list *list, const char *name, enum expected_form form,
		   unsigned needed, uint64_t value)
{
	if (list->record->present & needed)
		add(list, name, form)->number = value;
}

static void expect_actor(struct list *list, const struct actor *actor)
{
	text(list, "acct", actor->acct);
	add(list, "fsuid", EXPECT_ID)->number = actor->uid;
	add(list, "fsgid", EXPECT_ID)->number = actor->gid;
	add(list, "spid", EXPECT_NUMBER)->number = (uint64_t)actor->pid;
	add(list, "sauid", EXPECT_ID)->number = actor->login_uid;
}

static void expect_object(struct list *list, const struct record *record)
{
	text(list, "path", record->path);
	text(list, "name", record->new_path);
	number(list, "ino", EXPECT_NUMBER, RECORD_INO, record->ino);
	number(list, "dev", EXPECT_DEVICE, RECORD_INO,
	       (uint64_t)record->dev_major << 32 | record->dev_minor);
	number(list, "mode", EXPECT_OCTAL, RECORD_MODE, record->mode);
	number(list, "off", EXPECT_NUMBER, RECORD_RANGE, record->off);
	number(list, "len", EXPECT_NUMBER, RECORD_RANGE, record->len);
	number(list, "size", EXPECT_NUMBER, RECORD_SIZE, record->size);
	number(list, "new-fsuid", EXPECT_OWNER, RECORD_OWNER, record->new_uid);
	number(list, "new-fsgid", EXPECT_OWNER, RECORD_OWNER, record->new_gid);
	text(list, "opener", record->opener);
	text(list, "xattr", record->xattr);
	text(list, "io", record->io);
	text(list, "note", record->note);
}

static void expect_gap(struct list *list, const struct record *record)
{
	number(list, "count", EXPECT_NUMBER, RECORD_COUNT, record->count);
	number(list, "lost", EXPECT_NUMBER, RECORD_LOST, record->lost);
	if (record->present & RECORD_SPAN) {
		add(list, "since", EXPECT_TIME)->time = record->since;
		add(list, "until", EXPECT_TIME)->time = record->until;
	}
}

static void expect_verdict(struct list *list, const struct record *record)
{
	text(list, "grantee", record->grantee);
	text(list, "grole", record->role);
	text(list, "zone", record->zone);
	if (record->rule_file) {
		struct expected *rule = add(list, "rule", EXPECT_TEXT);

		rule->text = record->rule_file;
		if (record->rule_line > 0)
			(void)snprintf(rule->suffix, sizeof(rule->suffix), ":%u",
				       record->rule_line);
	}
	number(list, "gen", EXPECT_NUMBER, RECORD_GEN, record->gen);
	text(list, "hash", record->hash);
	text(list, "old-hash", record->old_hash);
	if (record->seqno > 0)
		add(list, "seqno", EXPECT_NUMBER)->number = record->seqno;
	number(list, "errno", EXPECT_NUMBER, RECORD_ERRNO, (uint64_t)record->err);
	if (record->reason)
		add(list, "reason", EXPECT_PROSE)->text = record->reason;
}

size_t sample_expect(const struct sample *sample, struct expected ret[EXPECTED_MAX])
{
	const struct record *record = &sample->record;
	struct list list = { record, ret, 0 };

	text(&list, "op", record->op);
	if (record->actor)
		expect_actor(&list, record->actor);
	number(&list, "perm", EXPECT_NUMBER, RECORD_PERM, record->perm);
	number(&list, "oflag", EXPECT_FLAGS, RECORD_OFLAG, record->oflag);
	if (record->actor) {
		/* Named even if it is unknown. */
		add(&list, "comm", EXPECT_TEXT)->text = record->actor->comm;
		add(&list, "exe", EXPECT_TEXT)->text = record->actor->exe;
	}
	expect_object(&list, record);
	expect_gap(&list, record);
	expect_verdict(&list, record);
	return list.n;
}

char *expected_text(const struct expected *expected)
{
	size_t n = strlen(expected->text);
	char *joined = malloc(n + sizeof(expected->suffix));

	FUZZ_CHECK(joined);
	memcpy(joined, expected->text, n);
	memcpy(joined + n, expected->suffix, strlen(expected->suffix) + 1);
	return joined;
}
