/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's audit over netlink(7). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/audit-netlink.h"

int audit_netlink_open(struct audit_netlink *netlink)
{
	const struct timeval timeout = { .tv_sec = 1 };
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int r;

	*netlink = (struct audit_netlink){
		.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT),
	};
	if (netlink->fd < 0)
		return errno == EAFNOSUPPORT ? -EPROTONOSUPPORT : -errno;
	if (setsockopt(netlink->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) <
		    0 ||
	    bind(netlink->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		audit_netlink_close(netlink);
		return r;
	}
	return 0;
}

void audit_netlink_close(struct audit_netlink *netlink)
{
	if (netlink->fd >= 0)
		close(netlink->fd);
	netlink->fd = -1;
}

/* Sends header and pieces as one datagram. iov[0] is the header's. */
static int send_request(struct audit_netlink *netlink, uint16_t type, uint16_t flags,
			struct iovec *iov, size_t n_iov)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr message = {
		.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
		.msg_iov = iov,
		.msg_iovlen = n_iov,
	};
	struct nlmsghdr header = {
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
		.nlmsg_seq = ++netlink->sequence,
	};
	size_t length = sizeof(header);
	ssize_t n;

	for (size_t i = 1; i < n_iov; i++)
		length += iov[i].iov_len;
	header.nlmsg_len = (uint32_t)length;
	iov[0] = (struct iovec){ &header, sizeof(header) };
	do {
		n = sendmsg(netlink->fd, &message, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Room for what is answered: an error that quotes the request, or struct audit_status. */
union answer {
	struct nlmsghdr header;
	unsigned char bytes[1024];
};

/* The next message of the kernel's that answers the last request: its length. */
static ssize_t receive_answer(struct audit_netlink *netlink, union answer *answer)
{
	for (;;) {
		struct sockaddr_nl from = {};
		socklen_t from_size = sizeof(from);
		ssize_t n = recvfrom(netlink->fd, answer, sizeof(*answer), 0,
				     (struct sockaddr *)&from, &from_size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (from.nl_pid == 0 && (size_t)n >= NLMSG_HDRLEN &&
		    answer->header.nlmsg_seq == netlink->sequence)
			return n;
	}
}

/* netlink(7): NLMSG_ERROR with error 0 is an acknowledgement. */
static int error_of(const union answer *answer, ssize_t n)
{
	int error;

	if ((size_t)n < NLMSG_LENGTH(sizeof(error)))
		return -EBADMSG;
	memcpy(&error, answer->bytes + NLMSG_HDRLEN, sizeof(error));
	return error < 0 ? error : 0;
}

int audit_netlink_record(struct audit_netlink *netlink, int type, const char *text,
			 size_t length, const char *more)
{
	struct iovec iov[] = {
		{},
		{ (void *)text, length },
		{ (void *)more, strlen(more) + 1 }, /* the kernel expects the NUL */
	};
	union answer answer;
	ssize_t n;
	int r = send_request(netlink, (uint16_t)type, NLM_F_ACK, iov,
			     sizeof(iov) / sizeof(iov[0]));

	if (r < 0)
		return r;
	n = receive_answer(netlink, &answer);
	if (n < 0)
		return (int)n;
	return answer.header.nlmsg_type == NLMSG_ERROR ? error_of(&answer, n) : -EBADMSG;
}

int audit_netlink_status(struct audit_netlink *netlink, struct audit_status *ret)
{
	struct iovec iov[] = { {} };
	union answer answer;
	size_t size;
	ssize_t n;
	int r = send_request(netlink, AUDIT_GET, 0, iov, 1);

	if (r < 0)
		return r;
	do {
		n = receive_answer(netlink, &answer);
		if (n < 0)
			return (int)n;
		if (answer.header.nlmsg_type == NLMSG_ERROR) {
			r = error_of(&answer, n);
			if (r < 0)
				return r;
		}
	} while (answer.header.nlmsg_type != AUDIT_GET);

	/* Older kernels send fewer members, newer ones more. */
	size = (size_t)n - NLMSG_HDRLEN;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, answer.bytes + NLMSG_HDRLEN,
	       size < sizeof(*ret) ? size : sizeof(*ret));
	return 0;
}
