/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "config/identity.h"

#include "fuse/caller.h"
#include "fuse/program.h"
#include "fuse/moment.h"
#include "fuse/util.h"

#define CALLER_SLOTS   256 /* direct-mapped: a clash costs one more look at /proc */
#define CALLER_LIFE_NS 1000000000L /* DESIGN, identity: at most 1 s */
#define NAME_SLOTS     64
#define NAME_LIFE_S    60

/* NGROUPS_MAX (65,536) decimal ids and the rest of the file. */
#define STATUS_BYTES_MAX (65536 * 11 + 8192)

struct caller_slot {
	struct asker asker;
	struct timespec read_at;
	struct caller *caller;
};

struct name_slot {
	uid_t uid;
	time_t read_at;
	char acct[64];
};

struct caller_cache {
	pthread_mutex_t lock; /* of the slots; never held while /proc or NSS is asked */
	struct caller_slot slots[CALLER_SLOTS];
	struct name_slot names[NAME_SLOTS];
};

int caller_cache_new(struct caller_cache **ret)
{
	struct caller_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	pthread_mutex_init(&cache->lock, NULL);
	*ret = cache;
	return 0;
}

struct caller_cache *caller_cache_free(struct caller_cache *cache)
{
	if (!cache)
		return NULL;
	for (size_t i = 0; i < CALLER_SLOTS; i++)
		caller_unref(cache->slots[i].caller);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
	return NULL;
}

struct caller *caller_ref(struct caller *caller)
{
	__atomic_add_fetch(&caller->n_refs, 1, __ATOMIC_RELAXED);
	return caller;
}

struct caller *caller_unref(struct caller *caller)
{
	if (caller && __atomic_sub_fetch(&caller->n_refs, 1, __ATOMIC_ACQ_REL) == 0) {
		free(caller->groups);
		free(caller->exe);
		free(caller);
	}
	return NULL;
}

/* Reads a small file of a process whole. Returns its length (NUL-terminated), or -errno.
 */
static ssize_t read_proc(pid_t pid, const char *name, char *buffer, size_t size)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	size_t length = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = RET_ERRNO(open(path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n = RET_ERRNO(read(fd, buffer + length, size - 1 - length));

		if (n < 0)
			return n;
		if (n == 0)
			break;
		length += (size_t)n;
		if (length == size - 1)
			return -E2BIG;
	}
	buffer[length] = '\0';
	return (ssize_t)length;
}

/* The values of a line of /proc/PID/status: what follows "\nKey:". */
static const char *status_values(const char *status, const char *key)
{
	const char *found = strstr(status, key);

	return found ? found + strlen(key) : NULL;
}

static bool parse_id(const char **text, uint32_t *ret)
{
	unsigned long value;
	char *end;

	while (**text == '\t' || **text == ' ')
		(*text)++;
	if (**text < '0' || **text > '9')
		return false;
	value = strtoul(*text, &end, 10);
	if (value > UINT32_MAX)
		return false;
	*text = end;
	*ret = (uint32_t)value;
	return true;
}

/* The fourth of "Uid:" and "Gid:" is the file-system id (proc(5)): what the request
 * carries. If they differ, the thread has changed, or its number belongs to another by
 * now. */
static bool status_agrees(const char *status, const char *key, uint32_t expected)
{
	const char *values = status_values(status, key);
	uint32_t id = 0;

	if (!values)
		return false;
	for (int i = 0; i < 4; i++)
		if (!parse_id(&values, &id))
			return false;
	return id == expected;
}

static int parse_groups(const char *status, struct caller *caller)
{
	const char *values = status_values(status, "\nGroups:");
	size_t n = 0, n_max = 0;
	uint32_t gid;

	if (!values)
		return -EINVAL;
	while (parse_id(&values, &gid)) {
		if (n == n_max) {
			gid_t *grown;

			n_max = n_max ? n_max * 2 : 16;
			grown = reallocarray(caller->groups, n_max, sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			caller->groups = grown;
		}
		caller->groups[n++] = gid;
	}
	/* The line ends in a blank and a newline; anything else was not understood. */
	while (*values == ' ' || *values == '\t')
		values++;
	if (*values != '\n')
		return -EINVAL;
	caller->subject.groups = caller->groups;
	caller->subject.n_groups = n;
	return 0;
}

/* Capabilities are of the process's user namespace; ours is the one that the source's
 * owners are in. Most have none, and then nothing is looked up. */
static bool is_in_our_user_namespace(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static void parse_capabilities(const char *status, struct caller *caller, pid_t pid)
{
	const char *values = status_values(status, "\nCapEff:");
	uint64_t capabilities = values ? strtoull(values, NULL, 16) : 0;

	if (capabilities != 0 && is_in_our_user_namespace(pid))
		caller->capabilities = capabilities;
}

static int read_status(struct caller *caller, const struct asker *asker,
		       bool with_capabilities)
{
	_cleanup_(freep) char *large = NULL;
	char small[4096];
	char *status = small;
	ssize_t n = read_proc(asker->pid, "status", small, sizeof(small));

	if (n == -E2BIG) { /* very many groups */
		large = malloc(STATUS_BYTES_MAX);
		if (!large)
			return -ENOMEM;
		status = large;
		n = read_proc(asker->pid, "status", large, STATUS_BYTES_MAX);
	}
	if (n < 0)
		return (int)n;
	/* The first line is "Name:", and a name cannot hold a newline there (proc(5)). */
	if (!status_agrees(status, "\nUid:", asker->uid) ||
	    !status_agrees(status, "\nGid:", asker->gid))
		return -ESRCH;
	if (with_capabilities)
		parse_capabilities(status, caller, asker->pid);
	return parse_groups(status, caller);
}

static void read_program(struct caller *caller, pid_t pid)
{
	char buffer[PATH_MAX], path[64];
	ssize_t n;

	n = read_proc(pid, "comm", caller->comm, sizeof(caller->comm));
	if (n == -E2BIG) /* exactly 16 bytes with the newline */
		n = sizeof(caller->comm) - 1;
	if (n > 0) {
		caller->comm[n - 1] = '\0';
		caller->actor.comm = caller->comm;
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, buffer, sizeof(buffer));
	if (n > 0)
		caller->exe = strndup(buffer, (size_t)n);
	caller->actor.exe = caller->exe;
	if (read_proc(pid, "loginuid", buffer, 32) > 0)
		caller->actor.login_uid = (uid_t)strtoul(buffer, NULL, 10);
}

static void read_unit(struct caller *caller, pid_t pid)
{
	char text[4096];

	if (read_proc(pid, "cgroup", text, sizeof(text)) >= 0 &&
	    program_unit(text, caller->unit, sizeof(caller->unit)))
		caller->subject.unit = caller->unit;
}

static void read_limits(struct caller *caller, const struct policy *policy)
{
	caller->limited = policy_asks_program(policy, &caller->subject);
	if (!caller->limited || !caller->complete)
		return;
	if (caller->exe && program_is_here(caller->actor.pid, caller->exe))
		caller->subject.exe = caller->exe;
	read_unit(caller, caller->actor.pid);
}

/* groups-from = database: what NSS says now replaces what the process holds. */
static void read_database(struct caller *caller)
{
	gid_t primary;

	free(caller->groups);
	caller->groups = NULL;
	caller->subject.groups = NULL;
	caller->subject.n_groups = 0;
	if (identity_groups(caller->subject.uid, &primary, &caller->groups,
			    &caller->subject.n_groups) == 0) {
		caller->subject.gid = primary;
		caller->subject.groups = caller->groups;
	}
}

static void read_name(struct caller_cache *cache, struct caller *caller)
{
	uid_t uid = caller->subject.uid;
	struct name_slot *slot = &cache->names[uid % NAME_SLOTS];
	time_t now = time(NULL);
	bool known;

	caller->actor.acct = caller->acct;
	pthread_mutex_lock(&cache->lock);
	known = slot->acct[0] && slot->uid == uid && now - slot->read_at < NAME_LIFE_S;
	if (known)
		memcpy(caller->acct, slot->acct, sizeof(caller->acct));
	pthread_mutex_unlock(&cache->lock);
	if (known)
		return;

	identity_user_name(uid, caller->acct, sizeof(caller->acct));
	pthread_mutex_lock(&cache->lock);
	slot->uid = uid;
	slot->read_at = now;
	memcpy(slot->acct, caller->acct, sizeof(slot->acct));
	pthread_mutex_unlock(&cache->lock);
}

/* Our own want of descriptors or memory says nothing about the caller: the request fails.
 */
static bool is_our_failure(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* By the grants that count now, to the second, whoever else is late. */
static void find_roles(const struct caller *caller, const struct policy_snapshot *policy,
		       struct role_set *ret)
{
	struct subject subject = caller->subject;

	subject.grants = policy->grants;
	if (policy->grants->n_items > 0)
		subject.now = moment_now();
	policy_roles(policy->policy, &subject, ret);
}

static bool has_grants(uid_t uid, const struct grants *grants)
{
	for (size_t i = 0; i < grants->n_items; i++)
		if (grants->items[i].user.uid == uid)
			return true;
	return false;
}

static int caller_read(struct caller_cache *cache, const struct asker *asker,
		       const struct policy_snapshot *policy, struct caller **ret)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	int r;

	if (!caller)
		return -ENOMEM;
	caller->n_refs = 1;
	caller->subject = (struct subject){ .uid = asker->uid, .gid = asker->gid };
	caller->actor = (struct actor){
		.uid = asker->uid,
		.gid = asker->gid,
		.pid = asker->pid,
		.login_uid = (uid_t)-1,
	};
	if (asker->pid > 0) {
		r = read_status(caller, asker, policy->policy->has_owner_modes);
		if (is_our_failure(r)) {
			caller_unref(caller);
			return r;
		}
		caller->complete = r == 0;
		if (caller->complete)
			read_program(caller, asker->pid);
	}
	if (!caller->complete) { /* the least: nothing that was half-read counts */
		caller->subject.groups = NULL;
		caller->subject.n_groups = 0;
		caller->capabilities = 0;
	}
	if (caller->complete && policy->policy->groups_from == GROUPS_FROM_DATABASE)
		read_database(caller);
	read_limits(caller, policy->policy);
	read_name(cache, caller);
	caller->generation = policy->generation;
	caller->has_grants = has_grants(caller->subject.uid, policy->grants);
	find_roles(caller, policy, &caller->roles);
	*ret = caller;
	return 0;
}

static bool slot_is_fresh(const struct caller_slot *slot, const struct asker *asker,
			  uint64_t generation, const struct timespec *now)
{
	long age_ns;

	/* It may be another program by now, or have been moved. */
	if (!slot->caller || slot->caller->limited || slot->asker.pid != asker->pid ||
	    slot->asker.uid != asker->uid || slot->asker.gid != asker->gid ||
	    slot->caller->generation != generation ||
	    now->tv_sec - slot->read_at.tv_sec > 1)
		return false;
	age_ns = (now->tv_sec - slot->read_at.tv_sec) * 1000000000L + now->tv_nsec -
		 slot->read_at.tv_nsec;
	return age_ns >= 0 && age_ns < CALLER_LIFE_NS;
}

/* execve(2) keeps a thread's number and ids. A process that has ended is the one that was
 * read. */
static bool still_same_program(const struct caller *caller)
{
	char exe[PATH_MAX], path[64];
	ssize_t n;

	if (!caller->complete)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", caller->actor.pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return true;
	exe[n] = '\0';
	return caller->exe && strcmp(exe, caller->exe) == 0;
}

static struct caller_slot *slot_of(struct caller_cache *cache, const struct asker *asker)
{
	return &cache->slots[((unsigned)asker->pid ^ asker->uid * 31) % CALLER_SLOTS];
}

/* A reference to a caller that is known and fresh, or NULL. */
static struct caller *find_fresh(struct caller_cache *cache, const struct asker *asker,
				 uint64_t generation)
{
	struct caller_slot *slot = slot_of(cache, asker);
	struct caller *caller = NULL;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	pthread_mutex_lock(&cache->lock);
	if (slot_is_fresh(slot, asker, generation, &now))
		caller = caller_ref(slot->caller);
	pthread_mutex_unlock(&cache->lock);
	return caller;
}

static int read_and_keep(struct caller_cache *cache, const struct asker *asker,
			 const struct policy_snapshot *policy, struct caller **ret)
{
	struct caller_slot *slot = slot_of(cache, asker);
	struct caller *caller, *replaced;
	struct timespec now;
	int r;

	/* Its life begins before it is read, not after. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	r = caller_read(cache, asker, policy, &caller);
	if (r < 0)
		return r;
	pthread_mutex_lock(&cache->lock);
	replaced = slot->caller;
	*slot = (struct caller_slot){ *asker, now, caller_ref(caller) };
	pthread_mutex_unlock(&cache->lock);
	caller_unref(replaced);
	*ret = caller;
	return 0;
}

int caller_get(struct caller_cache *cache, const struct asker *asker,
	       const struct policy_snapshot *policy, struct caller **ret)
{
	struct caller *caller = find_fresh(cache, asker, policy->generation);

	if (!caller)
		return read_and_keep(cache, asker, policy, ret);
	*ret = caller;
	return 0;
}

int caller_get_for_record(struct caller_cache *cache, const struct asker *asker,
			  const struct policy_snapshot *policy, struct caller **ret)
{
	struct caller *caller = find_fresh(cache, asker, policy->generation);

	if (caller && still_same_program(caller)) {
		*ret = caller;
		return 0;
	}
	caller_unref(caller);
	return read_and_keep(cache, asker, policy, ret);
}

void caller_roles(const struct caller *caller, const struct policy_snapshot *policy,
		  struct role_set *ret)
{
	if (caller->generation == policy->generation && !caller->has_grants)
		*ret = caller->roles;
	else
		find_roles(caller, policy, ret);
}
