/* SPDX-License-Identifier: Apache-2.0 */
/* One record in, the same fields out: through libauparse and through jansson, for hostile
 * values. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <auparse.h>
#include <cmocka.h>
#include <jansson.h>

#include "fuse/record.h"

static const struct actor mleng1 = {
	.acct = "mleng1",
	.uid = 1002,
	.gid = 1003,
	.pid = 4711,
	.login_uid = (uid_t)-1,
	.comm = "python3",
	.exe = "/usr/bin/python3.11",
};

static const struct record sample = {
	.kind = RECORD_DECISION,
	.present = RECORD_PERM | RECORD_OFLAG | RECORD_INO | RECORD_ERRNO | RECORD_GEN,
	.op = "open",
	.actor = &mleng1,
	.perm = 2,
	.oflag = 01 | 0100 | 01000, /* O_WRONLY|O_CREAT|O_TRUNC */
	.path = "/models/production/m.safetensors",
	.ino = 12345678,
	.dev_major = 253,
	.dev_minor = 1,
	.role = "data-scientist",
	.zone = "production",
	.rule_file = "policy.ini",
	.rule_line = 31,
	.gen = 10,
	.seqno = 88125,
	.err = 13,
	.reason = "not granted",
};

/* As auditd writes it, with what kernel and libaudit put round it. */
static auparse_state_t *parse(const char *text)
{
	static char line[RECORD_TEXT_MAX + 1024];
	auparse_state_t *parser;

	(void)snprintf(
		line, sizeof(line),
		"type=DAC_CHECK msg=audit(1763900000.123:42): pid=1 uid=0 "
		"auid=4294967295 "
		"ses=4294967295 msg='%s exe=\"/usr/sbin/modelguard\" hostname=? addr=? "
		"terminal=? res=failed'\n",
		text);
	parser = auparse_init(AUSOURCE_BUFFER, line);
	assert_non_null(parser);
	assert_int_equal(auparse_next_event(parser), 1);
	return parser;
}

/* The n-th field of that name in the first record, decoded; NULL: none. */
static const char *field(auparse_state_t *parser, const char *name, unsigned n)
{
	auparse_first_record(parser);
	auparse_first_field(parser);
	do {
		if (strcmp(auparse_get_field_name(parser), name) == 0 && n-- == 0)
			return auparse_interpret_field(parser);
	} while (auparse_next_field(parser));
	return NULL;
}

static unsigned n_fields(auparse_state_t *parser)
{
	auparse_first_record(parser);
	return auparse_get_num_fields(parser);
}

/* Undoes what record.h promises for fields that libauparse does not know. */
static char *decode(const char *written)
{
	size_t n = strlen(written);
	char *bytes = calloc(1, n + 1);

	assert_non_null(bytes);
	if (written[0] == '"') {
		memcpy(bytes, written + 1, n - 2);
		return bytes;
	}
	for (size_t i = 0; i + 1 < n; i += 2) {
		unsigned byte;

		assert_int_equal(sscanf(written + i, "%2X", &byte), 1);
		bytes[i / 2] = (char)byte;
	}
	return bytes;
}

static void assert_decodes(auparse_state_t *parser, const char *name,
			   const char *expected)
{
	char *bytes;

	assert_non_null(field(parser, name, 0));
	bytes = decode(auparse_get_field_str(parser));
	assert_string_equal(bytes, expected);
	free(bytes);
}

static void a_record_reads_as_the_documents_show_it(void **state)
{
	char text[RECORD_TEXT_MAX];
	int n = record_format_audit(&sample, 0, text, sizeof(text));

	(void)state;
	assert_string_equal(
		text, "op=open acct=\"mleng1\" fsuid=1002 fsgid=1003 spid=4711 "
		      "sauid=4294967295 perm=2 "
		      "oflag=0x241 comm=\"python3\" exe=\"/usr/bin/python3.11\" "
		      "path=\"/models/production/m.safetensors\" ino=12345678 dev=fd:01 "
		      "grole=\"data-scientist\" zone=\"production\" "
		      "rule=\"policy.ini:31\" gen=10 "
		      "seqno=88125 errno=13 reason=\"not-granted\"");
	assert_int_equal(n, (int)strlen(text));
	assert_int_equal(record_format_audit(&sample, 1, text, sizeof(text)), 0);
}

static void libauparse_shows_the_actor_and_not_the_daemon(void **state)
{
	static const char *const expected[][2] = {
		{ "acct", "mleng1" },
		{ "sauid", "unset" },
		{ "perm", "write" },
		{ "oflag", "O_WRONLY|O_CREAT|O_TRUNC" },
		{ "comm", "python3" },
		{ "exe", "/usr/bin/python3.11" },
		{ "path", "/models/production/m.safetensors" },
		{ "ino", "12345678" },
		{ "gen", "10" },
		{ "seqno", "88125" },
		{ "res", "failed" },
	};
	char text[RECORD_TEXT_MAX];
	auparse_state_t *parser;

	(void)state;
	assert_true(record_format_audit(&sample, 0, text, sizeof(text)) > 0);
	parser = parse(text);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(field(parser, expected[i][0], 0), expected[i][1]);
	auparse_destroy(parser);
}

static void an_unknown_program_is_not_taken_for_the_daemon(void **state)
{
	struct actor actor = mleng1;
	struct record record = sample;
	char text[RECORD_TEXT_MAX];
	auparse_state_t *parser;

	(void)state;
	actor.comm = actor.exe = NULL;
	record.actor = &actor;
	assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, " comm=? exe=? "));
	parser = parse(text);
	assert_string_equal(field(parser, "exe", 0), "?");
	auparse_destroy(parser);
}

static const char *const hostile[] = {
	"x,res=success'",
	"x res=success",
	"\n",
	"a\ntype=DAC_CHECK msg=audit(1763900000.123:43): pid=1 msg='op=open res=success'",
	"\"",
	"\\\"",
	"' res=success '",
	"=",
	" ",
	"",
	"\x1d",
	"\x1dUID=\"root\"",
	"\033[2J\033]0;title\007",
	"\x7f",
	"\xff\xfe",
	"DEADBEEF",
	"00",
	"0123456789",
	"?",
	"(null)",
	"(none)",
	"a)",
	"a,",
	"a:",
	"a'",
	"caf\xc3\xa9",
	"\xc2\x9b\x33\x31m",
	"%s%n%d",
	"/..",
	"a\tb\rc\vd",
};

static void one_record_in_the_same_fields_out(const char *value)
{
	struct actor actor = mleng1;
	struct record record = sample;
	char text[RECORD_TEXT_MAX];
	auparse_state_t *parser;
	unsigned n_plain;

	record.new_path = record.xattr = record.hash = record.old_hash = record.opener =
		record.grantee = "a";
	assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
	parser = parse(text);
	n_plain = n_fields(parser);
	auparse_destroy(parser);

	actor.acct = actor.comm = actor.exe = value;
	record.actor = &actor;
	record.path = record.new_path = record.xattr = record.zone = record.role = value;
	record.opener = record.grantee = value;
	record.reason = record.hash = record.old_hash = value;
	assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
	for (const char *p = text; *p; p++)
		assert_true(*p >= 0x20 && *p < 0x7f && *p != '\'');

	parser = parse(text);
	assert_int_equal(auparse_get_num_records(parser), 1);
	assert_int_equal(n_fields(parser), n_plain);
	assert_string_equal(field(parser, "res", 0), "failed");
	assert_null(field(parser, "res", 1));
	assert_decodes(parser, "acct", value);
	assert_decodes(parser, "comm", value);
	assert_decodes(parser, "exe", value);
	assert_decodes(parser, "path", value);
	assert_decodes(parser, "name", value);
	assert_decodes(parser, "opener", value);
	assert_decodes(parser, "grantee", value);
	assert_decodes(parser, "xattr", value);
	assert_decodes(parser, "zone", value);
	assert_decodes(parser, "grole", value);
	assert_decodes(parser, "hash", value);
	assert_decodes(parser, "old-hash", value);
	auparse_destroy(parser);
}

static void no_value_can_forge_a_record(void **state)
{
	char all[256], many[256];

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		one_record_in_the_same_fields_out(hostile[i]);
	for (int i = 0; i < 255; i++) {
		char one[2] = { (char)(i + 1), '\0' };

		one_record_in_the_same_fields_out(one);
		all[i] = (char)(i + 1);
	}
	all[255] = '\0';
	one_record_in_the_same_fields_out(all);
	memset(many, 0xff, 255);
	many[255] = '\0';
	one_record_in_the_same_fields_out(many);
}

/* The values that auditors search for are decoded by the tools themselves. */
static void libauparse_decodes_paths_and_programs(void **state)
{
	static const char *const names[] = { "acct", "comm", "exe", "path", "name" };
	struct actor actor = mleng1;
	struct record record = sample;
	char text[RECORD_TEXT_MAX];
	auparse_state_t *parser;

	(void)state;
	actor.acct = actor.comm = actor.exe = "x,res=success";
	record.actor = &actor;
	record.path = record.new_path = actor.acct;
	assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
	parser = parse(text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(field(parser, names[i], 0), "x,res=success");
	auparse_destroy(parser);
}

static void a_name_that_looks_like_hex_is_not_decoded(void **state)
{
	struct record record = sample;
	char text[RECORD_TEXT_MAX];
	auparse_state_t *parser;

	(void)state;
	record.path = record.new_path = "DEADBEEF";
	record.op = "fade";
	assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
	assert_memory_equal(text, "op=\"fade\" ", 10);
	parser = parse(text);
	assert_string_equal(field(parser, "path", 0), "DEADBEEF");
	assert_string_equal(field(parser, "name", 0), "DEADBEEF");
	auparse_destroy(parser);
}

static void a_reason_stays_readable(void **state)
{
	static const char *const rows[][2] = {
		{ "not granted", "reason=\"not-granted\"" },
		{ "unknown key 'x' = \"y\"", "reason=\"unknown-key-`x`-:-`y`\"" },
		{ "a\nb", "reason=610A62" },
		{ "", "reason=\"\"" },
	};
	struct record record = sample;
	char text[RECORD_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		record.reason = rows[i][0];
		assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
		assert_string_equal(strstr(text, "reason="), rows[i][1]);
	}
}

static void every_number_is_written_as_audit_writes_it(void **state)
{
	struct record record = {
		.op = "chown",
		.present = ~0u,
		.path = "/a",
		.oflag = 0100000,
		.mode = 0100644,
		.off = 4096,
		.len = UINT64_MAX,
		.size = 7,
		.new_uid = (uid_t)-1,
		.new_gid = 1000,
		.count = 3,
		.rule_file = "policy.ini",
		.since = { .tv_sec = 1763900000, .tv_nsec = 1234567 },
		.lost = 2,
	};
	char text[RECORD_TEXT_MAX];

	(void)state;
	assert_true(record_format_audit(&record, 0, text, sizeof(text)) > 0);
	assert_string_equal(
		text,
		"op=chown perm=0 oflag=0x8000 path=\"/a\" ino=0 dev=00:00 mode=0100644 "
		"off=4096 len=18446744073709551615 size=7 new-fsuid=-1 new-fsgid=1000 "
		"count=3 "
		"lost=2 since=1763900000.001234 until=0.000000 rule=\"policy.ini\" gen=0 "
		"errno=0");
}

static char *long_value(size_t n, unsigned seed)
{
	char *bytes = malloc(n + 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(1 + (i * 31 + seed) % 255);
	bytes[n] = '\0';
	return bytes;
}

/* Puts a cut value together as the manual page says: all fields of the name, in order of
 * parts. */
static void assert_put_together(const struct record *record, const char *name,
				const char *expected)
{
	static char joined[2 * 20000];
	char text[RECORD_TEXT_MAX];
	size_t length = 0;
	unsigned n_parts = 0;
	char *bytes;
	int n;

	for (unsigned part = 0;
	     (n = record_format_audit(record, part, text, sizeof(text))) > 0; part++) {
		auparse_state_t *parser = parse(text);
		unsigned k, of;

		assert_true((size_t)n < sizeof(text));
		assert_int_equal(n, (int)strlen(text));
		assert_string_equal(field(parser, "op", 0), "rename");
		assert_string_equal(field(parser, "seqno", 0), "88125");
		assert_null(field(parser, "seqno", 1));
		assert_int_equal(sscanf(field(parser, "part", 0), "%u/%u", &k, &of), 2);
		assert_int_equal(k, part + 1);
		n_parts = of;
		if (field(parser, name, 0)) {
			const char *piece = auparse_get_field_str(parser);

			memcpy(joined + length, piece, strlen(piece) + 1);
			length += strlen(piece);
		}
		if (part == 0) /* who and why are in the first part */
			assert_string_equal(field(parser, "reason", 0),
					    "\"not-granted\"");
		auparse_destroy(parser);
		assert_true(part < of);
	}
	assert_int_equal(n, 0);
	assert_true(n_parts > 1);
	bytes = decode(joined);
	assert_string_equal(bytes, expected);
	free(bytes);
}

static void what_does_not_fit_goes_to_further_parts(void **state)
{
	static const size_t sizes[] = { 3800, 4095, 4096, 8192, 16383, 16384 };
	char *first_four = long_value(4095, 9);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *path = long_value(sizes[i], 1), *name = long_value(sizes[i], 2);
		struct actor actor = mleng1;
		struct record record = sample;

		record.op = "rename";
		actor.exe = first_four;
		record.actor = &actor;
		record.path = path;
		record.new_path = name;
		assert_put_together(&record, "path", path);
		assert_put_together(&record, "name", name);
		free(path);
		free(name);
	}
	free(first_four);
}

/* At every length, with and without one more byte. */
static void no_length_is_misjudged(void **state)
{
	char text[RECORD_TEXT_MAX + 8];

	(void)state;
	for (size_t n = 7000; n < 9000; n++) {
		struct record record = sample;
		char *path = malloc(n + 1);
		unsigned part = 0;
		int r;

		assert_non_null(path);
		memset(path, 'a', n);
		path[n] = '\0';
		record.path = path;
		memset(text, 1, sizeof(text));
		while ((r = record_format_audit(&record, part, text, RECORD_TEXT_MAX)) >
		       0) {
			assert_true(r < RECORD_TEXT_MAX);
			assert_int_equal(text[RECORD_TEXT_MAX], 1);
			part++;
		}
		assert_int_equal(r, 0);
		assert_true(part >= 1 &&
			    part <= 4); /* the whole is plain, the parts hex */
		free(path);
	}
}

static void a_value_beyond_all_parts_is_an_error(void **state)
{
	char *path = long_value(500000, 3);
	struct record record = sample;
	char text[RECORD_TEXT_MAX];

	(void)state;
	record.path = path;
	assert_int_equal(record_format_audit(&record, 0, text, sizeof(text)), -E2BIG);
	assert_int_equal(record_format_audit(&sample, 0, text, 100), -E2BIG);
	free(path);
}

static json_t *json_of(const struct record *record)
{
	char *line;
	json_t *object;

	assert_int_equal(record_format_json(record, &line), 0);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	for (const char *p = line; p[1]; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
	object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	free(line);
	return object;
}

static const char *string_of(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void json_has_the_same_fields(void **state)
{
	struct record record = sample;
	json_t *object;

	(void)state;
	record.time = (struct timespec){ .tv_sec = 1763900000, .tv_nsec = 120034000 };
	object = json_of(&record);
	assert_string_equal(string_of(object, "time"), "2025-11-23T12:13:20.120034Z");
	assert_string_equal(string_of(object, "type"), "decision");
	assert_string_equal(string_of(object, "res"), "failed");
	assert_string_equal(string_of(object, "acct"), "mleng1");
	assert_string_equal(string_of(object, "rule"), "policy.ini:31");
	assert_string_equal(string_of(object, "dev"), "fd:01");
	assert_string_equal(string_of(object, "oflag"), "0x241");
	assert_string_equal(string_of(object, "reason"), "not granted");
	assert_true(json_is_null(json_object_get(object, "sauid")));
	assert_int_equal(json_integer_value(json_object_get(object, "fsuid")), 1002);
	assert_int_equal(json_integer_value(json_object_get(object, "seqno")), 88125);
	json_decref(object);
}

static void json_keeps_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct record record = sample;
		json_t *object;

		record.path = hostile[i];
		object = json_of(&record);
		if (string_of(object, "path")) {
			assert_string_equal(string_of(object, "path"), hostile[i]);
		} else {
			char *bytes = decode(string_of(object, "path_hex"));

			assert_string_equal(bytes, hostile[i]);
			free(bytes);
		}
		json_decref(object);
	}
}

/* A copy owns what it points to, and says the same; any other field tells two apart. */
static void a_copy_says_the_same(void **state)
{
	char path[] = "/models/production/m.safetensors";
	struct record record = sample, *copy;
	struct actor other = mleng1;

	(void)state;
	record.path = path;
	copy = record_copy(&record);
	assert_non_null(copy);
	path[1] = 'x';
	assert_string_equal(copy->path, sample.path);
	assert_ptr_not_equal(copy->actor->exe, mleng1.exe);
	assert_true(record_same(copy, &sample));
	assert_false(record_same(copy, &record)); /* path */

	record = sample;
	record.seqno++;
	record.present |= RECORD_COUNT | RECORD_SPAN;
	record.count = 7;
	record.since.tv_sec = 1;
	assert_true(record_same(copy, &record));
	record.rule_line++;
	assert_false(record_same(copy, &record));
	record = sample;
	record.present |= RECORD_SIZE;
	assert_false(record_same(copy, &record));
	record = sample;
	record.new_path = "";
	assert_false(record_same(copy, &record));
	record = sample;
	record.actor = &other;
	other.pid++;
	assert_false(record_same(copy, &record));
	other = mleng1;
	other.comm = NULL;
	assert_false(record_same(copy, &record));
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_reads_as_the_documents_show_it),
		cmocka_unit_test(libauparse_shows_the_actor_and_not_the_daemon),
		cmocka_unit_test(an_unknown_program_is_not_taken_for_the_daemon),
		cmocka_unit_test(no_value_can_forge_a_record),
		cmocka_unit_test(libauparse_decodes_paths_and_programs),
		cmocka_unit_test(a_name_that_looks_like_hex_is_not_decoded),
		cmocka_unit_test(a_reason_stays_readable),
		cmocka_unit_test(every_number_is_written_as_audit_writes_it),
		cmocka_unit_test(what_does_not_fit_goes_to_further_parts),
		cmocka_unit_test(no_length_is_misjudged),
		cmocka_unit_test(a_value_beyond_all_parts_is_an_error),
		cmocka_unit_test(json_has_the_same_fields),
		cmocka_unit_test(json_keeps_every_byte),
		cmocka_unit_test(a_copy_says_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
