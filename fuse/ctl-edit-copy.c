/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl edit: the private copy that is edited. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-edit-copy.h"
#include "fuse/ctl-lock.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

static int write_copy(const char *path, const struct policy_text *text)
{
	_cleanup_(closep) int fd =
		RET_ERRNO(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	size_t n = 0;

	while (fd >= 0 && n < text->length) {
		ssize_t more = RET_ERRNO(write(fd, text->bytes + n, text->length - n));

		if (more < 0)
			return (int)more;
		n += (size_t)more;
	}
	return fd < 0 ? fd : 0;
}

static int make_words(struct edit_copy *copy)
{
	_cleanup_(freep) char *safe = text_safe(copy->path, strlen(copy->path));

	if (!safe ||
	    asprintf(&copy->words,
		     "modelguardctl: nothing is changed; the edited copy is kept: %s\n",
		     safe) < 0) {
		copy->words = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int name_copy(struct edit_copy *copy, const char *file)
{
	const char *slash = strrchr(file, '/');

	if (asprintf(&copy->path, "%s/%s", copy->directory, slash ? slash + 1 : file) <
	    0) {
		copy->path = NULL;
		return -ENOMEM;
	}
	return make_words(copy);
}

int edit_copy_make(const char *file, const struct policy_text *text,
		   struct edit_copy *ret)
{
	int r;

	*ret = (struct edit_copy){ .directory = beside_policy(file, ".edit-XXXXXX") };
	if (!ret->directory)
		return ctl_fail("no memory");
	if (!mkdtemp(ret->directory))
		return ctl_fail("cannot make a directory for the copy: %s: %m",
				QUOTED(ret->directory));
	r = name_copy(ret, file);
	if (r == 0)
		r = write_copy(ret->path, text);
	if (r < 0) {
		edit_copy_remove(ret);
		return ctl_fail("cannot make a copy to edit: %s", strerrordesc_np(-r));
	}
	ctl_last_words(ret->words);
	return CTL_OK;
}

void edit_copy_remove(struct edit_copy *copy)
{
	DIR *directory = opendir(copy->directory);
	struct dirent *entry;

	ctl_last_words(NULL);
	if (directory) {
		while ((entry = readdir(directory)))
			unlinkat(dirfd(directory), entry->d_name, 0); /* not "." */
		closedir(directory);
	}
	rmdir(copy->directory);
}

void edit_copy_keep(struct edit_copy *copy)
{
	fputs(copy->words, stderr);
}

void edit_copy_fini(struct edit_copy *copy)
{
	ctl_last_words(NULL);
	free(copy->directory);
	free(copy->path);
	free(copy->words);
}
