/* SPDX-License-Identifier: Apache-2.0 */
/* Text on the auditor's page. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-event.h"
#include "fuse/report.h"
#include "fuse/util.h"

/* Printable ASCII first, as on a terminal: no letter that turns the text around, and no
 * invalid UTF-8. Then what means something in HTML, inside of attributes as well. */
void report_put(FILE *out, const char *text)
{
	_cleanup_(freep) char *safe = text_safe(text, strlen(text));

	if (!safe) {
		fputc('?', out);
		return;
	}
	for (const char *c = safe; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*c, out);
		}
	}
}

void report_put_time(FILE *out, time_t seconds)
{
	char text[CTL_TIME_SIZE];

	fputs(ctl_time(seconds, text), out);
}

void report_put_count(FILE *out, uint64_t n, const char *noun)
{
	fprintf(out, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
}
