/* SPDX-License-Identifier: Apache-2.0 */
/* One record of the trail: its fields, and its two written forms (auditd's and JSON). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* linux/audit.h: MAX_AUDIT_MESSAGE_LENGTH is 8970; libaudit appends its own exe=,
 * hostname=, addr=, terminal= and res= within that. */
#define RECORD_TEXT_MAX 8192 /* bytes of ours in one message, NUL included */

enum record_kind {
	RECORD_DECISION,  /* AUDIT_DAC_CHECK: decisions and effects */
	RECORD_CONFIG,	  /* AUDIT_USYS_CONFIG: policy loaded, refused */
	RECORD_LIFECYCLE, /* AUDIT_TRUSTED_APP: start, end, gap, verified */
	RECORD_INTEGRITY, /* AUDIT_ANOM_RBAC_INTEGRITY_FAIL: verified in vain */
};

/* Who did it. Borrowed by the record. */
struct actor {
	const char *acct; /* user name; never NULL */
	uid_t uid;
	gid_t gid;
	pid_t pid;	  /* 0: in a pid namespace that cannot be seen */
	uid_t login_uid;  /* (uid_t)-1: unset */
	const char *comm; /* NULL: unknown */
	const char *exe;  /* NULL: unknown */
};

/* Presence of the optional numbers. Strings are present when not NULL. */
enum record_field {
	RECORD_PERM = 1 << 0,
	RECORD_OFLAG = 1 << 1,
	RECORD_INO = 1 << 2,
	RECORD_MODE = 1 << 3,
	RECORD_RANGE = 1 << 4, /* off and len */
	RECORD_SIZE = 1 << 5,
	RECORD_OWNER = 1 << 6, /* new-fsuid, new-fsgid: what chown asked for */
	RECORD_COUNT = 1 << 7,
	RECORD_ERRNO = 1 << 8,
	RECORD_GEN = 1 << 9,
	RECORD_SPAN = 1 << 10, /* since and until */
	RECORD_LOST = 1 << 11,
};

/* All pointers are borrowed for the length of the call that writes it. */
struct record {
	enum record_kind kind;
	bool success;	  /* res= */
	unsigned present; /* of enum record_field */
	const char *op;	  /* "open-write", "policy-load", "gap": one of our words */
	const struct actor *actor; /* NULL: the guard itself */
	unsigned perm;		   /* 1 exec, 2 write, 4 read, 8 attr */
	unsigned oflag;		   /* open(2) flags */
	const char *path;	   /* full path as users see it */
	const char *new_path;	   /* name=: the other one; symlink: the target */
	uint64_t ino;
	uint32_t dev_major, dev_minor; /* with RECORD_INO */
	unsigned mode;
	uint64_t off, len; /* bytes */
	uint64_t size;	   /* truncate: the new size */
	uid_t new_uid;
	gid_t new_gid;
	const char *xattr;   /* attribute name */
	const char *io;	     /* "passthrough", "cached", "direct" */
	const char *opener;  /* user name: whose open handle, if not the actor's */
	const char *note;    /* one of our words: "page-write", "effect-failed" */
	uint64_t count;	     /* gap: how many; repeated denials */
	const char *grantee; /* whom a role is granted for a time */
	const char *role;    /* grole= */
	const char *zone;
	const char *rule_file; /* with rule_line: rule="policy.ini:31" */
	unsigned rule_line;
	uint64_t gen;	       /* policy generation */
	const char *digest;    /* SHA-256 of what is promoted or approved, hex */
	const char *approvals; /* by whom: user names, blanks between them */
	const char *hash;      /* policy hash */
	const char *old_hash;
	uint64_t seqno;		      /* 0: audit_record() gives the next number */
	int err;		      /* errno=, positive */
	const char *reason;	      /* prose; see record_format_audit() */
	struct timespec since, until; /* gap, repeated denials, grant: CLOCK_REALTIME */
	uint64_t lost;	      /* gap: accepted records that may be missing from the log */
	struct timespec time; /* JSON only, CLOCK_REALTIME; all zero: now */
};

/* Formats part `part` (from 0) of a record as auditd text without type and without res=.
 * Values that hold a byte <= 0x20, >= 0x7f, '"', '\'' or '=' are written as upper-case
 * hex without quotes, all other strings in double quotes, so that no value can end a
 * field or begin another. reason= stays readable instead: ' ' becomes '-', quotes become
 * '`' and '=' becomes ':', and only other such bytes make it hex. op= has no quotes if it
 * is a plain word.
 *
 * What does not fit into RECORD_TEXT_MAX goes to further parts that repeat op=, seqno=
 * and say part=K/N; long values are cut and always hex then. Deterministic: the same
 * record gives the same parts. Allocates nothing. Returns the text's length without NUL,
 * 0 when there is no such part, or -E2BIG if a value is beyond what parts can carry or
 * size is under 1024. */
int record_format_audit(const struct record *record, unsigned part, char *buffer,
			size_t size);

/* The same record as one line of ASCII JSON, newline included, malloc'ed; strings that
 * are not valid UTF-8 come as NAME_hex. Same names as in auditd's text. Returns 0 and
 * sets *ret (the caller frees), or -ENOMEM. */
int record_format_json(const struct record *record, char **ret);

/* A copy that owns all it points to, in one piece: the caller frees it. NULL: out of
 * memory. */
struct record *record_copy(const struct record *record);

/* Whether two records say the same, but for number, time, count and span. */
bool record_same(const struct record *a, const struct record *b);
