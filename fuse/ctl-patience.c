/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a name service that hangs is waited for only so long. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"

#define STRING(number)	  #number
#define STRING_OF(number) STRING(number)
#define HANGS                                                              \
	"modelguardctl: the name service has not answered for " STRING_OF( \
		CTL_PATIENCE_SECONDS) " s; see /etc/nsswitch.conf and what it names\n"

static const char *volatile last_words;

/* Only what signal-safety(7) allows. */
static void say(const char *text)
{
	if (text && write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static void on_alarm(int number)
{
	(void)number;
	say(HANGS);
	say(last_words);
	_exit(CTL_FAILED);
}

static void on_end(int number)
{
	say("\n");
	say(last_words);
	_exit(128 + number);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

void ctl_patience_start(void)
{
	handle(SIGALRM, on_alarm);
	alarm(CTL_PATIENCE_SECONDS);
}

void ctl_patience_stop(void)
{
	alarm(0);
}

void ctl_last_words(const char *text)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

	last_words = text;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		handle(ends[i], text ? on_end : SIG_DFL);
}
