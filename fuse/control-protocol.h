/* SPDX-License-Identifier: Apache-2.0 */
/* How modelguardctl speaks to a guard that runs.
 *
 * Each mount has a socket (AF_UNIX, SOCK_SEQPACKET) in CONTROL_DIRECTORY, which only root
 * may enter. Its name is the mount's device number, "MAJOR:MINOR" in decimal, as in
 * /proc/PID/mountinfo: unlike a mount point it is unique, also across mount namespaces.
 *
 * A connection is for one question. The request is one datagram, a JSON object:
 *
 *	{ "version": 1, "verb": "status" | "policy" | "reload" | "source" }
 *
 * The answer is datagrams, each a JSON object of printable ASCII with "version": first
 * the head, with all that is no list; then the lists, a number of items at a time:
 *
 *	{ "version": 1, "list": "rules", "items": [ ... ] }
 *
 * and last { "version": 1, "end": true }. An answer without its end is none.
 *
 * What is refused has a head of "refused" (a line for people) and "reason": "request" (no
 * JSON object, or with other members), "size", "version", "verb", "peer" (not root),
 * "memory".
 *
 * Heads. Times are seconds since 1970; texts that are not UTF-8 have \xNN for a byte.
 *
 * The head that answers "source" carries a descriptor of the source's top directory
 * (unix(7), SCM_RIGHTS), which the mount may cover: root has no role in the share, and
 * verifies what lies behind it.
 *
 * policy, and part of the others:
 *	mountpoint, source, pid, modelguard (its version), since
 *	policy { file, generation, sha256, since (in force),
 *		on_disk: "same", "differs" or "unreadable" (it, or its grants) }
 * reload:
 *	loaded: whether the file is in force now
 *	list complaints [ { line (0: the file as a whole), text } ]: why it is not
 *	list grants, as in status
 * status:
 *	audit { sink (as for -o audit=), state (modelguard-audit(7)), failure: "deny" or
 *		"allow", seqno (the last one given), waiting (acknowledged by the kernel,
 *		not yet read by auditd), gaps (since the start), unrecorded, refused, lost
 *		(in them), gap_since (of the present one, or null) }
 *	passthrough { available, refused (opens served without it), error (why) }
 *	requests, denials { total, per_second }: over the last `period` seconds
 *	nodes, memory (bytes, resident)
 *	handles { reading, writing, directories, passthrough }: writing includes both
 *	n_people, n_unreachable, n_rules, n_never_hit: the lists are cut at CONTROL_ITEMS
 *	list roles [ { name, handles } ]: of who holds the role under this policy
 *	list people [ { uid, name, roles [], reading, writing, directories } ]
 *	list unreachable [ { uid, name, pid, path } ]: reads or maps a file past the
 *		guard, and would be denied by the policy in force
 *	list grants [ { id, user, uid, role, from, until, by, reason, state: "in-force",
 *		"not-begun", "ended", "revoked" or "void", why (void, or null) } ]: all
 *		of the file, as it was read
 *	list rules [ { line, zone, role, text, allowed, denied } ]: decisions since this
 *		generation is in force, by the line that a record of them names */
#pragma once

#define CONTROL_VERSION	    1
#define CONTROL_DIRECTORY   "/run/modelguard"
#define CONTROL_NAME_FORMAT "%u:%u" /* of the device number: major, minor */
#define CONTROL_NAME_MAX    24

#define CONTROL_REQUEST_MAX 1024   /* bytes of a request */
#define CONTROL_ANSWER_MAX  131072 /* bytes of one datagram of an answer */
#define CONTROL_ITEMS	    10000  /* of a list; of what is no list of lines: */
#define CONTROL_PEOPLE	    1000
#define CONTROL_UNREACHABLE 200
