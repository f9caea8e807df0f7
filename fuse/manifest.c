/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as a list, and as the text that its digest is of. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "fuse/manifest.h"
#include "fuse/util.h"

#define HEADER "modelguard-tree 1"

void manifest_fini(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n_entries; i++)
		free(manifest->entries[i].path);
	free(manifest->entries);
	free(manifest->culprit);
	*manifest = (struct manifest){ 0 };
}

static int compare_path(const void *path, const void *entry)
{
	return strcmp(path, ((const struct manifest_entry *)entry)->path);
}

const struct manifest_entry *manifest_find(const struct manifest *manifest,
					   const char *path)
{
	return manifest->n_entries == 0
		       ? NULL
		       : bsearch(path, manifest->entries, manifest->n_entries,
				 sizeof(*manifest->entries), compare_path);
}

int manifest_open(int dir_fd, const char *name, const struct manifest_entry *entry,
		  int flags)
{
	struct open_how how = {
		.flags = (unsigned int)flags | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", name, entry->path[0] ? "/" : "",
		 entry->path);
	return (int)RET_ERRNO(syscall(SYS_openat2, dir_fd, path, &how, sizeof(how)));
}

static void print_entry(FILE *text, const struct manifest_entry *entry)
{
	char hex[DIGEST_HEX_SIZE] = "-";

	if (entry->type != MANIFEST_DIRECTORY)
		digest_hex(&entry->digest, hex);
	fprintf(text, "%c %" PRIu64 " %s %s", (char)entry->type, entry->size, hex,
		entry->path);
	putc('\0', text);
}

int manifest_text(const struct manifest *manifest, char **ret, size_t *ret_length)
{
	FILE *text = open_memstream(ret, ret_length);
	bool failed;

	if (!text)
		return -ENOMEM;
	fwrite(HEADER, 1, sizeof(HEADER), text);
	for (size_t i = 0; i < manifest->n_entries; i++)
		if (manifest->entries[i].path[0])
			print_entry(text, &manifest->entries[i]);
	failed = ferror(text);
	if (fclose(text) == 0 && !failed)
		return 0;
	free(take_ptr(*ret));
	return -ENOMEM;
}

int manifest_seal(struct manifest *manifest)
{
	_cleanup_(freep) char *text = NULL;
	size_t length;
	int r;

	manifest->n_bytes = 0;
	manifest->n_files = 0;
	for (size_t i = 0; i < manifest->n_entries; i++) {
		if (manifest->entries[i].type != MANIFEST_FILE)
			continue;
		manifest->n_bytes += manifest->entries[i].size;
		manifest->n_files++;
	}
	if (manifest->type != MANIFEST_DIRECTORY) {
		manifest->digest = manifest->entries[0].digest;
		return 0;
	}
	r = manifest_text(manifest, &text, &length);
	return r < 0 ? r : digest_bytes(text, length, &manifest->digest);
}

/* A decimal number as it is printed: no sign, no blank, no leading zero. */
static bool parse_size(const char **text, uint64_t *ret)
{
	char *end;

	if (**text < '0' || **text > '9' || (**text == '0' && (*text)[1] != ' '))
		return false;
	errno = 0;
	*ret = strtoull(*text, &end, 10);
	if (errno != 0 || *end != ' ')
		return false;
	*text = end + 1;
	return true;
}

/* "a", "a/b": no empty component, no "." or "..". */
static bool is_path_below(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (length == 0 || (length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[length] == '\0')
			return true;
		path += length + 1;
	}
}

/* One line, that a NUL ends. */
static bool parse_entry(const char *text, struct manifest_entry *ret)
{
	*ret = (struct manifest_entry){ .type = (enum manifest_type)text[0] };
	if (!strchr("fdl", text[0]) || text[0] == '\0' || text[1] != ' ')
		return false;
	text += 2;
	if (!parse_size(&text, &ret->size))
		return false;
	if (ret->type == MANIFEST_DIRECTORY && text[0] == '-' && ret->size == 0)
		text++;
	else if (ret->type != MANIFEST_DIRECTORY && digest_parse(text, &ret->digest))
		text += DIGEST_HEX_SIZE - 1;
	else
		return false;
	if (text[0] != ' ' || strlen(text + 1) >= PATH_MAX || !is_path_below(text + 1))
		return false;
	ret->path = (char *)text + 1;
	return true;
}

/* The directory that a path is in comes before it, and is one. */
static bool has_parent(const struct manifest *manifest, const char *path)
{
	const char *slash = strrchr(path, '/');
	const struct manifest_entry *parent;
	char name[PATH_MAX];

	if (!slash)
		return true;
	memcpy(name, path, (size_t)(slash - path));
	name[slash - path] = '\0';
	parent = manifest_find(manifest, name);
	return parent && parent->type == MANIFEST_DIRECTORY;
}

static int add_parsed(struct manifest *manifest, const struct manifest_entry *entry)
{
	size_t n = manifest->n_entries;

	if (n > MANIFEST_ENTRIES_MAX)
		return -EINVAL;
	if (n > 0 && (strcmp(manifest->entries[n - 1].path, entry->path) >= 0 ||
		      !has_parent(manifest, entry->path)))
		return -EINVAL;
	manifest->entries[n] = *entry;
	manifest->entries[n].path = strdup(entry->path);
	if (!manifest->entries[n].path)
		return -ENOMEM;
	manifest->n_entries++;
	return 0;
}

static int parse_entries(const char *text, const char *end, struct manifest *manifest)
{
	struct manifest_entry entry = { .path = (char *)"", .type = MANIFEST_DIRECTORY };
	int r = add_parsed(manifest, &entry);

	for (; r == 0 && text < end; text += strlen(text) + 1)
		r = parse_entry(text, &entry) ? add_parsed(manifest, &entry) : -EINVAL;
	return r;
}

int manifest_parse(const char *text, size_t length, struct manifest *ret)
{
	const char *end = text + length;
	size_t n = 0;
	int r;

	*ret = (struct manifest){ .type = MANIFEST_DIRECTORY };
	if (length < sizeof(HEADER) || end[-1] != '\0' || strcmp(text, HEADER) != 0)
		return -EINVAL;
	for (const char *at = text; at < end; at += strlen(at) + 1)
		n++;
	ret->entries = calloc(n, sizeof(*ret->entries));
	if (!ret->entries)
		return -ENOMEM;
	r = parse_entries(text + sizeof(HEADER), end, ret);
	return r < 0 ? r : manifest_seal(ret);
}
