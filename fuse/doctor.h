/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: its checks, what they look at, and what they find. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/policy.h"

#include "fuse/ctl-people.h"
#include "fuse/share.h"

enum doctor_severity {
	DOCTOR_NOTE,	 /* worth knowing */
	DOCTOR_WARNING,	 /* a promise would not survive a fault or a careless hand */
	DOCTOR_CRITICAL, /* a promise does not hold */
};

/* A row of an area's table. In `remedy` each {} stands for what it was found on. */
struct doctor_check {
	const char *name;
	enum doctor_severity severity;
	const char *what, *remedy;
};

struct doctor;

/* A small group of checks that look at the same things: one file. */
struct doctor_area {
	const struct doctor_check *checks;
	size_t n_checks;
	bool live; /* asks the running kernel, or guards: not with --root */
	void (*look)(struct doctor *doctor);
};

#define DOCTOR_CHECKS(checks) (checks), sizeof(checks) / sizeof((checks)[0])

extern const struct doctor_area doctor_auditd, doctor_boot, doctor_callers, doctor_clock,
	doctor_cores, doctor_exports, doctor_kernel, doctor_links, doctor_namespaces,
	doctor_network, doctor_passthrough, doctor_people, doctor_policy, doctor_roots,
	doctor_rotation, doctor_rules, doctor_source, doctor_swap, doctor_writable;

struct finding {
	const struct doctor_check *check;
	bool unknown; /* it could not be told, and `detail` is why */
	char *object; /* bytes from outside, both */
	char *detail;
};

struct doctor {
	const char *root; /* in front of each path; "" is this machine */
	int root_fd;
	const char *policy_file; /* as it is opened; NULL: what the guard says */
	char *own_policy_file;
	struct policy *policy; /* NULL: none that can be read */
	struct people people;  /* whom it is about, */
	bool has_people;       /* if that can be told */
	const char *input;     /* --input */
	struct shares shares;
	struct finding *findings;
	size_t n_findings;
	bool no_memory; /* a finding is missing */
};

/* Adds a finding on an object, with a detail. */
void doctor_found(struct doctor *doctor, const struct doctor_check *check,
		  const char *object, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds that it could not be told, and why. */
void doctor_unknown(struct doctor *doctor, const struct doctor_check *check,
		    const char *object, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a file that could not be read. */
void doctor_unreadable(struct doctor *doctor, const struct doctor_check *check,
		       const char *object, int error);

void doctor_fini(struct doctor *doctor);
