# SPDX-License-Identifier: Apache-2.0
# Shell functions that scripts/* and tests/e2e/run share. Sourced by bash.
# shellcheck shell=bash disable=SC2034

BUILD_PACKAGES=(build-essential meson ninja-build pkg-config libfuse3-dev libacl1-dev
	libaudit-dev libauparse-dev libinih-dev libcap-ng-dev libseccomp-dev libssl-dev
	libjansson-dev libcmocka-dev)
RUN_PACKAGES=(fuse3 auditd acl attr util-linux procps python3)
TEST_PACKAGES=(python3-pytest git rsync sqlite3 mandoc libcap2-bin systemd stress-ng xfsprogs
	btrfs-progs)
FUZZ_PACKAGES=(clang libclang-rt-dev llvm)
# The auditor's page is opened in a real browser.
REPORT_TEST_PACKAGES=(chromium)
# test_serving.py needs them, too.
DEMO_PACKAGES=(python3-sklearn python3-joblib)

die() {
	echo "$*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "$0: must be run as root: it mounts file systems and speaks to auditd"
}

# Installs the Debian packages that are not there. Installing auditd would start it: a
# policy-rc.d forbids that for as long as the installation takes.
install_missing() {
	local package missing=() policy_rc_d=/usr/sbin/policy-rc.d made_policy=no log status=0

	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return 0

	echo "installing ${missing[*]}"
	log=$(mktemp)
	if [ ! -e "$policy_rc_d" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy_rc_d"
		chmod 755 "$policy_rc_d"
		made_policy=yes
	fi
	{
		apt-get -q update &&
			DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends \
				install "${missing[@]}"
	} >"$log" 2>&1 </dev/null || status=$?
	[ "$made_policy" = no ] || rm -f "$policy_rc_d"
	[ "$status" -eq 0 ] || cat "$log" >&2
	rm -f "$log"
	return "$status"
}

# The users and groups of the tests and of the demo, as passwd(5) and group(5) lines.
private_users() {
	cat <<-'END'
		mleng1:x:64101:64101:ML engineer:/nonexistent:/bin/bash
		mleng2:x:64102:64102:ML engineer:/nonexistent:/bin/bash
		sci1:x:64103:64103:Data scientist:/nonexistent:/bin/bash
		sci2:x:64104:64104:Data scientist:/nonexistent:/bin/bash
		madmin:x:64105:64105:Model admin:/nonexistent:/bin/bash
		ci-release:x:64106:64106:Release pipeline:/nonexistent:/bin/bash
		outsider:x:64107:64107:Holds no role:/nonexistent:/bin/bash
		primary:x:64108:64152:Data scientist by primary group:/nonexistent:/bin/bash
		both:x:64109:64109:Engineer and scientist:/nonexistent:/bin/bash
	END
}

private_groups() {
	cat <<-'END'
		mleng1:x:64101:
		mleng2:x:64102:
		sci1:x:64103:
		sci2:x:64104:
		madmin:x:64105:
		ci-release:x:64106:
		outsider:x:64107:
		primary:x:64108:
		both:x:64109:
		ml-engineers:x:64151:mleng1,mleng2,both
		data-scientists:x:64152:sci1,sci2,both
		model-admins:x:64153:madmin
	END
}

# Only in a private mount namespace: covers the user and group files by copies in DIR that
# have the users above as well, and /run by an empty one, so that the machine's are untouched.
enter_private_world() {
	local dir=$1

	mkdir -p "$dir/etc"
	{
		cat /etc/passwd
		private_users
	} >"$dir/etc/passwd"
	{
		cat /etc/group
		private_groups
	} >"$dir/etc/group"
	printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' \
		>"$dir/etc/nsswitch.conf"
	chmod 644 "$dir/etc/"*
	touch "$dir/etc/empty"

	mount --bind "$dir/etc/passwd" /etc/passwd
	mount --bind "$dir/etc/group" /etc/group
	[ ! -e /etc/nsswitch.conf ] || mount --bind "$dir/etc/nsswitch.conf" /etc/nsswitch.conf
	mount -t tmpfs -o mode=755 tmpfs /run
}

# One value of `auditctl -s`: enabled, pid, backlog_limit, ...
audit_status() {
	auditctl -s | awk -v key="$1" '$1 == key { print $2 }'
}

# Whether an audit daemon runs. The kernel goes on naming one that was killed, until the next
# record cannot be sent to it.
auditd_runs() {
	local pid

	pid=$(audit_status pid)
	[ "$pid" != 0 ] && [ "$(basename "$(readlink "/proc/$pid/exe")")" = auditd ]
}

# The settings of the kernel's audit that a private auditd changes, one a line; and back.
audit_settings_save() {
	local file=$1

	{
		echo "-e $(audit_status enabled)"
		echo "-b $(audit_status backlog_limit)"
		echo "--backlog_wait_time $(audit_status backlog_wait_time)"
	} >"$file"
}

audit_settings_restore() {
	local file=$1 option value

	[ -s "$file" ] || return 0
	while read -r option value; do
		auditctl "$option" "$value" >/dev/null || true
	done <"$file"
	rm -f "$file"
}

# A configuration directory for an auditd of our own that logs to DIR/log and acts on nothing.
write_auditd_config() {
	local dir=$1

	mkdir -p "$dir/config/plugins.d" "$dir/log"
	chmod 700 "$dir/log"
	cat >"$dir/config/auditd.conf" <<-END
		local_events = yes
		write_logs = yes
		log_file = $dir/log/audit.log
		log_group = root
		log_format = ENRICHED
		flush = NONE
		freq = 0
		max_log_file = 4096
		num_logs = 2
		max_log_file_action = IGNORE
		priority_boost = 4
		name_format = NONE
		space_left = 2
		space_left_action = IGNORE
		verify_email = no
		action_mail_acct = root
		admin_space_left = 1
		admin_space_left_action = IGNORE
		disk_full_action = IGNORE
		disk_error_action = IGNORE
		use_libwrap = no
		distribute_network = no
		q_depth = 8192
		overflow_action = IGNORE
		max_restarts = 0
		plugin_dir = $dir/config/plugins.d
		end_of_event_timeout = 2
	END
	chmod 640 "$dir/config/auditd.conf"
}
