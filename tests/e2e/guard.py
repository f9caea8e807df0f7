# SPDX-License-Identifier: Apache-2.0
"""A share under guard: source directory, policy, mount point, the daemon and its records."""

import glob
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import time

import world
from auditd import wait_for
from trail import parse_json_log

BUILD = os.environ.get("MODELGUARD_BUILD", "build")
DAEMON = os.path.join(BUILD, "fuse", "modelguard")
CTL = os.path.join(BUILD, "fuse", "modelguardctl")

DEFAULT_POLICY = """\
[guard]
audit-failure = deny
audit-writes = each
groups-from = process

[role data-scientist]
groups = data-scientists

[role ml-engineer]
groups = ml-engineers
include = data-scientist

[role model-admin]
groups = model-admins
include = ml-engineer

[role release-pipeline]
users = ci-release

[zone share]
path = /
allow data-scientist = read
allow ml-engineer = read, create, write, delete
allow model-admin = admin

[zone experiments]
path = /experiments
allow data-scientist = read, create, write-own, delete-own
allow model-admin = admin

[zone production]
path = /production
allow data-scientist = read
allow release-pipeline = read, create, write, delete

[zone staging]
path = /staging
allow ml-engineer = read, create, write, delete
allow model-admin = admin
allow release-pipeline = read, delete
"""

ZONES = ("experiments", "production", "staging")

# What only one of two configurations needs, for tests of other things than roles.
OPEN_POLICY = """\
[role ml-engineer]
groups = ml-engineers

[zone share]
path = /
allow ml-engineer = read, create, write, delete
"""

# Everything is granted to everybody in the zone: the source's modes are what decides. The root of
# the source is closed (the seal), so it is in another zone.
OWNER_POLICY = """\
[zone share]
path = /
allow everyone = list

[zone owned]
path = /experiments
modes = owner
allow everyone = read, create, write, delete, admin
"""


def sanitizer_environment(directory):
    return {
        "ASAN_OPTIONS": f"log_path={directory}/asan:exitcode=86:detect_leaks=1"
        ":allocator_may_return_null=1:verify_asan_link_order=0",  # nth_malloc.c comes first
        "UBSAN_OPTIONS": f"log_path={directory}/asan:print_stacktrace=1:halt_on_error=1"
        ":exitcode=86",
        "TSAN_OPTIONS": f"log_path={directory}/asan:exitcode=86",
        "LSAN_OPTIONS": "exitcode=86",
    }


def _unescape(field):
    """mountinfo writes blanks and backslashes as octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def mounts_below(directory):
    """The mount points at or below a directory, innermost last."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            point = _unescape(line.split()[4])
            if point == directory or point.startswith(directory + "/"):
                found.append(point)
    return found


def mount_entry(mountpoint):
    """(source, type, options) of the last mount on a mount point, or None."""
    entry = None
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            left, _, right = line.partition(" - ")
            fields, rest = left.split(), right.split()
            if _unescape(fields[4]) == mountpoint:
                entry = (_unescape(rest[1]), rest[0], set((fields[5] + "," + rest[2]).split(",")))
    return entry


def unmount_all(directory):
    for point in reversed(mounts_below(directory)):
        subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)


def metadata(path):
    """What may not change when something is denied: everything but the access time."""
    st = os.lstat(path)
    result = [st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns]
    result += [st.st_ctime_ns]
    if stat.S_ISLNK(st.st_mode):
        return result + [os.readlink(path)]
    result.append({name: os.getxattr(path, name) for name in os.listxattr(path)})
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as file:
            result += [st.st_size, st.st_blocks, hashlib.sha256(file.read()).hexdigest()]
    return result


def snapshot(*paths):
    """The metadata and content hashes of trees."""
    result = {}
    for top in paths:
        result[top] = metadata(top)
        if os.path.isdir(top):
            for directory, names, files in os.walk(top):
                for name in names + files:
                    path = os.path.join(directory, name)
                    result[path] = metadata(path)
    return result


class Guard:
    """One share. The daemon runs from start() to stop(); check() says whether all is well."""

    _number = 0

    def __init__(self, scratch, auditd, policy=DEFAULT_POLICY, audit="auditd", options=(),
                 over_source=False):
        Guard._number += 1
        self.directory = os.path.join(scratch, f"guard{Guard._number}")
        self.source_directory = os.path.join(self.directory, "source")
        self.mountpoint = self.source_directory
        if not over_source:
            self.mountpoint = os.path.join(self.directory, "share")
        self.policy_file = os.path.join(self.directory, "policy", "policy.ini")
        self.audit_file = os.path.join(self.directory, "audit.json")
        self.stderr_file = os.path.join(self.directory, "stderr")
        self.audit = audit
        self.auditd = auditd
        self.options = list(options)
        self.prefix = []  # a program that starts the daemon
        self.expected_status = 0
        self.process = None
        self._pids = set()
        self._wedged = False
        os.makedirs(self.directory)
        os.chmod(self.directory, 0o755)
        for path in (self.mountpoint, self.source_directory, os.path.dirname(self.policy_file)):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o755)
        os.chmod(self.source_directory, 0o700)
        open(self.stderr_file, "w", encoding="ascii").close()
        self.write_policy(policy)
        for zone in ZONES:
            os.mkdir(self.source(zone))

    # Names

    def path(self, *names):
        """A path as users see it."""
        return os.path.join(self.mountpoint, *names)

    def source(self, *names):
        """The same path in the source, around the guard."""
        return os.path.join(self.source_directory, *names)

    def put(self, name, content=b"a model\n", owner=None, mode=0o640):
        """Makes a file in the source, around the guard. Returns its path in the share."""
        path = self.source(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        if owner is not None:
            os.chown(path, world.uid_of(owner), world.gid_of(owner))
        return self.path(name)

    def put_directory(self, name, owner=None, mode=0o750):
        path = self.source(name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if owner is not None:
            os.chown(path, world.uid_of(owner), world.gid_of(owner))
        return self.path(name)

    # Policy

    def write_policy(self, text):
        self.policy = text
        with open(self.policy_file, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.policy_file, 0o644)

    def policy_line(self, text):
        """The number of the first line that starts with a text."""
        for number, line in enumerate(self.policy.splitlines(), 1):
            if line.startswith(text):
                return number
        raise ValueError(f"no line of the policy starts with {text!r}")

    # The daemon

    def command(self, *extra, foreground=True):
        audit = "auditd" if self.audit == "auditd" else f"file:{self.audit_file}"
        options = [f"policy={self.policy_file}", f"audit={audit}", *self.options]
        command = self.prefix + [DAEMON] + (["-f"] if foreground else [])
        command += ["-o", ",".join(options), *extra]
        return command + [self.source_directory, self.mountpoint]

    def start(self):
        assert self.process is None
        environment = dict(os.environ, **sanitizer_environment(self.directory))
        with open(self.stderr_file, "ab") as errors:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=environment,
                cwd="/",
                preexec_fn=world.die_with_parent,
            )
        self._pids.add(str(self.process.pid))
        try:
            wait_for(self._is_up, 20, "the mount does not appear")
        except BaseException:
            self.kill()
            raise
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"modelguard ended with status {self.process.returncode}:\n{self.stderr()}"
            )
        return self.is_mounted()

    def is_mounted(self):
        entry = mount_entry(self.mountpoint)
        return entry is not None and entry[1] == "fuse.modelguard"

    def stop(self, number=signal.SIGTERM, seconds=20):
        """Ends the daemon as an admin would. Returns its exit status."""
        self._note_children()
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds=20):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"modelguard did not end within {seconds} s") from None
        self.process = None
        return status

    def restart(self):
        assert self.stop() == 0
        return self.start()

    def kill(self):
        """The last resort of a failed test."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        unmount_all(self.directory)

    def wedged(self):
        """Called by the watchdog: whoever waits for the daemon gets an error instead."""
        self._wedged = True
        if self.process is not None:
            self.process.kill()

    def stderr(self):
        with open(self.stderr_file, encoding="utf-8", errors="replace") as errors:
            return errors.read()

    def sanitizer_reports(self):
        reports = []
        for name in glob.glob(os.path.join(self.directory, "asan.*")):
            with open(name, encoding="utf-8", errors="replace") as report:
                reports.append(report.read())
        return reports

    def check(self):
        """After every test: alive until stopped, and no sanitizer has complained."""
        assert not self._wedged, "the test took too long; modelguard was killed"
        if self.process is not None and self.process.poll() is not None:
            status = self.process.returncode
            self.process = None
            raise AssertionError(f"modelguard has ended, status {status}:\n{self.stderr()}"
                                 + "\n".join(self.sanitizer_reports()))
        reports = self.sanitizer_reports()
        assert not reports, "\n".join(reports)
        errors = self.stderr()
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors

    def finish(self):
        """Ends what still runs and removes everything. Raises if something was wrong."""
        try:
            self.check()
            if self.process is not None:
                status = self.stop()
                assert status == self.expected_status, (
                    f"modelguard's exit status is {status}:\n{self.stderr()}"
                    + "\n".join(self.sanitizer_reports()))
            self.check()
            left = mounts_below(self.directory)
            assert not left, f"still mounted: {left}"
        finally:
            self.kill()
            shutil.rmtree(os.fsencode(self.directory))

    # Acting

    def call_as(self, user, function, *args, **options):
        return world.call_as(user, function, *args, **options)

    def run_as(self, user, *argv, **options):
        return world.run_as(user, *argv, **options)

    # Records

    def _note_children(self):
        """The records of a worker process are this guard's, too."""
        for parent in list(self._pids):
            try:
                for task in os.listdir(f"/proc/{parent}/task"):
                    with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as file:
                        self._pids.update(file.read().split())
            except FileNotFoundError:
                pass

    def mark(self):
        """A position in the trail: everything up to now lies before it."""
        if self.audit == "auditd":
            return self.auditd.position()
        return os.path.getsize(self.audit_file) if os.path.exists(self.audit_file) else 0

    def records(self, since, kind="DAC_CHECK"):
        """This guard's records after a mark; kind None: of all types."""
        end = self.mark()
        if self.audit == "auditd":
            self._note_children()
            records = [
                record
                for record in self.auditd.read(since, end)
                if record["kernel"].get("pid") in self._pids
            ]
        else:
            with open(self.audit_file, "rb") as file:
                file.seek(since)
                records = parse_json_log(file.read(end - since))
        return [r for r in records if kind is None or r.get("type") == kind]

    def failures(self, since):
        return [record for record in self.records(since) if record["res"] == "failed"]


class Watchdog(threading.Thread):
    """Kills a daemon that hangs, so that the test process itself gets free."""

    def __init__(self):
        super().__init__(daemon=True)
        self._deadline = None
        self._guards = set()
        self._condition = threading.Condition()

    def watch(self, guard):
        self._guards.add(guard)

    def forget(self, guard):
        self._guards.discard(guard)

    def arm(self, seconds):
        with self._condition:
            self._deadline = time.monotonic() + seconds if seconds else None
            self._condition.notify()

    def run(self):
        with self._condition:
            while True:
                if self._deadline is None:
                    self._condition.wait()
                elif time.monotonic() < self._deadline:
                    self._condition.wait(self._deadline - time.monotonic())
                else:
                    self._deadline = None
                    for guard in list(self._guards):
                        guard.wedged()
