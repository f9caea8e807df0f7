/* SPDX-License-Identifier: Apache-2.0 */
/* Policies from strings, with names that no machine needs to have. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/decide.h"
#include "config/policy-load.h"

#define AUTO_POLICY	__attribute__((cleanup(policy_unrefp))) struct policy *
#define AUTO_COMPLAINTS __attribute__((cleanup(complaints_fini))) struct complaints

/* Of root, daemon and adm the ids are Debian's, so that modelguardctl says the same of
 * them; "gN" and "uN" are N; "slow-..." cannot be told. */
static inline int fixture_id(const char *name, char letter, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t id;
	} known[] = {
		{ "root", 0 },		{ "daemon", 1 },
		{ "adm", 4 },		{ "data-scientists", 10 },
		{ "ml-engineers", 11 }, { "model-admins", 12 },
		{ "ci-release", 13 },
	};
	const char *digits = name[0] == letter ? name + 1 : name;
	char *end;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0) {
			*ret = known[i].id;
			return 0;
		}
	}
	if (strncmp(name, "slow-", 5) == 0)
		return -EIO;
	if (*digits < '0' || *digits > '9')
		return -ENOENT;
	*ret = (uint32_t)strtoul(digits, &end, 10);
	return *end || *ret == UINT32_MAX ? -ENOENT : 0;
}

static inline int fixture_group(const char *name, gid_t *ret)
{
	return fixture_id(name, 'g', ret);
}

static inline int fixture_user(const char *name, uid_t *ret)
{
	return fixture_id(name, 'u', ret);
}

static const struct name_lookup fixture_names = { fixture_group, fixture_user };

static inline int fixture_parse(const char *text, struct complaints *complaints,
				struct policy **ret)
{
	return policy_parse("/etc/modelguard/policy.ini", text, strlen(text),
			    &fixture_names, complaints, ret);
}

/* A policy that must be sound. */
static inline struct policy *fixture_policy(const char *text)
{
	AUTO_COMPLAINTS complaints = { 0 };
	struct policy *policy = NULL;
	int r = fixture_parse(text, &complaints, &policy);

	for (size_t i = 0; i < complaints.n_items; i++)
		print_error("%u: %s\n", complaints.items[i].line,
			    complaints.items[i].text);
	assert_int_equal(r, 0);
	return policy;
}

/* xorshift64: the same numbers in each run. */
static inline uint32_t fixture_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

static inline double fixture_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
