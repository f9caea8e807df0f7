/* SPDX-License-Identifier: Apache-2.0 */
/* Words to the guard about a file. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "config/text.h"

#include "fuse/approvals.h"
#include "fuse/manifest.h"
#include "fuse/util.h"
#include "fuse/version.h"
#include "fuse/word.h"

#define DIGEST_SECONDS 2 /* an order may take for a digest that is not kept */

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

/* The directory in which a node has its name, and that. */
struct location {
	struct node_table *nodes;
	struct node *parent;
	int fd;
	char *name;
};

static void location_fini(struct location *location)
{
	if (location->parent)
		node_fd_put(location->nodes, location->parent, location->fd);
	node_put(location->nodes, location->parent);
	free(location->name);
}

static int locate(fuse_req_t req, const struct use *use, struct location *ret)
{
	struct node *parent = NULL;
	char *name = NULL;
	int r;

	*ret = (struct location){ .nodes = fs_of(req)->nodes, .fd = -1 };
	r = node_name(ret->nodes, use->node, &parent, &name);
	ret->name = name;
	if (r < 0 || !parent) /* the root of the share */
		return r < 0 ? r : -EINVAL;
	ret->fd = node_fd_get(ret->nodes, parent);
	if (ret->fd < 0) {
		node_put(ret->nodes, parent);
		return ret->fd;
	}
	ret->parent = parent;
	return 0;
}

static int set_digest(fuse_req_t req, const struct use *use, struct action *action,
		      const char *text)
{
	_cleanup_(location_fini) struct location location = { 0 };
	int r = fs_allow(req, action);

	(void)text;
	if (r == 0)
		r = locate(req, use, &location);
	if (r < 0)
		return r;
	return digest_jobs_ask(fs_of(req)->digests, location.fd, location.name,
			       action->on.dev, action->on.ino);
}

static int check_patience(void *context, const struct manifest_progress *progress)
{
	struct timespec now;

	(void)progress;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > *(const time_t *)context ? -ETIMEDOUT : 0;
}

/* The digest of a tree, as far as it is kept or soon computed: the kernel holds the
 * inode. */
static int find_digest(fuse_req_t req, const struct use *use, const struct action *action,
		       char hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(location_fini) struct location location = { 0 };
	struct manifest manifest = { 0 };
	struct timespec now;
	const struct manifest_plan plan = { .progress = check_patience,
					    .context = &now.tv_sec,
					    .recall = true };
	int r = locate(req, use, &location);

	if (r < 0)
		return r;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += DIGEST_SECONDS;
	r = manifest_read(location.fd, location.name, &plan, &manifest);
	if (r == 0 && (manifest.entries[0].stat.st_ino != action->on.ino ||
		       manifest.entries[0].stat.st_dev != action->on.dev))
		r = -ESTALE;
	if (r == 0)
		digest_hex(&manifest.digest, hex);
	manifest_fini(&manifest);
	return r;
}

static int keep_approval(fuse_req_t req, const struct use *use, const char *zone,
			 const char *hex, const char *note)
{
	struct approval approval = { .uid = asker_of(req).uid, .when = time(NULL) };
	struct asker asker = asker_of(req);
	struct caller *caller;
	int r = guard_caller(fs_of(req)->guard, &asker, &caller);

	if (r < 0)
		return r;
	if (text_is_name(caller->actor.acct))
		snprintf(approval.name, sizeof(approval.name), "%.39s",
			 caller->actor.acct);
	else
		snprintf(approval.name, sizeof(approval.name), "%u", approval.uid);
	caller_unref(caller);
	snprintf(approval.zone, sizeof(approval.zone), "%s", zone);
	snprintf(approval.hex, sizeof(approval.hex), "%s", hex);
	snprintf(approval.note, sizeof(approval.note), "%s", note);
	return approvals_add(use->fd, &approval);
}

/* Who approves must be able to read it, and says what: the digest that they have seen. */
static int approve(fuse_req_t req, const struct use *use, struct action *action,
		   const char *hex)
{
	struct action reads = { .operation = OPERATION_ACCESS_READ, .on = action->on };
	char found[DIGEST_HEX_SIZE];
	int r;

	reads.on.zone = NULL;
	r = fs_allow(req, &reads);
	if (r == 0)
		r = find_digest(req, use, action, found);
	if (r == -ETIMEDOUT || r == -EBUSY)
		return fs_refuse(req, action, EAGAIN,
				 r == -EBUSY ? "it is being changed"
					     : "its digest is not known yet");
	if (r < 0)
		return r;
	if (strcmp(found, hex) != 0)
		return fs_refuse(req, action, ESTALE, "it has another digest by now");
	action->digest = found;
	r = fs_allow(req, action);
	if (r < 0)
		return r;
	return fs_settle(req, action,
			 keep_approval(req, use, action->on.zone, found, action->reason));
}

/* "HEX NOTE" */
static int set_approve(fuse_req_t req, const struct use *use, struct action *action,
		       const char *text)
{
	char hex[DIGEST_HEX_SIZE], zone[PLACE_NAME_MAX];
	struct asker asker = asker_of(req);
	struct digest digest;

	if (strlen(text) < DIGEST_HEX_SIZE || text[DIGEST_HEX_SIZE - 1] != ' ' ||
	    !digest_parse(text, &digest) || check_reason(text) < 0 ||
	    strlen(text) - DIGEST_HEX_SIZE >= APPROVAL_NOTE_MAX)
		return -EINVAL;
	memcpy(hex, text, DIGEST_HEX_SIZE - 1);
	hex[DIGEST_HEX_SIZE - 1] = '\0';
	action->reason = text + DIGEST_HEX_SIZE;
	if (!guard_approval_zone(fs_of(req)->guard, &asker, use->node, zone))
		return fs_refuse(req, action, EOPNOTSUPP,
				 "from here nothing is promoted that takes approvals");
	action->on.zone = zone;
	return approve(req, use, action, hex);
}

static int set_unapprove(fuse_req_t req, const struct use *use, struct action *action,
			 const char *text)
{
	struct asker asker = asker_of(req);
	char zone[PLACE_NAME_MAX];
	int r = check_reason(text);

	if (r < 0)
		return r;
	action->reason = text;
	if (!guard_approval_zone(fs_of(req)->guard, &asker, use->node, zone))
		return fs_refuse(req, action, EOPNOTSUPP,
				 "from here nothing is promoted that takes approvals");
	action->on.zone = zone;
	r = fs_allow(req, action);
	if (r < 0)
		return r;
	return fs_settle(req, action, approvals_remove(use->fd, asker.uid, zone));
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
	{ WORD_DIGEST, OPERATION_ACCESS_READ, set_digest },
	{ WORD_APPROVE, OPERATION_APPROVE, set_approve },
	{ WORD_UNAPPROVE, OPERATION_UNAPPROVE, set_unapprove },
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

static int get_hold(fuse_req_t req, const struct use *use, void **ret, size_t *ret_length)
{
	char reason[HOLD_REASON_MAX];
	ssize_t length = version_held(use->fd, reason);

	(void)req;
	if (length < 0)
		return (int)length;
	*ret = strdup(reason);
	*ret_length = (size_t)length;
	return *ret ? 0 : -ENOMEM;
}

/* Takes the document. */
static int answer(json_t *document, void **ret, size_t *ret_length)
{
	char *text = json_dumps(document, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(document);
	if (!text)
		return -ENOMEM;
	*ret = text;
	*ret_length = strlen(text);
	return 0;
}

static int get_digest(fuse_req_t req, const struct use *use, void **ret,
		      size_t *ret_length)
{
	static const char *const states[] = { "waits", "runs", "done", "failed" };
	struct digest_report report;
	struct stat st;
	int r;

	if (fstat(use->fd, &st) < 0)
		return -errno;
	r = digest_jobs_tell(fs_of(req)->digests, st.st_dev, st.st_ino, &report);
	if (r < 0)
		return r;
	return answer(json_pack("{s:s, s:I, s:I, s:i, s:s}", "state",
				states[report.state], "bytes", (json_int_t)report.n_bytes,
				"total", (json_int_t)report.n_bytes_total, "errno",
				report.error, "digest", report.hex),
		      ret, ret_length);
}

static int get_approvals(fuse_req_t req, const struct use *use, void **ret,
			 size_t *ret_length)
{
	json_t *list = json_array();
	struct approvals approvals;
	int r = approvals_read(use->fd, &approvals);

	(void)req;
	for (size_t i = 0; r == 0 && i < approvals.n_items; i++) {
		const struct approval *item = &approvals.items[i];
		json_t *note = json_string(item->note); /* not if it is no UTF-8 */

		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:I, s:s, s:s, s:o}", "name",
						item->name, "uid", (json_int_t)item->uid,
						"time", (json_int_t)item->when, "zone",
						item->zone, "digest", item->hex, "note",
						note ? note : json_string("?")));
	}
	if (r < 0) {
		json_decref(list);
		return r;
	}
	return answer(list, ret, ret_length);
}

static int get_refusal(fuse_req_t req, const struct use *use, void **ret,
		       size_t *ret_length)
{
	char reason[PROMOTION_REASON_MAX];
	struct stat st;

	if (fstat(use->fd, &st) < 0)
		return -errno;
	if (!refusals_find(&fs_of(req)->refusals, asker_of(req).uid, st.st_dev, st.st_ino,
			   reason))
		return -ENODATA;
	*ret = strdup(reason);
	*ret_length = strlen(reason);
	return *ret ? 0 : -ENOMEM;
}

int word_get(fuse_req_t req, const struct use *use, const char *name, void **ret,
	     size_t *ret_length)
{
	static const struct {
		const char *name;
		int (*get)(fuse_req_t req, const struct use *use, void **ret,
			   size_t *ret_length);
	} questions[] = {
		{ WORD_HOLD, get_hold },
		{ WORD_DIGEST, get_digest },
		{ WORD_APPROVALS, get_approvals },
		{ WORD_PROMOTE, get_refusal },
	};

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (strcmp(questions[i].name, name) == 0)
			return questions[i].get(req, use, ret, ret_length);
	return -ENODATA;
}
