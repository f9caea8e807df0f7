/* SPDX-License-Identifier: Apache-2.0 */
/* No filter: sanitizers fork, trace and run programs of their own. */
#include "fuse/call-filter.h"

int call_filter_install(void)
{
	return 0;
}
