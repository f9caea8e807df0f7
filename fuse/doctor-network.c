/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: does the source cross a network unprotected? */
#include <string.h>

#include "fuse/doctor.h"

enum { NETWORK };

static const struct doctor_check checks[] = {
	[NETWORK] = { "source-network", DOCTOR_CRITICAL,
		      "the source is on a network file system without transport "
		      "security: whoever is on that network can read and change models, "
		      "and no record says so",
		      "mount it with sec=krb5p or xprtsec=mtls (NFS), seal (SMB) or "
		      "ms_mode=secure (Ceph)" },
};

/* What must be among the mount options; NULL: no option tells. */
static const struct {
	const char *type;
	const char *options[3];
} network_types[] = {
	{ "nfs", { "sec=krb5p", "xprtsec=tls", "xprtsec=mtls" } },
	{ "nfs4", { "sec=krb5p", "xprtsec=tls", "xprtsec=mtls" } },
	{ "cifs", { "seal" } },
	{ "smb3", { "seal" } },
	{ "ceph", { "ms_mode=secure" } },
	{ "9p", { "trans=virtio", "trans=xen" } },
	{ "afs", { NULL } },
	{ "lustre", { NULL } },
	{ "beegfs", { NULL } },
	{ "gpfs", { NULL } },
	{ "ocfs2", { NULL } },
	{ "gfs2", { NULL } },
	{ "fuse.glusterfs", { NULL } },
	{ "fuse.ceph-fuse", { NULL } },
	{ "fuse.s3fs", { NULL } },
	{ "fuse.juicefs", { NULL } },
};

/* In a list with commas, whole. */
static bool has_option(const char *options, const char *option)
{
	size_t length = strlen(option);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, option, length) == 0 &&
		    (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/* It does not leave the machine. */
static bool is_local(const char *options)
{
	return has_option(options, "addr=127.0.0.1") || has_option(options, "addr=::1");
}

static void look_at_share(struct doctor *doctor, const struct share *share)
{
	const struct mount_entry *on = share->on;
	bool secure = false;

	for (size_t i = 0; i < sizeof(network_types) / sizeof(*network_types); i++) {
		const char *const *options = network_types[i].options;

		if (strcmp(on->type, network_types[i].type) != 0 || is_local(on->options))
			continue;
		for (size_t j = 0; j < 3 && options[j]; j++)
			secure |= has_option(on->options, options[j]);
		if (!options[0])
			doctor_unknown(doctor, &checks[NETWORK], share->source,
				       "on %s (%s): its mount options do not tell "
				       "whether it is encrypted",
				       on->source, on->type);
		else if (!secure)
			doctor_found(doctor, &checks[NETWORK], share->source,
				     "on %s (%s)", on->source, on->type);
	}
}

static void look(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->shares.n_items; i++) {
		if (doctor->shares.items[i].on)
			look_at_share(doctor, &doctor->shares.items[i]);
	}
}

const struct doctor_area doctor_network = { DOCTOR_CHECKS(checks), false, look };
