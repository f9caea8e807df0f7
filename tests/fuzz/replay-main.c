/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target on files, and on all files of directories: the corpus as a test. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0;
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	/* Of exactly that size, so that reading beyond it is seen. */
	data = malloc((size_t)st.st_size);
	if (data)
		size = fread(data, 1, (size_t)st.st_size, file);
	(void)fclose(file);
	fprintf(stderr, "%s: %zu bytes\n", path, size);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

/* How many files were run, or -1. */
static int replay(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return replay_file(path);
	while (n >= 0 && (entry = readdir(dir))) {
		char name[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		n = replay_file(name) < 0 ? -1 : n + 1;
	}
	(void)closedir(dir);
	return n;
}

int main(int argc, char *argv[])
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: nothing to replay\n", argv[i]);
			return EXIT_FAILURE;
		}
		total += n;
	}
	printf("%d inputs\n", total);
	return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
