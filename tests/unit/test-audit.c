/* SPDX-License-Identifier: Apache-2.0 */
/* The front of the trail over its file sink (where an outage needs no privilege: a file
 * size limit), and the ring of recent records. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
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

#include "fuse/audit-recent.h"
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
					     "losing-records",	  "write-failed" };

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_string_equal(audit_state_name((enum audit_state)i), names[i]);
	assert_string_equal(audit_state_name((enum audit_state)99), "unknown");
}

/* The ring against a plain array. */

static struct recent_entry *entry_of(uint64_t index, size_t length)
{
	static struct recent_entry entry;

	memset(entry.text, 'a' + (int)(index % 26), length);
	entry.text[length] = '\0';
	(void)snprintf(entry.text, sizeof(entry.text), "%020lu", index);
	if (length > 20)
		entry.text[20] = 'x';
	entry.type = AUDIT_USER;
	entry.success = index % 2;
	entry.refused = index % 3 == 0;
	return &entry;
}

/* All from `first` to `next` are there, whole and in order. */
static void assert_holds(struct recent *recent, uint64_t first, uint64_t next)
{
	static struct recent_entry entry;
	uint64_t index = 0;

	for (uint64_t i = first; i < next; i++) {
		assert_true(recent_next(recent, &index, &entry));
		assert_int_equal(index, i + 1);
		assert_int_equal(strtoull(entry.text, NULL, 10), i);
		assert_int_equal(entry.success, i % 2);
		assert_int_equal(entry.refused, i % 3 == 0);
		assert_int_equal(entry.type, AUDIT_USER);
	}
	assert_false(recent_next(recent, &index, &entry));
}

static void the_ring_keeps_what_is_not_settled(void **state)
{
	struct recent *recent = recent_new(1 << 20);

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		recent_push(recent, entry_of(i, 300));
	assert_int_equal(recent_pushed(recent), 1000);
	assert_holds(recent, 0, 1000);
	recent_settle(recent, 400);
	assert_holds(recent, 400, 1000);
	recent_settle(recent, 100); /* never back */
	assert_holds(recent, 400, 1000);
	recent_settle(recent, 5000);
	assert_holds(recent, 1000, 1000);
	assert_int_equal(recent_take_lost(recent), 0);
	recent_free(recent);
	recent_free(NULL);
}

static void the_ring_counts_what_it_could_not_keep(void **state)
{
	struct recent *recent = recent_new(0); /* 64 KiB */
	static struct recent_entry entry;
	uint64_t index = 0, n_lost;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		recent_push(recent, entry_of(i, 300));
	assert_true(recent_next(recent, &index, &entry));
	n_lost = recent_take_lost(recent);
	assert_true(n_lost > 0);
	assert_int_equal(n_lost, strtoull(entry.text, NULL, 10));
	assert_int_equal(recent_take_lost(recent), 0);
	assert_holds(recent, n_lost, 1000);
	recent_free(recent);
}

static void the_ring_survives_every_mix_of_lengths(void **state)
{
	struct recent *recent = recent_new(0);
	unsigned seed = 1;
	uint64_t next = 0, lost = 0, settled = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		static struct recent_entry entry;
		uint64_t index = 0;

		seed = seed * 1103515245 + 12345;
		recent_push(recent, entry_of(next++, 21 + (seed >> 16) % 8000));
		if ((seed >> 8) % 50 == 0) {
			settled = next - (seed >> 20) % 12;
			recent_settle(recent, settled);
		}
		if ((seed >> 8) % 7 == 0 && recent_next(recent, &index, &entry))
			assert_holds(recent, strtoull(entry.text, NULL, 10), next);
		if ((seed >> 8) % 100 == 33)
			lost += recent_take_lost(recent);
	}
	assert_true(lost > 0 && lost < next);
	recent_free(recent);
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
		TEST(the_ring_keeps_what_is_not_settled),
		TEST(the_ring_counts_what_it_could_not_keep),
		TEST(the_ring_survives_every_mix_of_lengths),
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
