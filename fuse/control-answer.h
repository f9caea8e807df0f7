/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a request, in datagrams: control-protocol.h. */
#pragma once

#include <jansson.h>

#include "fuse/control-request.h"

/* A head that refuses; NULL: no memory. */
json_t *control_refuse(const struct control_refusal *refusal);

/* Sends an answer: members of the document that are arrays are its lists. With `pass`, if
 * it is not -1, the head carries a descriptor (unix(7), SCM_RIGHTS). Drops the document;
 * NULL stands for one for which there was no memory. The socket has a time
 * limit for each datagram, and all of it must be sent within some seconds: 0 or -errno.
 */
int control_answer(int fd, json_t *document, int pass);
