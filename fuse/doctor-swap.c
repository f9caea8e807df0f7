/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: can what is in memory come to an unencrypted disk as swap? */
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define LAYERS_MAX 8 /* LVM on dm-crypt on RAID ... */

enum { SWAP };

static const struct doctor_check checks[] = {
	[SWAP] = { "swap", DOCTOR_WARNING,
		   "swap is not encrypted: pieces of models that jobs have in memory "
		   "stay "
		   "on the disk",
		   "swapoff {}, and encrypt it (crypttab(5), with a random key), or use "
		   "zram" },
};

static int is_encrypted(struct doctor *doctor, const char *block, unsigned layer);

struct layers {
	unsigned layer, n, n_encrypted;
};

static void on_slave(struct doctor *doctor, const char *directory, const char *name,
		     void *data)
{
	_cleanup_(freep) char *path = NULL;
	struct layers *layers = data;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		doctor->no_memory = true;
		return;
	}
	layers->n++;
	layers->n_encrypted += is_encrypted(doctor, path, layers->layer) > 0;
}

/* A block device of sysfs, or all that it lies on. 1, 0 or -errno. */
static int is_encrypted(struct doctor *doctor, const char *block, unsigned layer)
{
	_cleanup_(freep) char *uuid = NULL, *text = NULL, *slaves = NULL;
	struct layers layers = { .layer = layer + 1 };
	int r;

	if (asprintf(&uuid, "%s/dm/uuid", block) < 0)
		return -ENOMEM;
	r = doctor_read(doctor, uuid, &text);
	if (r == 0 && strncmp(text, "CRYPT-", 6) == 0)
		return 1;
	if (asprintf(&slaves, "%s/slaves", block) < 0)
		return -ENOMEM;
	if (layer < LAYERS_MAX)
		(void)doctor_each_name(doctor, slaves, on_slave, &layers);
	return layers.n > 0 && layers.n == layers.n_encrypted;
}

/* In sysfs, by the name of a device, or by the number of the file system of a file. */
static char *block_of(const struct doctor *doctor, const char *path, const char *type)
{
	_cleanup_(freep) char *whole = NULL;
	const char *name = strrchr(path, '/');
	struct stat st;
	char *block;

	if (strcmp(type, "partition") == 0)
		return asprintf(&block, "/sys/class/block%s", name ? name : path) < 0
			       ? NULL
			       : block;
	whole = doctor_path(doctor, path);
	if (!whole || stat(whole, &st) < 0 ||
	    asprintf(&block, "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev)) <
		    0)
		return NULL;
	return block;
}

static void look_at_swap(struct doctor *doctor, const char *path, const char *type)
{
	_cleanup_(freep) char *block = NULL;
	int r;

	if (strncmp(path, "/dev/zram", 9) == 0)
		return;
	block = block_of(doctor, path, type);
	r = block ? is_encrypted(doctor, block, 0) : -ENODEV;
	if (r < 0)
		doctor_unreadable(doctor, &checks[SWAP], path, r);
	else if (r == 0)
		doctor_found(doctor, &checks[SWAP], path, "a %s without dm-crypt", type);
}

static void look(struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL;
	char *state, *line;
	int r = doctor_read(doctor, "/proc/swaps", &text);

	if (r < 0) {
		doctor_unreadable(doctor, &checks[SWAP], "/proc/swaps", r);
		return;
	}
	for (state = text; (line = doctor_next_line(&state));) {
		char *rest = NULL, *path = strtok_r(line, " \t", &rest);
		char *type = strtok_r(NULL, " \t", &rest);

		if (path && type && *path == '/')
			look_at_swap(doctor, path, type);
	}
}

const struct doctor_area doctor_swap = { DOCTOR_CHECKS(checks), false, look };
