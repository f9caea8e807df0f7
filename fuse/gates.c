/* SPDX-License-Identifier: Apache-2.0 */
/* The gates of a promotion. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "config/text.h"

#include "fuse/approvals.h"
#include "fuse/format.h"
#include "fuse/gates.h"
#include "fuse/util.h"
#include "fuse/writers.h"

#define OPEN_TO_LOOK (O_RDONLY | O_NONBLOCK | O_NOCTTY)
#define TEXT_MAX     ((uint64_t)64 << 20) /* of a file that may pass as text */
#define SHOWN_MAX    100

/* Of a path in a sentence. */
static const char *shown(const struct gate_question *question,
			 const struct manifest_entry *entry, struct quoted *buffer)
{
	const char *path = entry->path[0] ? entry->path : question->name;

	return text_quoted(buffer, path, strnlen(path, SHOWN_MAX));
}

#define SHOWN(question, entry) shown(question, entry, &(struct quoted){ { 0 } })

/* Each file, until one is refused or cannot be told of. */
static int each_file(const struct gate_question *question, struct promotion *ret,
		     int (*look)(const struct gate_question *question,
				 const struct manifest_entry *entry, int fd,
				 struct promotion *ret))
{
	const struct manifest *manifest = question->manifest;
	int r = 0;

	for (size_t i = 0; r == 0 && !ret->error && i < manifest->n_entries; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		_cleanup_(closep) int fd = -1;

		if (entry->type != MANIFEST_FILE)
			continue;
		fd = manifest_open(question->dir_fd, question->name, entry, OPEN_TO_LOOK);
		r = fd < 0 ? fd : look(question, entry, fd, ret);
	}
	return r < 0 ? r : 0;
}

/* 1, 0 or -errno. */
static int has_written(const struct manifest_entry *entry, int fd, uid_t uid)
{
	return entry->stat.st_uid == uid ? 1 : writers_has(fd, uid);
}

static int separate(const struct gate_question *question,
		    const struct manifest_entry *entry, int fd, struct promotion *ret)
{
	int r = has_written(entry, fd, question->promoter);

	if (r > 0)
		promotion_refuse(ret, EPERM,
				 "separation-of-duties: who promotes has written %s: "
				 "somebody else has to promote it",
				 SHOWN(question, entry));
	return r < 0 ? r : 0;
}

static int check_separation(const struct gate_question *question, struct promotion *ret)
{
	return question->gates->separation ? each_file(question, ret, separate) : 0;
}

/* Approvals of exactly this, for this zone, and not by who promotes: each may count. */
struct counting {
	struct approvals approvals;
	size_t n_void;
};

static int find_approvals(const struct gate_question *question, struct counting *ret)
{
	struct approvals *approvals = &ret->approvals;
	int r = approvals_read(question->fd, approvals);
	size_t kept = 0;

	ret->n_void = 0;
	for (size_t i = 0; r == 0 && i < approvals->n_items; i++) {
		const struct approval *item = &approvals->items[i];

		if (strcmp(item->zone, question->zone) != 0)
			continue;
		if (strcmp(item->hex, question->digest) != 0 ||
		    item->uid == question->promoter)
			ret->n_void++;
		else
			approvals->items[kept++] = *item;
	}
	approvals->n_items = kept;
	return r;
}

/* Takes out those who wrote a file of it. */
static int take_out_authors(const struct gate_question *question,
			    struct counting *counting)
{
	const struct manifest *manifest = question->manifest;
	struct approvals *approvals = &counting->approvals;
	int r = 0;

	for (size_t i = 0; r >= 0 && approvals->n_items > 0 && i < manifest->n_entries;
	     i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		_cleanup_(closep) int fd = -1;

		if (entry->type != MANIFEST_FILE)
			continue;
		fd = r = manifest_open(question->dir_fd, question->name, entry,
				       OPEN_TO_LOOK);
		for (size_t j = 0; r >= 0 && j < approvals->n_items;) {
			r = has_written(entry, fd, approvals->items[j].uid);
			if (r > 0) {
				approvals->items[j] =
					approvals->items[--approvals->n_items];
				counting->n_void++;
			} else {
				j++;
			}
		}
	}
	return r < 0 ? r : 0;
}

static int check_approvals(const struct gate_question *question, struct promotion *ret)
{
	struct counting counting;
	size_t n = 0;
	int r;

	if (question->gates->approvals == 0)
		return 0;
	if (!question->digest) {
		promotion_refuse(ret, EAGAIN,
				 "approvals: its digest takes too long for a rename: "
				 "'modelguardctl promote' computes it first");
		return 0;
	}
	r = find_approvals(question, &counting);
	if (r == 0)
		r = take_out_authors(question, &counting);
	if (r < 0)
		return r;
	if (counting.approvals.n_items < question->gates->approvals) {
		promotion_refuse(
			ret, EPERM,
			"approvals: %zu of %u people have approved exactly this "
			"(%zu more do not count: of other bytes, or by who wrote "
			"or promotes it): 'modelguardctl approvals' shows them",
			counting.approvals.n_items, question->gates->approvals,
			counting.n_void);
		return 0;
	}
	for (size_t i = 0; i < counting.approvals.n_items; i++)
		n += (size_t)snprintf(ret->approvals + n, sizeof(ret->approvals) - n,
				      "%s%s", i ? " " : "",
				      counting.approvals.items[i].name);
	return 0;
}

/* UTF-8 without control characters, but for those of text files. 1, 0 or -errno. */
static int is_text(int fd, uint64_t size)
{
	static const char controls[] = "\t\n\r\f";
	unsigned char buffer[65536];
	unsigned n_more = 0; /* bytes of the present character */
	off_t at = 0;
	ssize_t n;

	if (size > TEXT_MAX)
		return 0;
	while ((n = RET_ERRNO(pread(fd, buffer, sizeof(buffer), at))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			unsigned char byte = buffer[i];

			if (n_more > 0 ? (byte & 0xc0) != 0x80
				       : (byte < 0x20 && !memchr(controls, byte, 4)) ||
						 byte == 0x7f ||
						 (byte >= 0x80 && byte < 0xc2) ||
						 byte > 0xf4)
				return 0;
			if (n_more > 0)
				n_more--;
			else
				n_more = byte >= 0xf0	? 3
					 : byte >= 0xe0 ? 2
							: byte >= 0xc2;
		}
		at += n;
	}
	return n < 0 ? (int)n : n_more == 0;
}

static bool is_listed(const struct gates *gates, enum format format)
{
	static const unsigned bits[] = {
		[FORMAT_SAFETENSORS] = GATE_SAFETENSORS,
		[FORMAT_GGUF] = GATE_GGUF,
		[FORMAT_ONNX] = GATE_ONNX,
		[FORMAT_COMPRESSED] = 0,
	};

	return gates->formats & bits[format];
}

/* What is no model by its content: vocabularies, settings. */
static int check_other(const struct gate_question *question,
		       const struct manifest_entry *entry, int fd, struct promotion *ret)
{
	int r = is_text(fd, entry->size);

	if (r == 0)
		promotion_refuse(ret, EPERM,
				 "formats: %s is neither text nor a model of a known "
				 "format: convert it, or remove it",
				 SHOWN(question, entry));
	return r < 0 ? r : 0;
}

static int check_format(const struct gate_question *question,
			const struct manifest_entry *entry, int fd, struct promotion *ret)
{
	struct format_verdict verdict = { 0 };
	const struct gates *gates = question->gates;
	int r = format_inspect(fd, &verdict);

	if (r < 0)
		return r;
	if (verdict.format == FORMAT_PICKLE || verdict.format == FORMAT_COMPRESSED) {
		if (!gates->pickle)
			promotion_refuse(
				ret, EPERM,
				"pickle: %s %s: convert it, as to safetensors",
				SHOWN(question, entry),
				verdict.format == FORMAT_PICKLE
					? "may run any program when it is loaded"
					: "is compressed, so what is in it cannot "
					  "be told");
		return 0;
	}
	if (gates->formats == 0)
		return 0;
	if (verdict.format == FORMAT_UNKNOWN)
		return check_other(question, entry, fd, ret);
	if (!is_listed(gates, verdict.format))
		promotion_refuse(ret, EPERM, "formats: %s is %s, which is not listed",
				 SHOWN(question, entry), format_name(verdict.format));
	else if (!verdict.sound)
		promotion_refuse(ret, EPERM, "formats: %s is not sound: %.300s",
				 SHOWN(question, entry), verdict.reason);
	else if (verdict.n_external > 0 && !entry->path[0])
		promotion_refuse(ret, EPERM,
				 "formats: %s refers to data in other files: promote the "
				 "directory that has them all",
				 SHOWN(question, entry));
	return 0;
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static int check_format_in_time(const struct gate_question *question,
				const struct manifest_entry *entry, int fd,
				struct promotion *ret)
{
	if (now_s() > ret->deadline) {
		promotion_refuse(ret, EAGAIN,
				 "formats: to look at all files takes longer than %d s: "
				 "promote parts of it",
				 GATES_SECONDS);
		return 0;
	}
	return check_format(question, entry, fd, ret);
}

static int check_formats(const struct gate_question *question, struct promotion *ret)
{
	if (question->gates->pickle && question->gates->formats == 0)
		return 0;
	return each_file(question, ret, check_format_in_time);
}

int gates_check(const struct gate_question *question, struct promotion *ret)
{
	static int (*const gates[])(const struct gate_question *question,
				    struct promotion *ret) = {
		check_separation,
		check_approvals,
		check_formats,
	};
	int r = 0;

	ret->deadline = now_s() + GATES_SECONDS;
	for (size_t i = 0; r == 0 && !ret->error && i < sizeof(gates) / sizeof(gates[0]);
	     i++)
		r = gates[i](question, ret);
	return r;
}
