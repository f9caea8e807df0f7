/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: findings for a person, and for a program. */
#include <string.h>

#include "fuse/ctl-doctor.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl.h"

static const struct {
	int severity; /* as ctl_doctor_count() has it */
	enum ctl_colour colour;
	const char *name, *title;
} levels[] = {
	{ DOCTOR_CRITICAL, CTL_RED, "critical", "CRITICAL" },
	{ DOCTOR_WARNING, CTL_BOLD, "warning", "WARNING" },
	{ DOCTOR_UNKNOWN, CTL_BOLD, "unknown", "COULD NOT TELL" },
	{ DOCTOR_NOTE, CTL_DIM, "note", "NOTE" },
};

#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

static int level_of(const struct finding *finding)
{
	return finding->unknown ? DOCTOR_UNKNOWN : (int)finding->check->severity;
}

size_t ctl_doctor_count(const struct doctor *doctor, int severity)
{
	size_t n = 0;

	for (size_t i = 0; i < doctor->n_findings; i++)
		n += level_of(&doctor->findings[i]) == severity;
	return n;
}

/* The remedy, each {} replaced; NULL without memory. */
static char *remedy_of(const struct finding *finding)
{
	const char *remedy = finding->check->remedy, *hole;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	while ((hole = strstr(remedy, "{}"))) {
		fprintf(stream, "%.*s%s", (int)(hole - remedy), remedy, finding->object);
		remedy = hole + 2;
	}
	fputs(remedy, stream);
	return fclose(stream) == 0 ? text : NULL;
}

/* In lines that end before column 80. */
static void print_wrapped(const char *label, const char *text)
{
	size_t column = strlen(label);

	fputs(label, stdout);
	for (const char *word = text; *word; word += *word == ' ') {
		size_t length = strcspn(word, " ");

		if (column > 4 && column + 1 + length > 79) {
			fputs("\n   ", stdout);
			column = 3;
		}
		putchar(' ');
		ctl_print_safe(stdout, word, length);
		column += 1 + length;
		word += length;
		if (!*word)
			break;
	}
	putchar('\n');
}

static void print_finding(const struct finding *finding, size_t level)
{
	char *remedy = remedy_of(finding);

	printf("%s%s%s  %s: ", ctl_colour(stdout, levels[level].colour),
	       levels[level].title, ctl_colour(stdout, CTL_PLAIN), finding->check->name);
	ctl_puts_safe(stdout, finding->object);
	putchar('\n');
	print_wrapped("   ", finding->detail);
	print_wrapped(finding->unknown ? "    It would matter:" : "   ",
		      finding->check->what);
	if (!finding->unknown)
		print_wrapped("    Remedy:", remedy ? remedy : "?");
	putchar('\n');
	free(remedy);
}

void ctl_doctor_print(const struct doctor *doctor, const char *const *skipped)
{
	for (size_t i = 0; i < N_LEVELS; i++) {
		for (size_t j = 0; j < doctor->n_findings; j++) {
			if (level_of(&doctor->findings[j]) == levels[i].severity)
				print_finding(&doctor->findings[j], i);
		}
	}
	if (*skipped) {
		fputs("Not looked at, as only a running kernel can tell:", stdout);
		for (; *skipped; skipped++)
			printf(" %s", *skipped);
		puts(".");
	}
	if (doctor->n_findings == 0)
		printf("%sNothing to object to.%s\n", ctl_colour(stdout, CTL_GREEN),
		       ctl_colour(stdout, CTL_PLAIN));
	else
		printf("%zu critical, %zu warnings, %zu could not be told, %zu notes\n",
		       ctl_doctor_count(doctor, DOCTOR_CRITICAL),
		       ctl_doctor_count(doctor, DOCTOR_WARNING),
		       ctl_doctor_count(doctor, DOCTOR_UNKNOWN),
		       ctl_doctor_count(doctor, DOCTOR_NOTE));
}

static json_t *finding_json(const struct finding *finding, const char *level)
{
	json_t *object = json_object();
	char *remedy = remedy_of(finding);

	ctl_json_set_text(object, "check", finding->check->name);
	ctl_json_set_text(object, "severity", level);
	ctl_json_set_text(object, "object", finding->object);
	ctl_json_set_text(object, "detail", finding->detail);
	ctl_json_set_text(object, "what", finding->check->what);
	ctl_json_set_text(object, "remedy", finding->unknown ? NULL : remedy);
	free(remedy);
	return object;
}

int ctl_doctor_print_json(const struct doctor *doctor, const char *const *skipped)
{
	json_t *document = json_object(), *list = json_array(), *names = json_array();

	for (size_t i = 0; i < N_LEVELS; i++) {
		for (size_t j = 0; j < doctor->n_findings; j++) {
			const struct finding *finding = &doctor->findings[j];

			if (level_of(finding) == levels[i].severity)
				json_array_append_new(
					list, finding_json(finding, levels[i].name));
		}
		ctl_json_set(document, levels[i].name,
			     json_integer((json_int_t)ctl_doctor_count(
				     doctor, levels[i].severity)));
	}
	for (; *skipped; skipped++)
		json_array_append_new(names, json_string(*skipped));
	ctl_json_set(document, "findings", list);
	ctl_json_set(document, "skipped", names);
	return ctl_json_print(document);
}
