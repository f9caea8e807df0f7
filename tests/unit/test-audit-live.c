/* SPDX-License-Identifier: Apache-2.0 */
/* The trail against a real auditd: killed, switched off and started again under load.
 * Skips (77) where audit cannot be used or an auditd runs already; "skip" is no failure
 * for meson. */
#include <errno.h>
#include <fcntl.h>
#include <libaudit.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuse/audit.h"

#define SKIP	  77
#define N_THREADS 4
#define SEQNO_MAX 4000000
#define BACKLOG	  8192 /* Debian's /etc/audit/rules.d/audit.rules */
#define START_MS  5000
#define RESUME_MS 1000		     /* the promise */
#define LOCK_FILE "/tmp/auditd.lock" /* one kernel, one auditd: tests take turns */

static char directory[] = "/tmp/modelguard-audit-XXXXXX";
static char log_path[64];
static pid_t auditd = -1;

/* What each sequence number came to. */
enum outcome { NOT_USED, ACCEPTED, REFUSED };
static _Atomic unsigned char outcomes[SEQNO_MAX];
static unsigned char logged[SEQNO_MAX], disowned[SEQNO_MAX];

struct load {
	struct audit *audit;
	atomic_bool stop;
	atomic_uint_least64_t n_accepted, n_refused;
	pthread_t threads[N_THREADS];
};

static const struct actor root = {
	.acct = "root", .comm = "test", .exe = "/usr/bin/test", .pid = 1
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000,
				       .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&time, NULL);
}

static void write_config(void)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/auditd.conf", directory);
	file = fopen(path, "we");
	if (!file)
		exit(SKIP);
	(void)fprintf(
		file,
		"local_events = yes\nwrite_logs = yes\nlog_file = %s\nlog_group = root\n"
		"log_format = ENRICHED\nflush = INCREMENTAL_ASYNC\nfreq = 50\n"
		"max_log_file = 4000\nmax_log_file_action = IGNORE\nnum_logs = 5\n"
		"priority_boost = 4\nname_format = NONE\nspace_left = 2\n"
		"space_left_action = IGNORE\nadmin_space_left = 1\n"
		"admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\n"
		"disk_error_action = IGNORE\nplugin_dir = %s/plugins.d\n",
		log_path, directory);
	(void)fclose(file);
	(void)snprintf(path, sizeof(path), "%s/plugins.d", directory);
	(void)mkdir(path, 0700);
}

/* The kernel's word: -1 if it cannot be asked. */
static int auditd_pid(int *ret_enabled)
{
	int fd = audit_open(), pid = -1;
	struct audit_reply reply;

	if (fd < 0)
		return -1;
	if (audit_request_status(fd) > 0) {
		for (int i = 0; i < 50 && pid < 0; i++) {
			sleep_ms(2);
			if (audit_get_reply(fd, &reply, GET_REPLY_NONBLOCKING, 0) > 0 &&
			    reply.type == AUDIT_GET) {
				pid = (int)reply.status->pid;
				*ret_enabled = (int)reply.status->enabled;
			}
		}
	}
	audit_close(fd);
	return pid;
}

static void set_enabled(uint32_t enabled)
{
	int fd = audit_open();

	assert_true(fd >= 0);
	assert_true(audit_set_enabled(fd, enabled) > 0);
	audit_close(fd);
}

static void start_auditd(void)
{
	int64_t end = now_ms() + START_MS;
	int enabled = 0;

	auditd = fork();
	assert_true(auditd >= 0);
	if (auditd == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(null, 1);
		(void)dup2(null, 2);
		execl("/usr/sbin/auditd", "auditd", "-n", "-c", directory, NULL);
		_exit(127);
	}
	while (auditd_pid(&enabled) != auditd || enabled == 0) {
		assert_true(now_ms() < end);
		sleep_ms(10);
	}
}

static void end_auditd(int signal)
{
	if (auditd <= 0)
		return;
	(void)kill(auditd, signal);
	(void)kill(auditd, SIGCONT); /* a test may have failed while it was stopped */
	(void)waitpid(auditd, NULL, 0);
	auditd = -1;
}

static struct audit *new_audit(bool allowed)
{
	struct audit *audit = NULL;
	char *why = NULL;
	int r = audit_new("auditd", allowed, &audit, &why);

	if (r < 0)
		fail_msg("audit_new: %d %s", r, why ? why : "");
	return audit;
}

static struct record small_record(void)
{
	return (struct record){
		.kind = RECORD_DECISION,
		.success = true,
		.op = "open",
		.actor = &root,
		.present = RECORD_PERM,
		.perm = 4,
		.path = "/models/production/m.safetensors",
		.role = "data-scientist",
		.zone = "production",
		.rule_file = "policy.ini",
		.rule_line = 31,
	};
}

static void *work(void *argument)
{
	struct load *load = argument;

	while (!atomic_load(&load->stop)) {
		struct record record = small_record();
		int r = audit_record(load->audit, &record);

		if (record.seqno >= SEQNO_MAX)
			break;
		atomic_store(&outcomes[record.seqno], r == 0 ? ACCEPTED : REFUSED);
		atomic_fetch_add(r == 0 ? &load->n_accepted : &load->n_refused, 1);
		if (r != 0)
			sleep_ms(1);
		else if (audit_state(load->audit) != AUDIT_STATE_RECORDING)
			sleep_ms(1); /* allowed, and not recorded: keep the count small */
	}
	return NULL;
}

static void start_load(struct load *load, struct audit *audit)
{
	memset(outcomes, 0, sizeof(outcomes));
	load->audit = audit;
	atomic_store(&load->stop, false);
	atomic_store(&load->n_accepted, 0);
	atomic_store(&load->n_refused, 0);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&load->threads[i], NULL, work, load), 0);
}

static void stop_load(struct load *load)
{
	atomic_store(&load->stop, true);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(load->threads[i], NULL), 0);
}

static void assert_state_within(struct audit *audit, bool recording, int64_t ms)
{
	int64_t begin = now_ms();

	while ((audit_state(audit) == AUDIT_STATE_RECORDING) != recording) {
		if (now_ms() - begin > ms)
			fail_msg("still %s after %ld ms",
				 audit_state_name(audit_state(audit)), (long)ms);
		sleep_ms(1);
	}
}

static uint64_t number_after(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Reads the log: which numbers are in it, and what gap records account for. */
static void read_log(uint64_t *ret_unrecorded, uint64_t *ret_refused,
		     uint64_t *ret_resent)
{
	FILE *file = fopen(log_path, "re");
	char *line = NULL;
	size_t size = 0;

	assert_non_null(file);
	memset(logged, 0, sizeof(logged));
	memset(disowned, 0, sizeof(disowned));
	*ret_unrecorded = *ret_refused = *ret_resent = 0;
	while (getline(&line, &size, file) > 0) {
		uint64_t seqno = number_after(line, " seqno=");

		if (seqno == 0 || seqno >= SEQNO_MAX)
			continue;
		if (strstr(line, "op=gap") && !logged[seqno]) {
			if (strstr(line, "note=\"refused\""))
				*ret_refused += number_after(line, " count=");
			else
				*ret_unrecorded += number_after(line, " count=");
			assert_null(strstr(line, " lost="));
		}
		logged[seqno] = 1;
		*ret_resent += strstr(line, " resent=yes") != NULL;
		if (strstr(line, " refused=yes"))
			disowned[seqno] = 1;
	}
	free(line);
	(void)fclose(file);
}

struct tally {
	uint64_t missing;   /* accepted, and not in the log */
	uint64_t forgotten; /* refused, and in the log as if it had happened */
	uint64_t resent, unrecorded, refused;
};

static struct tally compare(void)
{
	struct tally tally = {};

	read_log(&tally.unrecorded, &tally.refused, &tally.resent);
	for (size_t i = 1; i < SEQNO_MAX; i++) {
		tally.missing += outcomes[i] == ACCEPTED && !logged[i];
		tally.forgotten += outcomes[i] == REFUSED && logged[i] && !disowned[i];
	}
	return tally;
}

/* The log is complete when auditd has had the time to write what it was sent. */
static void settle_log(void)
{
	struct stat before = {}, after;

	for (int i = 0; i < 100; i++) {
		sleep_ms(100);
		assert_int_equal(stat(log_path, &after), 0);
		if (i > 0 && before.st_size == after.st_size)
			return;
		before = after;
	}
}

static void say(const char *what, const struct load *load, const struct tally *tally)
{
	print_message(
		"    %s: %lu accepted, %lu refused, %lu unrecorded, %lu sent again, "
		"missing %lu\n",
		what, load->n_accepted, load->n_refused, tally->unrecorded, tally->resent,
		tally->missing);
}

static int begin_test(void **state)
{
	(void)state;
	(void)unlink(log_path);
	start_auditd();
	return 0;
}

static int end_test(void **state)
{
	(void)state;
	end_auditd(SIGTERM);
	return 0;
}

/* Runs a command and gives the first 64 KiB of what it prints. */
static const char *output_of(const char *command)
{
	static char text[65536];
	FILE *pipe = popen(command, "re");
	size_t n;

	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	while (fgetc(pipe) != EOF)
		;
	(void)pclose(pipe);
	return text;
}

static void ausearch_shows_who_did_what(void **state)
{
	const struct actor actor = { .acct = "daemon",
				     .uid = 1,
				     .gid = 1,
				     .pid = 77,
				     .login_uid = (uid_t)-1,
				     .comm = "a b",
				     .exe = "/usr/bin/x'y" };
	struct audit *audit = new_audit(false);
	struct record record = small_record();
	char command[128], name[256];
	const char *shown;

	(void)state;
	record.actor = &actor;
	record.success = false;
	record.path = "/models/x,res=success'";
	record.reason = "not granted";
	assert_int_equal(audit_record(audit, &record), 0);

	memset(name, 0xff, 255);
	name[255] = '\0';
	record.path = name;
	record.seqno = 0;
	assert_int_equal(audit_record(audit, &record), 0);
	audit_free(audit);
	settle_log();

	(void)snprintf(command, sizeof(command), "ausearch -if %s -m DAC_CHECK -i 2>&1",
		       log_path);
	shown = output_of(command);
	assert_non_null(
		strstr(shown, "acct=daemon fsuid=daemon fsgid=daemon spid=77 sauid=unset "
			      "perm=read comm=a b exe=/usr/bin/x'y "
			      "path=/models/x,res=success' "));
	assert_non_null(strstr(shown, "res=failed"));
	assert_null(strstr(shown, "res=success ")); /* but inside the path */

	(void)snprintf(command, sizeof(command),
		       "ausearch -if %s -m DAC_CHECK --success yes 2>&1", log_path);
	assert_null(strstr(output_of(command), "op=open"));
}

/* In the longest record nothing is cut off by kernel, auditd or ausearch. */
static void the_longest_record_arrives_whole(void **state)
{
	struct audit *audit = new_audit(false);
	struct record record = small_record();
	static char path[16385], name[16385];
	char command[256];

	(void)state;
	memset(path, 0xfe, 16384);
	memset(name, 0xfd, 16384);
	path[0] = name[0] = '/';
	record.path = path;
	record.new_path = name;
	record.op = "rename";
	assert_int_equal(audit_record(audit, &record), 0);
	audit_free(audit);
	settle_log();

	(void)snprintf(
		command, sizeof(command),
		"ausearch -if %s -m DAC_CHECK --raw | grep -c \"seqno=1 part=./9 .* "
		"res=success'\"",
		log_path);
	assert_int_equal(atoi(output_of(command)), 9);
	(void)snprintf(command, sizeof(command),
		       "ausearch -if %s -m DAC_CHECK --raw | grep -o "
		       "'\\(path\\|name\\)=[0-9A-F]*' "
		       "| sed s/.*=// | tr -d '\\n' | wc -c",
		       log_path);
	assert_int_equal(atoi(output_of(command)), 65536);
}

static void nothing_is_missing_after_a_kill_under_load(void **state)
{
	struct audit *audit = new_audit(false);
	struct load load;
	struct tally tally;

	(void)state;
	start_load(&load, audit);
	for (int i = 0; i < 3; i++) {
		sleep_ms(700);
		end_auditd(SIGKILL);
		assert_state_within(audit, false, RESUME_MS);
		sleep_ms(300);
		start_auditd();
		assert_state_within(audit, true, RESUME_MS);
	}
	sleep_ms(300);
	stop_load(&load);
	assert_state_within(audit, true, RESUME_MS);
	settle_log();
	tally = compare();
	say("killed three times", &load, &tally);
	assert_int_equal(tally.missing, 0);
	assert_int_equal(tally.forgotten, 0);
	assert_true(load.n_refused > 0);
	assert_int_equal(tally.refused, load.n_refused);
	assert_int_equal(tally.unrecorded, 0);
	audit_free(audit);
}

static void nothing_is_missing_after_a_stop_and_kill(void **state)
{
	struct audit *audit = new_audit(false);
	struct load load = { .audit = audit };
	struct tally tally;

	(void)state;
	memset(outcomes, 0, sizeof(outcomes));
	sleep_ms(1500);
	(void)kill(auditd, SIGSTOP);
	/* The first ones stay in auditd's socket; it is noticed that they do. */
	for (int i = 0; i < 30; i++) {
		struct record record = small_record();
		int r = audit_record(audit, &record);

		outcomes[record.seqno] = r == 0 ? ACCEPTED : REFUSED;
		atomic_fetch_add(r == 0 ? &load.n_accepted : &load.n_refused, 1);
		sleep_ms(100);
	}
	end_auditd(SIGKILL);
	start_auditd();
	assert_state_within(audit, true, RESUME_MS);
	settle_log();
	tally = compare();
	say("stopped, then killed", &load, &tally);
	assert_int_equal(tally.missing, 0);
	assert_int_equal(tally.forgotten, 0);
	assert_true(load.n_accepted > 0 && load.n_refused > 0);
	assert_int_equal(tally.resent, load.n_accepted);
	assert_int_equal(tally.refused, load.n_refused);
	audit_free(audit);
}

static void nothing_is_missing_after_auditing_was_disabled(void **state)
{
	struct audit *audit = new_audit(false);
	struct load load;
	struct tally tally;

	(void)state;
	start_load(&load, audit);
	sleep_ms(500);
	set_enabled(0);
	assert_state_within(audit, false, RESUME_MS);
	assert_int_equal(audit_state(audit), AUDIT_STATE_DISABLED);
	sleep_ms(300);
	set_enabled(1);
	assert_state_within(audit, true, RESUME_MS);
	sleep_ms(300);
	stop_load(&load);
	settle_log();
	tally = compare();
	say("disabled", &load, &tally);
	assert_int_equal(tally.missing, 0);
	assert_int_equal(tally.forgotten, 0);
	assert_int_equal(tally.refused, load.n_refused);
	audit_free(audit);
}

static void what_was_allowed_unrecorded_is_counted_exactly(void **state)
{
	struct audit *audit = new_audit(true);
	struct load load;
	struct tally tally;

	(void)state;
	start_load(&load, audit);
	for (int i = 0; i < 2; i++) {
		sleep_ms(500);
		end_auditd(SIGKILL);
		assert_state_within(audit, false, RESUME_MS);
		sleep_ms(300);
		start_auditd();
		assert_state_within(audit, true, RESUME_MS);
	}
	sleep_ms(300);
	stop_load(&load);
	settle_log();
	tally = compare();
	say("allowed", &load, &tally);
	assert_int_equal(load.n_refused, 0);
	assert_true(tally.unrecorded > 0);
	assert_int_equal(tally.missing, tally.unrecorded);
	assert_int_equal(tally.refused, 0);
	audit_free(audit);
}

static void without_auditd_nothing_is_mounted(void **state)
{
	struct audit *audit = NULL;
	char *why = NULL;

	(void)state;
	end_auditd(SIGTERM);
	assert_int_equal(audit_new("auditd", false, &audit, &why), -ENOTCONN);
	assert_non_null(strstr(why, "systemctl start auditd"));
	free(why);
	assert_int_equal(audit_new("auditd", true, &audit, &why), 0);
	assert_true(audit_state(audit) != AUDIT_STATE_RECORDING);
	start_auditd();
	assert_state_within(audit, true, RESUME_MS);
	audit_free(audit);
}

static void a_record_costs_little(void **state)
{
	enum { N = 20000 };
	struct audit *audit = new_audit(false);
	int64_t begin = now_ms();

	(void)state;
	for (int i = 0; i < N; i++) {
		struct record record = small_record();

		assert_int_equal(audit_record(audit, &record), 0);
	}
	if (getenv("RAW"))
		(void)!system(getenv("RAW"));
	print_message("    %.1f us a record\n", (double)(now_ms() - begin) * 1000 / N);
	audit_free(audit);
}

static bool can_run(int *ret_enabled)
{
	return geteuid() == 0 && access("/usr/sbin/auditd", X_OK) == 0 &&
	       access("/usr/sbin/ausearch", X_OK) == 0 && auditd_pid(ret_enabled) == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define LIVE(test) cmocka_unit_test_setup_teardown(test, begin_test, end_test)
		LIVE(ausearch_shows_who_did_what),
		LIVE(the_longest_record_arrives_whole),
		LIVE(nothing_is_missing_after_a_kill_under_load),
		LIVE(nothing_is_missing_after_a_stop_and_kill),
		LIVE(nothing_is_missing_after_auditing_was_disabled),
		LIVE(what_was_allowed_unrecorded_is_counted_exactly),
		LIVE(without_auditd_nothing_is_mounted),
		LIVE(a_record_costs_little),
	};
	char command[128];
	int lock, r, fd, was_enabled = 0;

	lock = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0 || !can_run(&was_enabled)) {
		(void)puts("SKIP: needs root, auditd installed, and none running");
		return SKIP;
	}
	/* auditd writes its pid into /run. */
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("modelguard", "/run", "tmpfs", 0, NULL) < 0) {
		(void)puts("SKIP: no private mount namespace");
		return SKIP;
	}
	if (!mkdtemp(directory))
		return SKIP;
	(void)snprintf(log_path, sizeof(log_path), "%s/audit.log", directory);
	write_config();
	fd = audit_open();
	(void)audit_set_backlog_limit(fd, BACKLOG);
	audit_close(fd);

	r = cmocka_run_group_tests(tests, NULL, NULL);

	end_auditd(SIGTERM);
	fd = audit_open();
	(void)audit_set_enabled(fd, (uint32_t)was_enabled);
	(void)audit_set_backlog_limit(fd, 64); /* the kernel's default */
	audit_close(fd);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (!getenv("KEEP"))
		(void)!system(command);
	return r;
}
