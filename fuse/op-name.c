/* SPDX-License-Identifier: Apache-2.0 */
/* Names and what they lead to. */
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"

/* Decided before it is looked for: who may not list a name does not learn whether it is
 * there. */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	_cleanup_(fs_unuse) struct use dir = { 0 };
	struct asker asker = asker_of(req);
	struct fuse_entry_param entry;
	struct action action = { .operation = OPERATION_LOOKUP };
	int r;

	r = fs_check_name(name);
	if (r == 0)
		r = fs_use(req, parent, &dir);
	if (r == 0) {
		action.on = (struct target){ .dir = dir.node, .name = name };
		r = fs_allow(req, &action);
	}
	if (r == 0)
		r = fs_settle(req, &action,
			      fs_entry_held(req, &dir, name, action.on.place, &entry));
	if (r == 0 && !S_ISDIR(entry.attr.st_mode))
		habit_looks(&fs_of(req)->habits, asker.pid);
	if (r == -EACCES && fs_kernel_drops(req, &dir, &action.on))
		guard_expect_second_look(fs_of(req)->guard, &asker, dir.node, name);
	if (r == -ENOENT && action.on.place &&
	    fs_cache_absent(fs_of(req), dir.node, action.on.place, &entry))
		r = 0;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fs_reply_entry(req, &entry);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n_lookups)
{
	node_forget(fs_of(req)->nodes, ino, n_lookups);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		node_forget(fs_of(req)->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	_cleanup_(fs_unuse) struct use link = { 0 };
	char target[PATH_MAX + 1];
	ssize_t length = 0;
	int r;

	r = fs_use(req, ino, &link);
	if (r == 0)
		r = fs_allow(req, &(struct action){ .operation = OPERATION_READLINK,
						    .on = { .node = link.node } });
	if (r == 0) {
		length = readlinkat(link.fd, "", target, sizeof(target) - 1);
		if (length < 0)
			r = -errno;
	}
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	target[length] = '\0';
	fuse_reply_readlink(req, target);
}

/* Which questions a mask of access(2) puts. */
static int ask_access(fuse_req_t req, const struct use *use, struct action *action,
		      mode_t mode, int mask)
{
	static const struct {
		int bit;
		enum operation of_file, of_dir;
	} questions[] = {
		{ R_OK, OPERATION_ACCESS_READ, OPERATION_READDIR },
		{ W_OK, OPERATION_ACCESS_WRITE, OPERATION_ACCESS_CHANGE_DIR },
		{ X_OK, OPERATION_ACCESS_READ, OPERATION_CHDIR },
	};
	int r = 0;

	if (mask == F_OK) {
		action->operation = OPERATION_LOOKUP;
		return fs_allow(req, action);
	}
	for (size_t i = 0; r == 0 && i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (!(mask & questions[i].bit))
			continue;
		action->operation =
			S_ISDIR(mode) ? questions[i].of_dir : questions[i].of_file;
		r = fs_allow(req, action);
	}
	if (r == 0 && guard_modes_count(fs_of(req)->guard, use->node))
		return fs_settle(req, action, fs_access(req, use, mask));
	/* Nobody executes a file without an execute bit: that is no question of roles. */
	if (r == 0 && (mask & X_OK) && !S_ISDIR(mode) && !(mode & 0111))
		r = -EACCES;
	return r;
}

void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	_cleanup_(fs_unuse) struct use use = { 0 };
	struct action action = { 0 };
	struct stat st;
	int r;

	r = fs_use(req, ino, &use);
	if (r == 0)
		r = RET_ERRNO(fstat(use.fd, &st));
	if (r == 0) {
		action.on.node = use.node;
		target_is(&action.on, &st);
		r = ask_access(req, &use, &action, st.st_mode, mask);
	}
	fuse_reply_err(req, -r);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	(void)ino;
	if (fstatvfs(fs_of(req)->source.root_fd, &st) < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_statfs(req, &st);
}
