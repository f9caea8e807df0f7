/* SPDX-License-Identifier: Apache-2.0 */
/* The words to the guard about a file, for both ends: word.h. */
#pragma once

#define WORD_PREFIX  "user.modelguard."
#define WORD_HOLD    WORD_PREFIX "hold"	   /* why; get: the same */
#define WORD_RELEASE WORD_PREFIX "release" /* why */
#define WORD_MAX     4096		   /* bytes of an order */
