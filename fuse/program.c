/* SPDX-License-Identifier: Apache-2.0 */
/* The program and the unit of a process. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/program.h"

bool program_is_here(pid_t pid, const char *exe)
{
	struct stat theirs, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return stat(path, &theirs) == 0 && stat(exe, &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/* Lines of "ID:CONTROLLERS:/PATH". The path, without its first slash, of the unified
 * hierarchy, or of systemd's own where that one is not used; NULL: neither. A path may
 * hold anything but a newline. */
static const char *find_group_path(const char *text)
{
	const char *of_systemd = NULL;

	while (*text) {
		const char *names = strchr(text, ':');
		const char *path = names ? strchr(names + 1, ':') : NULL;
		bool is_used = path && path[1] == '/' && path[2] && path[2] != '\n';

		if (is_used && strncmp(text, "0::", 3) == 0)
			return path + 2;
		if (is_used && strncmp(names, ":name=systemd:", 14) == 0)
			of_systemd = path + 2;
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return of_systemd;
}

static bool is_slice(const char *name, size_t length)
{
	static const char slice[] = ".slice";
	size_t n = sizeof(slice) - 1;

	return length > n && memcmp(name + length - n, slice, n) == 0;
}

bool program_unit(const char *cgroup, char *ret, size_t size)
{
	const char *path = find_group_path(cgroup);
	size_t length;

	if (!path)
		return false;
	while (length = strcspn(path, "/\n"), is_slice(path, length)) {
		if (path[length] != '/')
			return false;
		path += length + 1;
	}
	if (length == 0 || length >= size)
		return false;
	memcpy(ret, path, length);
	ret[length] = '\0';
	return true;
}
