/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked over the control socket: from bytes to a request, without side effects.
 */
#pragma once

#include <stddef.h>

enum control_verb {
	CONTROL_STATUS,
	CONTROL_POLICY,
	CONTROL_RELOAD,
	CONTROL_SOURCE,
	N_CONTROL_VERBS
};

struct control_request {
	enum control_verb verb;
};

/* Why it is refused, in the words of control-protocol.h. */
struct control_refusal {
	const char *reason; /* static */
	char text[160];	    /* printable ASCII */
};

/* Returns 0 and sets *ret, or -EINVAL and sets *refusal. `size` may be larger than
 * CONTROL_REQUEST_MAX: then no byte is looked at. */
int control_request_parse(const void *bytes, size_t size, struct control_request *ret,
			  struct control_refusal *refusal);

const char *control_verb_name(enum control_verb verb);
