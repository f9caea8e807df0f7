/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: are the times of the records right? */
#include <sys/timex.h>

#include "fuse/doctor.h"
#include "fuse/util.h"

enum { CLOCK };

static const struct doctor_check checks[] = {
	[CLOCK] = { "clock", DOCTOR_WARNING,
		    "the clock is not synchronised: the times of records cannot be "
		    "compared with those of other machines",
		    "run chrony, ntpsec or systemd-timesyncd: 'timedatectl set-ntp "
		    "true'" },
};

/* adjtimex(2). */
static void look(struct doctor *doctor)
{
	struct timex timex = { 0 };
	int state = adjtimex(&timex);

	if (state < 0)
		doctor_unreadable(doctor, &checks[CLOCK], "the clock", -errno);
	else if (state == TIME_ERROR || timex.status & STA_UNSYNC)
		doctor_found(doctor, &checks[CLOCK], "the clock",
			     "the kernel says that nothing keeps it right");
}

const struct doctor_area doctor_clock = { DOCTOR_CHECKS(checks), true, look };
