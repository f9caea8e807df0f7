/* SPDX-License-Identifier: Apache-2.0 */
/* A small source directory and its neighbour. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fake-share.h"
#include "tests/fuzz/fuzz.h"

static const char policy_text[] =
	"[role worker]\n"
	"groups = 1\n"
	"[role chief]\n"
	"users = 0\n"
	"[zone share]\n"
	"path = /\n"
	"allow everyone = list\n"
	"allow worker = read, create, write, delete\n"
	"allow chief = read, create, write, delete, admin\n"
	"[zone locked]\n"
	"path = /locked\n"
	"allow chief = read\n"
	"[zone open]\n"
	"path = /locked/*/open\n"
	"allow worker = read, delete\n"
	"[zone own]\n"
	"path = /own\n"
	"mapped-writes = refuse\n"
	"allow everyone = read, create, write-own, delete-own\n";

static const char strict_text[] = "[role worker]\n"
				  "groups = 1\n"
				  "[zone share]\n"
				  "path = /\n"
				  "allow worker = read\n"
				  "[zone dir]\n"
				  "path = /dir\n"
				  "allow everyone = read, write\n";

static void put(const char *top, const char *name, const char *text)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	FUZZ_CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		   "%s: %m", path);
	close(fd);
}

static void make_dir(const char *top, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	FUZZ_CHECK(mkdir(path, 0755) == 0, "%s: %m", path);
}

static void make_source(const char *source)
{
	static const char *const dirs[] = { "dir",	"dir/sub",	 "locked",
					    "locked/x", "locked/x/open", "own" };
	int fd;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		make_dir(source, dirs[i]);
	put(source, "model", "a model that is a few bytes long\n");
	put(source, "dir/model", "another\n");
	put(source, "locked/model", "a third\n");
	put(source, "locked/x/open/model", "");
	put(source, "own/model", "mine");
	fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && linkat(fd, "model", fd, "dir/second", 0) == 0, "%m");
	FUZZ_CHECK(symlinkat("../outside/secret", fd, "link") == 0, "%m");
	FUZZ_CHECK(symlinkat("../../outside", fd, "dir/link") == 0, "%m");
	FUZZ_CHECK(mkfifoat(fd, "fifo", 0640) == 0, "%m");
	if (geteuid() == 0)
		FUZZ_CHECK(fchownat(fd, "own/model", 1000, 1000, 0) == 0, "%m");
	close(fd);
}

/* One for the process: where the source was is where the next one will be. */
static const char *base_dir(void)
{
	const char *parent = getenv("TMPDIR");
	static char base[64];

	if (!base[0]) {
		(void)snprintf(base, sizeof(base), "%.40s/mg-fuzz-XXXXXX",
			       parent ? parent : "/tmp");
		FUZZ_CHECK(mkdtemp(base), "%s: %m", base);
	}
	FUZZ_CHECK(mkdir(base, 0700) == 0 || access(base, F_OK) == 0, "%s: %m", base);
	return base;
}

void share_make(struct share *share)
{
	const char *base = base_dir();

	share->is_strict = false;
	(void)snprintf(share->base, sizeof(share->base), "%s", base);
	(void)snprintf(share->source, sizeof(share->source), "%s/source", base);
	(void)snprintf(share->policy, sizeof(share->policy), "%s/policy.ini", base);
	(void)snprintf(share->trail, sizeof(share->trail), "%s/trail.json", base);
	(void)snprintf(share->outside, sizeof(share->outside), "%s/outside", base);
	make_dir(base, "source");
	make_source(share->source);
	put(base, "policy.ini", policy_text);
	make_dir(base, "outside");
	put(share->outside, "secret", SHARE_SECRET);
}

void share_change_policy(struct share *share)
{
	share->is_strict = !share->is_strict;
	FUZZ_CHECK(unlink(share->policy) == 0, "%m");
	put(share->base, "policy.ini", share->is_strict ? strict_text : policy_text);
}

static unsigned count_names(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	FUZZ_CHECK(dir, "%s: %m", path);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Nothing was added, changed, or given other attributes. */
static void check_outside(const struct share *share)
{
	char path[128], text[64] = "";
	struct stat st;
	int fd;

	FUZZ_CHECK(count_names(share->outside) == 3);
	FUZZ_CHECK(count_names(share->base) == 6); /* ".", "..", and four of ours */
	FUZZ_CHECK(stat(share->outside, &st) == 0 && (st.st_mode & 07777) == 0755 &&
		   st.st_uid == geteuid());
	(void)snprintf(path, sizeof(path), "%s/secret", share->outside);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0, "%s: %m", path);
	FUZZ_CHECK((st.st_mode & 07777) == 0640 && st.st_uid == geteuid() &&
		   st.st_nlink == 1);
	FUZZ_CHECK(read(fd, text, sizeof(text)) == (ssize_t)strlen(SHARE_SECRET) &&
		   strcmp(text, SHARE_SECRET) == 0);
	close(fd);
}

static void check_trail(const char *path)
{
	FILE *trail = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	json_t *object;

	FUZZ_CHECK(trail, "%s: %m", path);
	while (getline(&line, &size, trail) > 0) {
		object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		FUZZ_CHECK(json_is_object(object) && json_object_get(object, "op"), "%s",
			   line);
		json_decref(object);
	}
	free(line);
	(void)fclose(trail);
}

void share_check(const struct share *share)
{
	check_outside(share);
	check_trail(share->trail);
}

/* An immutable or append-only inode stays. */
static void clear_flags(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int flags = 0;

	if (fd >= 0) {
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
		close(fd);
	}
}

static void remove_tree(int parent, const char *name)
{
	int fd;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	FUZZ_CHECK(fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s: %m", name);
	FUZZ_CHECK(!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode), "%s is a device", name);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		clear_flags(parent, name);
	if (!S_ISDIR(st.st_mode)) {
		FUZZ_CHECK(unlinkat(parent, name, 0) == 0, "%s: %m", name);
		return;
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fdopendir(fd);
	FUZZ_CHECK(dir, "%s: %m", name);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name);
	}
	closedir(dir);
	FUZZ_CHECK(unlinkat(parent, name, AT_REMOVEDIR) == 0, "%s: %m", name);
}

void share_remove(const struct share *share)
{
	remove_tree(AT_FDCWD, share->base);
}
