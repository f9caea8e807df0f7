/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: files under its root, and the lines in them. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "fuse/doctor-files.h"
#include "fuse/util.h"

#define FILE_BYTES_MAX (16u << 20)

int doctor_open(const struct doctor *doctor, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT,
	};
	long fd = syscall(SYS_openat2, doctor->root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int read_all(int fd, char **ret)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = 0, room = 0;
	ssize_t n;

	do {
		if (room - length < 2) {
			char *more;

			room = room ? 2 * room : 8192;
			more = room > FILE_BYTES_MAX ? NULL : realloc(text, room);
			if (!more)
				return room > FILE_BYTES_MAX ? -EFBIG : -ENOMEM;
			text = more;
		}
		n = RET_ERRNO(read(fd, text + length, room - length - 1));
		if (n < 0)
			return (int)n;
		length += (size_t)n;
	} while (n > 0);
	text[length] = '\0';
	*ret = take_ptr(text);
	return 0;
}

int doctor_read(const struct doctor *doctor, const char *path, char **ret)
{
	/* Nobody's FIFO may stop us. */
	_cleanup_(closep) int fd = doctor_open(doctor, path, O_RDONLY | O_NONBLOCK);

	return fd < 0 ? fd : read_all(fd, ret);
}

int doctor_readlink(const struct doctor *doctor, const char *path, char *buffer,
		    size_t size)
{
	_cleanup_(closep) int fd = doctor_open(doctor, path, O_PATH | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = RET_ERRNO(readlinkat(fd, "", buffer, size - 1));
	if (n < 0)
		return (int)n;
	buffer[n] = '\0';
	return 0;
}

char *doctor_path(const struct doctor *doctor, const char *path)
{
	char *whole;

	return asprintf(&whole, "%s%s", doctor->root, path) < 0 ? NULL : whole;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int doctor_each_name(struct doctor *doctor, const char *directory,
		     void (*each)(struct doctor *doctor, const char *directory,
				  const char *name, void *data),
		     void *data)
{
	_cleanup_(closep) int fd = doctor_open(doctor, directory, O_RDONLY | O_DIRECTORY);
	_cleanup_(closedirp) DIR *dir = NULL;
	const struct dirent *entry;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)take_fd(&fd);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			each(doctor, directory, entry->d_name, data);
	}
	return 0;
}

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r", text[length - 1]))
		text[--length] = '\0';
	return text;
}

char *doctor_next_line(char **state)
{
	char *line = *state, *end = line;

	if (*line == '\0')
		return NULL;
	while (*end && *end != '\n') {
		if (end[0] == '\\' && end[1] == '\n')
			end[0] = end[1] = ' ';
		end++;
	}
	*state = *end ? end + 1 : end;
	*end = '\0';
	return trim(line);
}

bool doctor_cut_setting(char *line, char **ret_key, char **ret_value)
{
	char *equals = strchr(line, '='), *out = line;

	if (!equals)
		return false;
	*equals = '\0';
	for (const char *in = line; *in; in++) {
		if (!isblank((unsigned char)*in))
			*out++ = (char)tolower((unsigned char)*in);
	}
	*out = '\0';
	*ret_key = line;
	*ret_value = trim(equals + 1);
	return true;
}

char *doctor_setting(const char *text, const char *key)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *state = copy, *line, *name, *value, *found = NULL;

	while (copy && (line = doctor_next_line(&state))) {
		if (*line == '#' || *line == ';' ||
		    !doctor_cut_setting(line, &name, &value) || strcmp(name, key) != 0)
			continue;
		free(found);
		found = strdup(value);
	}
	return found;
}

bool path_covers(const char *directory, const char *path)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return true;
	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}
