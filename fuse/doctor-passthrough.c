/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: what guards tell of themselves. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fuse/doctor.h"

enum { PASSTHROUGH, ANSWER };

static const struct doctor_check checks[] = {
	[PASSTHROUGH] = { "passthrough", DOCTOR_NOTE,
			  "reads go through the guard, and not past it at the speed of "
			  "the disk",
			  "run Linux 6.9 or later, and put the source of {} on a file "
			  "system that is not itself stacked (overlayfs, FUSE)" },
	[ANSWER] = { "guard-answers", DOCTOR_WARNING,
		     "a guard does not answer: its share may be dead, and what only it "
		     "can tell is not known",
		     "'modelguardctl status {}' tells why; umount it and mount it anew" },
};

static void look_at_passthrough(struct doctor *doctor, const struct share *share)
{
	const json_t *state = json_object_get(share->status, "passthrough");
	json_int_t refused = json_integer_value(json_object_get(state, "refused"));
	const char *error = json_string_value(json_object_get(state, "error"));
	struct utsname name;

	if (!json_is_true(json_object_get(state, "available")))
		doctor_found(doctor, &checks[PASSTHROUGH], share->mountpoint,
			     "the kernel does not have it: Linux %s",
			     uname(&name) == 0 ? name.release : "?");
	else if (refused > 0)
		doctor_found(doctor, &checks[PASSTHROUGH], share->mountpoint,
			     "%lld opens went without: %s", (long long)refused,
			     error ? error : "?");
}

static void look(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->shares.n_items; i++) {
		const struct share *share = &doctor->shares.items[i];

		if (!share->mountpoint)
			continue;
		if (share->status)
			look_at_passthrough(doctor, share);
		else if (geteuid() != 0)
			doctor_unknown(doctor, &checks[PASSTHROUGH], share->mountpoint,
				       "guards answer to root only");
		else
			doctor_found(doctor, &checks[ANSWER], share->mountpoint, "%s",
				     share->fault ? share->fault : "no answer");
	}
}

const struct doctor_area doctor_passthrough = { DOCTOR_CHECKS(checks), true, look };
