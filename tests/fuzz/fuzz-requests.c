/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests as bytes, through the channel into the daemon's own code, as root on a
 * small source without a mount. The device is one end of a socket pair that keeps the
 * bounds of requests; its ioctl(2)s, for passthrough, are answered here. */
#include <dirent.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/audit.h"
#include "fuse/fs.h"
#include "fuse/log.h"
#include "fuse/policy-store.h"
#include "fuse/util.h"

#include "tests/fuzz/fake-request.h"
#include "tests/fuzz/fake-share.h"
#include "tests/fuzz/fuzz.h"

#define REQUESTS_MAX 64
#define BACKINGS_MAX 128
#define ANSWER_MAX   (1 << 18)
#define FILE_MAX     (1 << 20) /* so that no request fills the memory of a tmpfs */

struct rig {
	struct share share;
	struct filesystem fs;
	struct policy_store *policies;
	struct audit *audit;
	struct fuse_session *session;
	struct fuse_buf buffer; /* what libfuse reads into */
	int peer;		/* the kernel's end of the device */
	uint64_t unique;
	struct known nodes, handles; /* that answers have told */
	unsigned n_descriptors;	     /* of this process, before */
};

/* Of FUSE_DEV_IOC_BACKING_OPEN (linux/fuse.h, 7.40): what is registered, by its id. */
static struct backing {
	int device;
	int32_t last_id;
	bool registered[BACKINGS_MAX];
} backing;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);

/* The linker puts it in the place of the daemon's calls. */
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	uint32_t id;

	if (fd != backing.device)
		return __real_ioctl(fd, request, argument);
	if (_IOC_NR(request) == 1) {
		FUZZ_CHECK(backing.last_id < BACKINGS_MAX - 1);
		backing.registered[++backing.last_id] = true;
		return backing.last_id;
	}
	memcpy(&id, argument, sizeof(id));
	FUZZ_CHECK(id <= (uint32_t)backing.last_id && backing.registered[id], "%u", id);
	backing.registered[id] = false;
	return 0;
}

static void on_ready(struct filesystem *fs)
{
	(void)fs;
}

static void be_silent(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
}

static void build_filesystem(struct rig *rig)
{
	struct filesystem *fs = &rig->fs;
	char *why = NULL, trail[128];

	(void)snprintf(trail, sizeof(trail), "file:%s", rig->share.trail);
	FUZZ_CHECK(policy_store_new(rig->share.policy, &rig->policies) == 0);
	FUZZ_CHECK(audit_new(trail, false, &rig->audit, &why) == 0, "%s", why);
	FUZZ_CHECK(source_init(&fs->source, rig->share.source) == 0);
	FUZZ_CHECK(node_table_new(&fs->source, &fs->nodes) == 0);
	io_table_init(&fs->ios, &fs->channel, fs->nodes);
	FUZZ_CHECK(handle_table_new(fs->nodes, &fs->ios, &fs->handles) == 0);
	FUZZ_CHECK(guard_new(&(struct guard_parts){ .policies = rig->policies,
						    .audit = rig->audit,
						    .nodes = fs->nodes,
						    .mountpoint = "/models" },
			     &fs->guard) == 0);
	fs->on_ready = on_ready;
}

static void build_session(struct rig *rig, bool passthrough)
{
	char *argv[] = { (char *)"modelguard", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct filesystem *fs = &rig->fs;
	int size = 2 * ANSWER_MAX, pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
	rig->peer = pair[1];
	backing = (struct backing){ .device = pair[0] };
	rig->session = fuse_session_new(&args, &filesystem_operations,
					sizeof(filesystem_operations), fs);
	fuse_opt_free_args(&args);
	FUZZ_CHECK(rig->session);
	fs->channel.fd = pair[0];
	fs->channel.want_passthrough = passthrough;
	FUZZ_CHECK(channel_attach(&fs->channel, rig->session) == 0);
}

static bool wants_answer(uint32_t opcode)
{
	return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET;
}

static void learn(struct rig *rig, uint32_t opcode, const uint8_t *body, size_t size)
{
	uint64_t number;

	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		FUZZ_CHECK(size >= sizeof(struct fuse_entry_out), "%zu", size);
		memcpy(&number, body, sizeof(number));
		if (number == 0 && opcode == FUSE_LOOKUP)
			return; /* there is nothing, and that may be kept */
		FUZZ_CHECK(number != 0);
		known_add(&rig->nodes, number);
		if (opcode != FUSE_CREATE && opcode != FUSE_TMPFILE)
			return;
		body += sizeof(struct fuse_entry_out);
		size -= sizeof(struct fuse_entry_out);
		/* fall through */
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		FUZZ_CHECK(size == sizeof(struct fuse_open_out), "%zu", size);
		memcpy(&number, body, sizeof(number));
		known_add(&rig->handles, number);
		return;
	default:
		return;
	}
}

/* Everything that was answered: once, whole, and without what lies outside. */
static void take_answers(struct rig *rig, uint32_t opcode)
{
	static uint8_t answer[ANSWER_MAX];
	struct fuse_out_header header;
	unsigned n_answers = 0;
	ssize_t n;

	while ((n = recv(rig->peer, answer, sizeof(answer), MSG_DONTWAIT)) > 0) {
		FUZZ_CHECK((size_t)n >= sizeof(header), "%zd bytes", n);
		memcpy(&header, answer, sizeof(header));
		FUZZ_CHECK(header.len == (size_t)n, "%u of %zd", header.len, n);
		if (header.unique == 0 && header.error > 0)
			continue; /* a notification: enum fuse_notify_code */
		FUZZ_CHECK(header.error <= 0 && header.error > -512, "%d", header.error);
		FUZZ_CHECK(
			!memmem(answer, (size_t)n, SHARE_SECRET, strlen(SHARE_SECRET)));
		/* An INTERRUPT that came too late is answered with the next request. */
		if (header.unique != rig->unique && header.error == -EAGAIN)
			continue;
		FUZZ_CHECK(header.unique == rig->unique, "%lu",
			   (unsigned long)header.unique);
		n_answers++;
		if (header.error == 0)
			learn(rig, opcode, answer + sizeof(header),
			      (size_t)n - sizeof(header));
	}
	if (opcode == FUSE_INTERRUPT)
		FUZZ_CHECK(n_answers == 0, "%u", n_answers);
	else
		FUZZ_CHECK(n_answers == (wants_answer(opcode) ? 1 : 0),
			   "%u answers to opcode %u", n_answers, opcode);
}

/* As libfuse's worker does it; but the request is moved to where reading beyond its end
 * is seen. */
static void serve(struct rig *rig, const void *request, size_t size)
{
	const struct fuse_in_header *header = request;
	struct fuse_buf exact;
	int n;

	FUZZ_CHECK(send(rig->peer, request, size, 0) == (ssize_t)size, "%m");
	n = fuse_session_receive_buf(rig->session, &rig->buffer);
	FUZZ_CHECK(n == (int)size, "%d of %zu", n, size);
	exact = (struct fuse_buf){ .size = size, .mem = malloc(size) };
	FUZZ_CHECK(exact.mem);
	memcpy(exact.mem, rig->buffer.mem, size);
	fuse_session_process_buf(rig->session, &exact);
	free(exact.mem);
	take_answers(rig, header->opcode);
}

static void serve_plain(struct rig *rig, uint32_t opcode, const void *body, size_t size)
{
	uint8_t request[256];
	struct fuse_in_header header = { .len = (uint32_t)(sizeof(header) + size),
					 .opcode = opcode,
					 .unique = rig->unique += 2,
					 .nodeid = FUSE_ROOT_ID };

	memcpy(request, &header, sizeof(header));
	if (size > 0)
		memcpy(request + sizeof(header), body, size);
	serve(rig, request, sizeof(header) + size);
}

/* Kernel 6.18's, and what the input takes away of it. */
static void initialise(struct rig *rig, uint32_t without)
{
	struct fuse_init_in init = {
		.major = 7,
		.minor = 44,
		.max_readahead = 131072,
		.flags = ~without | FUSE_INIT_EXT,
		.flags2 = UINT32_MAX,
	};

	serve_plain(rig, FUSE_INIT, &init, sizeof(init));
}

/* As on SIGHUP; nobody is answered. */
static void reload(struct rig *rig)
{
	share_change_policy(&rig->share);
	FUZZ_CHECK(guard_reload(rig->fs.guard, NULL) == 0);
	fs_cache_forget(&rig->fs, rig->session);
	take_answers(rig, FUSE_FORGET);
}

static void ask(struct rig *rig, struct bytes *bytes)
{
	static struct request request;

	if (*bytes->next == UINT8_MAX) {
		(void)bytes_u8(bytes);
		reload(rig);
		return;
	}
	rig->unique += 2; /* as the kernel numbers them */
	request_make(&request, rig->unique, bytes, &rig->nodes, &rig->handles);
	serve(rig, request.bytes, request.size);
	/* libfuse keeps an INTERRUPT that it cannot place until the next request, or for
	 * good. */
	if (request.header.opcode == FUSE_INTERRUPT)
		serve_plain(rig, FUSE_STATFS, NULL, 0);
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	FUZZ_CHECK(dir, "%m");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void rig_start(struct rig *rig, struct bytes *bytes)
{
	unsigned how = bytes_u8(bytes);

	*rig = (struct rig){ .fs = { .source.root_fd = -1, .ready_fd = -1 },
			     .unique = 2,
			     .n_descriptors = count_descriptors() };
	share_make(&rig->share);
	build_filesystem(rig);
	fs_cache_init(&rig->fs, how & 4);
	build_session(rig, how & 1);
	known_add(&rig->nodes, FUSE_ROOT_ID);
	initialise(rig, how & 2 ? (uint32_t)bytes_u64(bytes) : 0);
}

static void rig_end(struct rig *rig)
{
	serve_plain(rig, FUSE_DESTROY, NULL, 0);
	rig->fs.handles = handle_table_free(rig->fs.handles);
	io_table_fini(&rig->fs.ios);
	for (int i = 0; i <= backing.last_id; i++)
		FUZZ_CHECK(!backing.registered[i], "%d", i);
	fuse_session_destroy(rig->session); /* closes its end of the device */
	backing.device = -1;
	close(rig->peer);
	guard_free(rig->fs.guard);
	node_table_free(rig->fs.nodes);
	source_fini(&rig->fs.source);
	audit_free(rig->audit);
	policy_store_free(rig->policies);
	free(rig->buffer.mem);
	share_check(&rig->share);
	share_remove(&rig->share);
	FUZZ_CHECK(count_descriptors() == rig->n_descriptors, "not %u",
		   rig->n_descriptors);
}

/* While requests are served: what libFuzzer writes is not bounded. */
static void limit_files(rlim_t size)
{
	struct rlimit limit;

	FUZZ_CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
	FUZZ_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, data + size };
	static struct rig rig;

	fuse_set_log_func(be_silent);
	log_init(false, false);
	(void)signal(SIGXFSZ, SIG_IGN);
	umask(0);
	rig_start(&rig, &bytes);
	limit_files(FILE_MAX);
	for (int i = 0; i < REQUESTS_MAX && bytes_left(&bytes) > 0; i++)
		ask(&rig, &bytes);
	limit_files(RLIM_INFINITY);
	rig_end(&rig);
	return 0;
}
