/* SPDX-License-Identifier: Apache-2.0 */
/* Why promotions were refused lately. */
#include <stdbool.h>
#include <stdio.h>

#include "fuse/refusals.h"

void refusals_keep(struct refusals *refusals, uid_t uid, dev_t dev, ino_t ino,
		   const char *reason)
{
	struct refused *item;

	pthread_mutex_lock(&refusals->lock);
	item = &refusals->items[refusals->next++ % REFUSALS_KEPT];
	item->uid = uid;
	item->dev = dev;
	item->ino = ino;
	snprintf(item->reason, sizeof(item->reason), "%s", reason);
	pthread_mutex_unlock(&refusals->lock);
}

bool refusals_find(struct refusals *refusals, uid_t uid, dev_t dev, ino_t ino,
		   char reason[static PROMOTION_REASON_MAX])
{
	bool found = false;

	pthread_mutex_lock(&refusals->lock);
	for (unsigned i = 1; !found && i <= REFUSALS_KEPT; i++) {
		const struct refused *item =
			&refusals->items[(refusals->next - i) % REFUSALS_KEPT];

		found = item->ino == ino && item->dev == dev && item->uid == uid;
		if (found)
			snprintf(reason, PROMOTION_REASON_MAX, "%s", item->reason);
	}
	pthread_mutex_unlock(&refusals->lock);
	return found && reason[0];
}
