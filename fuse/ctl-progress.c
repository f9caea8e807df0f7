/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: how far a long work is, on a terminal. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "fuse/ctl-progress.h"

#define BAR_WIDTH 24

const char *ctl_size(uint64_t n_bytes, char buffer[static CTL_SIZE_TEXT])
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double size = (double)n_bytes / 1000;
	size_t unit = 0;

	if (n_bytes < 1000) {
		snprintf(buffer, CTL_SIZE_TEXT, "%" PRIu64 " B", n_bytes);
		return buffer;
	}
	for (; size >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		size /= 1000;
	snprintf(buffer, CTL_SIZE_TEXT, "%.1f %s", size, units[unit]);
	return buffer;
}

void ctl_progress_begin(struct ctl_progress *progress, const char *what)
{
	*progress = (struct ctl_progress){ .what = what };
	clock_gettime(CLOCK_MONOTONIC, &progress->begin);
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) +
	       (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static void print_bar(double part)
{
	int n = (int)(part * BAR_WIDTH);

	putc('[', stderr);
	for (int i = 0; i < BAR_WIDTH; i++)
		putc(i < n ? '#' : '.', stderr);
	putc(']', stderr);
}

int ctl_progress_show(void *context, const struct manifest_progress *manifest)
{
	struct ctl_progress *progress = context;
	char done[CTL_SIZE_TEXT], total[CTL_SIZE_TEXT], rate[CTL_SIZE_TEXT];
	double part, seconds;

	if (!isatty(STDERR_FILENO))
		return 0;
	seconds = seconds_since(&progress->begin);
	part = manifest->n_bytes_total
		       ? (double)manifest->n_bytes / (double)manifest->n_bytes_total
		       : 1;
	fprintf(stderr, "\r%s ", progress->what);
	print_bar(part);
	fprintf(stderr, " %s of %s, %s/s", ctl_size(manifest->n_bytes, done),
		ctl_size(manifest->n_bytes_total, total),
		ctl_size(seconds > 0 ? (uint64_t)((double)manifest->n_bytes / seconds)
				     : 0,
			 rate));
	if (part > 0.01 && part < 1)
		fprintf(stderr, ", %.0f s left", seconds / part * (1 - part));
	fputs("\033[K", stderr); /* to the end of the line */
	fflush(stderr);
	progress->shown = true;
	return 0;
}

void ctl_progress_end(struct ctl_progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
