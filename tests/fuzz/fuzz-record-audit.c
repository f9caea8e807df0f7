/* SPDX-License-Identifier: Apache-2.0 */
/* One record in, the same fields out: auditd's text, read by libauparse as ausearch reads
 * it, its parts put together. */
#include <auparse.h>
#include <errno.h>
#include <inttypes.h>

#include "tests/fuzz/record-sample.h"

#define PARTS_MAX  99
#define FIELDS_MAX 80

/* What was read: a field of the expected ones, with the pieces that its value came in. */
struct found {
	char *value;
	unsigned n_pieces;
};

struct reading {
	const struct sample *sample;
	struct expected expected[EXPECTED_MAX];
	struct found found[EXPECTED_MAX];
	size_t n_expected;
	size_t size; /* of a part */
	unsigned n_parts;
};

/* What kernel and libaudit put round it, and auditd into the log. */
#define BEFORE                                                                      \
	"type=DAC_CHECK msg=audit(1763900000.123:42): pid=1 uid=0 auid=4294967295 " \
	"ses=4294967295 msg='"
#define AFTER " exe=\"/usr/sbin/modelguard\" hostname=? addr=? terminal=? res=failed'\n"

static auparse_state_t *parse(const char *text)
{
	static char line[RECORD_TEXT_MAX + 1024];
	auparse_state_t *parser;

	(void)snprintf(line, sizeof(line), "%s%s%s", BEFORE, text, AFTER);
	parser = auparse_init(AUSOURCE_BUFFER, line);
	FUZZ_CHECK(parser);
	auparse_set_escape_mode(parser, AUPARSE_ESC_RAW);
	FUZZ_CHECK(auparse_next_event(parser) == 1, "%s", line);
	FUZZ_CHECK(auparse_get_num_records(parser) == 1, "%s", line);
	FUZZ_CHECK(auparse_first_record(parser) == 1, "%s", line);
	return parser;
}

static void take_piece(struct reading *reading, const char *name, const char *value)
{
	for (size_t i = 0; i < reading->n_expected; i++) {
		struct found *found = &reading->found[i];
		size_t old = found->value ? strlen(found->value) : 0;

		if (strcmp(reading->expected[i].name, name) != 0)
			continue;
		found->value = realloc(found->value, old + strlen(value) + 1);
		FUZZ_CHECK(found->value);
		memcpy(found->value + old, value, strlen(value) + 1);
		found->n_pieces++;
		return;
	}
	/* Where parts are told apart by it, it is there although it is not known. */
	FUZZ_CHECK(reading->n_parts > 1 && strcmp(name, "seqno") == 0 &&
			   strcmp(value, "0") == 0,
		   "nobody wrote %s=%s", name, value);
}

/* What `ausearch -i` shows: of the values that auditors search for, the bytes themselves.
 */
static void check_decoded(const struct reading *reading, auparse_state_t *parser)
{
	static const char *const decoded[] = { "acct", "comm", "exe", "path", "name" };
	const char *name = auparse_get_field_name(parser);

	for (size_t i = 0; i < reading->n_expected; i++) {
		const struct expected *expected = &reading->expected[i];

		if (strcmp(expected->name, name) != 0 || !expected->text)
			continue;
		for (size_t j = 0; j < sizeof(decoded) / sizeof(decoded[0]); j++) {
			if (strcmp(decoded[j], name) == 0)
				FUZZ_CHECK(strcmp(auparse_interpret_field(parser),
						  expected->text) == 0,
					   "%s=%s", name,
					   auparse_interpret_field(parser));
		}
	}
}

static void expect_field(auparse_state_t *parser, const char *name, const char *value)
{
	FUZZ_CHECK(strcmp(auparse_get_field_name(parser), name) == 0, "%s instead of %s",
		   auparse_get_field_name(parser), name);
	FUZZ_CHECK(!value || strcmp(auparse_get_field_str(parser), value) == 0, "%s=%s",
		   name, auparse_get_field_str(parser));
}

#define N_BEFORE 5
#define N_AFTER	 5

/* Field i of n: one of the kernel's, of ours, or of libaudit's. Parts begin alike. */
static void read_field(struct reading *reading, unsigned part, auparse_state_t *parser,
		       unsigned i, unsigned n)
{
	static const char *const before[] = { "type", "pid", "uid", "auid", "ses" };
	static const char *const after[] = { "exe", "hostname", "addr", "terminal",
					     "res" };
	char part_text[32];

	(void)snprintf(part_text, sizeof(part_text), "%u/%u", part + 1, reading->n_parts);
	if (i < N_BEFORE)
		expect_field(parser, before[i], NULL);
	else if (i >= n - N_AFTER)
		expect_field(parser, after[i - (n - N_AFTER)], NULL);
	else if (i == N_BEFORE && part > 0)
		expect_field(parser, "op", reading->found[0].value);
	else if (i == N_BEFORE + 1 && part > 0)
		expect_field(parser, "seqno", NULL);
	else if (i == N_BEFORE + 2 && reading->n_parts > 1)
		expect_field(parser, "part", part_text);
	else
		take_piece(reading, auparse_get_field_name(parser),
			   auparse_get_field_str(parser));
	if (i >= N_BEFORE && i < n - N_AFTER && reading->n_parts == 1)
		check_decoded(reading, parser);
}

static void read_part(struct reading *reading, unsigned part, const char *text)
{
	auparse_state_t *parser = parse(text);
	unsigned n = auparse_get_num_fields(parser);

	FUZZ_CHECK(n > N_BEFORE + N_AFTER && n < FIELDS_MAX, "%u fields", n);
	for (unsigned i = 0; i < n; i++) {
		read_field(reading, part, parser, i, n);
		FUZZ_CHECK(auparse_next_field(parser) == (i < n - 1));
	}
	expect_field(parser, "res", "failed");
	auparse_destroy(parser);
}

static unsigned hex_digit(char c)
{
	return (unsigned)(c >= 'A' ? c - 'A' + 10 : c - '0');
}

/* The bytes that a value stands for, the caller's; NULL: unknown. */
static char *decode(const char *value)
{
	size_t n = strlen(value);
	char *bytes;

	if (strcmp(value, "?") == 0)
		return NULL;
	if (value[0] == '"') {
		FUZZ_CHECK(n >= 2 && value[n - 1] == '"', "%s", value);
		return strndup(value + 1, n - 2);
	}
	FUZZ_CHECK(n % 2 == 0 && strspn(value, "0123456789ABCDEF") == n, "%s", value);
	bytes = calloc(1, n / 2 + 1);
	FUZZ_CHECK(bytes);
	for (size_t i = 0; i < n; i += 2)
		bytes[i / 2] = (char)(hex_digit(value[i]) << 4 | hex_digit(value[i + 1]));
	return bytes;
}

/* What is left of a reason that stays readable. */
static void make_prose(char *text)
{
	for (char *c = text; *c; c++)
		*c = *c == ' ' ? '-' : *c == '=' ? ':' : strchr("\"'", *c) ? '`' : *c;
}

static void check_text(const struct expected *expected, const char *value)
{
	char *bytes, *text;

	if (strcmp(expected->name, "op") == 0 && value[0] != '"' &&
	    strspn(value, "abcdefghijklmnopqrstuvwxyz-") == strlen(value)) {
		FUZZ_CHECK(strcmp(value, expected->text) == 0, "%s", value);
		return;
	}
	bytes = decode(value);
	FUZZ_CHECK((bytes == NULL) == (expected->text == NULL), "%s=%s", expected->name,
		   value);
	if (!bytes)
		return;
	text = expected_text(expected);
	if (expected->form == EXPECT_PROSE && value[0] == '"')
		make_prose(text);
	FUZZ_CHECK(strcmp(bytes, text) == 0, "%s=%s", expected->name, value);
	free(bytes);
	free(text);
}

static void check_number(const struct expected *expected, const char *value)
{
	char text[64];

	switch (expected->form) {
	case EXPECT_OCTAL:
		(void)snprintf(text, sizeof(text), "0%" PRIo64, expected->number);
		break;
	case EXPECT_FLAGS:
		(void)snprintf(text, sizeof(text), "0x%" PRIx64, expected->number);
		break;
	case EXPECT_DEVICE:
		(void)snprintf(text, sizeof(text), "%02x:%02x",
			       (uint32_t)(expected->number >> 32),
			       (uint32_t)expected->number);
		break;
	case EXPECT_TIME:
		(void)snprintf(text, sizeof(text), "%" PRId64 ".%06ld",
			       (int64_t)expected->time.tv_sec,
			       expected->time.tv_nsec / 1000);
		break;
	case EXPECT_OWNER:
		if (expected->number == UINT32_MAX) {
			(void)snprintf(text, sizeof(text), "-1");
			break;
		}
		/* fall through */
	default:
		(void)snprintf(text, sizeof(text), "%" PRIu64, expected->number);
		break;
	}
	FUZZ_CHECK(strcmp(text, value) == 0, "%s=%s, not %s", expected->name, value,
		   text);
}

static void check_fields(struct reading *reading)
{
	for (size_t i = 0; i < reading->n_expected; i++) {
		const struct expected *expected = &reading->expected[i];
		struct found *found = &reading->found[i];

		FUZZ_CHECK(found->n_pieces > 0, "%s= is missing", expected->name);
		FUZZ_CHECK(found->n_pieces == 1 || reading->n_parts > 1,
			   "%s= is there %u "
			   "times",
			   expected->name, found->n_pieces);
		if (expected->form <= EXPECT_PROSE)
			check_text(expected, found->value);
		else
			check_number(expected, found->value);
		free(found->value);
	}
}

/* Nothing that could end a field or a record, in any part. */
static void check_bytes(const char *text, int n, size_t size)
{
	FUZZ_CHECK((size_t)n < size && (size_t)n < RECORD_TEXT_MAX, "%d", n);
	FUZZ_CHECK(strlen(text) == (size_t)n, "%d", n);
	for (const char *c = text; *c; c++)
		FUZZ_CHECK(*c >= 0x20 && *c < 0x7f && *c != '\'', "%s", text);
}

static unsigned count_parts(const struct sample *sample, char *text, size_t size)
{
	size_t total = 0;
	unsigned n = 0;
	int length;

	while ((length = record_format_audit(&sample->record, n, text, size)) > 0)
		n++;
	if (length == 0)
		return n;
	FUZZ_CHECK(length == -E2BIG && n == 0, "%d", length);
	for (size_t i = 0; i < sample->n_strings; i++)
		total += strlen(sample->strings[i]);
	/* Beyond what parts can carry, at half a part each for what is not values. */
	FUZZ_CHECK(2 * total > PARTS_MAX *
				       (size < RECORD_TEXT_MAX ? size : RECORD_TEXT_MAX) /
				       4,
		   "%zu bytes", total);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[RECORD_TEXT_MAX];
	struct bytes bytes = { data, data + size };
	struct reading reading = { 0 };
	struct sample sample;

	reading.size = sizeof(text);
	if (bytes_u8(&bytes) & 1) /* callers with less room */
		reading.size = 1024 + bytes_u8(&bytes) * 4u;
	sample_init(&sample, &bytes);
	reading.sample = &sample;
	reading.n_expected = sample_expect(&sample, reading.expected);
	reading.n_parts = count_parts(&sample, text, reading.size);
	FUZZ_CHECK(reading.n_parts <= PARTS_MAX);
	for (unsigned part = 0; part < reading.n_parts; part++) {
		int n = record_format_audit(&sample.record, part, text, reading.size);

		check_bytes(text, n, reading.size);
		read_part(&reading, part, text);
	}
	if (reading.n_parts > 0)
		check_fields(&reading);
	sample_fini(&sample);
	return 0;
}
