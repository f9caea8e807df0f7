/* SPDX-License-Identifier: Apache-2.0 */
/* Who approved. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/approvals.h"
#include "fuse/util.h"

/* A line each: "HEX UID NAME TIME ZONE NOTE". */
#define APPROVALS "trusted.modelguard.approvals"
#define ENTRY_MAX                                                         \
	(DIGEST_HEX_SIZE + 12 + APPROVAL_NAME_MAX + 24 + PLACE_NAME_MAX + \
	 APPROVAL_NOTE_MAX)
#define TEXT_MAX (APPROVALS_MAX * ENTRY_MAX)

/* Two approvals at once must both be kept. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static int parse_line(const char *line, struct approval *ret)
{
	long long when;
	int end = 0;

	*ret = (struct approval){ 0 };
	if (sscanf(line, "%64[0-9a-f] %u %39s %lld %47s%n", ret->hex, &ret->uid,
		   ret->name, &when, ret->zone, &end) != 5 ||
	    end == 0 || line[end] != ' ' || strlen(ret->hex) != DIGEST_HEX_SIZE - 1)
		return -EBADMSG;
	ret->when = (time_t)when;
	snprintf(ret->note, sizeof(ret->note), "%s", line + end + 1);
	return 0;
}

int approvals_read(int fd, struct approvals *ret)
{
	char text[TEXT_MAX];
	struct fd_path path;
	char *state = NULL;
	ssize_t n = RET_ERRNO(
		getxattr(fd_path(fd, &path), APPROVALS, text, sizeof(text) - 1));
	int r = 0;

	ret->n_items = 0;
	if (n < 0)
		return n == -ENODATA || n == -EOPNOTSUPP ? 0 : (int)n;
	text[n] = '\0';
	for (char *line = strtok_r(text, "\n", &state); line && r == 0;
	     line = strtok_r(NULL, "\n", &state))
		r = ret->n_items == APPROVALS_MAX
			    ? -EBADMSG
			    : parse_line(line, &ret->items[ret->n_items++]);
	return r;
}

static int write_all(int fd, const struct approvals *approvals)
{
	char text[TEXT_MAX];
	struct fd_path path;
	size_t n = 0;

	if (approvals->n_items == 0)
		return RET_ERRNO(removexattr(fd_path(fd, &path), APPROVALS));
	for (size_t i = 0; i < approvals->n_items; i++) {
		const struct approval *item = &approvals->items[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %u %s %lld %s %s\n",
				      item->hex, item->uid, item->name,
				      (long long)item->when, item->zone, item->note);
	}
	return RET_ERRNO(setxattr(fd_path(fd, &path), APPROVALS, text, n, 0));
}

/* Takes out one person's for a zone, and with `hex` all that are not of that. How many.
 */
static size_t take_out(struct approvals *approvals, uid_t uid, const char *zone,
		       const char *hex)
{
	size_t n = approvals->n_items, kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct approval *item = &approvals->items[i];

		if (strcmp(item->zone, zone) == 0 &&
		    (item->uid == uid || (hex && strcmp(item->hex, hex) != 0)))
			continue;
		approvals->items[kept++] = *item;
	}
	approvals->n_items = kept;
	return n - kept;
}

int approvals_add(int fd, const struct approval *approval)
{
	struct approvals approvals;
	int r;

	pthread_mutex_lock(&changing);
	r = approvals_read(fd, &approvals);
	if (r == 0) {
		take_out(&approvals, approval->uid, approval->zone, approval->hex);
		if (approvals.n_items == APPROVALS_MAX)
			r = -ENOSPC;
	}
	if (r == 0) {
		approvals.items[approvals.n_items++] = *approval;
		r = write_all(fd, &approvals);
	}
	pthread_mutex_unlock(&changing);
	return r;
}

int approvals_remove(int fd, uid_t uid, const char *zone)
{
	struct approvals approvals;
	int r;

	pthread_mutex_lock(&changing);
	r = approvals_read(fd, &approvals);
	if (r == 0)
		r = take_out(&approvals, uid, zone, NULL) == 0
			    ? -ENODATA
			    : write_all(fd, &approvals);
	pthread_mutex_unlock(&changing);
	return r;
}
