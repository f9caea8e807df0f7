/* SPDX-License-Identifier: Apache-2.0 */
/* The words to the guard about a file, for both ends: word.h. */
#pragma once

#define WORD_PREFIX  "user.modelguard."
#define WORD_HOLD    WORD_PREFIX "hold"	   /* why; get: the same */
#define WORD_RELEASE WORD_PREFIX "release" /* why */
/* Have the digest computed; get: { state: "waits", "runs", "done", "failed"; bytes,
 * total, errno, digest }. */
#define WORD_DIGEST WORD_PREFIX "digest"
#define WORD_APPROVE                                                      \
	WORD_PREFIX "approve" /* "DIGEST NOTE", at most 100 bytes of note \
			       */
#define WORD_UNAPPROVE WORD_PREFIX "unapprove" /* why */
#define WORD_APPROVALS \
	WORD_PREFIX "approvals" /* get: [ { name, uid, time, zone, digest, note } ] */
#define WORD_PROMOTE \
	WORD_PREFIX "promote" /* get: why the caller's last one was refused */
#define WORD_MAX 4096	      /* bytes of an order */
