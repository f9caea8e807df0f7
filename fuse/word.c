/* SPDX-License-Identifier: Apache-2.0 */
/* Words to the guard about a file. */
#include <string.h>
#include <sys/stat.h>

#include "fuse/util.h"
#include "fuse/version.h"
#include "fuse/word.h"

struct order {
	const char *name;
	enum operation operation;
	int (*set)(fuse_req_t req, const struct use *use, struct action *action,
		   const char *text);
};

/* One line of text that a person wrote. */
static int check_reason(const char *text)
{
	if (text[0] == '\0' || strlen(text) >= HOLD_REASON_MAX)
		return -EINVAL;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return -EINVAL;
	return 0;
}

static int set_hold(fuse_req_t req, const struct use *use, struct action *action,
		    const char *text)
{
	bool holds = action->operation == OPERATION_HOLD;
	int r = check_reason(text);

	if (r < 0)
		return r;
	action->reason = text;
	if (!guard_is_write_once(fs_of(req)->guard, use->node, NULL))
		return fs_refuse(req, action, EOPNOTSUPP,
				 "only in a write-once zone can something be held");
	r = fs_allow(req, action);
	if (r < 0)
		return r;
	return fs_settle(req, action, version_hold(use->fd, holds ? text : NULL));
}

static const struct order orders[] = {
	{ WORD_HOLD, OPERATION_HOLD, set_hold },
	{ WORD_RELEASE, OPERATION_RELEASE, set_hold },
};

static const struct order *find_order(const char *name)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(orders[i].name, name) == 0)
			return &orders[i];
	return NULL;
}

bool word_is(const char *name)
{
	return strncmp(name, WORD_PREFIX, strlen(WORD_PREFIX)) == 0;
}

bool word_is_order(const char *name)
{
	return find_order(name) != NULL;
}

int word_set(fuse_req_t req, const struct use *use, const char *name, const char *value,
	     size_t size)
{
	const struct order *order = find_order(name);
	struct action action = { .operation = order->operation,
				 .on = { .node = use->node } };
	_cleanup_(freep) char *text = NULL;
	struct stat st;

	if (size > WORD_MAX || memchr(value, '\0', size))
		return -EINVAL;
	if (fstat(use->fd, &st) < 0)
		return -errno;
	text = strndup(value, size);
	if (!text)
		return -ENOMEM;
	target_is(&action.on, &st);
	return order->set(req, use, &action, text);
}

static int get_hold(const struct use *use, void **ret, size_t *ret_length)
{
	char reason[HOLD_REASON_MAX];
	ssize_t length = version_held(use->fd, reason);

	if (length < 0)
		return (int)length;
	*ret = strdup(reason);
	*ret_length = (size_t)length;
	return *ret ? 0 : -ENOMEM;
}

int word_get(fuse_req_t req, const struct use *use, const char *name, void **ret,
	     size_t *ret_length)
{
	(void)req;
	if (strcmp(name, WORD_HOLD) == 0)
		return get_hold(use, ret, ret_length);
	return -ENODATA;
}
