/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard tells root of itself. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuse/audit.h"
#include "fuse/control-protocol.h"
#include "fuse/status-internal.h"
#include "fuse/util.h"

#define N_SAMPLES 13 /* a minute, at one in five seconds */

struct sample {
	double at; /* seconds, CLOCK_MONOTONIC */
	uint64_t n_requests, n_denials;
};

struct status {
	struct status_parts parts;
	time_t since;
	pthread_mutex_t lock; /* of the samples */
	struct sample samples[N_SAMPLES];
	unsigned n_samples; /* ever */
};

static struct sample sample_now(const struct status *status)
{
	struct filesystem *fs = status->parts.fs;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct sample){
		.at = (double)now.tv_sec + (double)now.tv_nsec / 1e9,
		.n_requests = atomic_load(&fs->channel.n_requests),
		.n_denials = guard_denials(fs->guard),
	};
}

struct status *status_new(const struct status_parts *parts)
{
	struct status *status = calloc(1, sizeof(*status));

	if (!status)
		return NULL;
	status->parts = *parts;
	status->since = time(NULL);
	pthread_mutex_init(&status->lock, NULL);
	status_tick(status);
	return status;
}

struct policy_store *status_policies(struct status *status)
{
	return status->parts.policies;
}

struct status *status_free(struct status *status)
{
	if (status)
		pthread_mutex_destroy(&status->lock);
	free(status);
	return NULL;
}

void status_tick(struct status *status)
{
	struct sample sample = sample_now(status);

	pthread_mutex_lock(&status->lock);
	status->samples[status->n_samples++ % N_SAMPLES] = sample;
	pthread_mutex_unlock(&status->lock);
}

static struct sample oldest_sample(struct status *status)
{
	struct sample sample;
	unsigned n;

	pthread_mutex_lock(&status->lock);
	n = status->n_samples;
	sample = status->samples[n > N_SAMPLES ? n % N_SAMPLES : 0];
	pthread_mutex_unlock(&status->lock);
	return sample;
}

static json_t *rate(uint64_t before, uint64_t now, double seconds)
{
	return json_pack("{s:o, s:f}", "total", json_count(now), "per_second",
			 (double)(now - before) / seconds);
}

static int set_rates(struct status *status, json_t *document)
{
	struct sample before = oldest_sample(status), now = sample_now(status);
	double seconds = now.at - before.at > 0.001 ? now.at - before.at : 0.001;
	int failed = 0;

	failed |= json_object_set_new(document, "period", json_real(seconds));
	failed |= json_object_set_new(document, "requests",
				      rate(before.n_requests, now.n_requests, seconds));
	failed |= json_object_set_new(document, "denials",
				      rate(before.n_denials, now.n_denials, seconds));
	return failed ? -ENOMEM : 0;
}

static json_t *audit_part(const struct status_parts *parts)
{
	struct audit_report report;

	audit_report(parts->audit, &report);
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "sink",
			 json_of(parts->sink), "state", audit_state_name(report.state),
			 "failure", report.failure_allowed ? "allow" : "deny", "seqno",
			 json_count(report.seqno), "waiting", json_count(report.waiting),
			 "gaps", json_count(report.n_gaps), "unrecorded",
			 json_count(report.unrecorded), "refused",
			 json_count(report.refused), "lost", json_count(report.lost),
			 "gap_since",
			 report.gap_since ? json_integer(report.gap_since) : json_null());
}

static json_t *passthrough_part(const struct filesystem *fs)
{
	int error = atomic_load(&fs->ios.passthrough_error);

	return json_pack("{s:b, s:o, s:o}", "available", fs->channel.passthrough,
			 "refused",
			 json_count(atomic_load(&fs->ios.n_passthrough_refused)), "error",
			 error < 0 ? json_string(strerrordesc_np(-error)) : json_null());
}

/* proc(5): the second number of statm is what is resident, in pages. */
static uint64_t resident_bytes(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (!statm)
		return 0;
	if (fscanf(statm, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static json_t *policy_part(const struct status_parts *parts,
			   const struct policy_snapshot *snapshot)
{
	return json_pack("{s:o, s:o, s:s, s:I, s:s}", "file",
			 json_of(snapshot->policy->file), "generation",
			 json_count(snapshot->generation), "sha256",
			 snapshot->policy->hash, "since",
			 (json_int_t)policy_store_since(parts->policies), "on_disk",
			 policy_store_on_disk(parts->policies));
}

static json_t *head(const struct status *status, const struct policy_snapshot *snapshot)
{
	const struct status_parts *parts = &status->parts;

	return json_pack("{s:o, s:o, s:i, s:s, s:I, s:o}", "mountpoint",
			 json_of(parts->mountpoint), "source", json_of(parts->source),
			 "pid", (int)getpid(), "modelguard", MODELGUARD_VERSION, "since",
			 (json_int_t)status->since, "policy",
			 policy_part(parts, snapshot));
}

json_t *status_policy(struct status *status)
{
	struct policy_snapshot snapshot;
	json_t *document;

	policy_snapshot_get(status->parts.policies, &snapshot);
	document = head(status, &snapshot);
	policy_snapshot_put(&snapshot);
	return document;
}

static int set_all(struct status *status, const struct policy_snapshot *snapshot,
		   json_t *document)
{
	const struct status_parts *parts = &status->parts;
	int failed = 0, r;

	failed |= json_object_set_new(document, "audit", audit_part(parts));
	failed |=
		json_object_set_new(document, "passthrough", passthrough_part(parts->fs));
	failed |= json_object_set_new(document, "nodes",
				      json_count(node_count(parts->fs->nodes)));
	failed |= json_object_set_new(document, "memory", json_count(resident_bytes()));
	if (failed)
		return -ENOMEM;
	r = set_rates(status, document);
	if (r == 0)
		r = status_set_handles(parts, snapshot, document);
	return r == 0 ? status_set_rules(snapshot, document) : r;
}

json_t *status_all(struct status *status)
{
	struct policy_snapshot snapshot;
	json_t *document;

	policy_snapshot_get(status->parts.policies, &snapshot);
	document = head(status, &snapshot);
	if (document && (set_all(status, &snapshot, document) < 0 ||
			 status_set_grants(status, document) < 0)) {
		json_decref(document);
		document = NULL;
	}
	policy_snapshot_put(&snapshot);
	return document;
}
