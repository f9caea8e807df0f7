/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: one thread accepts, and starts one for each of a few clients. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "fuse/control-answer.h"
#include "fuse/control-protocol.h"
#include "fuse/control-socket.h"
#include "fuse/control.h"
#include "fuse/log.h"
#include "fuse/util.h"

#define N_CLIENTS 8 /* at the same time; further ones wait in the socket's queue */
#define CLIENT_S  5 /* for its request, and for each datagram that it takes */

struct client {
	struct control *control;
	int fd; /* -1: the slot is free */
	pthread_t thread;
	atomic_bool done;
};

struct control {
	struct control_socket socket;
	struct control_actions actions;
	int wake_fd; /* a client is done, or it is the end */
	atomic_bool stop;
	pthread_t thread;
	struct client clients[N_CLIENTS]; /* of `thread`, and each of its own thread */
	bool has_refused_peer;
};

static void converse(struct client *client)
{
	const struct control_actions *actions = &client->control->actions;
	char bytes[CONTROL_REQUEST_MAX];
	struct control_refusal refusal;
	struct control_request request;
	json_t *document;
	int pass = -1;
	ssize_t n;

	/* MSG_TRUNC: the length that it really had. */
	n = recv(client->fd, bytes, sizeof(bytes), MSG_TRUNC);
	if (n <= 0)
		return; /* gone, or said nothing in time */
	if (control_request_parse(bytes, (size_t)n, &request, &refusal) < 0)
		document = control_refuse(&refusal);
	else
		document = actions->answer(actions->data, request.verb, &pass);
	control_answer(client->fd, document, pass);
}

static void *serve_client(void *data)
{
	struct client *client = data;

	converse(client);
	atomic_store(&client->done, true);
	eventfd_write(client->control->wake_fd, 1);
	return NULL;
}

/* What was sent and not read would have the kernel take our answer back: the other end
 * gets ECONNRESET before it. */
static void hang_up(int fd)
{
	char byte;

	shutdown(fd, SHUT_RD);
	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) > 0)
		;
	close(fd);
}

/* Ends a client. Its thread may be in the middle of a conversation. */
static void end_client(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	pthread_join(client->thread, NULL);
	hang_up(take_fd(&client->fd));
}

static struct client *free_client(struct control *control)
{
	for (size_t i = 0; i < N_CLIENTS; i++)
		if (control->clients[i].fd < 0)
			return &control->clients[i];
	return NULL;
}

static void reap_clients(struct control *control)
{
	for (size_t i = 0; i < N_CLIENTS; i++)
		if (control->clients[i].fd >= 0 && atomic_load(&control->clients[i].done))
			end_client(&control->clients[i]);
}

/* The directory and the mode of the socket keep others out; this does, too, if they were
 * changed, or if somebody was handed a descriptor. */
static bool is_root(struct control *control, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0)
		return true;
	if (!control->has_refused_peer)
		log_warning("a program without root's rights got to the control socket "
			    "and was refused: " CONTROL_DIRECTORY " must be root's, "
			    "with mode 700");
	control->has_refused_peer = true;
	return false;
}

static void refuse_peer(int fd)
{
	const struct timeval at_once = { .tv_usec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &at_once, sizeof(at_once));
	control_answer(fd,
		       control_refuse(&(struct control_refusal){
			       .reason = "peer", .text = "only root may ask" }),
		       -1);
	hang_up(fd);
}

/* With no descriptor left, the client stays in the queue, and poll(2) would come back at
 * once. */
static void wait_for_descriptors(void)
{
	const struct timespec pause = { .tv_nsec = 100000000 };

	nanosleep(&pause, NULL);
}

static void accept_client(struct control *control)
{
	const struct timeval patience = { .tv_sec = CLIENT_S };
	struct client *client = free_client(control);
	int fd = accept4(control->socket.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		wait_for_descriptors();
		return;
	}
	if (!is_root(control, fd)) {
		refuse_peer(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	client->fd = fd;
	atomic_store(&client->done, false);
	if (pthread_create(&client->thread, NULL, serve_client, client) != 0)
		closep(&client->fd);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *serve(void *data)
{
	struct control *control = data;
	int64_t next = now_ms() + CONTROL_TICK_S * 1000;

	while (!atomic_load(&control->stop)) {
		struct pollfd pollers[] = {
			{ .fd = control->wake_fd, .events = POLLIN },
			{ .fd = free_client(control) ? control->socket.fd : -1,
			  .events = POLLIN },
		};
		int64_t left = next - now_ms();
		eventfd_t ignored;

		poll(pollers, 2, left > 0 ? (int)left : 0);
		if (pollers[0].revents)
			eventfd_read(control->wake_fd, &ignored);
		reap_clients(control);
		if (pollers[1].revents & POLLIN)
			accept_client(control);
		if (now_ms() >= next) {
			control->actions.tick(control->actions.data);
			next = now_ms() + CONTROL_TICK_S * 1000;
		}
	}
	for (size_t i = 0; i < N_CLIENTS; i++)
		if (control->clients[i].fd >= 0)
			end_client(&control->clients[i]);
	return NULL;
}

static int start_thread(struct control *control)
{
	control->wake_fd = RET_ERRNO(eventfd(0, EFD_CLOEXEC));
	if (control->wake_fd < 0)
		return control->wake_fd;
	return -pthread_create(&control->thread, NULL, serve, control);
}

int control_start(dev_t device, const struct control_actions *actions,
		  struct control **ret)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control) {
		log_warning("no memory: this guard serves without control");
		return -ENOMEM;
	}
	control->actions = *actions;
	control->wake_fd = -1;
	for (size_t i = 0; i < N_CLIENTS; i++)
		control->clients[i] = (struct client){ .control = control, .fd = -1 };
	r = control_socket_open(device, &control->socket);
	if (r < 0) {
		free(control);
		return r;
	}
	r = start_thread(control);
	if (r < 0) {
		log_warning("cannot start a thread for the control socket: %s; this "
			    "guard serves without control",
			    strerror(-r));
		control_socket_close(&control->socket);
		closep(&control->wake_fd);
		free(control);
		return r;
	}
	*ret = control;
	return 0;
}

struct control *control_stop(struct control *control)
{
	if (!control)
		return NULL;
	atomic_store(&control->stop, true);
	eventfd_write(control->wake_fd, 1);
	pthread_join(control->thread, NULL);
	control_socket_close(&control->socket);
	closep(&control->wake_fd);
	free(control);
	return NULL;
}
