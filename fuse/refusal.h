/* SPDX-License-Identifier: Apache-2.0 */
/* The reason= of what was granted and refused all the same, beside config/move.h's. */
#pragma once

#define REFUSAL_BY_MODES "mode bits or ACL"
#define REFUSAL_DEVICE	 "devices are never made in the share"
#define REFUSAL_TRUSTED	 "trusted attributes are never changed in the share"
