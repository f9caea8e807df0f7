/* SPDX-License-Identifier: Apache-2.0 */
/* The auditor's page: what goes into it, and the pieces that write it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "fuse/trail-filter.h"
#include "fuse/trail-summary.h"
#include "fuse/trail.h"

/* What happened within one second, as far as the timeline shows it. */
struct report_second {
	time_t second;
	uint64_t changes, denials; /* changes: writes, names, sizes and attributes */
};

/* A policy that was loaded or refused, a grant that began or ended, a start, an end or a
 * gap. */
struct report_moment {
	struct timespec time, since, until;
	enum record_kind kind;
	enum trail_outcome outcome;
	char *op, *path, *reason, *note, *hash, *old_hash; /* "" if there is none */
	char *grantee, *role, *acct;			   /* of a grant; the same */
	uint64_t gen, count, lost;
};

struct report {
	struct trail_filter
		filter; /* its times only; zero: from the first, to the last */
	struct summary *summary;
	struct report_second *seconds; /* in the order of the trail */
	size_t n_seconds, seconds_room;
	struct report_moment *moments;
	size_t n_moments, moments_room;
	struct trail_counts counts; /* of the whole trail */
	uint64_t accounted;	    /* numbers that the gaps of the whole trail took */
};

/* 0 or -ENOMEM. */
int report_init(struct report *report);
void report_fini(struct report *report);

/* Adds an event, if it is in the time that is asked for. 0 or -ENOMEM. */
int report_add(struct report *report, const struct trail_event *event);

/* The page. Check ferror(3) afterwards. Returns 0 or -ENOMEM. */
int report_write(FILE *out, struct report *report);

/* Pieces of the page. */
extern const char report_style[];
void report_write_timeline(FILE *out, const struct report *report);
int report_write_people(FILE *out, const struct report *report);
int report_write_denials(FILE *out, struct report *report);
void report_write_policies(FILE *out, const struct report *report);
void report_write_grants(FILE *out, const struct report *report);
void report_write_life(FILE *out, const struct report *report);
void report_write_gaps(FILE *out, const struct report *report);

/* Bytes from outside: nothing in them can be markup, or steer how text is shown. */
void report_put(FILE *out, const char *text);

/* "2026-11-23 10:00:01" */
void report_put_time(FILE *out, time_t seconds);

/* "12 gaps", "1 gap" */
void report_put_count(FILE *out, uint64_t n, const char *noun);

/* Whether a moment is a gap; or a policy; or of a grant. */
bool report_is_gap(const struct report_moment *moment);
bool report_is_policy(const struct report_moment *moment);
bool report_is_grant(const struct report_moment *moment);

/* The period that the page is about: what was asked for, or what there is. */
time_t report_begin(const struct report *report);
time_t report_end(const struct report *report);
