# SPDX-License-Identifier: Apache-2.0
"""Who somebody is: by their own process or by the database, and the least where nobody can tell."""

import errno
import os
import pwd
import subprocess
import time

import world
from guard import DEFAULT_POLICY

EVERYONE_POLICY = DEFAULT_POLICY + "\n[zone public]\npath = /public\nallow everyone = read\n"


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _as(uid, gid, groups, function, *args):
    def act():
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        return function(*args)

    return world.call_as(None, act)


def test_groups_come_from_the_process(module_guard):
    """groups-from = process: supplementary groups count, wherever they are from."""
    path = module_guard.put("model")
    outsider = world.uid_of("outsider")
    scientists = 64152
    assert _as(outsider, outsider, [], _read, path).errno == errno.EACCES
    assert _as(outsider, outsider, [scientists], _read, path).errno == 0
    assert _as(outsider, scientists, [], _read, path).errno == 0


def test_dropped_groups_are_gone(module_guard):
    """A member who has dropped the group holds nothing, within the second."""
    path = module_guard.put("model")
    uid, gid = world.uid_of("sci1"), world.gid_of("sci1")
    assert _as(uid, gid, [64152], _read, path).errno == 0
    assert _as(uid, gid, [], _read, path).errno == errno.EACCES

    def drop_between():
        os.setgroups([64152])
        os.setresgid(gid, gid, gid)
        # setgroups(2) takes a privilege that is kept for this test by the saved uid.
        os.setresuid(uid, uid, 0)
        first = _read(path)
        os.seteuid(0)
        os.setgroups([])
        os.seteuid(uid)
        time.sleep(1.1)  # the longest that a subject may be reused
        try:
            _read(path)
        except PermissionError:
            return first
        raise RuntimeError("read without the group")

    assert world.call_as(None, drop_between).value == b"a model\n"


def test_a_primary_group_counts(module_guard):
    path = module_guard.put("model")
    assert module_guard.call_as("primary", _read, path).errno == 0
    assert module_guard.call_as("primary", os.truncate, path, 0).errno == errno.EACCES


def test_roles_add_up_over_several_groups(module_guard):
    path = module_guard.put("model")
    assert module_guard.call_as("both", os.truncate, path, 3).errno == 0
    assert module_guard.call_as("both", _read, path).value == b"a m"


def test_groups_come_from_the_database(make_guard):
    """groups-from = database: what NSS says counts, and what the process carries does not."""
    policy = DEFAULT_POLICY.replace("groups-from = process", "groups-from = database")
    guard = make_guard(policy=policy, audit="file")
    path = guard.put("model")
    outsider = world.uid_of("outsider")
    assert _as(outsider, outsider, [64152], _read, path).errno == errno.EACCES
    uid, gid = world.uid_of("sci1"), world.gid_of("sci1")
    assert _as(uid, gid, [], _read, path).errno == 0
    assert guard.call_as("mleng1", os.truncate, path, 1).errno == 0
    # A uid that the database does not know is nobody.
    assert _as(64999, 64999, [64152], _read, path).errno == errno.EACCES


def test_a_user_that_nobody_knows_is_recorded_by_number(module_guard):
    path = module_guard.put("model")
    since = module_guard.mark()
    assert _as(64999, 64999, [64152], _read, path).errno == 0
    (record,) = [r for r in module_guard.records(since) if r["op"] == "open-read"]
    assert record["fsuid"] == "64999"
    assert record["acct"] in ("64999", "?")


def test_a_foreign_pid_namespace_gets_the_least(module_guard):
    """From a pid namespace of its own, a caller is its uid and gid, and never root."""
    guard = module_guard
    path = guard.put("model")
    entry = pwd.getpwnam("sci1")
    script = (
        "import os,sys\n"
        f"os.setgroups([64152]); os.setresgid({entry.pw_gid},{entry.pw_gid},{entry.pw_gid})\n"
        f"os.setresuid({entry.pw_uid},{entry.pw_uid},{entry.pw_uid})\n"
        f"print(len(open({path!r},'rb').read()))\n"
    )
    since = guard.mark()
    result = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "/usr/bin/python3", "-c", script],
        capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL,
    )
    records = guard.records(since)
    # A child pid namespace can be seen from here, so that the caller is known and reads.
    assert result.stdout.strip() == "8", result.stderr
    assert {record["acct"] for record in records} == {"sci1"}

    # The other way round: the daemon lives in the namespace and cannot see the caller.


def test_a_daemon_that_cannot_see_the_caller_gives_the_least(make_guard, scratch):
    """pid 0: uid and primary gid of the request count, no group list, and nothing of root's."""
    guard = make_guard(audit="file", start=False)
    path = guard.put("model")
    # The mount must be seen here, so only the pid namespace is the daemon's own.
    command = ["unshare", "--pid", "--fork", "--kill-child", *guard.command()]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               preexec_fn=world.die_with_parent)
    try:
        deadline = time.monotonic() + 20
        while not guard.is_mounted():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        since = 0
        assert guard.call_as("sci1", _read, path).errno == errno.EACCES
        assert guard.call_as("mleng1", os.truncate, path, 0).errno == errno.EACCES
        assert guard.call_as("root", _read, path).errno == errno.EACCES
        # The gid of the request is known, and so is the uid.
        assert guard.call_as("primary", _read, path).errno == 0
        release = guard.put("production/model")
        assert guard.call_as("ci-release", _read, release).errno == 0
        for record in guard.records(since):
            assert record.get("acct") != "root" or record["fsuid"] == "0"
    finally:
        subprocess.run(["umount", guard.mountpoint], check=False)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_root_of_a_user_namespace_is_nobody(module_guard):
    """uid 0 inside a user namespace is still the user outside, and holds nothing more."""
    path = module_guard.put("model")
    since = module_guard.mark()
    result = module_guard.run_as("outsider", "unshare", "--user", "--map-root-user", "cat", path)
    assert result.returncode != 0
    result = module_guard.run_as(
        "sci1", "unshare", "--user", "--map-root-user", "sh", "-c", f"echo x > {path}"
    )
    assert result.returncode != 0
    with open(module_guard.source("model"), "rb") as file:
        assert file.read() == b"a model\n"
    for record in module_guard.records(since):
        assert record["acct"] in ("outsider", "sci1")


def test_everyone_is_everyone(make_guard):
    guard = make_guard(policy=EVERYONE_POLICY, audit="file")
    path = guard.put("public/notice")
    closed = guard.put("production/model")
    for user in world.EVERYBODY:
        assert guard.call_as(user, _read, path).value == b"a model\n", user
        assert guard.call_as(user, os.truncate, path, 0).errno == errno.EACCES, user
    assert guard.call_as("outsider", _read, closed).errno == errno.EACCES
    assert guard.call_as("outsider", os.listdir, guard.path()).value == ["public"]


def test_root_holds_no_role(module_guard):
    """Root is refused like anyone without a role; the trail says it was root."""
    path = module_guard.put("model")
    since = module_guard.mark()
    assert module_guard.call_as("root", _read, path).errno == errno.EACCES
    (record,) = module_guard.records(since)
    assert (record["acct"], record["fsuid"], record["res"]) == ("root", "0", "failed")


def test_a_set_user_id_program_acts_as_its_file_system_user(module_guard):
    """What counts is the fs uid of the caller, not the real uid that started it."""
    path = module_guard.put("model")
    uid, gid = world.uid_of("outsider"), world.gid_of("outsider")
    release = module_guard.put("production/model", owner="ci-release")

    def act():
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, world.uid_of("ci-release"), uid)
        with open(release, "r+b"):
            pass
        return _read(release)

    assert world.call_as(None, act).errno == 0
    assert _as(uid, gid, [], _read, path).errno == errno.EACCES
