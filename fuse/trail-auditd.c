/* SPDX-License-Identifier: Apache-2.0 */
/* A line of auditd's log, through libauparse. */
#include <errno.h>
#include <libaudit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <auparse.h>

#include "fuse/trail-line.h"
#include "fuse/util.h"

/* auditd puts what it looked up itself behind this byte (log_format = ENRICHED). */
#define ENRICHMENT 0x1d

struct trail_auditd {
	auparse_state_t *auparse;
};

struct trail_auditd *trail_auditd_new(void)
{
	struct trail_auditd *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return NULL;
	parser->auparse = auparse_init(AUSOURCE_BUFFER, "\n");
	return parser->auparse ? parser : trail_auditd_free(parser);
}

struct trail_auditd *trail_auditd_free(struct trail_auditd *parser)
{
	if (parser && parser->auparse)
		auparse_destroy(parser->auparse);
	free(parser);
	return NULL;
}

static bool has_prefix(const char *line, size_t length, const char *prefix)
{
	size_t n = strlen(prefix);

	return length >= n && memcmp(line, prefix, n) == 0;
}

/* libauparse takes 1.5 us a record (measured: 200,000 records of 28 fields in 0.3 s), so
 * this test is not for its sake: the kernel's own records, which come in several lines
 * an event, are most of many logs, and none of them has to be taken apart to be skipped.
 */
bool trail_auditd_is_ours(const char *line, size_t length)
{
	static const char *const types[] = {
		"type=DAC_CHECK msg=audit(",
		"type=USYS_CONFIG msg=audit(",
		"type=TRUSTED_APP msg=audit(",
		"type=ANOM_RBAC_INTEGRITY_FAIL msg=audit(",
	};
	static const char message[] = " msg='op=", number[] = " seqno=";
	/* trail-fields.c: is_without_number() */
	static const char *const unnumbered[] = { " msg='op=wake ", " msg='op=verify ",
						  " msg='op=keep " };
	const char *space;
	bool is_ours = false;

	if (has_prefix(line, length, "node=")) {
		space = memchr(line, ' ', length);
		if (!space)
			return false;
		length -= (size_t)(space + 1 - line);
		line = space + 1;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && !is_ours; i++)
		is_ours = has_prefix(line, length, types[i]);
	if (!is_ours || !memmem(line, length, message, strlen(message)))
		return false;
	is_ours = memmem(line, length, number, strlen(number));
	for (size_t i = 0; i < 3 && !is_ours; i++)
		is_ours = memmem(line, length, unnumbered[i], strlen(unnumbered[i]));
	return is_ours;
}

/* One line, with its newline: one event of one record. */
static int feed(auparse_state_t *auparse, const char *line, size_t length)
{
	if (auparse_new_buffer(auparse, line, length) != 0)
		return -ENOMEM;
	if (auparse_next_event(auparse) <= 0 || auparse_get_num_records(auparse) != 1 ||
	    auparse_first_record(auparse) <= 0)
		return -EINVAL;
	return 0;
}

static int set_kind(struct trail_draft *draft, int type)
{
	switch (type) {
	case AUDIT_DAC_CHECK:
		draft->event.record.kind = RECORD_DECISION;
		return 0;
	case AUDIT_USYS_CONFIG:
		draft->event.record.kind = RECORD_CONFIG;
		return 0;
	case AUDIT_ANOM_RBAC_INTEGRITY_FAIL:
		draft->event.record.kind = RECORD_INTEGRITY;
		return 0;
	case AUDIT_TRUSTED_APP:
		draft->event.record.kind = RECORD_LIFECYCLE;
		return 0;
	default:
		return -EINVAL;
	}
}

/* "..." as it is, else hex; an unknown comm= or exe= is a bare ?. */
static int set_encoded(struct trail_draft *draft, const struct field *field,
		       const char *written)
{
	size_t length = strlen(written);

	if (length >= 2 && written[0] == '"' && written[length - 1] == '"')
		return trail_set_text(draft, field, written + 1, length - 2);
	if (field->form == FIELD_WORD)
		return trail_set_text(draft, field, written, length);
	if (strcmp(written, "?") == 0)
		return trail_set_unknown(draft, field);
	return trail_set_hex(draft, field, written, length);
}

static int set_part(struct trail_draft *draft, const char *written)
{
	char end;

	if (sscanf(written, "%2u/%2u%c", &draft->part, &draft->n_parts, &end) != 2 ||
	    draft->part == 0 || draft->part > draft->n_parts)
		return -EINVAL;
	return 0;
}

static int set_field(struct trail_draft *draft, const char *name, const char *written)
{
	const struct field *field = trail_field(draft, name);

	if (field)
		return field_is_text(field) ? set_encoded(draft, field, written)
					    : trail_set_written(draft, field, written);
	if (strcmp(name, "part") == 0)
		return set_part(draft, written);
	if (strcmp(name, "resent") == 0)
		draft->resent = true;
	else if (strcmp(name, "refused") == 0)
		draft->refused = true;
	return 0; /* of a later version */
}

/* What libaudit appends; in front of it the guard's own fields end. */
static const char *const appended[] = { "exe", "hostname", "addr", "terminal", "res" };

#define N_APPENDED (sizeof(appended) / sizeof(appended[0]))

static int read_result(struct trail_draft *draft, const char *written)
{
	draft->event.record.success = strcmp(written, "success") == 0;
	return draft->event.record.success || strcmp(written, "failed") == 0 ? 0
									     : -EINVAL;
}

/* The kernel's fields, then the guard's from op= on, then libaudit's. */
static int read_fields(auparse_state_t *auparse, struct trail_draft *draft)
{
	unsigned n = auparse_get_num_fields(auparse);
	bool within = false;
	int r = 0;

	if (n < N_APPENDED || auparse_first_field(auparse) <= 0)
		return -EINVAL;
	for (unsigned i = 0; r == 0 && i < n; i++) {
		const char *name = auparse_get_field_name(auparse);
		const char *written = auparse_get_field_str(auparse);

		if (!name || !written)
			return -EINVAL;
		if (i + N_APPENDED >= n &&
		    strcmp(name, appended[i + N_APPENDED - n]) != 0)
			return -EINVAL;
		within = within || strcmp(name, "op") == 0;
		if (i + N_APPENDED < n && within)
			r = set_field(draft, name, written);
		else if (strcmp(name, "pid") == 0)
			draft->guard_pid = strtoull(written, NULL, 10);
		else if (i + 1 == n)
			r = read_result(draft, written);
		if (i + 1 < n && auparse_next_field(auparse) <= 0)
			return -EINVAL;
	}
	return within ? r : -EINVAL;
}

static void read_header(auparse_state_t *auparse, struct trail_draft *draft)
{
	char *node = (char *)auparse_get_node(auparse);

	if (node)
		(void)snprintf(draft->node, sizeof(draft->node), "%s", node);
	free(node);
	draft->event.record.time = (struct timespec){
		.tv_sec = auparse_get_time(auparse),
		.tv_nsec = (long)auparse_get_milli(auparse) * 1000000,
	};
}

int trail_auditd_read(struct trail_auditd *parser, char *line, size_t length,
		      struct trail_draft *draft)
{
	char *end = memchr(line, ENRICHMENT, length);
	int r;

	if (end)
		length = (size_t)(end - line);
	/* libauparse reads a string: whoever fed it a NUL byte is no guard. */
	if (memchr(line, '\0', length) || length == 0 || line[length - 1] != '\'')
		return TRAIL_LINE_BROKEN;
	line[length] = '\n'; /* where a newline or the enrichment was */

	r = feed(parser->auparse, line, length + 1);
	trail_draft_reset(draft);
	if (r == 0)
		r = set_kind(draft, auparse_get_type(parser->auparse));
	if (r == 0) {
		read_header(parser->auparse, draft);
		r = read_fields(parser->auparse, draft);
	}
	if (r == -ENOMEM)
		return r;
	return r == 0 ? TRAIL_LINE_RECORD : TRAIL_LINE_BROKEN;
}
