/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: words, colours and complaints on a terminal. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/ctl.h"

static bool piped_to_terminal;

void ctl_colour_through_pipe(bool yes)
{
	piped_to_terminal = yes;
}

static bool is_terminal(FILE *stream)
{
	return isatty(fileno(stream)) || (stream == stdout && piped_to_terminal);
}

const char *ctl_colour(FILE *stream, enum ctl_colour colour)
{
	static const char *const sequences[] = {
		[CTL_PLAIN] = "\033[0m",  [CTL_BOLD] = "\033[1m",
		[CTL_RED] = "\033[1;31m", [CTL_GREEN] = "\033[1;32m",
		[CTL_DIM] = "\033[2m",
	};
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((no_color && *no_color) || !term || strcmp(term, "dumb") == 0 ||
	    !is_terminal(stream))
		return "";
	return sequences[colour];
}

void ctl_print_safe(FILE *stream, const char *bytes, size_t length)
{
	char *safe = text_safe(bytes, length);

	fputs(safe ? safe : "?", stream);
	free(safe);
}

void ctl_puts_safe(FILE *stream, const char *text)
{
	ctl_print_safe(stream, text, strlen(text));
}

int ctl_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("modelguardctl: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return CTL_FAILED;
}

void ctl_print_complaints(const char *file, const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->n_items; i++) {
		const struct complaint *complaint = &complaints->items[i];

		fputs(ctl_colour(stderr, CTL_BOLD), stderr);
		ctl_puts_safe(stderr, file);
		if (complaint->line != 0)
			fprintf(stderr, ":%u", complaint->line);
		fprintf(stderr, ":%s %s\n", ctl_colour(stderr, CTL_PLAIN),
			complaint->text);
	}
}
