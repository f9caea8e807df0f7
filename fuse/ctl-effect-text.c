/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the effect of a change of the policy, for a person. */
#include <string.h>

#include "fuse/ctl-effect.h"
#include "fuse/ctl-words.h"
#include "fuse/ctl.h"

/* How many of each kind a line is about. */
struct counts {
	size_t of[PERSON_EVERYONE + 1];
};

static struct counts count(const struct effect_line *line)
{
	struct counts counts = { 0 };

	for (size_t i = 0; i < line->n_by; i++) {
		for (size_t j = 0; j < line->by[i].n_people; j++)
			counts.of[line->by[i].people[j]->kind]++;
	}
	return counts;
}

static void print_counts(const struct counts *counts)
{
	const char *separator = "";
	size_t users = counts->of[PERSON_USER], groups = counts->of[PERSON_GROUP];

	if (counts->of[PERSON_EVERYONE] > 0) {
		fputs("everyone", stdout);
		separator = ", ";
	}
	if (users > 0) {
		printf("%s%zu %s", separator, users, users == 1 ? "person" : "people");
		separator = ", ";
	}
	if (groups > 0)
		printf("%s%zu group%s", separator, groups, groups == 1 ? "" : "s");
}

static void print_by(const struct effect *effect, const struct effect_line *line,
		     const struct effect_by *by)
{
	const struct policy *policy = line->gained ? effect->new : effect->old;
	struct ctl_list list = { .indent = 6 };

	printf("    %s%s (", ctl_colour(stdout, CTL_DIM), by->role->name);
	ctl_puts_safe(stdout, policy->name);
	printf(":%u)%s\n", by->line, ctl_colour(stdout, CTL_PLAIN));
	for (size_t i = 0; i < by->n_people; i++)
		ctl_list_person(&list, effect->people, by->people[i]);
	ctl_list_end(&list);
}

static void print_line(const struct effect *effect, const struct effect_place *place,
		       const struct effect_line *line)
{
	struct counts counts = count(line);

	printf("%s%c ", ctl_colour(stdout, line->gained ? CTL_GREEN : CTL_RED),
	       line->gained ? '+' : '-');
	ctl_print_verbs(line->verbs);
	printf(" %s", ctl_colour(stdout, CTL_PLAIN));
	ctl_puts_safe(stdout, place->point->path);
	fputs(": ", stdout);
	print_counts(&counts);
	putchar('\n');
	for (size_t i = 0; i < line->n_by; i++)
		print_by(effect, line, &line->by[i]);
}

static void print_setting(const struct effect_setting *setting)
{
	printf("%s~ %s%s", ctl_colour(stdout, CTL_BOLD), setting->name,
	       ctl_colour(stdout, CTL_PLAIN));
	if (setting->path) {
		putchar(' ');
		ctl_puts_safe(stdout, setting->path);
	}
	fputs(": ", stdout);
	ctl_puts_safe(stdout, setting->old);
	fputs(" -> ", stdout);
	ctl_puts_safe(stdout, setting->new);
	puts(setting->weaker ? " (weaker)" : "");
}

void effect_print(const struct effect *effect)
{
	for (size_t i = 0; i < effect->n_places; i++) {
		for (size_t j = 0; j < effect->places[i].n_lines; j++)
			print_line(effect, &effect->places[i],
				   &effect->places[i].lines[j]);
	}
	for (size_t i = 0; i < effect->n_settings; i++)
		print_setting(&effect->settings[i]);
	if (effect->n_places == 0 && effect->n_settings == 0) {
		puts("No effect: everybody may do what they could do before.");
	} else {
		puts(effect->widened ? "\nWider: somebody may do more than before."
				     : "\nNot wider: nobody may do more than before.");
	}
	people_print_notes(effect->people);
}
