/* SPDX-License-Identifier: Apache-2.0 */
/* What the digest of a file and of a tree promise. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include <cmocka.h>

#include "fuse/digest-keep.h"
#include "fuse/digest.h"
#include "fuse/manifest.h"
#include "fuse/promoted.h"
#include "fuse/util.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct fixture {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	static struct fixture fixture;

	strcpy(fixture.path, "/tmp/test-digest.XXXXXX");
	if (!mkdtemp(fixture.path))
		return -1;
	fixture.fd = open(fixture.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &fixture;
	return fixture.fd < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	close(f->fd);
	snprintf(command, sizeof(command), "rm -rf -- '%s'", f->path);
	return system(command);
}

static void make_file(struct fixture *f, const char *name, const char *contents)
{
	_cleanup_(closep) int fd =
		openat(f->fd, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, contents, strlen(contents)), strlen(contents));
}

static void make_directory(struct fixture *f, const char *name)
{
	assert_int_equal(mkdirat(f->fd, name, 0700), 0);
}

/* model/{a, b/, b/link -> ../a, b-c, empty/} */
static void make_tree(struct fixture *f)
{
	make_directory(f, "model");
	make_file(f, "model/a", "abc");
	make_directory(f, "model/b");
	make_file(f, "model/b-c", "");
	make_directory(f, "model/empty");
	assert_int_equal(symlinkat("../a", f->fd, "model/b/link"), 0);
}

static int hash_file(struct fixture *f, const char *name, struct digest_meter *meter,
		     struct digest *ret)
{
	_cleanup_(closep) int fd = openat(f->fd, name, O_RDONLY);

	assert_true(fd >= 0);
	return digest_file(fd, meter, ret, NULL);
}

static void assert_hex(const struct digest *digest, const char *expected)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	assert_string_equal(hex, expected);
}

static void the_vectors_of_fips_180_4_come_out(void **state)
{
	static const char million[] =
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
	_cleanup_(freep) char *text = calloc(1, 1000001);
	struct fixture *f = *state;
	struct digest digest;

	make_file(f, "empty", "");
	assert_int_equal(hash_file(f, "empty", NULL, &digest), 0);
	assert_hex(&digest, EMPTY);
	make_file(f, "abc", "abc");
	assert_int_equal(hash_file(f, "abc", NULL, &digest), 0);
	assert_hex(&digest, ABC);
	memset(text, 'a', 1000000);
	make_file(f, "million", text);
	assert_int_equal(hash_file(f, "million", NULL, &digest), 0);
	assert_hex(&digest, million);
	assert_int_equal(digest_bytes(text, 1000000, &digest), 0);
	assert_hex(&digest, million);
}

static void hex_is_read_back_and_only_hex(void **state)
{
	struct digest digest;

	(void)state;
	assert_true(digest_parse(ABC "rest", &digest));
	assert_hex(&digest, ABC);
	assert_false(digest_parse("BA7816BF", &digest));
	assert_false(digest_parse(
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
		&digest));
	assert_false(digest_parse("", &digest));
}

static void only_a_regular_file_has_contents(void **state)
{
	struct fixture *f = *state;
	struct digest digest;

	assert_int_equal(digest_file(f->fd, NULL, &digest, NULL), -EINVAL);
}

/* Writes one byte once hashing has begun. */
struct writer {
	struct digest_meter meter;
	int fd;
};

static void *write_meanwhile(void *data)
{
	struct writer *writer = data;

	while (__atomic_load_n(&writer->meter.n_bytes, __ATOMIC_RELAXED) == 0)
		;
	assert_int_equal(pwrite(writer->fd, "x", 1, 0), 1);
	return NULL;
}

static void *stop_meanwhile(void *data)
{
	struct writer *writer = data;

	while (__atomic_load_n(&writer->meter.n_bytes, __ATOMIC_RELAXED) == 0)
		;
	__atomic_store_n(&writer->meter.stop, true, __ATOMIC_RELAXED);
	return NULL;
}

static int hash_large(struct fixture *f, void *(*meanwhile)(void *))
{
	_cleanup_(closep) int fd = openat(f->fd, "large", O_CREAT | O_RDWR, 0600);
	struct writer writer = { .fd = fd };
	struct digest digest;
	pthread_t thread;
	int r;

	assert_int_equal(ftruncate(fd, 256 << 20), 0);
	assert_int_equal(pthread_create(&thread, NULL, meanwhile, &writer), 0);
	r = digest_file(fd, &writer.meter, &digest, NULL);
	pthread_join(thread, NULL);
	return r;
}

static void a_file_that_changes_meanwhile_has_no_digest(void **state)
{
	assert_int_equal(hash_large(*state, write_meanwhile), -EBUSY);
}

static void hashing_can_be_stopped(void **state)
{
	assert_int_equal(hash_large(*state, stop_meanwhile), -ECANCELED);
}

static void a_tree_is_its_sorted_names_and_contents(void **state)
{
	static const char expected[] =
		"modelguard-tree 1\0"
		"f 3 " ABC " a\0"
		"d 0 - b\0"
		"f 0 " EMPTY " b-c\0"
		"l 4 61b4c98bfb92bdc9391613020e5b8cbf68460066e4af7ef9708da61728f61156 "
		"b/link\0"
		"d 0 - empty";
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	_cleanup_(freep) char *text = NULL;
	struct fixture *f = *state;
	struct digest digest;
	size_t length;

	make_tree(f);
	assert_int_equal(manifest_read(f->fd, "model", NULL, &manifest), 0);
	assert_int_equal(manifest_text(&manifest, &text, &length), 0);
	assert_int_equal(length, sizeof(expected));
	assert_memory_equal(text, expected, length);
	assert_int_equal(digest_bytes(expected, sizeof(expected), &digest), 0);
	assert_true(digest_equal(&manifest.digest, &digest));
	assert_int_equal(manifest.n_bytes, 3);
	assert_int_equal(manifest.n_files, 2);
	assert_int_equal(manifest.type, MANIFEST_DIRECTORY);
}

static struct digest tree_digest(struct fixture *f, unsigned n_threads)
{
	const struct manifest_plan plan = { .n_threads = n_threads };
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };

	assert_int_equal(manifest_read(f->fd, "model", &plan, &manifest), 0);
	return manifest.digest;
}

static void every_byte_and_name_counts_and_the_number_of_threads_does_not(void **state)
{
	struct fixture *f = *state;
	struct digest digest, other;

	make_tree(f);
	digest = tree_digest(f, 1);
	other = tree_digest(f, 7);
	assert_true(digest_equal(&digest, &other));
	make_file(f, "model/b-c", "x");
	other = tree_digest(f, 0);
	assert_false(digest_equal(&digest, &other));
	make_file(f, "model/b-c", "");
	other = tree_digest(f, 0);
	assert_true(digest_equal(&digest, &other));
	assert_int_equal(renameat(f->fd, "model/empty", f->fd, "model/emptx"), 0);
	other = tree_digest(f, 0);
	assert_false(digest_equal(&digest, &other));
}

static void a_file_is_its_contents_whatever_its_name(void **state)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	struct fixture *f = *state;

	make_file(f, "weights", "abc");
	assert_int_equal(manifest_read(f->fd, "weights", NULL, &manifest), 0);
	assert_int_equal(manifest.type, MANIFEST_FILE);
	assert_hex(&manifest.digest, ABC);
}

static void a_link_is_its_target_and_is_not_followed(void **state)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	struct fixture *f = *state;

	make_file(f, "secret", "abc");
	assert_int_equal(symlinkat("abc", f->fd, "link"), 0);
	assert_int_equal(symlinkat("secret", f->fd, "to-secret"), 0);
	assert_int_equal(manifest_read(f->fd, "link", NULL, &manifest), 0);
	assert_int_equal(manifest.type, MANIFEST_LINK);
	assert_hex(&manifest.digest, ABC);
	manifest_fini(&manifest);
	assert_int_equal(manifest_read(f->fd, "to-secret", NULL, &manifest), 0);
	assert_int_equal(manifest.entries[0].size, strlen("secret"));
}

static void a_fifo_is_refused_by_name(void **state)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	struct fixture *f = *state;

	make_tree(f);
	assert_int_equal(mkfifoat(f->fd, "model/b/pipe", 0600), 0);
	assert_int_equal(manifest_read(f->fd, "model", NULL, &manifest), -EINVAL);
	assert_string_equal(manifest.culprit, "b/pipe");
}

static int change_a_file(void *context, const struct manifest_progress *progress)
{
	(void)progress;
	make_file(context, "model/a", "abd");
	return 0;
}

static int add_a_file(void *context, const struct manifest_progress *progress)
{
	(void)progress;
	make_file(context, "model/empty/new", "");
	return 0;
}

static int cancel(void *context, const struct manifest_progress *progress)
{
	(void)context;
	(void)progress;
	return -ECANCELED;
}

static int read_while(struct fixture *f,
		      int (*meanwhile)(void *, const struct manifest_progress *),
		      const char *culprit)
{
	const struct manifest_plan plan = { .progress = meanwhile, .context = f };
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	int r = manifest_read(f->fd, "model", &plan, &manifest);

	if (culprit)
		assert_string_equal(manifest.culprit, culprit);
	return r;
}

/* progress() is called after the last file was hashed, too. */
static void a_tree_that_changes_meanwhile_has_no_digest(void **state)
{
	make_tree(*state);
	assert_int_equal(read_while(*state, change_a_file, "a"), -EBUSY);
	assert_int_equal(read_while(*state, add_a_file, "empty"), -EBUSY);
	assert_int_equal(read_while(*state, cancel, NULL), -ECANCELED);
}

static void what_was_written_a_moment_ago_is_hashed_in_a_later_tick(void **state)
{
	struct fixture *f = *state;

	make_directory(f, "model");
	for (int i = 0; i < 50; i++) {
		_cleanup_(manifest_fini) struct manifest manifest = { 0 };
		struct timespec now;

		make_file(f, "model/a", "abc");
		assert_int_equal(manifest_list(f->fd, "model", &manifest), 0);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		assert_true(manifest.entries[1].stat.st_ctim.tv_sec < now.tv_sec ||
			    manifest.entries[1].stat.st_ctim.tv_nsec < now.tv_nsec);
	}
}

static void a_tree_of_many_levels_is_read(void **state)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	struct fixture *f = *state;
	char path[2048] = "model";

	make_directory(f, "model");
	for (int i = 0; i < 1000; i++) {
		strcat(path, "/d");
		make_directory(f, path);
	}
	assert_int_equal(manifest_read(f->fd, "model", NULL, &manifest), 0);
	assert_int_equal(manifest.n_entries, 1001);
}

static int can_keep(void)
{
	return geteuid() == 0; /* trusted.* takes CAP_SYS_ADMIN */
}

/* Open for reading, hashed and kept. */
static int keep_file(struct fixture *f, const char *name, struct stat *ret_stat)
{
	int fd = openat(f->fd, name, O_RDONLY);
	struct digest digest;

	assert_true(fd >= 0);
	assert_int_equal(digest_file(fd, NULL, &digest, ret_stat), 0);
	assert_int_equal(digest_keep(fd, &digest, ret_stat), 0);
	return fd;
}

static void what_is_kept_is_recalled(void **state)
{
	_cleanup_(closep) int fd = -1;
	struct fixture *f = *state;
	struct stat kept, now;
	struct digest digest;

	if (!can_keep())
		skip();
	make_file(f, "abc", "abc");
	fd = keep_file(f, "abc", &kept);
	assert_int_equal(digest_recall(fd, &digest, &now), 0);
	assert_hex(&digest, ABC);
	assert_true(digest_same_file(&kept, &now));
}

/* As quick as can be after it was kept, with size and mtime as they were. */
static void a_change_that_sets_mtime_back_is_noticed(void **state)
{
	struct fixture *f = *state;

	if (!can_keep())
		skip();
	for (int i = 0; i < 20; i++) {
		_cleanup_(closep) int fd = -1, writer = -1;
		struct timespec times[2];
		struct digest digest;
		struct stat st;

		make_file(f, "abc", "abc");
		fd = keep_file(f, "abc", &st);
		times[0] = st.st_atim;
		times[1] = st.st_mtim;
		writer = openat(f->fd, "abc", O_WRONLY);
		assert_int_equal(pwrite(writer, "abd", 3, 0), 3);
		assert_int_equal(futimens(writer, times), 0);
		assert_int_equal(digest_recall(fd, &digest, &st), -ENODATA);
	}
}

static void what_is_open_for_writing_is_not_kept(void **state)
{
	_cleanup_(closep) int fd = -1, writer = -1;
	struct fixture *f = *state;
	struct digest digest;
	struct stat st;

	if (!can_keep())
		skip();
	make_file(f, "abc", "abc");
	fd = openat(f->fd, "abc", O_RDONLY);
	assert_int_equal(digest_file(fd, NULL, &digest, &st), 0);
	writer = openat(f->fd, "abc", O_WRONLY);
	assert_int_equal(digest_keep(fd, &digest, &st), -EBUSY);
	assert_int_equal(fgetxattr(fd, DIGEST_XATTR, NULL, 0), -1);
}

static void what_has_changed_since_is_not_kept(void **state)
{
	_cleanup_(closep) int fd = -1;
	struct fixture *f = *state;
	struct digest digest;
	struct stat st;

	if (!can_keep())
		skip();
	make_file(f, "abc", "abc");
	fd = openat(f->fd, "abc", O_RDONLY);
	assert_int_equal(digest_file(fd, NULL, &digest, &st), 0);
	st.st_ctim.tv_nsec ^= 1;
	assert_int_equal(digest_keep(fd, &digest, &st), -EBUSY);
}

static void what_is_kept_must_be_exactly_that(void **state)
{
	static const char *const wrong[] = { "", "1 sha256 ", "2 sha256 " ABC,
					     "1 sha256 " ABC };
	_cleanup_(closep) int fd = -1;
	struct fixture *f = *state;
	struct digest digest;
	struct stat st;

	if (!can_keep())
		skip();
	make_file(f, "abc", "abc");
	fd = openat(f->fd, "abc", O_RDONLY);
	assert_int_equal(digest_recall(fd, &digest, &st), -ENODATA);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(
			fsetxattr(fd, DIGEST_XATTR, wrong[i], strlen(wrong[i]), 0), 0);
		assert_int_equal(digest_recall(fd, &digest, &st), -ENODATA);
	}
}

static int count_bytes(void *context, const struct manifest_progress *progress)
{
	*(uint64_t *)context = progress->n_bytes;
	return 0;
}

/* The second time by what was kept: shown by a digest that is not the contents'. */
static void a_tree_is_known_by_what_was_kept(void **state)
{
	_cleanup_(manifest_fini) struct manifest first = { 0 }, second = { 0 };
	struct fixture *f = *state;
	uint64_t n_bytes = 0;
	struct manifest_plan plan = {
		.keep = true, .recall = true, .progress = count_bytes, .context = &n_bytes
	};
	_cleanup_(closep) int fd = -1;
	struct digest digest;
	struct stat st;

	if (!can_keep())
		skip();
	make_directory(f, "model");
	make_file(f, "model/small", "abc");
	make_file(f, "model/large", "");
	fd = openat(f->fd, "model/large", O_RDWR);
	assert_int_equal(ftruncate(fd, MANIFEST_KEEP_MIN), 0);
	close(take_fd(&fd));
	assert_int_equal(manifest_read(f->fd, "model", &plan, &first), 0);
	fd = openat(f->fd, "model/small", O_RDONLY);
	assert_int_equal(digest_recall(fd, &digest, &st), -ENODATA);
	close(take_fd(&fd));
	fd = openat(f->fd, "model/large", O_RDONLY);
	assert_int_equal(digest_recall(fd, &digest, &st), 0);
	assert_int_equal(manifest_read(f->fd, "model", &plan, &second), 0);
	assert_true(digest_equal(&first.digest, &second.digest));
	assert_int_equal(n_bytes, MANIFEST_KEEP_MIN + 3);
	assert_true(digest_parse(ABC, &digest));
	assert_int_equal(digest_keep(fd, &digest, &st), 0);
	manifest_fini(&second);
	assert_int_equal(manifest_read(f->fd, "model", &plan, &second), 0);
	assert_hex(&manifest_find(&second, "large")->digest, ABC);
	plan.recall = false;
	manifest_fini(&second);
	assert_int_equal(manifest_read(f->fd, "model", &plan, &second), 0);
	assert_true(digest_equal(&first.digest, &second.digest));
}

static void assert_promoted(struct fixture *f, const char *name)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 }, kept = { 0 };
	_cleanup_(closep) int fd = openat(f->fd, name, O_PATH | O_NOFOLLOW);
	struct promoted promoted;

	assert_int_equal(promoted_read(fd, &promoted), -ENODATA);
	assert_int_equal(manifest_read(f->fd, name, NULL, &manifest), 0);
	assert_int_equal(promoted_write(fd, &manifest, 1700000000), 0);
	assert_int_equal(promoted_read(fd, &promoted), 0);
	assert_true(digest_equal(&promoted.digest, &manifest.digest));
	assert_int_equal(promoted.type, manifest.type);
	assert_int_equal(promoted.n_bytes, manifest.n_bytes);
	assert_int_equal(promoted.n_files, manifest.n_files);
	assert_int_equal(promoted.when, 1700000000);
	assert_int_equal(promoted_manifest(fd, &promoted, &kept), 0);
	assert_true(digest_equal(&kept.digest, &manifest.digest));
	assert_int_equal(kept.n_entries, manifest.n_entries);
}

static void what_was_promoted_is_known(void **state)
{
	struct fixture *f = *state;

	if (!can_keep())
		skip();
	make_file(f, "weights", "abc");
	assert_promoted(f, "weights");
	make_tree(f);
	assert_promoted(f, "model");
}

static void a_manifest_must_have_the_digest(void **state)
{
	static const char other[] = "modelguard-tree 1";
	_cleanup_(manifest_fini) struct manifest kept = { 0 };
	_cleanup_(closep) int fd = -1;
	struct promoted promoted;
	struct fixture *f = *state;

	if (!can_keep())
		skip();
	make_tree(f);
	assert_promoted(f, "model");
	fd = openat(f->fd, "model", O_RDONLY);
	assert_int_equal(promoted_read(fd, &promoted), 0);
	assert_int_equal(fsetxattr(fd, PROMOTED_MANIFEST_XATTR, other, sizeof(other), 0),
			 0);
	assert_int_equal(promoted_manifest(fd, &promoted, &kept), -EBADMSG);
	assert_int_equal(fremovexattr(fd, PROMOTED_MANIFEST_XATTR), 0);
	assert_int_equal(promoted_manifest(fd, &promoted, &kept), -ENOENT);
	assert_int_equal(fsetxattr(fd, PROMOTED_XATTR, "1 f abc 1 1 1", 13, 0), 0);
	assert_int_equal(promoted_read(fd, &promoted), -EBADMSG);
}

static void a_text_is_read_back_as_it_was_written(void **state)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 }, parsed = { 0 };
	_cleanup_(freep) char *text = NULL;
	struct fixture *f = *state;
	size_t length;

	make_tree(f);
	assert_int_equal(manifest_read(f->fd, "model", NULL, &manifest), 0);
	assert_int_equal(manifest_text(&manifest, &text, &length), 0);
	assert_int_equal(manifest_parse(text, length, &parsed), 0);
	assert_true(digest_equal(&manifest.digest, &parsed.digest));
	assert_int_equal(parsed.n_entries, manifest.n_entries);
	assert_int_equal(manifest_find(&parsed, "b/link")->type, MANIFEST_LINK);
	assert_int_equal(manifest_find(&parsed, "a")->size, 3);
	assert_null(manifest_find(&parsed, "b/lin"));
}

#define TEXT(body)                                                             \
	{                                                                      \
		"modelguard-tree 1\0" body, sizeof("modelguard-tree 1\0" body) \
	}

static void a_name_may_be_a_blank(void **state)
{
	static const char text[] = "modelguard-tree 1\0f 3 " ABC "  ";
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };

	(void)state;
	assert_int_equal(manifest_parse(text, sizeof(text), &manifest), 0);
	assert_non_null(manifest_find(&manifest, " "));
}

static void any_other_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} broken[] = {
		{ "", 0 },
		{ "modelguard-tree 1", 17 }, /* no NUL */
		{ "modelguard-tree 2", 18 },
		TEXT("x 0 - a"),
		TEXT("f 0 - a"),
		TEXT("d 0 " EMPTY " a"),
		TEXT("d 1 - a"),
		TEXT("f 03 " ABC " a"),
		TEXT("f -3 " ABC " a"),
		TEXT("f 18446744073709551616 " ABC " a"),
		TEXT("f 3 " ABC " "),
		TEXT("f 3 " ABC "a"),
		TEXT("f 3 " ABC " /a"),
		TEXT("f 3 " ABC " ../a"),
		TEXT("d 0 - a\0d 0 - a/.."),
		TEXT("f 3 " ABC " a/b"),
		TEXT("f 3 " ABC " a\0f 3 " ABC " a/b"),
		TEXT("f 3 " ABC " b\0f 3 " ABC " a"),
		TEXT("f 3 " ABC " a\0f 3 " ABC " a"),
		TEXT("f 3 " ABC " a\0"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		_cleanup_(manifest_fini) struct manifest manifest = { 0 };

		assert_int_equal(
			manifest_parse(broken[i].text, broken[i].length, &manifest),
			-EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_vectors_of_fips_180_4_come_out, setup,
						teardown),
		cmocka_unit_test(hex_is_read_back_and_only_hex),
		cmocka_unit_test_setup_teardown(only_a_regular_file_has_contents, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_changes_meanwhile_has_no_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(hashing_can_be_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tree_is_its_sorted_names_and_contents,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			every_byte_and_name_counts_and_the_number_of_threads_does_not,
			setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_its_contents_whatever_its_name,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_is_its_target_and_is_not_followed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_fifo_is_refused_by_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_tree_that_changes_meanwhile_has_no_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_written_a_moment_ago_is_hashed_in_a_later_tick, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_tree_of_many_levels_is_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_text_is_read_back_as_it_was_written,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_kept_is_recalled, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_change_that_sets_mtime_back_is_noticed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_open_for_writing_is_not_kept,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_changed_since_is_not_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_kept_must_be_exactly_that, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_tree_is_known_by_what_was_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_was_promoted_is_known, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_manifest_must_have_the_digest, setup,
						teardown),
		cmocka_unit_test(a_name_may_be_a_blank),
		cmocka_unit_test(any_other_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
