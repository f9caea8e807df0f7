/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: who is root by another name? */
#include <string.h>

#include "config/identity.h"

#include "fuse/ctl-nsswitch.h"
#include "fuse/ctl-patience.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

enum { ROOTS, READERS };

static const struct doctor_check checks[] = {
	[ROOTS] = { "root-group", DOCTOR_WARNING,
		    "members of this group can become root, whom no guard holds",
		    "take out of {} whoever is not an admin: gpasswd -d USER {}; and "
		    "record what the admins do" },
	[READERS] = { "trail-readers", DOCTOR_NOTE,
		      "members of this group can read the trail: what everybody does "
		      "with "
		      "the models",
		      "take out of {} whoever need not know: gpasswd -d USER {}" },
};

static const struct {
	const char *group;
	const struct doctor_check *check;
	const char *why;
} groups[] = {
	{ "root", &checks[ROOTS], "what belongs to root's group is open to them" },
	{ "docker", &checks[ROOTS], "docker run -v /:/host is root on all files" },
	{ "sudo", &checks[ROOTS], "Debian's sudoers lets them run anything" },
	{ "wheel", &checks[ROOTS], "the usual sudoers and su let them run anything" },
	{ "admin", &checks[ROOTS], "Ubuntu's sudoers lets them run anything" },
	{ "disk", &checks[ROOTS], "they read and write the disks themselves" },
	{ "lxd", &checks[ROOTS], "a privileged container can mount all files" },
	{ "incus-admin", &checks[ROOTS], "a privileged container can mount all files" },
	{ "microk8s", &checks[ROOTS], "a privileged pod can mount all files" },
	{ "libvirt", &checks[ROOTS], "a virtual machine can be given the host's disks" },
	{ "shadow", &checks[ROOTS], "they read the hashes of all passwords" },
	{ "kmem", &checks[ROOTS], "they read the memory of the kernel" },
	{ "staff", &checks[ROOTS], "on Debian they write /usr/local, in root's PATH" },
	{ "adm", &checks[READERS], "on Debian it is auditd's log_group" },
};

#define N_GROUPS  (sizeof(groups) / sizeof(groups[0]))
#define NAMES_MAX 400 /* bytes of a list of members */

struct members {
	gid_t gids[N_GROUPS];
	bool exists[N_GROUPS];
	char names[N_GROUPS][NAMES_MAX];
};

/* "alice, bob"; root is who it is. */
static void add_member(char list[static NAMES_MAX], const char *name)
{
	size_t used = strlen(list);

	if (strcmp(name, "root") != 0)
		snprintf(list + used, NAMES_MAX - used, "%s%s", used > 0 ? ", " : "",
			 name);
}

static int add_primary(void *data, const char *name, gid_t gid)
{
	struct members *members = data;

	ctl_patience_start();
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (members->exists[i] && members->gids[i] == gid)
			add_member(members->names[i], name);
	}
	return 0;
}

static int list_members(struct members *members, size_t i)
{
	char **names = NULL;
	size_t n = 0;
	int r;

	ctl_patience_start();
	r = identity_names.group(groups[i].group, &members->gids[i]);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = identity_group_members(members->gids[i], &names, &n);
	members->exists[i] = r == 0;
	for (size_t j = 0; r == 0 && j < n; j++)
		add_member(members->names[i], names[j]);
	identity_names_free(names, n);
	return r;
}

static void look(struct doctor *doctor)
{
	struct members members = { 0 };
	_cleanup_(freep) char *service = NULL;
	int r;

	for (size_t i = 0; i < N_GROUPS; i++) {
		r = list_members(&members, i);
		if (r < 0)
			doctor_unreadable(doctor, groups[i].check, groups[i].group, r);
	}
	r = identity_each_user(add_primary, &members);
	ctl_patience_stop();
	if (r < 0 || nsswitch_unlisting(&service) < 0 || service)
		doctor_unknown(doctor, &checks[ROOTS], "the name service",
			       "%s need not list all members of a group",
			       service ? service : "it");
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (members.names[i][0] != '\0')
			doctor_found(doctor, groups[i].check, groups[i].group, "%s: %s",
				     members.names[i], groups[i].why);
	}
}

const struct doctor_area doctor_roots = { DOCTOR_CHECKS(checks), false, look };
