/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: whether the name service lists everybody when it is asked to. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fuse/ctl-nsswitch.h"
#include "fuse/util.h"

#define NSSWITCH "/etc/nsswitch.conf"
#define BLANKS	 " \t\n:"

/* They read files of this machine. */
static const char *const listing[] = {
	"files", "compat", "systemd", "db", "extrausers", "altfiles", "mymachines",
};

static bool lists_all(const char *service)
{
	for (size_t i = 0; i < sizeof(listing) / sizeof(listing[0]); i++) {
		if (strcmp(service, listing[i]) == 0)
			return true;
	}
	return false;
}

/* "passwd: files [NOTFOUND=return] sss": the first that need not list all, or NULL. */
static const char *unlisting_of(char *line)
{
	char *state = NULL, *word;
	bool in_action = false;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANKS, &state);
	if (!word || (strcmp(word, "passwd") != 0 && strcmp(word, "group") != 0))
		return NULL;
	while ((word = strtok_r(NULL, BLANKS, &state))) {
		if (*word == '[')
			in_action = true;
		if (!in_action && !lists_all(word))
			return word;
		if (strchr(word, ']'))
			in_action = false;
	}
	return NULL;
}

int nsswitch_unlisting(char **ret)
{
	FILE *file = fopen(NSSWITCH, "re");
	_cleanup_(freep) char *line = NULL;
	const char *service = NULL;
	size_t room = 0;

	*ret = NULL;
	if (!file)
		return 0; /* glibc then reads files */
	while (!service && getline(&line, &room, file) >= 0)
		service = unlisting_of(line);
	fclose(file);
	if (service)
		*ret = strdup(service);
	return service && !*ret ? -ENOMEM : 0;
}
