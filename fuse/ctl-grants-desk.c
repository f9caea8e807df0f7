/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the grants beside a policy are read and written by one admin at a time.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "config/identity.h"
#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-grants.h"
#include "fuse/ctl-install.h"
#include "fuse/ctl-lock.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"
#include "fuse/moment.h"
#include "fuse/util.h"

struct grants_desk {
	char *file; /* of the grants */
	struct policy_lock lock;
	struct policy *policy;
	struct grants *grants;
	struct moment now;
	struct grant_person admin;
	char admin_name[256];
};

int ctl_load_grants(const struct policy *policy, const struct moment *now,
		    struct grants **ret)
{
	_cleanup_(complaints_fini) struct complaints complaints = { 0 };
	_cleanup_(freep) char *file = grants_file_of(policy->file);
	int r;

	ctl_patience_start();
	r = file ? grants_load(policy, &identity_names, now, &complaints, ret) : -ENOMEM;
	ctl_patience_stop();
	if (r == -ENOMEM)
		return ctl_fail("no memory");
	ctl_print_complaints(file, &complaints);
	return r < 0 ? CTL_POLICY : CTL_OK;
}

int ctl_load_valid_grants(const struct policy *policy, struct grants **ret)
{
	_cleanup_(grants_unrefp) struct grants *all = NULL;
	const struct moment now = moment_now();
	int status = ctl_load_grants(policy, &now, &all);

	if (status != CTL_OK)
		return status;
	*ret = grants_select(all, &now);
	return *ret ? CTL_OK : ctl_fail("no memory");
}

/* A name that the file could not hold is written as its number. */
static void find_admin(struct grants_desk *desk)
{
	desk->admin.uid = ctl_login_uid();
	ctl_patience_start();
	identity_user_name(desk->admin.uid, desk->admin_name, sizeof(desk->admin_name));
	ctl_patience_stop();
	if (!grant_text_fits(desk->admin_name))
		snprintf(desk->admin_name, sizeof(desk->admin_name), "%u",
			 desk->admin.uid);
	desk->admin.name = desk->admin_name;
}

static int open_locked(struct grants_desk *desk, const char *policy_file)
{
	int status;

	desk->file = grants_file_of(policy_file);
	if (!desk->file)
		return ctl_fail("no memory");
	status = policy_lock(desk->file, &desk->lock);
	if (status == CTL_OK)
		status = ctl_load_policy(policy_file, &desk->policy);
	desk->now = moment_now();
	if (status == CTL_OK)
		status = ctl_load_grants(desk->policy, &desk->now, &desk->grants);
	if (status == CTL_OK)
		grants_drop_ended(desk->grants, desk->now.wall);
	return status;
}

int grants_desk_open(const char *policy_file, struct grants_desk **ret)
{
	struct grants_desk *desk = calloc(1, sizeof(*desk));
	int status;

	if (!desk)
		return ctl_fail("no memory");
	desk->lock.fd = -1;
	status = open_locked(desk, policy_file);
	if (status != CTL_OK) {
		grants_desk_free(&desk);
		return status;
	}
	find_admin(desk);
	*ret = desk;
	return CTL_OK;
}

void grants_desk_free(struct grants_desk **desk)
{
	if (!*desk)
		return;
	policy_unlock(&(*desk)->lock);
	policy_unref((*desk)->policy);
	grants_unref((*desk)->grants);
	free((*desk)->file);
	free(*desk);
	*desk = NULL;
}

const struct policy *grants_desk_policy(const struct grants_desk *desk)
{
	return desk->policy;
}

struct grants *grants_desk_grants(struct grants_desk *desk)
{
	return desk->grants;
}

const struct moment *grants_desk_now(const struct grants_desk *desk)
{
	return &desk->now;
}

const struct grant_person *grants_desk_admin(const struct grants_desk *desk)
{
	return &desk->admin;
}

/* What is not read back as it was meant is not written. */
static bool is_read_back(const struct grants *grants, const char *text, size_t length)
{
	_cleanup_(complaints_fini) struct complaints complaints = { 0 };
	_cleanup_(grants_unrefp) struct grants *again = NULL;

	if (grants_parse(text, length, &complaints, &again) < 0 ||
	    again->n_items != grants->n_items)
		return false;
	for (size_t i = 0; i < grants->n_items; i++) {
		const struct timed_grant *one = &grants->items[i];
		const struct timed_grant *other = grants_find(again, one);

		if (!other || strcmp(one->user.name, other->user.name) != 0 ||
		    strcmp(one->reason, other->reason) != 0 ||
		    one->revoked != other->revoked)
			return false;
	}
	return true;
}

int grants_desk_install(struct grants_desk *desk)
{
	_cleanup_(freep) char *text = NULL;
	sigset_t ends, before;
	size_t length = 0;
	int status;

	text = grants_compose(desk->grants, &length);
	if (!text)
		return ctl_fail("no memory");
	if (!is_read_back(desk->grants, text, length))
		return ctl_fail("%s could not be read back, so nothing is changed",
				QUOTED(desk->file));
	/* What is half done would leave a file behind. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, &before);
	status = policy_text_install(desk->file, desk->policy->file, text, length);
	policy_unlock(&desk->lock);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}
