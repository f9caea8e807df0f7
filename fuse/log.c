/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for the admin. */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

#include "fuse/log.h"

static bool on_stderr = true;
static bool on_syslog;
static atomic_bool has_erred;

void log_init(bool to_stderr, bool to_syslog)
{
	on_stderr = to_stderr;
	on_syslog = to_syslog;
	if (to_syslog)
		openlog("modelguard", LOG_PID, LOG_DAEMON);
}

/* A line is written with one write(2), so that lines of several threads do not mix, and
 * whatever a file name brought along cannot reach a terminal as a control sequence. */
static void log_line(int priority, const char *format, va_list args)
{
	int saved_errno = errno;
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	if (on_stderr)
		fprintf(stderr, "modelguard: %s\n", text);
	if (on_syslog)
		syslog(priority, "%s", text);
	errno = saved_errno;
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_ERR, format, args);
	va_end(args);
	atomic_store(&has_erred, true);
}

void log_erred_elsewhere(void)
{
	atomic_store(&has_erred, true);
}

bool log_has_erred(void)
{
	return atomic_load(&has_erred);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_INFO, format, args);
	va_end(args);
}
