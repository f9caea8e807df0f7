/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a promotion. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fuse/promoted.h"
#include "fuse/util.h"

#define TEXT_SIZE 192

static int set_attribute(int fd, const char *name, const void *value, size_t length)
{
	struct fd_path path;

	return (int)RET_ERRNO(setxattr(fd_path(fd, &path), name, value, length, 0));
}

/* PROMOTED_DIRECTORY, made if need be. */
static int open_directory(void)
{
	if ((mkdir("/var/lib/modelguard", 0700) < 0 && errno != EEXIST) ||
	    (mkdir(PROMOTED_DIRECTORY, 0700) < 0 && errno != EEXIST))
		return -errno;
	return RET_ERRNO(open(PROMOTED_DIRECTORY,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = RET_ERRNO(write(fd, text, length));

		if (n < 0 && n != -EINTR)
			return (int)n;
		text += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return (int)RET_ERRNO(fsync(fd));
}

/* Whole or not at all: it gets its name when it is written. */
static int write_file(const char *name, const char *text, size_t length)
{
	_cleanup_(closep) int directory = open_directory();
	_cleanup_(closep) int fd = -1;
	struct fd_path path;
	int r;

	if (directory < 0)
		return directory;
	fd = RET_ERRNO(openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0400));
	if (fd < 0)
		return fd;
	r = write_all(fd, text, length);
	if (r < 0)
		return r;
	if (linkat(AT_FDCWD, fd_path(fd, &path), directory, name, AT_SYMLINK_FOLLOW) < 0)
		return errno == EEXIST ? 0 : -errno;
	return (int)RET_ERRNO(fsync(directory));
}

static int write_manifest(int fd, const struct manifest *manifest)
{
	_cleanup_(freep) char *text = NULL;
	char hex[DIGEST_HEX_SIZE];
	struct fd_path path;
	size_t length;
	int r = manifest_text(manifest, &text, &length);

	if (r < 0)
		return r;
	if (length <= PROMOTED_MANIFEST_MAX &&
	    set_attribute(fd, PROMOTED_MANIFEST_XATTR, text, length) == 0)
		return 0;
	removexattr(fd_path(fd, &path), PROMOTED_MANIFEST_XATTR);
	digest_hex(&manifest->digest, hex);
	return write_file(hex, text, length);
}

int promoted_write(int fd, const struct manifest *manifest, time_t when)
{
	char text[TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	int r = manifest->type == MANIFEST_DIRECTORY ? write_manifest(fd, manifest) : 0;
	int n;

	if (r < 0)
		return r;
	digest_hex(&manifest->digest, hex);
	n = snprintf(text, sizeof(text), "1 %c %s %zu %" PRIu64 " %jd",
		     (char)manifest->type, hex, manifest->n_files, manifest->n_bytes,
		     (intmax_t)when);
	return set_attribute(fd, PROMOTED_XATTR, text, (size_t)n);
}

int promoted_read(int fd, struct promoted *ret)
{
	char text[TEXT_SIZE], hex[DIGEST_HEX_SIZE], type;
	struct fd_path path;
	intmax_t when;
	int end = 0;
	ssize_t n = RET_ERRNO(
		getxattr(fd_path(fd, &path), PROMOTED_XATTR, text, sizeof(text) - 1));

	if (n < 0)
		return n == -EOPNOTSUPP ? -ENODATA : (n == -ERANGE ? -EBADMSG : (int)n);
	text[n] = '\0';
	if (sscanf(text, "1 %c %64s %zu %" SCNu64 " %jd%n", &type, hex, &ret->n_files,
		   &ret->n_bytes, &when, &end) != 5 ||
	    end != n || strlen(hex) != DIGEST_HEX_SIZE - 1 ||
	    !digest_parse(hex, &ret->digest) ||
	    (type != MANIFEST_FILE && type != MANIFEST_DIRECTORY))
		return -EBADMSG;
	ret->type = (enum manifest_type)type;
	ret->when = (time_t)when;
	return 0;
}

/* A file's manifest is the file. */
static int make_single(const struct promoted *promoted, struct manifest *ret)
{
	ret->type = promoted->type;
	ret->entries = calloc(1, sizeof(*ret->entries));
	if (!ret->entries)
		return -ENOMEM;
	ret->entries[0] = (struct manifest_entry){ .path = strdup(""),
						   .type = promoted->type,
						   .size = promoted->n_bytes,
						   .digest = promoted->digest };
	if (!ret->entries[0].path)
		return -ENOMEM;
	ret->n_entries = 1;
	return manifest_seal(ret);
}

static int read_file(const struct digest *digest, char **ret, size_t *ret_length)
{
	char name[sizeof(PROMOTED_DIRECTORY) + DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];
	_cleanup_(closep) int fd = -1;
	struct stat st;
	ssize_t n = 0;

	digest_hex(digest, hex);
	snprintf(name, sizeof(name), "%s/%s", PROMOTED_DIRECTORY, hex);
	fd = RET_ERRNO(open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = malloc((size_t)st.st_size + 1);
	if (!*ret)
		return -ENOMEM;
	for (*ret_length = 0; *ret_length < (size_t)st.st_size;
	     *ret_length += (size_t)n) {
		n = RET_ERRNO(
			read(fd, *ret + *ret_length, (size_t)st.st_size - *ret_length));
		if (n <= 0)
			return n < 0 ? (int)n : -EBADMSG;
	}
	return 0;
}

static int read_attribute(int fd, char **ret, size_t *ret_length)
{
	struct fd_path path;
	ssize_t n;

	*ret = malloc(PROMOTED_MANIFEST_MAX);
	if (!*ret)
		return -ENOMEM;
	n = RET_ERRNO(getxattr(fd_path(fd, &path), PROMOTED_MANIFEST_XATTR, *ret,
			       PROMOTED_MANIFEST_MAX));
	if (n < 0)
		return (int)n;
	*ret_length = (size_t)n;
	return 0;
}

static int parse_if_it_is(const char *text, size_t length, const struct digest *expected,
			  struct manifest *ret)
{
	struct digest digest;
	int r = digest_bytes(text, length, &digest);

	if (r < 0)
		return r;
	if (!digest_equal(&digest, expected))
		return -EBADMSG;
	r = manifest_parse(text, length, ret);
	return r == -EINVAL ? -EBADMSG : r;
}

int promoted_manifest(int fd, const struct promoted *promoted, struct manifest *ret)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = 0;
	int r;

	*ret = (struct manifest){ 0 };
	if (promoted->type != MANIFEST_DIRECTORY)
		return make_single(promoted, ret);
	r = read_attribute(fd, &text, &length);
	if (r < 0 && r != -ENOMEM) {
		free(take_ptr(text));
		r = read_file(&promoted->digest, &text, &length);
	}
	return r < 0 ? r : parse_if_it_is(text, length, &promoted->digest, ret);
}
