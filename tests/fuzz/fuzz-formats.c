/* SPDX-License-Identifier: Apache-2.0 */
/* A file in, a verdict out: a sentence that can be shown, and of a sound safetensors
 * file, what jansson reads of its whole header. */
#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuse/format.h"
#include "tests/fuzz/fuzz.h"

static void check_reason(const struct format_verdict *verdict)
{
	size_t n = strnlen(verdict->reason, sizeof(verdict->reason));

	FUZZ_CHECK(n < sizeof(verdict->reason));
	FUZZ_CHECK(verdict->sound == (n == 0), "%s", verdict->reason);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(verdict->reason[i] >= ' ' && verdict->reason[i] < 0x7f, "%s",
			   verdict->reason);
	FUZZ_CHECK(!verdict->sound || verdict->format == FORMAT_SAFETENSORS ||
		   verdict->format == FORMAT_GGUF || verdict->format == FORMAT_ONNX);
}

/* Every byte of the data belongs to one tensor, and the lengths add up. */
static void check_safetensors(const uint8_t *data, size_t size)
{
	json_int_t bytes = 0, end = 0, begin_of, end_of;
	uint64_t n = 0;
	json_t *header, *entry;
	json_error_t error;
	const char *name;

	FUZZ_CHECK(size >= 8);
	for (int i = 7; i >= 0; i--)
		n = n << 8 | data[i];
	FUZZ_CHECK(n <= size - 8);
	header = json_loadb((const char *)data + 8, (size_t)n, JSON_REJECT_DUPLICATES,
			    &error);
	FUZZ_CHECK(json_is_object(header), "%s", error.text);
	json_object_foreach(header, name, entry)
	{
		if (strcmp(name, "__metadata__") == 0)
			continue;
		FUZZ_CHECK(json_unpack(entry, "{s:[I,I]}", "data_offsets", &begin_of,
				       &end_of) == 0,
			   "%s", name);
		FUZZ_CHECK(begin_of >= 0 && begin_of <= end_of, "%s", name);
		bytes += end_of - begin_of;
		end = end_of > end ? end_of : end;
	}
	FUZZ_CHECK(bytes == end && (uint64_t)end == size - 8 - n);
	json_decref(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct format_verdict verdict = { 0 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	FUZZ_CHECK(format_inspect(fd, &verdict) == 0);
	close(fd);
	check_reason(&verdict);
	if (verdict.sound && verdict.format == FORMAT_SAFETENSORS)
		check_safetensors(data, size);
	return 0;
}
