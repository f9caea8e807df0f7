/* SPDX-License-Identifier: Apache-2.0 */
/* Digests in advance. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "fuse/digest-jobs.h"
#include "fuse/manifest.h"
#include "fuse/util.h"

#define JOBS 16 /* waiting, running, and the last that are over */

struct job {
	uint64_t number; /* 0: the slot is free; they run in this order */
	dev_t dev;
	ino_t ino;
	int dir_fd;
	char *name;
	struct digest_report report;
};

struct digest_jobs {
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	struct job jobs[JOBS];
	struct job *running;
	uint64_t last_number;
	bool stop;
	pthread_t thread;
	bool has_thread;
};

/* Under jobs->lock. */
static bool is_over(const struct job *job)
{
	return job->report.state == DIGEST_DONE || job->report.state == DIGEST_FAILED;
}

static void job_clear(struct job *job)
{
	if (job->number != 0)
		closep(&job->dir_fd);
	free(job->name);
	*job = (struct job){ 0 };
}

static struct job *find(struct digest_jobs *jobs, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < JOBS; i++)
		if (jobs->jobs[i].number && jobs->jobs[i].dev == dev &&
		    jobs->jobs[i].ino == ino)
			return &jobs->jobs[i];
	return NULL;
}

/* Under jobs->lock. A free slot, or that of the one that has been over for the longest.
 */
static struct job *find_slot(struct digest_jobs *jobs)
{
	struct job *oldest = NULL;

	for (size_t i = 0; i < JOBS; i++) {
		struct job *job = &jobs->jobs[i];

		if (job->number == 0)
			return job;
		if (is_over(job) && (!oldest || job->number < oldest->number))
			oldest = job;
	}
	if (oldest)
		job_clear(oldest);
	return oldest;
}

/* Under jobs->lock. */
static struct job *next(struct digest_jobs *jobs)
{
	struct job *first = NULL;

	for (size_t i = 0; i < JOBS; i++) {
		struct job *job = &jobs->jobs[i];

		if (job->number && job->report.state == DIGEST_WAITS &&
		    (!first || job->number < first->number))
			first = job;
	}
	return first;
}

static int on_progress(void *context, const struct manifest_progress *progress)
{
	struct digest_jobs *jobs = context;
	int r;

	pthread_mutex_lock(&jobs->lock);
	jobs->running->report.n_bytes = progress->n_bytes;
	jobs->running->report.n_bytes_total = progress->n_bytes_total;
	r = jobs->stop ? -ECANCELED : 0;
	pthread_mutex_unlock(&jobs->lock);
	return r;
}

/* Without the lock: the job's names are not touched while it runs. */
static int compute(struct digest_jobs *jobs, const struct job *job,
		   char hex[static DIGEST_HEX_SIZE])
{
	const struct manifest_plan plan = {
		.progress = on_progress, .context = jobs, .recall = true, .keep = true
	};
	struct manifest manifest = { 0 };
	int r = manifest_read(job->dir_fd, job->name, &plan, &manifest);

	/* It may have been moved, and something else put in its place. */
	if (r == 0 && (manifest.entries[0].stat.st_ino != job->ino ||
		       manifest.entries[0].stat.st_dev != job->dev))
		r = -ESTALE;
	if (r == 0)
		digest_hex(&manifest.digest, hex);
	manifest_fini(&manifest);
	return r;
}

static void *work(void *data)
{
	struct digest_jobs *jobs = data;

	pthread_mutex_lock(&jobs->lock);
	while (!jobs->stop) {
		char hex[DIGEST_HEX_SIZE] = "";
		struct job *job = next(jobs);
		int r;

		if (!job) {
			pthread_cond_wait(&jobs->wake, &jobs->lock);
			continue;
		}
		job->report.state = DIGEST_RUNS;
		jobs->running = job;
		pthread_mutex_unlock(&jobs->lock);
		r = compute(jobs, job, hex);
		pthread_mutex_lock(&jobs->lock);
		jobs->running = NULL;
		memcpy(job->report.hex, hex, sizeof(hex));
		job->report.error = -r;
		job->report.state = r < 0 ? DIGEST_FAILED : DIGEST_DONE;
	}
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

int digest_jobs_new(struct digest_jobs **ret)
{
	struct digest_jobs *jobs = calloc(1, sizeof(*jobs));
	int r;

	if (!jobs)
		return -ENOMEM;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->wake, NULL);
	r = -pthread_create(&jobs->thread, NULL, work, jobs);
	jobs->has_thread = r == 0;
	if (r < 0)
		digest_jobs_free(jobs);
	else
		*ret = jobs;
	return r;
}

struct digest_jobs *digest_jobs_free(struct digest_jobs *jobs)
{
	if (!jobs)
		return NULL;
	if (jobs->has_thread) {
		pthread_mutex_lock(&jobs->lock);
		jobs->stop = true;
		pthread_cond_signal(&jobs->wake);
		pthread_mutex_unlock(&jobs->lock);
		pthread_join(jobs->thread, NULL);
	}
	for (size_t i = 0; i < JOBS; i++)
		job_clear(&jobs->jobs[i]);
	pthread_cond_destroy(&jobs->wake);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
	return NULL;
}

int digest_jobs_ask(struct digest_jobs *jobs, int dir_fd, const char *name, dev_t dev,
		    ino_t ino)
{
	_cleanup_(freep) char *copy = strdup(name);
	_cleanup_(closep) int fd = RET_ERRNO(fcntl(dir_fd, F_DUPFD_CLOEXEC, 0));
	struct job *job;
	int r = 0;

	if (fd < 0 || !copy)
		return fd < 0 ? fd : -ENOMEM;
	pthread_mutex_lock(&jobs->lock);
	job = find(jobs, dev, ino);
	if (job && is_over(job))
		job_clear(job);
	else if (job)
		goto unlock; /* it is under way */
	job = find_slot(jobs);
	if (!job) {
		r = -EBUSY;
		goto unlock;
	}
	*job = (struct job){ .number = ++jobs->last_number,
			     .dev = dev,
			     .ino = ino,
			     .dir_fd = take_fd(&fd),
			     .name = take_ptr(copy) };
	pthread_cond_signal(&jobs->wake);
unlock:
	pthread_mutex_unlock(&jobs->lock);
	return r;
}

int digest_jobs_tell(struct digest_jobs *jobs, dev_t dev, ino_t ino,
		     struct digest_report *ret)
{
	const struct job *job;

	pthread_mutex_lock(&jobs->lock);
	job = find(jobs, dev, ino);
	if (job)
		*ret = job->report;
	pthread_mutex_unlock(&jobs->lock);
	return job ? 0 : -ENODATA;
}
