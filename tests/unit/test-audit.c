/* SPDX-License-Identifier: Apache-2.0 */
/* The front of the trail over its file sink (where an outage needs no privilege: a file
 * size limit), what is in custody, and the lines of auditd's log. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "fuse/audit-custody.h"
#include "fuse/audit-log.h"
#include "fuse/audit.h"

#define N_THREADS 8

static char directory[] = "/tmp/modelguard-test-XXXXXX";
static char path[64], sink[80];

static const struct actor root = {
	.acct = "root", .comm = "test", .exe = "/usr/bin/test", .pid = 1
};

static struct record small_record(void)
{
	return (struct record){
		.kind = RECORD_DECISION,
		.success = true,
		.op = "open",
		.actor = &root,
		.path = "/models/production/m.safetensors",
	};
}

static int begin_test(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/audit.json", directory);
	(void)snprintf(sink, sizeof(sink), "file:%s", path);
	(void)unlink(path);
	return 0;
}

static struct audit *new_audit(bool allowed)
{
	struct audit *audit = NULL;
	char *why = NULL;

	assert_int_equal(audit_new(sink, allowed, &audit, &why), 0);
	assert_null(why);
	assert_int_equal(audit_state(audit), AUDIT_STATE_RECORDING);
	return audit;
}

static void refused_with(int error, const char *where, const char *expected)
{
	struct audit *audit = NULL;
	char *why = NULL;

	assert_int_equal(audit_new(where, false, &audit, &why), error);
	assert_null(audit);
	assert_non_null(why);
	if (!strstr(why, expected))
		fail_msg("'%s' does not say '%s'", why, expected);
	free(why);
}

/* The limit on the file's size stands for a full disk: a write is cut short, then fails.
 */
static void set_room(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

struct tally {
	size_t n_records, n_gaps;
	json_int_t refused, unrecorded;
	unsigned char seen[100000];
};

/* Every line of the file is a whole record, and no number occurs twice. */
static struct tally *read_file(void)
{
	struct tally *tally = calloc(1, sizeof(*tally));
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	assert_non_null(tally);
	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		json_int_t count, seqno;

		if (!record)
			fail_msg("not JSON: %s", line);
		seqno = json_integer_value(json_object_get(record, "seqno"));
		count = json_integer_value(json_object_get(record, "count"));
		assert_true(seqno > 0 && (size_t)seqno < sizeof(tally->seen));
		assert_false(tally->seen[seqno]);
		tally->seen[seqno] = 1;
		tally->n_records++;
		if (!strcmp(json_string_value(json_object_get(record, "op")), "gap")) {
			const char *note =
				json_string_value(json_object_get(record, "note"));

			tally->n_gaps++;
			if (strcmp(note, "refused") == 0)
				tally->refused += count;
			else
				tally->unrecorded += count;
			assert_string_equal(
				json_string_value(json_object_get(record, "reason")),
				"write-failed");
		}
		json_decref(record);
	}
	free(line);
	(void)fclose(file);
	return tally;
}

static void wait_for_state(struct audit *audit, enum audit_state state)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 1000 && audit_state(audit) != state; i++)
		(void)nanosleep(&ms, NULL);
	assert_int_equal(audit_state(audit), state); /* the promise: within a second */
}

static void a_record_is_one_line_that_only_root_reads(void **state)
{
	struct audit *audit = new_audit(false);
	struct record record = small_record();
	struct tally *tally;
	struct stat st;

	(void)state;
	assert_int_equal(audit_record(audit, &record), 0);
	assert_int_equal(record.seqno, 1);
	record.seqno = 0;
	record.path = "\n\xff";
	assert_int_equal(audit_record(audit, &record), 0);
	assert_int_equal(record.seqno, 2);
	audit_free(audit);
	audit_free(NULL);

	tally = read_file();
	assert_int_equal(tally->n_records, 2);
	free(tally);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void what_is_in_the_file_stays(void **state)
{
	struct record record = small_record();
	struct tally *tally;

	(void)state;
	for (uint64_t seqno = 1; seqno <= 3; seqno++) {
		struct audit *audit = new_audit(false);

		record.seqno = seqno;
		assert_int_equal(audit_record(audit, &record), 0);
		audit_free(audit);
	}
	tally = read_file();
	assert_int_equal(tally->n_records, 3);
	free(tally);
}

static void an_unknown_sink_is_refused(void **state)
{
	(void)state;
	refused_with(-EINVAL, "syslog", "neither 'auditd' nor 'file:PATH'");
	refused_with(-EINVAL, "file:", "not an absolute path");
	refused_with(-EINVAL, "file:audit.json", "not an absolute path");
	refused_with(-ENOENT, "file:/nonexistent/audit.json", "cannot open audit file");
}

static void a_file_that_others_could_write_is_refused(void **state)
{
	char other[80];

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/other", directory);

	assert_int_equal(symlink("/dev/null", path), 0);
	refused_with(-ELOOP, sink, "a symbolic link");
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	refused_with(-EISDIR, sink, "cannot open");
	assert_int_equal(rmdir(path), 0);

	assert_int_equal(mkfifo(path, 0600), 0);
	refused_with(-ENXIO, sink, "cannot open");
	assert_int_equal(unlink(path), 0);

	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(chmod(path, 0620), 0);
	refused_with(-EPERM, sink, "chmod it to 0600");
	assert_int_equal(chmod(path, 0600), 0);

	assert_int_equal(link(path, other), 0);
	refused_with(-EPERM, sink, "a second name");
	assert_int_equal(unlink(other), 0);

	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		refused_with(-EPERM, sink, "chown it to root");
	}
}

static void two_guards_do_not_share_a_file(void **state)
{
	struct audit *audit = new_audit(false);

	(void)state;
	refused_with(-EBUSY, sink, "in use by another guard");
	audit_free(audit);
}

struct writer {
	struct audit *audit;
	pthread_t thread;
	size_t n, n_accepted, n_refused;
};

static void *write_many(void *argument)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	struct writer *writer = argument;

	for (size_t i = 0; i < writer->n; i++) {
		struct record record = small_record();
		int r = audit_record(writer->audit, &record);

		assert_true(r == 0 || r == -EIO);
		if (r == 0)
			writer->n_accepted++;
		else
			writer->n_refused++;
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

/* Eight writers, and in their middle a full disk of 300 ms, twice. */
static void with_a_full_disk(bool allowed, size_t *ret_accepted, size_t *ret_refused)
{
	const struct timespec ms300 = { .tv_nsec = 300000000 };
	struct writer writers[N_THREADS] = {};
	struct audit *audit = new_audit(allowed);
	struct stat st;

	for (int i = 0; i < N_THREADS; i++) {
		writers[i].audit = audit;
		writers[i].n = 5000;
		assert_int_equal(
			pthread_create(&writers[i].thread, NULL, write_many, &writers[i]),
			0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(stat(path, &st), 0);
		set_room((rlim_t)st.st_size + 10000); /* not a multiple of a line */
		wait_for_state(audit, AUDIT_STATE_FAILING);
		(void)nanosleep(&ms300, NULL);
		set_room(RLIM_INFINITY);
		wait_for_state(audit, AUDIT_STATE_RECORDING);
	}
	*ret_accepted = *ret_refused = 0;
	for (int i = 0; i < N_THREADS; i++) {
		assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
		*ret_accepted += writers[i].n_accepted;
		*ret_refused += writers[i].n_refused;
	}
	audit_free(audit);
}

static void a_full_disk_denies_and_every_refusal_is_counted(void **state)
{
	size_t n_accepted, n_refused;
	struct tally *tally;

	(void)state;
	with_a_full_disk(false, &n_accepted, &n_refused);
	tally = read_file();
	assert_true(n_refused > 0);
	assert_true(tally->n_gaps >= 2);
	assert_int_equal(tally->n_records - tally->n_gaps, n_accepted);
	assert_int_equal(tally->refused, n_refused);
	assert_int_equal(tally->unrecorded, 0);
	free(tally);
}

static void a_full_disk_that_is_allowed_is_counted_exactly(void **state)
{
	size_t n_accepted, n_refused;
	struct tally *tally;

	(void)state;
	with_a_full_disk(true, &n_accepted, &n_refused);
	tally = read_file();
	assert_int_equal(n_refused, 0);
	assert_true(tally->unrecorded > 0);
	assert_int_equal(tally->n_records - tally->n_gaps + (size_t)tally->unrecorded,
			 n_accepted);
	assert_int_equal(tally->refused, 0);
	free(tally);
}

static void the_last_gap_is_accounted_for_at_the_end(void **state)
{
	struct audit *audit = new_audit(true);
	struct record record = small_record();
	struct tally *tally;

	(void)state;
	set_room(1);
	for (int i = 0; i < 7; i++) {
		record.seqno = 0;
		assert_int_equal(audit_record(audit, &record), 0);
	}
	assert_int_equal(audit_state(audit), AUDIT_STATE_FAILING);
	set_room(RLIM_INFINITY);
	audit_free(audit);
	tally = read_file();
	assert_int_equal(tally->unrecorded, 7);
	free(tally);
}

static void a_change_of_mode_holds_for_the_next_record(void **state)
{
	struct audit *audit = new_audit(false);
	struct record record = small_record();
	struct tally *tally;

	(void)state;
	set_room(1);
	assert_int_equal(audit_record(audit, &record), -EIO);
	assert_int_equal(audit_record(audit, &record), -EIO);
	audit_set_failure_allowed(audit, true);
	assert_int_equal(audit_record(audit, &record), 0);
	set_room(RLIM_INFINITY);
	wait_for_state(audit, AUDIT_STATE_RECORDING);
	audit_free(audit);
	tally = read_file();
	assert_int_equal(tally->refused, 2);
	assert_int_equal(tally->unrecorded, 1);
	free(tally);
}

static void states_have_names_that_need_no_encoding(void **state)
{
	static const char *const names[] = { "unknown",		  "recording",
					     "auditing-disabled", "no-auditd",
					     "losing-records",	  "write-failed",
					     "auditd-stalled",	  "log-not-written" };

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_string_equal(audit_state_name((enum audit_state)i), names[i]);
	assert_string_equal(audit_state_name((enum audit_state)99), "unknown");
}

/* What is in custody. */

static struct custody_item *item_of(uint64_t seqno, unsigned part)
{
	struct custody_item *item = custody_item_new("text", 4);

	assert_non_null(item);
	item->seqno = seqno;
	item->part = part;
	return item;
}

/* Records 1 to n, one part each, that the kernel has acknowledged. */
static struct custody *custody_of(uint64_t n)
{
	struct custody *custody = custody_new();

	assert_non_null(custody);
	custody_set_window(custody, 1000);
	custody_open(custody);
	for (uint64_t seqno = 1; seqno <= n; seqno++) {
		struct custody_item *item = item_of(seqno, 0);

		assert_int_equal(custody_take(custody, item, false), 0);
		custody_accepted(custody, item);
	}
	return custody;
}

static void what_is_seen_in_the_log_is_forgotten(void **state)
{
	struct custody *custody = custody_of(100);
	struct timespec since;

	(void)state;
	assert_int_equal(custody_count(custody, &since), 100);
	assert_true(since.tv_sec > 0);
	for (uint64_t seqno = 1; seqno <= 100; seqno++) {
		custody_prove(custody, seqno, 1, false); /* another part */
		assert_int_equal(custody_count(custody, NULL), 101 - seqno);
		custody_prove(custody, seqno, 0, false);
		custody_prove(custody, seqno, 0, false); /* a copy */
		assert_false(custody_has_hole(custody));
	}
	assert_int_equal(custody_count(custody, NULL), 0);
	assert_true(custody_is_settled(custody));
	custody_free(custody);
	custody_free(NULL);
}

static void a_later_record_in_the_log_shows_that_one_is_missing(void **state)
{
	struct custody *custody = custody_of(3);
	struct custody_item *slow = item_of(4, 0);

	(void)state;
	custody_prove(custody, 1, 0, false);
	assert_false(custody_has_hole(custody));
	custody_prove(custody, 3, 0, false);
	assert_true(custody_has_hole(custody));
	custody_prove(custody, 2, 0, false);
	assert_false(custody_has_hole(custody));

	/* One that is still being sent may come later. */
	assert_int_equal(custody_take(custody, slow, true), 0);
	custody_accepted(custody, slow);
	slow = item_of(5, 0);
	assert_int_equal(custody_take(custody, slow, true), 0);
	custody_prove(custody, 5, 0, false); /* before its sender has heard of it */
	custody_accepted(custody, slow);
	assert_true(custody_has_hole(custody)); /* 4 was there before 5 was begun */
	custody_free(custody);
}

static void two_that_are_sent_at_the_same_time_come_in_any_order(void **state)
{
	struct custody *custody = custody_of(0);
	struct custody_item *first = item_of(1, 0), *second = item_of(2, 0);

	(void)state;
	assert_int_equal(custody_take(custody, first, false), 0);
	assert_int_equal(custody_take(custody, second, false), 0);
	custody_accepted(custody, first);
	custody_accepted(custody, second);
	custody_prove(custody, 2, 0, false);
	assert_false(custody_has_hole(custody));
	custody_free(custody);
}

static void what_is_owed_is_sent_again_in_its_order(void **state)
{
	struct custody *custody = custody_of(5);
	struct custody_item *copy;

	(void)state;
	assert_null(custody_next_owed(custody));
	custody_prove(custody, 2, 0, false);
	custody_owe_all(custody);
	assert_true(custody_has_owed(custody));
	for (uint64_t seqno = 1; seqno <= 5; seqno++) {
		if (seqno == 2)
			continue;
		copy = custody_next_owed(custody);
		assert_non_null(copy);
		assert_int_equal(copy->seqno, seqno);
		assert_true(copy->is_sent);
		assert_string_equal(copy->text, "text");
		if (seqno == 4)
			custody_prove(custody, 4, 0, false); /* the first copy, late */
		custody_paid(custody, copy);
		free(copy);
	}
	assert_false(custody_has_owed(custody));
	assert_false(custody_is_settled(custody));
	assert_int_equal(custody_count(custody, NULL), 3);
	custody_free(custody);
}

static void a_refused_record_needs_its_disavowal(void **state)
{
	struct custody *custody = custody_of(0);
	struct custody_item *first = item_of(1, 0), *copy;

	(void)state;
	first->next_part = item_of(1, 1);
	assert_int_equal(custody_take(custody, first, false), 0);
	custody_prove(custody, 1, 0, false); /* it is in the log, and did not happen */
	custody_refused(custody, first, 1);
	assert_int_equal(custody_count(custody, NULL), 1);
	custody_prove(custody, 1, 0, false);
	assert_int_equal(custody_count(custody, NULL), 1);
	copy = custody_next_owed(custody);
	assert_true(copy->refused && copy->is_sent);
	custody_paid(custody, copy);
	free(copy);
	custody_prove(custody, 1, 0, true);
	assert_int_equal(custody_count(custody, NULL), 0);
	custody_free(custody);
}

static void *take_one(void *data)
{
	struct custody_item *item = item_of(1000, 0);
	int r = custody_take(data, item, false);

	if (r < 0)
		custody_item_free(item);
	else
		custody_accepted(data, item);
	return r < 0 ? (void *)1 : NULL;
}

/* One waits at the gate; then there is room, or the gate is closed. */
static void wait_at_the_gate(bool close_it)
{
	const struct timespec ms20 = { .tv_nsec = 20000000 };
	struct custody *custody = custody_of(0);
	struct custody_item *item;
	pthread_t thread;
	void *refused;

	custody_set_window(custody, 8);
	for (uint64_t seqno = 1; seqno <= 8; seqno++) {
		item = item_of(seqno, 0);
		assert_int_equal(custody_take(custody, item, false), 0);
		custody_accepted(custody, item);
	}
	assert_int_equal(pthread_create(&thread, NULL, take_one, custody), 0);
	(void)nanosleep(&ms20, NULL);
	assert_int_equal(custody_count(custody, NULL), 8);
	item = item_of(9, 0);
	assert_int_equal(custody_take(custody, item, true), 0); /* at once */
	custody_abandoned(custody, item);
	if (close_it) {
		custody_close(custody);
	} else {
		custody_prove(custody, 1, 0, false);
		assert_true(custody_looked(custody));
	}
	assert_int_equal(pthread_join(thread, &refused), 0);
	assert_int_equal(refused != NULL, close_it);
	assert_int_equal(custody_count(custody, NULL), 8);
	custody_free(custody);
}

static void who_finds_no_room_waits_for_it(void **state)
{
	(void)state;
	wait_at_the_gate(false);
}

static void who_waits_is_sent_away_when_the_gate_is_closed(void **state)
{
	(void)state;
	wait_at_the_gate(true);
}

static void without_a_log_what_left_the_queues_is_settled(void **state)
{
	struct custody *custody = custody_of(10);
	uint64_t stamp = custody_stamp(custody);
	struct custody_item *item = item_of(11, 0);

	(void)state;
	assert_int_equal(custody_take(custody, item, false), 0);
	custody_accepted(custody, item);
	assert_true(custody_prove_before(custody, stamp, 4));
	assert_int_equal(custody_count(custody, NULL), 4);
	assert_true(custody_has_before(custody, stamp));
	assert_true(custody_prove_before(custody, stamp, 0));
	assert_int_equal(custody_count(custody, NULL), 1);
	assert_false(custody_prove_before(custody, stamp, 0));
	assert_false(custody_has_before(custody, stamp));
	custody_free(custody);
}

/* The lines of auditd's log. */

#define HEAD "type=DAC_CHECK msg=audit(1795466914.207:1): pid="
#define BODY " uid=0 auid=0 ses=1 msg='op=open acct=\"a\" seqno=7 "
#define TAIL "exe=\"/x\" hostname=? addr=? terminal=? res=success'\035UID=\"root\""

static void a_line_is_ours_if_it_is_whole_and_has_our_pid(void **state)
{
	static const struct {
		const char *line;
		bool is_ours;
		struct audit_log_line said;
	} rows[] = {
		{ HEAD "42" BODY TAIL, true, { 7, 0, false } },
		{ "node=a.b " HEAD "42" BODY TAIL, true, { 7, 0, false } },
		{ HEAD "42" BODY "part=3/9 " TAIL, true, { 7, 2, false } },
		{ HEAD "42" BODY "resent=yes refused=yes " TAIL, true, { 7, 0, true } },
		{ HEAD "42 uid=0 msg='op=wake count=5 " TAIL, true, { 0, 5, false } },
		{ HEAD "421" BODY TAIL, false, {} },
		{ HEAD "4" BODY TAIL, false, {} },
		{ HEAD "42" BODY "exe=\"/x\" res=succ", false, {} },
		{ HEAD "42" BODY HEAD "42" BODY TAIL, false, {} }, /* torn */
		{ HEAD "42 uid=0 res=1 op=login", false, {} },
		{ "pid=42 msg='op=open seqno=7 res=success'", false, {} },
		{ "", false, {} },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct audit_log_line said = {};
		bool is_ours =
			audit_log_parse(rows[i].line, strlen(rows[i].line), 42, &said);

		assert_int_equal(is_ours, rows[i].is_ours);
		if (!is_ours)
			continue;
		assert_int_equal(said.seqno, rows[i].said.seqno);
		assert_int_equal(said.part, rows[i].said.part);
		assert_int_equal(said.refused, rows[i].said.refused);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup(test, begin_test)
		TEST(a_record_is_one_line_that_only_root_reads),
		TEST(what_is_in_the_file_stays),
		TEST(an_unknown_sink_is_refused),
		TEST(a_file_that_others_could_write_is_refused),
		TEST(two_guards_do_not_share_a_file),
		TEST(a_full_disk_denies_and_every_refusal_is_counted),
		TEST(a_full_disk_that_is_allowed_is_counted_exactly),
		TEST(the_last_gap_is_accounted_for_at_the_end),
		TEST(a_change_of_mode_holds_for_the_next_record),
		TEST(states_have_names_that_need_no_encoding),
		TEST(what_is_seen_in_the_log_is_forgotten),
		TEST(a_later_record_in_the_log_shows_that_one_is_missing),
		TEST(two_that_are_sent_at_the_same_time_come_in_any_order),
		TEST(what_is_owed_is_sent_again_in_its_order),
		TEST(a_refused_record_needs_its_disavowal),
		TEST(who_finds_no_room_waits_for_it),
		TEST(who_waits_is_sent_away_when_the_gate_is_closed),
		TEST(without_a_log_what_left_the_queues_is_settled),
		TEST(a_line_is_ours_if_it_is_whole_and_has_our_pid),
	};
	int r;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(directory))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(directory);
	return r;
}
