/* SPDX-License-Identifier: Apache-2.0 */
/* The name of the control socket. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

#include "fuse/control-socket.h"
#include "fuse/log.h"
#include "fuse/util.h"

#define BACKLOG	   16
#define LOCK_TRIES 100 /* of 10 ms */

#define WITHOUT                                                                       \
	"this guard serves without control: modelguardctl does not reach it, SIGHUP " \
	"does"

/* Only root may search it, so nobody else gets to a socket. -errno. */
static int open_directory(void)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (mkdir(CONTROL_DIRECTORY, 0700) < 0 && errno != EEXIST) {
		int r = -errno;

		log_warning("cannot make " CONTROL_DIRECTORY ": %s; " WITHOUT,
			    strerror(-r));
		return r;
	}
	fd = RET_ERRNO(
		open(CONTROL_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = fd < 0 ? fd : -errno;

		log_warning("cannot open " CONTROL_DIRECTORY ": %s; " WITHOUT,
			    strerror(-r));
		return r;
	}
	if (st.st_uid != 0 || (st.st_mode & 077) != 0) {
		log_warning(CONTROL_DIRECTORY " is open to others than root: 'chown root "
					      "%s; chmod 700 %s'; " WITHOUT,
			    CONTROL_DIRECTORY, CONTROL_DIRECTORY);
		return -EPERM;
	}
	return take_fd(&fd);
}

/* Held only while names come and go: by another guard that starts, for moments. */
static int lock_directory(int directory)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(directory, LOCK_EX | LOCK_NB) == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

static struct sockaddr_un address_of(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), CONTROL_DIRECTORY "/%s",
		 name);
	return address;
}

static bool is_stale(const char *name)
{
	_cleanup_(closep) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = address_of(name);

	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	       errno == ECONNREFUSED;
}

/* Whoever was killed has left its own behind. Under the lock: a socket has its name
 * before it listens. */
static void remove_stale(int directory)
{
	int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	DIR *names = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!names) {
		closep(&copy);
		return;
	}
	while ((entry = readdir(names)))
		if (entry->d_type == DT_SOCK &&
		    strlen(entry->d_name) < CONTROL_NAME_MAX && is_stale(entry->d_name))
			unlinkat(directory, entry->d_name, 0);
	closedir(names);
}

/* Returns the listening socket, or -errno. */
static int bind_name(int directory, const char *name, ino_t *ret_ino)
{
	_cleanup_(closep) int fd = RET_ERRNO(
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	struct sockaddr_un address = address_of(name);
	struct stat st;

	if (fd < 0)
		return fd;
	unlinkat(directory, name, 0); /* a device number is ours alone */
	/* unix(7): before bind(2), the mode that the name will have. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0 ||
	    fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret_ino = st.st_ino;
	return take_fd(&fd);
}

int control_socket_open(dev_t device, struct control_socket *ret)
{
	_cleanup_(closep) int directory = open_directory();
	int r;

	if (directory < 0)
		return directory;
	snprintf(ret->name, sizeof(ret->name), CONTROL_NAME_FORMAT, gnu_dev_major(device),
		 gnu_dev_minor(device));
	r = lock_directory(directory);
	if (r == 0) {
		remove_stale(directory);
		r = bind_name(directory, ret->name, &ret->ino);
		flock(directory, LOCK_UN);
	}
	if (r < 0) {
		log_warning("cannot make " CONTROL_DIRECTORY "/%s: %s; " WITHOUT,
			    ret->name, strerror(-r));
		return r;
	}
	ret->fd = r;
	ret->directory = take_fd(&directory);
	return 0;
}

void control_socket_close(struct control_socket *made)
{
	struct stat st;

	if (lock_directory(made->directory) == 0 &&
	    fstatat(made->directory, made->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == made->ino)
		unlinkat(made->directory, made->name, 0);
	closep(&made->directory); /* and the lock */
	closep(&made->fd);
}
