/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request over the control socket: one that is known, or a refusal that
 * can be shown. */
#include <errno.h>

#include "fuse/control-protocol.h"
#include "fuse/control-request.h"

#include "tests/fuzz/fuzz.h"

static void check_refusal(const struct control_refusal *refusal)
{
	FUZZ_CHECK(refusal->reason && strlen(refusal->text) > 10);
	for (const char *c = refusal->text; *c; c++)
		FUZZ_CHECK(*c >= 0x20 && *c < 0x7f, "'%s'", refusal->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request request = { N_CONTROL_VERBS };
	struct control_refusal refusal = { 0 };
	int r = control_request_parse(data, size, &request, &refusal);

	if (r == 0) {
		FUZZ_CHECK(size <= CONTROL_REQUEST_MAX && !refusal.reason);
		FUZZ_CHECK(control_verb_name(request.verb));
	} else {
		FUZZ_CHECK(r == -EINVAL && request.verb == N_CONTROL_VERBS, "%d", r);
		check_refusal(&refusal);
	}
	return 0;
}
