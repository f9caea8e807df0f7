/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: do NFS or Samba give the source to the network? */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

enum { NFS, SAMBA };

static const struct doctor_check checks[] = {
	[NFS] = { "source-nfs", DOCTOR_CRITICAL,
		  "NFS exports the source, or what it lies in, around the guard",
		  "take it out of {} and run 'exportfs -ra'; users of other machines are "
		  "guarded by a guard of their own there, over a mount that only root "
		  "can search" },
	[SAMBA] = { "source-samba", DOCTOR_CRITICAL,
		    "Samba shares the source, or what it lies in, around the guard",
		    "share the mount point of the guard instead in {}" },
};

/* Samba goes by paths, and so through the guard. */
static void look_at_path(struct doctor *doctor, const struct doctor_check *check,
			 const char *file, const char *path, const char *whose)
{
	for (size_t i = 0; i < doctor->shares.n_items; i++) {
		const struct share *share = &doctor->shares.items[i];

		if (check == &checks[SAMBA] && share->over_source)
			continue;
		if (path_covers(path, share->source) || path_covers(share->source, path))
			doctor_found(doctor, check, file, "%s%s, which %s %s", whose,
				     path,
				     path_covers(path, share->source) ? "holds" : "is in",
				     share->source);
	}
}

/* "\040" and "..." as exports(5) has them; cuts it off the line. */
static char *cut_path(char *line)
{
	char *out = line, *in = line;
	bool quoted = false;

	for (; *in && (quoted || !isblank((unsigned char)*in)); in++) {
		unsigned code;

		if (*in == '"') {
			quoted = !quoted;
		} else if (*in == '\\' && sscanf(in, "\\%3o", &code) == 1) {
			*out++ = (char)code;
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	while (out > line + 1 && out[-1] == '/')
		*--out = '\0';
	return line;
}

static void look_at_exports(struct doctor *doctor, const char *file)
{
	_cleanup_(freep) char *text = NULL;
	char *state, *line;
	int r = doctor_read(doctor, file, &text);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		doctor_unreadable(doctor, &checks[NFS], file, r);
		return;
	}
	for (state = text; (line = doctor_next_line(&state));) {
		if (*line == '/' || *line == '"')
			look_at_path(doctor, &checks[NFS], file, cut_path(line), "");
	}
}

static void on_exports(struct doctor *doctor, const char *directory, const char *name,
		       void *data)
{
	_cleanup_(freep) char *file = NULL;
	const char *end = strrchr(name, '.');

	(void)data;
	if (!end || strcmp(end, ".exports") != 0)
		return;
	if (asprintf(&file, "%s/%s", directory, name) < 0)
		doctor->no_memory = true;
	else
		look_at_exports(doctor, file);
}

static void look_at_nfs(struct doctor *doctor)
{
	int r;

	look_at_exports(doctor, "/etc/exports");
	r = doctor_each_name(doctor, "/etc/exports.d", on_exports, NULL);
	if (r < 0 && r != -ENOENT)
		doctor_unreadable(doctor, &checks[NFS], "/etc/exports.d", r);
	/* What is exported now, as exportfs -v shows it. */
	look_at_exports(doctor, "/var/lib/nfs/etab");
}

/* Macros such as %U, and what is kept elsewhere, are not followed. */
static void look_at_setting(struct doctor *doctor, const char *file, const char *section,
			    const char *key, char *value)
{
	size_t length = strlen(value);

	while (length > 1 && value[length - 1] == '/')
		value[--length] = '\0';
	if (strcmp(key, "include") == 0 || strcmp(key, "configbackend") == 0) {
		if (strcasecmp(value, "file") != 0)
			doctor_unknown(
				doctor, &checks[SAMBA], file,
				"it refers to '%s', which is not looked at: compare "
				"'testparm -s'",
				value);
	} else if (strcmp(key, "path") == 0 || strcmp(key, "directory") == 0) {
		char whose[128];

		snprintf(whose, sizeof(whose), "%s shares ", section);
		if (strchr(value, '%'))
			doctor_unknown(doctor, &checks[SAMBA], file,
				       "%s%s: a path with macros", whose, value);
		else
			look_at_path(doctor, &checks[SAMBA], file, value, whose);
	}
}

static void look_at_samba(struct doctor *doctor, const char *file)
{
	_cleanup_(freep) char *text = NULL;
	char *state, *line, *key, *value, section[96] = "[global]";
	int r = doctor_read(doctor, file, &text);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		doctor_unreadable(doctor, &checks[SAMBA], file, r);
		return;
	}
	for (state = text; (line = doctor_next_line(&state));) {
		if (*line == '[')
			snprintf(section, sizeof(section), "%s", line);
		else if (*line != '#' && *line != ';' &&
			 doctor_cut_setting(line, &key, &value))
			look_at_setting(doctor, file, section, key, value);
	}
}

static void on_usershare(struct doctor *doctor, const char *directory, const char *name,
			 void *data)
{
	_cleanup_(freep) char *file = NULL;

	(void)data;
	if (asprintf(&file, "%s/%s", directory, name) < 0)
		doctor->no_memory = true;
	else
		look_at_samba(doctor, file);
}

static void look(struct doctor *doctor)
{
	int r;

	look_at_nfs(doctor);
	look_at_samba(doctor, "/etc/samba/smb.conf");
	r = doctor_each_name(doctor, "/var/lib/samba/usershares", on_usershare, NULL);
	if (r < 0 && r != -ENOENT)
		doctor_unreadable(doctor, &checks[SAMBA], "/var/lib/samba/usershares", r);
}

const struct doctor_area doctor_exports = { DOCTOR_CHECKS(checks), false, look };
