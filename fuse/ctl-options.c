/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: options and help, both from the verb's table. */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl.h"

#define OPTIONS_MAX 32

int ctl_getopt(const struct ctl_verb *verb, int argc, char **argv)
{
	struct option options[OPTIONS_MAX + 2] = { { "help", no_argument, NULL, 'h' } };
	char letters[2 * OPTIONS_MAX + 3] = ":h"; /* ':' tells a missing argument apart */
	size_t n = 1, n_letters = 2;
	int code;

	for (const struct ctl_option *o = verb->options; o->name && n <= OPTIONS_MAX;
	     o++) {
		options[n++] =
			(struct option){ o->name,
					 o->argument ? required_argument : no_argument,
					 NULL, o->code };
		if (o->code >= CTL_LONG)
			continue;
		letters[n_letters++] = (char)o->code;
		if (o->argument)
			letters[n_letters++] = ':';
	}
	opterr = 0; /* getopt's own message would show the option as it came */
	code = getopt_long(argc, argv, letters, options, NULL);
	if (code == 'h') {
		ctl_help(verb, stdout);
		exit(CTL_OK);
	}
	if (code == ':' || code == '?') {
		const char letter[] = { '-', (char)optopt, '\0' };
		bool is_letter = optopt > 0 && optopt < CTL_LONG;
		const char *option = is_letter ? letter : argv[optind - 1];

		ctl_usage(verb,
			  code == ':' ? "the option %s takes an argument"
				      : "the option %s is unknown, or takes no argument",
			  QUOTED(option));
		return '?';
	}
	return code;
}

int ctl_usage(const struct ctl_verb *verb, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "modelguardctl %s: ", verb->name);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nSee 'modelguardctl %s --help'.\n", verb->name);
	return CTL_USAGE;
}

static void print_option(FILE *stream, int code, const char *name, const char *argument,
			 const char *help)
{
	char left[64], letter[8] = "    ";

	if (code < CTL_LONG)
		snprintf(letter, sizeof(letter), "-%c, ", code);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, name, argument ? "=" : "",
		 argument ? argument : "");
	fprintf(stream, "  %-24s %s\n", left, help);
}

void ctl_help(const struct ctl_verb *verb, FILE *stream)
{
	fprintf(stream, "Usage: modelguardctl %s [OPTION...] %s\n%s\n", verb->name,
		verb->arguments, verb->summary);
	if (verb->details)
		fprintf(stream, "\n%s", verb->details);
	fputs("\nOptions:\n", stream);
	for (const struct ctl_option *o = verb->options; o->name; o++)
		print_option(stream, o->code, o->name, o->argument, o->help);
	print_option(stream, 'h', "help", NULL, "show this help");
	fputs("\nmodelguardctl(8) has it all, with the exit statuses.\n", stream);
}
