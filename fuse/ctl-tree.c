/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: questions to the guard about a file or a tree. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/ctl-tree.h"
#include "fuse/ctl.h"
#include "fuse/util.h"
#include "fuse/word-names.h"

#define POLL_NS	   100000000L
#define ANSWER_MAX 65536

int ctl_tree_fail(const char *path, int error, const struct ctl_meaning *meanings)
{
	const char *text = strerrordesc_np(error);
	int status = CTL_FAILED;

	for (; meanings->text; meanings++) {
		if (meanings->error != error)
			continue;
		text = meanings->text;
		status = meanings->status;
		break;
	}
	ctl_fail("%s: %s", QUOTED(path), text);
	return status;
}

char *ctl_tree_ask(const char *path, const char *word)
{
	char *answer = malloc(ANSWER_MAX + 1);
	ssize_t n = answer ? getxattr(path, word, answer, ANSWER_MAX) : -1;

	if (n < 0) {
		free(answer);
		return NULL;
	}
	answer[n] = '\0';
	return answer;
}

static void show_progress(const json_t *report, bool ends)
{
	double n = (double)json_integer_value(json_object_get(report, "bytes"));
	double total = (double)json_integer_value(json_object_get(report, "total"));

	if (!isatty(STDERR_FILENO))
		return;
	if (ends)
		fputs("\r\033[K", stderr);
	else
		fprintf(stderr, "\rdigest: %.1f of %.1f MB (%.0f %%)\033[K", n / 1e6,
			total / 1e6, total > 0 ? 100 * n / total : 0);
	fflush(stderr);
}

/* 1: it is done; 0: not yet; -errno. */
static int look_at_report(const json_t *report, char hex[DIGEST_HEX_SIZE])
{
	const char *state = json_string_value(json_object_get(report, "state"));
	const char *found = json_string_value(json_object_get(report, "digest"));
	int error = (int)json_integer_value(json_object_get(report, "errno"));

	if (!state)
		return -EBADMSG;
	if (strcmp(state, "failed") == 0)
		return error > 0 ? -error : -EIO;
	if (strcmp(state, "done") != 0)
		return 0;
	if (!found || strlen(found) != DIGEST_HEX_SIZE - 1)
		return -EBADMSG;
	memcpy(hex, found, DIGEST_HEX_SIZE);
	return 1;
}

static int wait_for_digest(const char *path, char hex[DIGEST_HEX_SIZE])
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int r = 0;

	while (r == 0) {
		_cleanup_(freep) char *answer = ctl_tree_ask(path, WORD_DIGEST);
		json_t *report = answer ? json_loads(answer, 0, NULL) : NULL;

		r = answer ? look_at_report(report, hex) : -errno;
		show_progress(report, r != 0);
		json_decref(report);
		if (r == 0)
			nanosleep(&pause, NULL);
	}
	return r;
}

int ctl_tree_digest(const char *path, char hex[DIGEST_HEX_SIZE])
{
	static const struct ctl_meaning meanings[] = {
		{ EACCES, CTL_NO, "you may not read it" },
		{ EBUSY, CTL_NO,
		  "it is being changed, or others wait for the guard: try "
		  "again" },
		{ EINVAL, CTL_NO,
		  "it is neither a file nor a directory, or has a FIFO, a "
		  "socket or a device in it" },
		{ 0, 0, NULL },
	};
	int r = RET_ERRNO(setxattr(path, WORD_DIGEST, "", 0, 0));

	if (r == 0)
		r = wait_for_digest(path, hex);
	return r > 0 ? CTL_OK : ctl_tree_fail(path, -r, meanings);
}
