/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to a request. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/text.h"

#include "fuse/control-protocol.h"
#include "fuse/control-request.h"

static const char *const verbs[N_CONTROL_VERBS] = {
	[CONTROL_STATUS] = "status",
	[CONTROL_POLICY] = "policy",
	[CONTROL_RELOAD] = "reload",
	[CONTROL_SOURCE] = "source",
};

const char *control_verb_name(enum control_verb verb)
{
	return verbs[verb];
}

static int refuse(struct control_refusal *refusal, const char *reason, const char *format,
		  ...) __attribute__((format(printf, 3, 4)));

static int refuse(struct control_refusal *refusal, const char *reason, const char *format,
		  ...)
{
	va_list arguments;

	refusal->reason = reason;
	va_start(arguments, format);
	vsnprintf(refusal->text, sizeof(refusal->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int check_version(const json_t *object, struct control_refusal *refusal)
{
	const json_t *version = json_object_get(object, "version");

	if (!json_is_integer(version))
		return refuse(refusal, "version", "the request has no version number");
	if (json_integer_value(version) != CONTROL_VERSION)
		return refuse(refusal, "version",
			      "this guard speaks version %d of the control protocol, not "
			      "%lld: use the modelguardctl that belongs to it",
			      CONTROL_VERSION, (long long)json_integer_value(version));
	return 0;
}

static int find_verb(const json_t *object, struct control_request *ret,
		     struct control_refusal *refusal)
{
	const json_t *verb = json_object_get(object, "verb");
	const char *name = json_string_value(verb);

	if (!name)
		return refuse(refusal, "verb", "the request has no verb");
	for (unsigned i = 0; i < N_CONTROL_VERBS; i++) {
		if (strcmp(verbs[i], name) == 0) {
			ret->verb = (enum control_verb)i;
			return 0;
		}
	}
	return refuse(refusal, "verb", "no such verb: %.100s", QUOTED(name));
}

static int parse_object(const json_t *object, struct control_request *ret,
			struct control_refusal *refusal)
{
	int r;

	if (!json_is_object(object))
		return refuse(refusal, "request", "the request is not a JSON object");
	r = check_version(object, refusal);
	if (r == 0)
		r = find_verb(object, ret, refusal);
	if (r == 0 && json_object_size(object) != 2)
		r = refuse(refusal, "request",
			   "the request has members that version %d "
			   "does not know",
			   CONTROL_VERSION);
	return r;
}

int control_request_parse(const void *bytes, size_t size, struct control_request *ret,
			  struct control_refusal *refusal)
{
	struct control_request request;
	json_t *object;
	int r;

	if (size > CONTROL_REQUEST_MAX)
		return refuse(refusal, "size", "the request has more than %d bytes",
			      CONTROL_REQUEST_MAX);
	object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
	r = parse_object(object, &request, refusal);
	json_decref(object);
	if (r == 0)
		*ret = request;
	return r;
}
