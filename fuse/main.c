/* SPDX-License-Identifier: Apache-2.0 */
/* modelguard: from the command line to a mount that is served, and back. */
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/alarm.h"
#include "fuse/audit.h"
#include "fuse/background.h"
#include "fuse/call-filter.h"
#include "fuse/control-verbs.h"
#include "fuse/fs.h"
#include "fuse/log.h"
#include "fuse/loop.h"
#include "fuse/mount.h"
#include "fuse/mounter.h"
#include "fuse/options.h"
#include "fuse/policy-store.h"
#include "fuse/privilege.h"
#include "fuse/seal.h"
#include "fuse/signals.h"
#include "fuse/util.h"

struct daemon {
	struct options options;
	struct filesystem fs;
	struct policy_store *policies;
	struct audit *audit;
	bool is_sealed;
	struct mounter *mounter; /* NULL: we mount ourselves */
	struct fuse_session *session;
	struct alarm *alarm; /* of the grants */
	/* One at a time: SIGHUP, root over the socket, or the grants' alarm. */
	pthread_mutex_t reload_lock;
	pthread_mutex_t forget_lock; /* of the below; taken after reload_lock */
	bool ends;		     /* nobody serves requests any more, or soon */
};

static void on_ready(struct filesystem *fs)
{
	if (fs->ready_fd >= 0)
		background_ready(take_fd(&fs->ready_fd));
}

static void log_libfuse(enum fuse_log_level level, const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("%s", text);
	else if (level <= FUSE_LOG_WARNING)
		log_warning("%s", text);
}

/* Everything that can be wrong before anything is changed. */
static int check(struct daemon *daemon)
{
	const struct options *options = &daemon->options;
	int r;

	if (geteuid() != 0) {
		log_error("must be started as root: mounting takes CAP_SYS_ADMIN, and "
			  "records "
			  "CAP_AUDIT_WRITE");
		return -EPERM;
	}
	r = mount_is_guard(options->mountpoint);
	if (r > 0) {
		log_error("'%s' is guarded already: 'umount %s' first",
			  options->mountpoint, options->mountpoint);
		return -EBUSY;
	}
	if (r < 0) {
		log_error("cannot tell what is mounted (/proc/self/mounts): %s",
			  strerror(-r));
		return r;
	}
	r = seal_check(options->source, options->mountpoint, options->unsealed);
	if (r < 0 && !(r == -EPERM && options->unsealed))
		return r;
	daemon->is_sealed = r == 0;
	r = seal_check_outside("policy", options->policy, options->source,
			       options->mountpoint);
	if (r == 0 && strncmp(options->audit, "file:", strlen("file:")) == 0)
		r = seal_check_outside("trail", options->audit + strlen("file:"),
				       options->source, options->mountpoint);
	if (r < 0)
		return r;
	return policy_store_new(options->policy, &daemon->policies);
}

static int open_audit(struct daemon *daemon)
{
	_cleanup_(freep) char *why = NULL;
	struct policy_snapshot snapshot;
	bool allowed;
	int r;

	policy_snapshot_get(daemon->policies, &snapshot);
	allowed = snapshot.policy->audit_failure == AUDIT_FAILURE_ALLOW;
	policy_snapshot_put(&snapshot);
	r = audit_new(daemon->options.audit, allowed, &daemon->audit, &why);
	if (r < 0)
		log_error("%s", why ? why : "cannot record");
	return r;
}

static int build(struct daemon *daemon)
{
	struct filesystem *fs = &daemon->fs;
	int r;

	r = node_table_new(&fs->source, &fs->nodes);
	if (r < 0)
		return r;
	r = fs_tree_lock_init(fs);
	if (r < 0)
		return r;
	r = digest_jobs_new(&fs->digests);
	if (r < 0)
		return r;
	fs_cache_init(fs, daemon->is_sealed);
	io_table_init(&fs->ios, &fs->channel, fs->nodes);
	r = handle_table_new(fs->nodes, &fs->ios, &fs->handles);
	if (r < 0)
		return r;
	return guard_new(
		&(struct guard_parts){ .policies = daemon->policies,
				       .audit = daemon->audit,
				       .nodes = fs->nodes,
				       .mountpoint = daemon->options.mountpoint },
		&fs->guard);
}

static struct mount_request what_to_mount(const struct daemon *daemon)
{
	return (struct mount_request){
		.source = daemon->options.source,
		.mountpoint = daemon->options.mountpoint,
		.flags = daemon->options.mount_flags,
	};
}

static int put_mount(const struct daemon *daemon)
{
	const struct mount_request request = what_to_mount(daemon);

	return daemon->mounter ? mounter_mount(daemon->mounter) : mount_guard(&request);
}

/* What was mounted a moment ago and has never been served. */
static void take_back_mount(const struct daemon *daemon)
{
	if (daemon->mounter)
		mounter_unmount(daemon->mounter);
	else
		mount_detach(daemon->options.mountpoint);
}

/* After umount(8) the path may be a mount point of something else. */
static void remove_mount(const struct daemon *daemon)
{
	const char *mountpoint = daemon->options.mountpoint;
	int is_guard = daemon->mounter ? 1 : mount_is_guard(mountpoint);

	if (is_guard < 0)
		log_error("cannot tell whether '%s' is still mounted: %s; 'umount %s' "
			  "removes it",
			  mountpoint, strerror(-is_guard), mountpoint);
	else if (is_guard > 0)
		take_back_mount(daemon);
}

static int open_session(struct daemon *daemon)
{
	char *argv[] = { (char *)"modelguard", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct filesystem *fs = &daemon->fs;
	int fd, r;

	daemon->session = fuse_session_new(&args, &filesystem_operations,
					   sizeof(filesystem_operations), fs);
	fuse_opt_free_args(&args); /* the session took what it needs from its copy */
	if (!daemon->session)
		return -ENOMEM;
	fd = put_mount(daemon);
	if (fd < 0)
		return fd;
	fs->channel.fd = fd;
	fs->channel.want_passthrough = true;
	fs->on_ready = on_ready;
	r = channel_attach(&fs->channel, daemon->session);
	if (r < 0) {
		take_back_mount(daemon);
		close(fd);
	}
	return r;
}

/* What programs stored through mappings is still in the kernel: it is asked to write it
 * back while requests are served, and from a thread that serves none (KERNEL-NOTES). */
static void write_back(uint64_t node_id, void *data)
{
	fuse_lowlevel_notify_inval_inode(data, node_id, 0, 0);
}

static void on_end(void *data)
{
	struct daemon *daemon = data;

	pthread_mutex_lock(&daemon->forget_lock);
	daemon->ends = true;
	pthread_mutex_unlock(&daemon->forget_lock);
	handle_each_cached_writer(daemon->fs.handles, write_back, daemon->session);
	fuse_session_exit(daemon->session);
}

/* The kernel may have to wait for a request before it forgets a name: so not once nobody
 * serves any. */
static void forget_names(struct daemon *daemon)
{
	pthread_mutex_lock(&daemon->forget_lock);
	if (!daemon->ends)
		fs_cache_forget(&daemon->fs, daemon->session);
	pthread_mutex_unlock(&daemon->forget_lock);
}

/* Under reload_lock. */
static int reload(void *data, struct complaints *complaints)
{
	struct daemon *daemon = data;
	int r = guard_reload(daemon->fs.guard, complaints);

	if (r == 0)
		forget_names(daemon);
	alarm_wake(daemon->alarm);
	return r;
}

static void on_alarm(void *data, struct moment *ret_next)
{
	struct daemon *daemon = data;

	pthread_mutex_lock(&daemon->reload_lock);
	if (guard_review_grants(daemon->fs.guard, ret_next))
		forget_names(daemon);
	pthread_mutex_unlock(&daemon->reload_lock);
}

static void on_reload(void *data)
{
	struct daemon *daemon = data;

	pthread_mutex_lock(&daemon->reload_lock);
	reload(daemon, NULL);
	pthread_mutex_unlock(&daemon->reload_lock);
}

static struct control_verbs *start_control(struct daemon *daemon)
{
	return control_verbs_start(&(struct control_parts){
		.status = { .fs = &daemon->fs,
			    .audit = daemon->audit,
			    .policies = daemon->policies,
			    .mountpoint = daemon->options.mountpoint,
			    .source = daemon->options.source,
			    .sink = daemon->options.audit },
		.reload = reload,
		.data = daemon,
		.reload_lock = &daemon->reload_lock,
	});
}

/* After an error the mount stays: dead, but over a source that must not show. */
static void leave_mount(const struct daemon *daemon, bool by_signal, int error)
{
	const char *mountpoint = daemon->options.mountpoint;

	if (!daemon->fs.channel.initialised)
		take_back_mount(daemon);
	else if (by_signal)
		remove_mount(daemon);
	else if (error < 0)
		log_error("serving '%s' failed: %s; the mount is left in place, 'umount "
			  "%s' "
			  "removes it",
			  mountpoint, strerror(-error), mountpoint);
}

/* All threads but those that serve run by now, and those inherit it. A kernel without
 * filters is served on; whoever has no memory for one has none to serve. */
static int filter_calls(void)
{
	int r = call_filter_install();

	if (r < 0 && r != -ENOMEM)
		log_warning("the system calls of the guard are not filtered (seccomp): "
			    "%s",
			    strerror(-r));
	return r == -ENOMEM ? r : 0;
}

static const char *reason_of_end(const struct daemon *daemon, bool by_signal, int error)
{
	if (by_signal)
		return "signal";
	if (error == 0)
		return "unmounted";
	return daemon->fs.channel.initialised ? "error" : "not mounted";
}

static int start_alarm(struct daemon *daemon)
{
	int r = alarm_start(on_alarm, daemon, &daemon->alarm);

	if (r < 0)
		log_error("cannot start a thread for the ends of grants: %s",
			  strerror(-r));
	return r;
}

static int serve(struct daemon *daemon)
{
	const struct signal_actions actions = { on_end, on_reload, daemon };
	struct control_verbs *control;
	struct signals *signals;
	bool by_signal;
	int r;

	r = start_alarm(daemon);
	if (r == 0)
		r = signals_start(&actions, &signals);
	if (r < 0) {
		daemon->alarm = alarm_stop(daemon->alarm);
		take_back_mount(daemon);
		guard_record_end(daemon->fs.guard, "not mounted");
		return r;
	}
	control = start_control(daemon);
	r = filter_calls();
	if (r == 0)
		r = loop_run(daemon->session, SIGNALS_WAKE_UP);
	if (r == 0)
		r = daemon->fs.channel.init_error;
	by_signal = signals_stop(signals);
	leave_mount(daemon, by_signal, r);
	control_verbs_stop(control);
	daemon->alarm = alarm_stop(daemon->alarm);
	/* The record of the end comes after everything is flushed. */
	daemon->fs.handles = handle_table_free(daemon->fs.handles);
	guard_record_end(daemon->fs.guard, reason_of_end(daemon, by_signal, r));
	return r;
}

/* Before any thread is started, and while we have the privileges for it. */
static int start_mounter(struct daemon *daemon)
{
	const struct options *options = &daemon->options;
	const struct mounter_request request = {
		.mount = what_to_mount(daemon),
		.mount_namespace = options->mount_namespace,
		.source = &daemon->fs.source,
		.is_sealed = daemon->is_sealed,
		.unsealed = options->unsealed,
		.foreground = options->foreground,
	};
	int r;

	if (!options->mount_namespace)
		return 0;
	r = mounter_start(&request, &daemon->mounter);
	if (r > 0)
		daemon->is_sealed = false;
	return r < 0 ? r : 0;
}

static int run(struct daemon *daemon)
{
	int r;

	signals_block();
	privilege_raise_descriptors();
	r = start_mounter(daemon);
	if (r == 0)
		r = privilege_reduce(strcmp(daemon->options.audit, "auditd") == 0);
	if (r == 0)
		r = open_audit(daemon);
	if (r == 0)
		r = build(daemon);
	if (r == 0 && guard_record_start(daemon->fs.guard) < 0) {
		log_error(
			"the start cannot be recorded: not mounting (is auditd running? "
			"audit-failure = deny)");
		r = -EIO;
	}
	if (r < 0)
		return r;
	r = open_session(daemon);
	if (r < 0) {
		guard_record_end(daemon->fs.guard, "not mounted");
		return r;
	}
	return serve(daemon);
}

static void daemon_fini(struct daemon *daemon)
{
	digest_jobs_free(daemon->fs.digests);
	handle_table_free(daemon->fs.handles);
	io_table_fini(&daemon->fs.ios); /* needs the device, which the session closes */
	if (daemon->session)
		fuse_session_destroy(daemon->session);
	mounter_free(daemon->mounter);
	guard_free(daemon->fs.guard);
	node_table_free(daemon->fs.nodes);
	source_fini(&daemon->fs.source);
	audit_free(daemon->audit);
	policy_store_free(daemon->policies);
	options_fini(&daemon->options);
}

static int start(struct daemon *daemon)
{
	int r = check(daemon);

	if (r < 0)
		return r;
	/* Before anything is mounted over it. */
	r = source_init(&daemon->fs.source, daemon->options.source);
	if (r < 0) {
		log_error("cannot open the source '%s': %s", daemon->options.source,
			  strerror(-r));
		return r;
	}
	if (!daemon->options.foreground) {
		daemon->fs.ready_fd = background_start();
		if (daemon->fs.ready_fd < 0)
			return daemon->fs.ready_fd;
	}
	umask(0); /* the kernel has applied the caller's */
	if (chdir("/") < 0)
		return -errno;
	return run(daemon);
}

int main(int argc, char *argv[])
{
	struct daemon daemon = { .fs = { .source.root_fd = -1, .ready_fd = -1 },
				 .reload_lock = PTHREAD_MUTEX_INITIALIZER,
				 .forget_lock = PTHREAD_MUTEX_INITIALIZER };
	int r;

	fuse_set_log_func(log_libfuse);
	r = options_parse(&daemon.options, argc, argv);
	if (r == 0 && daemon.options.show_help)
		fputs(options_help, stdout);
	else if (r == 0 && daemon.options.show_version)
		printf("modelguard %s (libfuse %s)\n", MODELGUARD_VERSION,
		       fuse_pkgversion());
	else if (r == 0)
		r = start(&daemon);
	if (r < 0 && !log_has_erred())
		log_error("cannot start: %s", strerror(-r));
	daemon_fini(&daemon);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
