/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for the admin: one line each, to stderr in the foreground, else to syslog. */
#pragma once

#include <stdbool.h>

/* Until this is called, and with `to_syslog` false, lines go to stderr as "modelguard:
 * ...". Both may be on at once while the parent of a background start still listens. */
void log_init(bool to_stderr, bool to_syslog);

/* %m is errno as of the call. Any thread. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether there was an error to be told, ever; and that a process of ours told one. */
bool log_has_erred(void);
void log_erred_elsewhere(void);
