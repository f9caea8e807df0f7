/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests made of input bytes. */
#include <stddef.h>
#include <unistd.h>

#include "tests/fuzz/fake-request.h"

/* What may be asked for at once. The kernel's bounds are the negotiated max_pages (READ,
 * READDIR) and 64 KiB (xattrs); 32 KiB here, because splice(2) cuts what is longer into
 * several packets, which a device does not do. */
#define ASKED_MAX (32 << 10)

#define STATX 52 /* FUSE_STATX: newer than Debian 12's header */

struct shape {
	uint32_t opcode;
	size_t fixed;	  /* bytes of the structure */
	unsigned n_names; /* NUL-terminated, behind it */
	int fh, node;	  /* where in it, -1: nowhere */
	int asked;	  /* where it says how long the answer may be, -1: nowhere */
	int told;	  /* where it says how many bytes follow, -1: nowhere */
};

#define NOWHERE		 -1
#define AT(type, member) ((int)offsetof(struct type, member))
#define NAMES(opcode, n)                                         \
	{                                                        \
		opcode, 0, n, NOWHERE, NOWHERE, NOWHERE, NOWHERE \
	}
#define BODY(opcode, type, n)                                                      \
	{                                                                          \
		opcode, sizeof(struct type), n, NOWHERE, NOWHERE, NOWHERE, NOWHERE \
	}
#define OF_NODE(opcode, type, n, node)                                            \
	{                                                                         \
		opcode, sizeof(struct type), n, NOWHERE, AT(type, node), NOWHERE, \
			NOWHERE                                                   \
	}
#define OF_HANDLE(opcode, type)                                                         \
	{                                                                               \
		opcode, sizeof(struct type), 0, AT(type, fh), NOWHERE, NOWHERE, NOWHERE \
	}
#define READS(opcode)                                               \
	{                                                           \
		opcode, sizeof(struct fuse_read_in), 0, 0, NOWHERE, \
			AT(fuse_read_in, size), NOWHERE             \
	}

/* clang-format off */
static const struct shape shapes[] = {
	NAMES(FUSE_LOOKUP, 1),
	NAMES(FUSE_LOOKUP, 1), /* twice: nothing is reached without it */
	BODY(FUSE_FORGET, fuse_forget_in, 0),
	OF_HANDLE(FUSE_GETATTR, fuse_getattr_in),
	OF_HANDLE(FUSE_SETATTR, fuse_setattr_in),
	NAMES(FUSE_READLINK, 0),
	NAMES(FUSE_SYMLINK, 2),
	BODY(FUSE_MKNOD, fuse_mknod_in, 1),
	BODY(FUSE_MKDIR, fuse_mkdir_in, 1),
	NAMES(FUSE_UNLINK, 1),
	NAMES(FUSE_RMDIR, 1),
	OF_NODE(FUSE_RENAME, fuse_rename_in, 2, newdir),
	OF_NODE(FUSE_RENAME2, fuse_rename2_in, 2, newdir),
	OF_NODE(FUSE_LINK, fuse_link_in, 1, oldnodeid),
	BODY(FUSE_OPEN, fuse_open_in, 0),
	BODY(FUSE_OPENDIR, fuse_open_in, 0),
	BODY(FUSE_CREATE, fuse_create_in, 1),
	BODY(FUSE_TMPFILE, fuse_create_in, 1),
	READS(FUSE_READ),
	READS(FUSE_READDIR),
	READS(FUSE_READDIRPLUS),
	{ FUSE_WRITE, sizeof(struct fuse_write_in), 0, AT(fuse_write_in, fh), NOWHERE,
	  NOWHERE, AT(fuse_write_in, size) },
	NAMES(FUSE_STATFS, 0),
	OF_HANDLE(FUSE_RELEASE, fuse_release_in),
	OF_HANDLE(FUSE_RELEASEDIR, fuse_release_in),
	OF_HANDLE(FUSE_FSYNC, fuse_fsync_in),
	OF_HANDLE(FUSE_FSYNCDIR, fuse_fsync_in),
	OF_HANDLE(FUSE_FLUSH, fuse_flush_in),
	{ FUSE_SETXATTR, FUSE_COMPAT_SETXATTR_IN_SIZE, 1, NOWHERE, NOWHERE, NOWHERE, 0 },
	{ FUSE_GETXATTR, sizeof(struct fuse_getxattr_in), 1, NOWHERE, NOWHERE, 0, NOWHERE },
	{ FUSE_LISTXATTR, sizeof(struct fuse_getxattr_in), 0, NOWHERE, NOWHERE, 0,
	  NOWHERE },
	NAMES(FUSE_REMOVEXATTR, 1),
	BODY(FUSE_ACCESS, fuse_access_in, 0),
	{ FUSE_IOCTL, sizeof(struct fuse_ioctl_in), 0, AT(fuse_ioctl_in, fh), NOWHERE,
	  AT(fuse_ioctl_in, out_size), AT(fuse_ioctl_in, in_size) },
	OF_HANDLE(FUSE_FALLOCATE, fuse_fallocate_in),
	OF_HANDLE(FUSE_LSEEK, fuse_lseek_in),
	{ FUSE_COPY_FILE_RANGE, sizeof(struct fuse_copy_file_range_in), 0,
	  AT(fuse_copy_file_range_in, fh_in), AT(fuse_copy_file_range_in, nodeid_out),
	  NOWHERE, NOWHERE },
	{ FUSE_BATCH_FORGET, sizeof(struct fuse_batch_forget_in), 0, NOWHERE, NOWHERE,
	  NOWHERE, 0 },
	{ STATX, 24, 0, 8, NOWHERE, NOWHERE, NOWHERE },
	BODY(FUSE_INTERRUPT, fuse_interrupt_in, 0),
	OF_HANDLE(FUSE_GETLK, fuse_lk_in),
	OF_HANDLE(FUSE_SETLK, fuse_lk_in),
	OF_HANDLE(FUSE_SETLKW, fuse_lk_in),
	OF_HANDLE(FUSE_POLL, fuse_poll_in),
	BODY(FUSE_BMAP, fuse_bmap_in, 0),
	BODY(FUSE_INIT, fuse_init_in, 0),
};
/* clang-format on */
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static const char *const names[] = {
	"model",
	"dir",
	"sub",
	"locked",
	"x",
	"open",
	"own",
	"link",
	"fifo",
	"new",
	"second",
	".",
	"..",
	"",
	"/",
	"../outside/secret",
	"a/b",
	"new2",
	"user.a",
	"user.b",
	"trusted.overlay.opaque",
	"security.capability",
	"system.posix_acl_access",
	"system.posix_acl_default",
	"../outside",
	"x,res=success'",
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

static void append(struct request *request, const void *bytes, size_t n)
{
	FUZZ_CHECK(request->size + n <= sizeof(request->bytes));
	if (n > 0)
		memcpy(request->bytes + request->size, bytes, n);
	request->size += n;
}

/* A number that an answer has told, or any: of the input's own making. */
static uint64_t choose(struct bytes *bytes, const struct known *known)
{
	uint8_t choice = bytes_u8(bytes);

	if (known->n > 0 && choice < 240)
		return known->items[choice % known->n];
	return choice < 250 ? choice - 240u : bytes_u64(bytes);
}

static void append_name(struct request *request, struct bytes *bytes)
{
	uint8_t choice = bytes_u8(bytes);
	const char *name = names[choice % N_NAMES];
	size_t n = strlen(name);

	if (choice >= 224) { /* any name but NUL; long ones are one letter */
		name = (const char *)bytes_take(bytes, bytes_u8(bytes), &n);
		n = strnlen(name, n);
	}
	append(request, name, n);
	for (unsigned i = 0; choice >= 250 && i < (choice - 249u) * 100; i++)
		append(request, "n", 1);
	append(request, "", 1);
}

static void make_header(struct request *request, uint64_t unique, struct bytes *bytes,
			const struct known *nodes)
{
	static const struct {
		uint32_t uid, gid;
		bool is_us;
	} askers[] = {
		{ 0, 0, false }, { 1, 1, false },    { 1000, 1000, false },
		{ 0, 0, true },	 { 1000, 1, false }, { 65534, 65534, true },
	};
	unsigned asker = bytes_u8(bytes);
	struct fuse_in_header *header = &request->header;

	*header = (struct fuse_in_header){
		.unique = unique,
		.uid = askers[asker % 6].uid,
		.gid = askers[asker % 6].gid,
		.pid = askers[asker % 6].is_us ? (uint32_t)getpid() : asker / 250,
	};
	header->nodeid = choose(bytes, nodes);
	request->size = sizeof(*header);
}

static uint32_t get_u32(const struct request *request, int at)
{
	uint32_t value;

	memcpy(&value, request->bytes + sizeof(struct fuse_in_header) + at,
	       sizeof(value));
	return value;
}

static void set(struct request *request, int at, const void *value, size_t size)
{
	memcpy(request->bytes + sizeof(struct fuse_in_header) + at, value, size);
}

/* Not more is said to follow than does. */
static void append_data(struct request *request, const struct shape *shape,
			struct bytes *bytes)
{
	size_t each =
		shape->opcode == FUSE_BATCH_FORGET ? sizeof(struct fuse_forget_one) : 1;
	const uint8_t *data;
	uint32_t told;
	size_t n;

	if (shape->told == NOWHERE)
		return;
	data = bytes_take(bytes, bytes_u8(bytes), &n);
	append(request, data, n);
	told = get_u32(request, shape->told);
	if (told > n / each) {
		told = (uint32_t)(n / each);
		set(request, shape->told, &told, sizeof(told));
	}
}

static void make_body(const struct shape *shape, struct bytes *bytes,
		      const struct known *nodes, const struct known *handles,
		      struct request *request)
{
	static const uint8_t zeros[256];
	const uint8_t *fixed;
	uint64_t number;
	uint32_t asked;
	size_t n;

	fixed = bytes_take(
		bytes, shape->fixed ? bytes_below(bytes, (unsigned)shape->fixed + 1) : 0,
		&n);
	append(request, fixed, n);
	append(request, zeros, shape->fixed - n);
	if (shape->fh != NOWHERE) {
		number = choose(bytes, handles);
		set(request, shape->fh, &number, sizeof(number));
	}
	if (shape->node != NOWHERE) {
		number = choose(bytes, nodes);
		set(request, shape->node, &number, sizeof(number));
	}
	if (shape->opcode == FUSE_COPY_FILE_RANGE) {
		number = choose(bytes, handles);
		set(request, AT(fuse_copy_file_range_in, fh_out), &number,
		    sizeof(number));
	}
	if (shape->asked != NOWHERE) {
		asked = get_u32(request, shape->asked) % (ASKED_MAX + 1);
		set(request, shape->asked, &asked, sizeof(asked));
	}
	for (unsigned i = 0; i < shape->n_names; i++)
		append_name(request, bytes);
	append_data(request, shape, bytes);
}

/* An opcode that nobody knows: the numbers between and beyond the known ones. */
static void make_unknown(struct bytes *bytes, struct request *request)
{
	uint32_t opcode = 53 + (uint32_t)bytes_u64(bytes) % 4000;
	const uint8_t *body;
	size_t n;

	request->header.opcode = opcode;
	body = bytes_take(bytes, bytes_u8(bytes), &n);
	append(request, body, n);
}

void request_make(struct request *request, uint64_t unique, struct bytes *bytes,
		  const struct known *nodes, const struct known *handles)
{
	unsigned kind = bytes_below(bytes, N_SHAPES + 1);

	make_header(request, unique, bytes, nodes);
	if (kind < N_SHAPES) {
		request->header.opcode = shapes[kind].opcode;
		make_body(&shapes[kind], bytes, nodes, handles, request);
	} else {
		make_unknown(bytes, request);
	}
	request->header.len = (uint32_t)request->size;
}
