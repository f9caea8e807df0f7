/* SPDX-License-Identifier: Apache-2.0 */
/* One record in, the same fields out: the JSON form, read by jansson. */
#include <inttypes.h>
#include <jansson.h>
#include <time.h>

#include "tests/fuzz/record-sample.h"

/* RFC 3629, section 4: how many bytes the character takes, 0: it is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80			  ? 1
		   : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
		   : s[0] >= 0xe0 && s[0] <= 0xef ? 3
		   : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
						  : 0;

	for (size_t i = 1; i < n; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = 1;

	for (; *s && n > 0; s += n)
		n = utf8_length(s);
	return n > 0;
}

static void check_hex(const char *name, const json_t *value, const char *text)
{
	const char *digits = json_string_value(value);
	char byte[4];

	FUZZ_CHECK(digits && strlen(digits) == 2 * strlen(text), "%s", name);
	for (size_t i = 0; text[i]; i++) {
		(void)snprintf(byte, sizeof(byte), "%02X", (unsigned char)text[i]);
		FUZZ_CHECK(memcmp(digits + 2 * i, byte, 2) == 0, "%s: %s", name, digits);
	}
}

static void check_text(const struct expected *expected, json_t *object)
{
	char name_hex[64];
	char *text;

	if (!expected->text) {
		FUZZ_CHECK(json_is_null(json_object_get(object, expected->name)), "%s",
			   expected->name);
		return;
	}
	text = expected_text(expected);
	(void)snprintf(name_hex, sizeof(name_hex), "%s_hex", expected->name);
	if (is_utf8(text)) {
		const char *value =
			json_string_value(json_object_get(object, expected->name));

		FUZZ_CHECK(value && strcmp(value, text) == 0, "%s", expected->name);
	} else {
		check_hex(name_hex, json_object_get(object, name_hex), text);
	}
	free(text);
}

static void check_string(const struct expected *expected, const json_t *value,
			 const char *text)
{
	FUZZ_CHECK(json_is_string(value) && strcmp(json_string_value(value), text) == 0,
		   "%s: %s, not %s", expected->name, json_string_value(value), text);
}

/* RFC 3339, or null for what no calendar has. */
static void check_time(const struct expected *expected, const json_t *value)
{
	char text[80];
	struct tm tm;
	size_t n;

	if (!gmtime_r(&expected->time.tv_sec, &tm)) {
		FUZZ_CHECK(json_is_null(value), "%s", expected->name);
		return;
	}
	n = strftime(text, sizeof(text), "%FT%T", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%06ldZ",
		       expected->time.tv_nsec / 1000);
	if (tm.tm_year < 8100 && tm.tm_year >= -900) /* %F is plain within 1000..9999 */
		check_string(expected, value, text);
	else
		FUZZ_CHECK(json_is_string(value), "%s", expected->name);
}

static void check_number(const struct expected *expected, const json_t *value)
{
	char text[64];

	switch (expected->form) {
	case EXPECT_ID:
	case EXPECT_OWNER:
	case EXPECT_NUMBER:
		if (expected->form != EXPECT_NUMBER && expected->number == UINT32_MAX) {
			FUZZ_CHECK(json_is_null(value), "%s", expected->name);
		} else if (expected->number <= INT64_MAX) {
			FUZZ_CHECK(json_is_integer(value) &&
					   (uint64_t)json_integer_value(value) ==
						   expected->number,
				   "%s", expected->name);
		} else {
			(void)snprintf(text, sizeof(text), "%" PRIu64, expected->number);
			check_string(expected, value, text);
		}
		return;
	case EXPECT_OCTAL:
		(void)snprintf(text, sizeof(text), "0%" PRIo64, expected->number);
		break;
	case EXPECT_FLAGS:
		(void)snprintf(text, sizeof(text), "0x%" PRIx64, expected->number);
		break;
	default:
		(void)snprintf(text, sizeof(text), "%02x:%02x",
			       (uint32_t)(expected->number >> 32),
			       (uint32_t)expected->number);
		break;
	}
	check_string(expected, value, text);
}

/* One line of ASCII, whatever is in it. */
static void check_line(const char *line)
{
	size_t n = strlen(line);

	FUZZ_CHECK(n > 2 && line[n - 1] == '\n');
	for (size_t i = 0; i + 1 < n; i++)
		FUZZ_CHECK(line[i] >= 0x20 && line[i] < 0x7f, "%s", line);
}

static void check_object(const struct sample *sample, json_t *object)
{
	static const char *const kinds[] = { "decision", "config", "lifecycle" };
	struct expected expected[EXPECTED_MAX];
	size_t n = sample_expect(sample, expected);
	const char *res = json_string_value(json_object_get(object, "res"));
	const char *type = json_string_value(json_object_get(object, "type"));

	/* None is missing, as each is looked for below, and none was added. */
	FUZZ_CHECK(json_object_size(object) == n + 3, "%zu", json_object_size(object));
	FUZZ_CHECK(res &&
		   strcmp(res, sample->record.success ? "success" : "failed") == 0);
	FUZZ_CHECK(type && strcmp(type, kinds[sample->record.kind]) == 0);
	FUZZ_CHECK(json_is_string(json_object_get(object, "time")));
	for (size_t i = 0; i < n; i++) {
		if (expected[i].form <= EXPECT_PROSE)
			check_text(&expected[i], object);
		else if (expected[i].form == EXPECT_TIME)
			check_time(&expected[i],
				   json_object_get(object, expected[i].name));
		else
			check_number(&expected[i],
				     json_object_get(object, expected[i].name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, data + size };
	struct sample sample;
	json_error_t error;
	json_t *object;
	char *line;

	sample_init(&sample, &bytes);
	FUZZ_CHECK(record_format_json(&sample.record, &line) == 0);
	check_line(line);
	object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	FUZZ_CHECK(json_is_object(object), "%s in %s", error.text, line);
	check_object(&sample, object);
	json_decref(object);
	free(line);
	sample_fini(&sample);
	return 0;
}
