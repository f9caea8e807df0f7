/* SPDX-License-Identifier: Apache-2.0 */
/* Who has written to a file. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/util.h"
#include "fuse/writers.h"

#define WRITERS	 "trusted.modelguard.writers" /* " UID UID", or OVERFLOW */
#define OVERFLOW " *"
#define TEXT_MAX (WRITERS_MAX * 12)

/* Two who open a file at once must both be put down; it is seldom. */
static pthread_mutex_t noting = PTHREAD_MUTEX_INITIALIZER;

static int read_text(int fd, char text[static TEXT_MAX])
{
	struct fd_path path;
	ssize_t n = RET_ERRNO(getxattr(fd_path(fd, &path), WRITERS, text, TEXT_MAX - 1));

	text[n > 0 ? n : 0] = '\0';
	return n == -ENODATA ? 0 : n < 0 ? (int)n : 0;
}

static bool names(const char *text, uid_t uid)
{
	char word[16];
	size_t length = (size_t)snprintf(word, sizeof(word), " %u", uid);

	if (strcmp(text, OVERFLOW) == 0)
		return true;
	for (const char *p = text; (p = strstr(p, word)); p += length)
		if (p[length] == ' ' || p[length] == '\0')
			return true;
	return false;
}

static unsigned count(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == ' ';
	return n;
}

/* Under `noting`. */
static int add(int fd, uid_t uid)
{
	char text[TEXT_MAX];
	struct fd_path path;
	int r = read_text(fd, text);

	if (r < 0 || names(text, uid))
		return r;
	if (count(text) >= WRITERS_MAX)
		strcpy(text, OVERFLOW);
	else
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u", uid);
	return RET_ERRNO(setxattr(fd_path(fd, &path), WRITERS, text, strlen(text), 0));
}

int writers_note(int fd, uid_t uid)
{
	int r = writers_has(fd, uid);

	if (r != 0)
		return r < 0 ? r : 0;
	pthread_mutex_lock(&noting);
	r = add(fd, uid);
	pthread_mutex_unlock(&noting);
	return r;
}

int writers_has(int fd, uid_t uid)
{
	char text[TEXT_MAX];
	int r = read_text(fd, text);

	return r < 0 ? r : names(text, uid);
}
