/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that serve requests. */
#include <linux/fuse.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "fuse/log.h"
#include "fuse/loop.h"
#include "fuse/util.h"

#define RETRY_NS                                                              \
	20000000L /* without memory, and until a thread is woken up once more \
		   */

struct worker {
	struct loop *loop;
	pthread_t thread;
	struct fuse_buf request;
	atomic_bool waits; /* for a request: only then may it be interrupted */
};

struct loop {
	struct fuse_session *session;
	sem_t over;
	pthread_mutex_t lock;	/* of all below, but for the atomic ones */
	struct worker *workers; /* LOOP_THREADS */
	unsigned n_workers;
	unsigned n_idle;
	bool is_starting;
	int error;
	atomic_bool has_complained;
	atomic_bool has_begun; /* to serve */
};

static void *serve(void *data);

/* Of one thread at a time: is_starting. */
static int start_worker(struct loop *loop)
{
	struct worker *worker = &loop->workers[loop->n_workers];
	int r;

	*worker = (struct worker){ .loop = loop };
	r = -pthread_create(&worker->thread, NULL, serve, worker);
	pthread_mutex_lock(&loop->lock);
	loop->is_starting = false;
	if (r == 0)
		loop->n_workers++;
	else
		loop->n_idle--;
	pthread_mutex_unlock(&loop->lock);
	return r;
}

/* With fewer threads requests wait for one another, which is better than an end. */
static void start_another(struct loop *loop)
{
	int r = start_worker(loop);

	if (r == 0 || atomic_exchange(&loop->has_complained, true))
		return;
	log_warning("cannot start another thread that serves: %s; requests may have to "
		    "wait for one another",
		    strerror(-r));
}

static void leave_idle(struct loop *loop)
{
	bool starts;

	pthread_mutex_lock(&loop->lock);
	loop->n_idle--;
	starts =
		loop->n_idle == 0 && !loop->is_starting && loop->n_workers < LOOP_THREADS;
	if (starts) {
		loop->is_starting = true;
		loop->n_idle++; /* the new one */
	}
	pthread_mutex_unlock(&loop->lock);
	if (starts)
		start_another(loop);
}

static void enter_idle(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->n_idle++;
	pthread_mutex_unlock(&loop->lock);
}

/* There are many of them, and nobody waits for one. */
static bool is_forget(const struct fuse_buf *request)
{
	const struct fuse_in_header *header = request->mem;

	return header->opcode == FUSE_FORGET || header->opcode == FUSE_BATCH_FORGET;
}

static void process(struct worker *worker)
{
	bool is_quick = is_forget(&worker->request);

	atomic_store(&worker->loop->has_begun, true);
	if (!is_quick)
		leave_idle(worker->loop);
	fuse_session_process_buf(worker->loop->session, &worker->request);
	if (!is_quick)
		enter_idle(worker->loop);
}

static void fail(struct loop *loop, int error)
{
	pthread_mutex_lock(&loop->lock);
	loop->error = error;
	pthread_mutex_unlock(&loop->lock);
	fuse_session_exit(loop->session);
}

/* libfuse allocates the buffer at the first call, and keeps it. */
static int receive(struct worker *worker)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	int r;

	atomic_store(&worker->waits, true);
	r = fuse_session_receive_buf(worker->loop->session, &worker->request);
	if (r == -ENOMEM)
		nanosleep(&pause, NULL);
	atomic_store(&worker->waits, false);
	return r;
}

static void *serve(void *data)
{
	struct worker *worker = data;
	struct loop *loop = worker->loop;

	while (!fuse_session_exited(loop->session)) {
		int r = receive(worker);

		if (r > 0)
			process(worker);
		else if (r < 0 && r != -EINTR &&
			 (r != -ENOMEM || !atomic_load(&loop->has_begun)))
			fail(loop, r);
	}
	free(worker->request.mem);
	sem_post(&loop->over);
	return NULL;
}

/* It may be on its way from its look at the session to read(2): so again and again. */
static void end_worker(struct worker *worker, int wake_signal)
{
	struct timespec until;

	do {
		if (atomic_load(&worker->waits))
			pthread_kill(worker->thread, wake_signal);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += RETRY_NS;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
	} while (pthread_clockjoin_np(worker->thread, NULL, CLOCK_MONOTONIC, &until) ==
		 ETIMEDOUT);
}

/* NULL: there is none any more. One that is being started is in the list before the
 * thread that starts it ends. */
static struct worker *nth_worker(struct loop *loop, unsigned n)
{
	struct worker *worker;

	pthread_mutex_lock(&loop->lock);
	worker = n < loop->n_workers ? &loop->workers[n] : NULL;
	pthread_mutex_unlock(&loop->lock);
	return worker;
}

int loop_run(struct fuse_session *session, int wake_signal)
{
	struct worker workers[LOOP_THREADS], *worker;
	struct loop loop = { .session = session,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .workers = workers,
			     .n_idle = 1,
			     .is_starting = true };
	int r;

	sem_init(&loop.over, 0, 0);
	r = start_worker(&loop);
	if (r < 0)
		log_error("cannot start a thread that serves: %s", strerror(-r));
	while (r == 0 && !fuse_session_exited(session))
		sem_wait(&loop.over);
	for (unsigned i = 0; (worker = nth_worker(&loop, i)); i++)
		end_worker(worker, wake_signal);
	sem_destroy(&loop.over);
	return r < 0 ? r : loop.error;
}
