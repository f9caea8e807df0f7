/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that wakes at a moment of either clock, and whenever the clock is set. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "fuse/alarm.h"
#include "fuse/util.h"

/* timerfd_settime(2) tells of a clock that was set only while it is armed. */
#define FAR_S ((int64_t)1 << 32)

struct alarm {
	void (*ring)(void *data, struct moment *ret_next);
	void *data;
	int wall_fd, boot_fd, wake_fd;
	atomic_bool stop;
	pthread_t thread;
	bool has_thread;
};

/* False: the clock was set since the timer was read last. */
static bool arm(int fd, int flags, int64_t at)
{
	const struct itimerspec timer = { .it_value.tv_sec = at < FAR_S ? at : FAR_S };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | flags, &timer, NULL) == 0 ||
	       errno != ECANCELED;
}

/* What made it wake is taken off; ECANCELED, EAGAIN and a count are all the same here. */
static void drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

static void *wait_and_ring(void *data)
{
	struct alarm *alarm = data;

	while (!atomic_load(&alarm->stop)) {
		struct pollfd pollers[] = {
			{ .fd = alarm->wall_fd, .events = POLLIN },
			{ .fd = alarm->boot_fd, .events = POLLIN },
			{ .fd = alarm->wake_fd, .events = POLLIN },
		};
		struct moment next = { INT64_MAX, INT64_MAX };

		alarm->ring(alarm->data, &next);
		arm(alarm->boot_fd, 0, next.boot);
		if (!arm(alarm->wall_fd, TFD_TIMER_CANCEL_ON_SET, next.wall))
			continue;
		poll(pollers, 3, -1);
		for (size_t i = 0; i < 3; i++)
			drain(pollers[i].fd);
	}
	return NULL;
}

static int open_all(struct alarm *alarm)
{
	alarm->wall_fd =
		RET_ERRNO(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
	alarm->boot_fd =
		RET_ERRNO(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
	alarm->wake_fd = RET_ERRNO(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (alarm->wall_fd < 0)
		return alarm->wall_fd;
	return alarm->boot_fd < 0 ? alarm->boot_fd : alarm->wake_fd;
}

int alarm_start(void (*ring)(void *data, struct moment *ret_next), void *data,
		struct alarm **ret)
{
	struct alarm *alarm = calloc(1, sizeof(*alarm));
	int r;

	if (!alarm)
		return -ENOMEM;
	alarm->ring = ring;
	alarm->data = data;
	r = open_all(alarm);
	if (r >= 0)
		r = -pthread_create(&alarm->thread, NULL, wait_and_ring, alarm);
	alarm->has_thread = r == 0;
	if (r < 0) {
		alarm_stop(alarm);
		return r;
	}
	*ret = alarm;
	return 0;
}

void alarm_wake(struct alarm *alarm)
{
	if (alarm)
		eventfd_write(alarm->wake_fd, 1);
}

struct alarm *alarm_stop(struct alarm *alarm)
{
	if (!alarm)
		return NULL;
	if (alarm->has_thread) {
		atomic_store(&alarm->stop, true);
		alarm_wake(alarm);
		pthread_join(alarm->thread, NULL);
	}
	closep(&alarm->wall_fd);
	closep(&alarm->boot_fd);
	closep(&alarm->wake_fd);
	free(alarm);
	return NULL;
}
