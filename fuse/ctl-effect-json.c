/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the effect of a change of the policy, for a program. */
#include "fuse/ctl-effect.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-words.h"

static json_t *policy_json(const struct policy *policy)
{
	json_t *object;

	if (!policy)
		return json_null();
	object = json_object();
	ctl_json_set_text(object, "file", policy->file);
	ctl_json_set_text(object, "sha256", policy->hash);
	return object;
}

static json_t *verbs_json(verb_set verbs)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < N_VERBS; i++) {
		if (verbs & VERB_SET(i))
			json_array_append_new(list, json_string(verb_name((enum verb)i)));
	}
	return list;
}

static json_t *line_json(const struct effect_place *place, const struct effect_line *line)
{
	json_t *object = json_object(), *people = json_array();

	for (size_t i = 0; i < line->n_by; i++) {
		const struct effect_by *by = &line->by[i];

		for (size_t j = 0; j < by->n_people; j++) {
			json_t *person = ctl_json_person(by->people[j]);

			ctl_json_set_text(person, "role", by->role->name);
			ctl_json_set(person, "line", json_integer(by->line));
			json_array_append_new(people, person);
		}
	}
	ctl_json_set_text(object, "change", line->gained ? "gained" : "lost");
	ctl_json_set_text(object, "path", place->point->path);
	ctl_json_set(object, "verbs", verbs_json(line->verbs));
	ctl_json_set(object, "old_zone", ctl_json_zone(place->point->old));
	ctl_json_set(object, "new_zone", ctl_json_zone(place->point->new));
	ctl_json_set(object, "people", people);
	return object;
}

static json_t *setting_json(const struct effect_setting *setting)
{
	json_t *object = json_object();

	ctl_json_set_text(object, "setting", setting->name);
	ctl_json_set_text(object, "path", setting->path);
	ctl_json_set_text(object, "old", setting->old);
	ctl_json_set_text(object, "new", setting->new);
	ctl_json_set(object, "weaker", json_boolean(setting->weaker));
	return object;
}

json_t *effect_json(const struct effect *effect)
{
	json_t *document = json_object(), *changes = json_array();
	json_t *settings = json_array();

	for (size_t i = 0; i < effect->n_places; i++) {
		const struct effect_place *place = &effect->places[i];

		for (size_t j = 0; j < place->n_lines; j++)
			json_array_append_new(changes,
					      line_json(place, &place->lines[j]));
	}
	for (size_t i = 0; i < effect->n_settings; i++)
		json_array_append_new(settings, setting_json(&effect->settings[i]));
	ctl_json_set(document, "old", policy_json(effect->old));
	ctl_json_set(document, "new", policy_json(effect->new));
	ctl_json_set(document, "widened", json_boolean(effect->widened));
	ctl_json_set(document, "changes", changes);
	ctl_json_set(document, "settings", settings);
	ctl_json_set_notes(document, effect->people);
	return document;
}
