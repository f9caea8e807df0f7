/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket understands: a request of this version, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fuse/control-protocol.h"
#include "fuse/control-request.h"

#define V(text) "{\"version\": 1, " text "}"

/* Each that is taken has neighbours that are not; `reason` NULL: it is taken. */
static const struct {
	const char *text;
	const char *reason;
	enum control_verb verb;
} requests[] = {
	{ V("\"verb\": \"status\""), NULL, CONTROL_STATUS },
	{ V("\"verb\": \"policy\""), NULL, CONTROL_POLICY },
	{ V("\"verb\": \"reload\""), NULL, CONTROL_RELOAD },
	{ V("\"verb\": \"source\""), NULL, CONTROL_SOURCE },
	{ " {\"verb\":\"status\",\n\"version\":1} ", NULL, CONTROL_STATUS },
	{ V("\"verb\": \"Status\""), "verb", 0 },
	{ V("\"verb\": \"stat\""), "verb", 0 },
	{ V("\"verb\": \"\""), "verb", 0 },
	{ V("\"verb\": 1"), "verb", 0 },
	{ V("\"verb\": [\"status\"]"), "verb", 0 },
	{ V("\"word\": \"status\""), "verb", 0 },
	{ "{\"version\": 1}", "verb", 0 },
	{ "{\"version\": 2, \"verb\": \"status\"}", "version", 0 },
	{ "{\"version\": 0, \"verb\": \"status\"}", "version", 0 },
	{ "{\"version\": -1, \"verb\": \"status\"}", "version", 0 },
	{ "{\"version\": \"1\", \"verb\": \"status\"}", "version", 0 },
	{ "{\"version\": 1.0, \"verb\": \"status\"}", "version", 0 },
	{ "{\"version\": true, \"verb\": \"status\"}", "version", 0 },
	{ "{\"verb\": \"status\"}", "version", 0 },
	{ "{}", "version", 0 },
	/* What a later version asks is told by its number, whatever else it says. */
	{ "{\"version\": 2, \"question\": {}}", "version", 0 },
	{ V("\"verb\": \"status\", \"file\": \"/\""), "request", 0 },
	{ V("\"verb\": \"status\", \"verb\": \"reload\""), "request", 0 },
	{ V("\"verb\": \"status\"") "x", "request", 0 },
	{ V("\"verb\": \"status\"") V("\"verb\": \"status\""), "request", 0 },
	{ "{\"version\": 1, \"verb\": \"stat", "request", 0 },
	{ "{\"version\": 1, \"verb\": \"\xff\"}", "request", 0 },
	{ "[1, \"status\"]", "request", 0 },
	{ "\"status\"", "request", 0 },
	{ "status", "request", 0 },
	{ "null", "request", 0 },
	{ " ", "request", 0 },
	{ "", "request", 0 },
};

static void only_a_request_of_this_version_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct control_request request = { N_CONTROL_VERBS };
		struct control_refusal refusal = { 0 };
		int r = control_request_parse(requests[i].text, strlen(requests[i].text),
					      &request, &refusal);

		if (requests[i].reason) {
			assert_int_equal(r, -EINVAL);
			assert_string_equal(refusal.reason, requests[i].reason);
			assert_true(strlen(refusal.text) > 0);
			assert_int_equal(request.verb, N_CONTROL_VERBS);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(request.verb, requests[i].verb);
		}
	}
}

static void a_request_has_a_bounded_size(void **state)
{
	static const char whole[] = V("\"verb\": \"status\"");
	char text[CONTROL_REQUEST_MAX];
	struct control_request request;
	struct control_refusal refusal;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, whole, sizeof(whole) - 1);
	assert_int_equal(control_request_parse(text, sizeof(text), &request, &refusal),
			 0);
	assert_int_equal(
		control_request_parse(text, sizeof(text) + 1, &request, &refusal),
		-EINVAL);
	assert_string_equal(refusal.reason, "size");
}

static void a_nul_byte_ends_nothing(void **state)
{
	static const char text[] = V("\"verb\": \"status\"") "\0{";
	struct control_request request;
	struct control_refusal refusal;

	(void)state;
	assert_int_equal(
		control_request_parse(text, sizeof(text) - 1, &request, &refusal),
		-EINVAL);
}

/* What is said of a word from outside goes to a terminal. */
static void a_refusal_is_printable(void **state)
{
	static const char text[] = V("\"verb\": \"\\u001b]0;x\\u0007\\u00e9\\\"\"");
	struct control_request request;
	struct control_refusal refusal;

	(void)state;
	assert_int_equal(
		control_request_parse(text, sizeof(text) - 1, &request, &refusal),
		-EINVAL);
	assert_string_equal(refusal.reason, "verb");
	for (const char *c = refusal.text; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_request_of_this_version_is_taken),
		cmocka_unit_test(a_request_has_a_bounded_size),
		cmocka_unit_test(a_nul_byte_ends_nothing),
		cmocka_unit_test(a_refusal_is_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
