/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: verbs, people and places of a policy in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-json.h"
#include "fuse/ctl-words.h"
#include "fuse/ctl.h"

#define COLUMNS 79

void ctl_print_verbs(verb_set verbs)
{
	const char *separator = "";

	for (unsigned i = 0; i < N_VERBS; i++) {
		if (!(verbs & VERB_SET(i)))
			continue;
		printf("%s%s", separator, verb_name((enum verb)i));
		separator = ", ";
	}
}

/* Begins an item of a width: a new line if it does not fit into this one. */
static void begin_item(struct ctl_list *list, size_t width)
{
	if (list->column == 0) {
		printf("%*s", (int)list->indent, "");
		list->column = list->indent;
	} else if (list->column + 2 + width + 1 > COLUMNS) {
		printf(",\n%*s", (int)list->indent, "");
		list->column = list->indent;
	} else {
		fputs(", ", stdout);
		list->column += 2;
	}
	list->column += (unsigned)width;
}

void ctl_list_person(struct ctl_list *list, const struct people *people,
		     const struct person *person)
{
	char *safe = text_safe(person->name, strlen(person->name));

	begin_item(list, safe ? strlen(safe) : 0);
	if (person->kind == PERSON_GROUP)
		fputs("the group ", stdout);
	fputs(safe ? safe : "?", stdout);
	free(safe);
	if (person->unknown)
		fputs(" (unknown to the name service)", stdout);
	if (person->kind != PERSON_GROUP)
		return;
	fputs(" (", stdout);
	if (person->listing == LISTING_WHOLE)
		fputs("whoever has no other role", stdout);
	person_print_listing(people, person);
	fputs(")", stdout);
	list->column = COLUMNS;
}

void ctl_list_end(struct ctl_list *list)
{
	if (list->column != 0)
		putchar('\n');
}

void ctl_print_place(const struct policy *policy, unsigned line)
{
	ctl_puts_safe(stdout, policy->name);
	printf(":%u", line);
}

json_t *ctl_json_person(const struct person *person)
{
	static const char *const kinds[] = {
		[PERSON_USER] = "user",
		[PERSON_GROUP] = "group",
		[PERSON_EVERYONE] = "everyone",
	};
	json_t *object = json_object();

	ctl_json_set_text(object, "kind", kinds[person->kind]);
	ctl_json_set_text(object, "name", person->name);
	if (person->kind == PERSON_USER) {
		ctl_json_set(object, "uid", json_integer(person->subject.uid));
		ctl_json_set(object, "known", json_boolean(!person->unknown));
	} else if (person->kind == PERSON_GROUP) {
		ctl_json_set(object, "gid", json_integer(person->subject.gid));
		ctl_json_set(object, "members",
			     json_integer((json_int_t)person->n_members));
		ctl_json_set_text(object, "listing", listing_name(person->listing));
	}
	return object;
}

json_t *ctl_json_zone(const struct zone *zone)
{
	json_t *object;

	if (!zone)
		return json_null();
	object = json_object();
	ctl_json_set_text(object, "name", zone->name);
	ctl_json_set_text(object, "path", zone->path);
	ctl_json_set(object, "line", json_integer(zone->line));
	ctl_json_set_text(object, "modes",
			  zone->modes == ZONE_MODES_OWNER ? "owner" : "role");
	return object;
}

void ctl_json_set_notes(json_t *document, const struct people *people)
{
	json_t *strangers = json_array();

	for (size_t i = 0; i < people->n_strangers; i++)
		json_array_append_new(strangers,
				      ctl_json_text(people->strangers[i],
						    strlen(people->strangers[i])));
	ctl_json_set(document, "unknown_members", strangers);
	ctl_json_set_text(document, "not_listing", people->service);
}
