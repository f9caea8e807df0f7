# SPDX-License-Identifier: Apache-2.0
"""`modes = owner` as a defence: role and modes must both allow, whoever looked first, and what the
modes deny is on record. With names kept by the kernel there (guard_may_cache()), with the caller's
groups or the daemon's capabilities left in place (creds_assume()), or with CapEff taken from any
user namespace (caller.c), tests here were seen to fail."""

import errno
import os
import stat
import subprocess
import time

import pytest

import guard as guards
import syscalls
import world

BY_MODES = {"mode bits or ACL", "mode-bits-or-ACL"}

# In /experiments scientists may read by role, in /production everybody may do everything by role;
# /staging has no modes.
BOTH_POLICY = """\
[role scientist]
groups = data-scientists

[role engineer]
groups = ml-engineers

[zone share]
path = /
allow everyone = list

[zone experiments]
path = /experiments
modes = owner
allow scientist = read
allow engineer = read, create, write, delete, admin

[zone production]
path = /production
modes = owner
allow everyone = read, create, write, delete, admin

[zone staging]
path = /staging
allow everyone = read, create, write, delete, admin
"""


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def write_file(path, content):
    with open(path, "wb") as file:
        file.write(content)


@pytest.fixture
def shared(make_guard):
    guard = make_guard(policy=BOTH_POLICY, audit="file")
    for zone in ("experiments", "production", "staging"):
        os.chmod(guard.source(zone), 0o777)
    return guard


@pytest.fixture
def private(shared):
    """A directory of mleng1 with a file in it, open to nobody else."""
    shared.put_directory("production/private", owner="mleng1", mode=0o700)
    shared.put("production/private/model", owner="mleng1", mode=0o666)
    return shared.path("production/private")


# Walking


def test_what_one_user_looked_at_is_not_shown_to_another(shared, private):
    """Names and attributes that the owner has fetched are no way around the directory's modes."""
    path = private + "/model"
    for _ in range(30):
        assert world.call_as("mleng1", os.stat, path).errno == 0
        assert world.call_as("mleng1", os.listdir, private).value == ["model"]
        for look in (os.stat, os.lstat, read_file, os.listxattr, os.readlink, os.unlink):
            assert world.call_as("mleng2", look, path).errno == errno.EACCES, look
        assert world.call_as("mleng2", os.listdir, private).errno == errno.EACCES
        assert world.call_as("mleng2", os.stat, private).errno == 0
    assert shared.failures(0)


def test_chmod_takes_effect_at_once(private):
    path = private + "/model"
    for mode, expected in ((0o755, 0), (0o700, errno.EACCES), (0o711, 0), (0o744, errno.EACCES)):
        assert world.call_as("mleng1", os.chmod, private, mode).errno == 0
        for user in ("mleng2", "sci1"):
            assert world.call_as(user, os.stat, path).errno == expected, (oct(mode), user)
        assert world.call_as("mleng1", os.stat, path).errno == 0


def test_an_acl_takes_effect_at_once(private):
    path = private + "/model"
    for entry, expected in (("u:mleng2:x", 0), ("u:mleng2:-", errno.EACCES),
                            ("g:ml-engineers:x", 0)):
        if entry.startswith("g:"):
            assert world.run_as("mleng1", "setfacl", "-b", private).returncode == 0
        result = world.run_as("mleng1", "setfacl", "-m", entry, private)
        assert result.returncode == 0, result.stderr
        assert world.call_as("mleng2", os.stat, path).errno == expected, entry
        assert world.call_as("sci1", os.stat, path).errno == errno.EACCES
    shown = world.run_as("mleng2", "getfacl", "-c", private).stdout
    assert "group:ml-engineers:--x" in shown


def test_an_acl_denies_whom_it_names(shared):
    """What bindfs lets through: rw for all but one user."""
    path = shared.put("production/model", owner="mleng1", mode=0o666)
    assert world.call_as("mleng2", read_file, path).errno == 0
    subprocess.run(["setfacl", "-m", "u:mleng2:-", shared.source("production/model")], check=True)
    assert world.call_as("mleng2", read_file, path).errno == errno.EACCES
    assert world.call_as("sci1", read_file, path).errno == 0


def test_a_working_directory_or_descriptor_is_as_elsewhere(private):
    """Who is in a directory and may not search it any more finds nothing there."""
    assert world.call_as("mleng1", os.chmod, private, 0o755).errno == 0

    def inside(command):
        os.chdir(private)
        os.write(ready_write, b"r")
        os.read(go_read, 1)
        return command("model").st_size

    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    pending = world.start_as("mleng2", inside, os.stat)
    os.read(ready_read, 1)
    assert world.call_as("mleng1", os.chmod, private, 0o700).errno == 0
    assert world.call_as("mleng1", os.stat, private + "/model").errno == 0
    os.write(go_write, b"g")
    assert world.finish_call(pending).errno == errno.EACCES
    for fd in (ready_read, ready_write, go_read, go_write):
        os.close(fd)


# Both must allow


def test_role_and_modes_must_both_allow(shared):
    everybody = shared.put("experiments/open", owner="mleng1", mode=0o666)
    closed = shared.put("experiments/closed", owner="mleng1", mode=0o600)
    rows = (  # user, path, reading, writing, who says no to writing
        ("mleng1", everybody, 0, 0, None),
        ("mleng2", everybody, 0, 0, None),
        ("sci1", everybody, 0, errno.EACCES, "role"),
        ("outsider", everybody, errno.EACCES, errno.EACCES, "role"),
        ("mleng1", closed, 0, 0, None),
        ("mleng2", closed, errno.EACCES, errno.EACCES, "modes"),
        ("sci1", closed, errno.EACCES, errno.EACCES, "role"),
        ("root", everybody, errno.EACCES, errno.EACCES, "role"),
    )
    for user, path, reading, writing, denier in rows:
        assert world.call_as(user, read_file, path).errno == reading, (user, path)
        mark = shared.mark()
        assert world.call_as(user, write_file, path, b"x").errno == writing, (user, path)
        failures = shared.failures(mark)
        if denier is None:
            assert not failures
        else:
            assert (failures[-1]["reason"] in BY_MODES) == (denier == "modes"), failures


DENIED = {
    "lookup": lambda d: os.stat(d + "/in/f"),
    "readdir": lambda d: os.listdir(d + "/in"),
    "open-read": lambda d: read_file(d + "/f"),
    "open-write": lambda d: os.open(d + "/f", os.O_WRONLY),
    "truncate": lambda d: os.truncate(d + "/f", 0),
    "create": lambda d: write_file(d + "/new", b""),
    "mkdir": lambda d: os.mkdir(d + "/new"),
    "mknod": lambda d: os.mkfifo(d + "/new"),
    "symlink": lambda d: os.symlink("x", d + "/new"),
    "link": lambda d: os.link(d + "/mine", d + "/new"),
    "unlink": lambda d: os.unlink(d + "/f"),
    "rmdir": lambda d: os.rmdir(d + "/in"),
    "rename": lambda d: os.rename(d + "/f", d + "/new"),
    "chmod": lambda d: os.chmod(d + "/f", 0o777),
    "chown": lambda d: os.chown(d + "/f", world.uid_of("mleng2"), -1),
    "chgrp": lambda d: os.chown(d + "/f", -1, world.gid_of("mleng2")),
    "utimes": lambda d: os.utime(d + "/f", (1, 1)),
    "touch": lambda d: os.utime(d + "/f"),
    "setxattr": lambda d: os.setxattr(d + "/f", "user.a", b"b"),
    "getxattr": lambda d: os.getxattr(d + "/f", "user.a"),
    "removexattr": lambda d: os.removexattr(d + "/f", "user.a"),
    "access-read": lambda d: _access(d + "/f"),
    "tmpfile": lambda d: os.open(d, os.O_WRONLY | os.O_TMPFILE),
}
OPERATION_WORDS = {"chgrp": "chgrp-own", "tmpfile": "create"}


def _access(path):
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, "access")


@pytest.fixture
def denying(shared):
    """A directory where mleng2 can change nothing and reads nothing."""
    shared.put_directory("production/d", owner="mleng1", mode=0o755)
    shared.put("production/d/f", owner="mleng1", mode=0o600)
    os.setxattr(shared.source("production/d/f"), "user.a", b"value")
    shared.put("production/d/mine", owner="mleng2", mode=0o600)
    shared.put("production/d/in/f", owner="mleng1", mode=0o644)
    shared.put_directory("production/d/in", owner="mleng1", mode=0o700)
    return shared


@pytest.mark.parametrize("name", DENIED)
def test_what_the_modes_deny_is_recorded_and_changes_nothing(denying, name):
    directory = denying.path("production/d")
    before = guards.snapshot(denying.source("production"))
    mark = denying.mark()
    outcome = world.call_as("mleng2", DENIED[name], directory)
    assert outcome.errno in (errno.EACCES, errno.EPERM), outcome
    assert guards.snapshot(denying.source("production")) == before
    records = denying.records(mark)
    failed = [r for r in records if r["res"] == "failed"]
    assert len(failed) == 1, failed
    assert failed[0]["reason"] in BY_MODES and failed[0]["errno"] == str(outcome.errno)
    assert failed[0]["op"] == OPERATION_WORDS.get(name, name)
    assert failed[0]["acct"] == "mleng2" and failed[0]["zone"] == "production"
    # What is recorded before it is tried has a second record with the same number.
    allowed = [r for r in records if r["res"] == "success"]
    assert [r["seqno"] for r in allowed[-1:]] == (
        [failed[0]["seqno"]] if failed[0].get("note") == "effect-failed" else [])


@pytest.mark.parametrize("name", sorted(set(DENIED) - {"chown"}))
def test_the_owner_may_do_the_same(denying, name):
    """The neighbour of each row above; giving a file away is for CAP_CHOWN."""
    os.chown(denying.source("production/d/mine"), world.uid_of("mleng1"), -1)
    if name == "rmdir":
        os.unlink(denying.source("production/d/in/f"))
    function = DENIED[name]
    if name == "chgrp":
        def function(d):
            os.chown(d + "/f", -1, 64151)
    outcome = world.call_as("mleng1", function, denying.path("production/d"))
    assert outcome.errno == 0, outcome


def test_a_flood_of_such_denials_is_counted(denying):
    """As of those by role: a loop of one process does not fill the log."""
    path = denying.path("production/d/in/f")

    def flood():
        for _ in range(300):
            try:
                os.stat(path)
            except PermissionError:
                continue
            raise AssertionError("shown")

    mark = denying.mark()
    assert world.call_as("mleng2", flood).errno == 0
    time.sleep(1.5)
    records = denying.failures(mark)
    assert len(records) < 60
    assert sum(int(record.get("count", 1)) for record in records) >= 300


# Whose credentials


def capsh(*arguments):
    return subprocess.run(["capsh", *arguments], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=60)


def test_root_has_the_capabilities_that_it_has(private):
    """Root may what root may on the bare directory: by its capabilities, not by its name."""
    path = private + "/model"
    assert capsh("--", "-c", f"cat {path}").returncode == 0
    dropped = "--drop=cap_dac_override,cap_dac_read_search"
    result = capsh(dropped, "--", "-c", f"cat {path}")
    assert result.returncode != 0 and "Permission denied" in result.stderr
    assert capsh("--drop=cap_chown", "--", "-c", f"chown 1:1 {path}").returncode != 0
    assert capsh("--drop=cap_fowner", "--", "-c", f"chmod 600 {path}").returncode != 0
    assert capsh("--", "-c", f"chown 1:1 {path} && chmod 600 {path}").returncode == 0


def test_a_capability_without_root_counts_as_well(private):
    """As for a backup program that runs as somebody else."""
    path = private + "/model"
    uid = world.uid_of("mleng2")
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    keep = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    assert subprocess.run(command + keep + ["cat", path], check=False,
                          capture_output=True).returncode == 0
    assert subprocess.run(command + keep + ["sh", "-c", f"echo >> {private}/new"], check=False,
                          capture_output=True).returncode != 0
    assert subprocess.run(command + ["cat", path], check=False,
                          capture_output=True).returncode != 0


def test_capabilities_of_another_user_namespace_are_nothing(private):
    """uid 0 and every capability, but in a namespace that anybody may make."""
    path = private + "/model"
    script = f"grep -q 'CapEff:.*ff$' /proc/self/status && cat {path}"
    for user in ("mleng2", "root"):
        result = world.run_as(user, "unshare", "--user", "--map-root-user", "sh", "-c", script)
        if "unshare" in result.stderr:
            pytest.skip(result.stderr)
        assert "Permission denied" in result.stderr, (user, result)
    result = world.run_as("mleng1", "unshare", "--user", "--map-root-user", "sh", "-c", script)
    assert result.stdout == "a model\n", result.stderr


def test_supplementary_groups_count_and_dropped_ones_do_not(shared):
    shared.put_directory("production/team", mode=0o770)
    os.chown(shared.source("production/team"), 0, 64151)
    directory = shared.path("production/team")
    uid = world.uid_of("mleng2")

    def as_member(groups):
        def act():
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            return os.listdir(directory)

        return world.call_as(None, act).errno

    for _ in range(5):
        assert as_member([64151]) == 0
        assert as_member([]) == errno.EACCES
        assert as_member([64152]) == errno.EACCES
        assert as_member(list(range(1000, 1100)) + [64151]) == 0


def test_many_users_at_once_are_not_taken_for_each_other(shared):
    """Each thread of the daemon serves everybody in turn."""
    users = ("mleng1", "mleng2", "sci1", "sci2", "outsider")
    for user in users:
        shared.put_directory(f"production/{user}", owner=user, mode=0o700)
        shared.put(f"production/{user}/f", content=user.encode(), owner=user, mode=0o600)
        shared.put(f"staging/{user}", content=user.encode(), owner=user, mode=0o600)

    def hammer(me):
        deadline = time.monotonic() + 4
        rounds = 0
        while time.monotonic() < deadline:
            for user in users:
                assert read_file(shared.path(f"staging/{user}")) == user.encode()
                try:
                    content = read_file(shared.path(f"production/{user}/f"))
                    assert user == me and content == me.encode()
                except PermissionError:
                    assert user != me
            write_file(shared.path(f"production/{me}/new-{rounds % 3}"), b"")
            write_file(shared.path(f"staging/new-{me}"), b"")
            rounds += 1
        return rounds

    pending = [world.start_as(user, hammer, user) for user in users * 2]
    for call in pending:
        outcome = world.finish_call(call)
        assert outcome.errno == 0 and outcome.value > 5, outcome
    for user in users:
        for path in (f"production/{user}/new-0", f"staging/new-{user}"):
            assert os.stat(shared.source(path)).st_uid == world.uid_of(user), path


# Where zones meet


def test_modes_do_not_change_by_a_rename(shared):
    """Between a zone where modes count and one where they do not, mv copies."""
    role, owner = shared.path("staging/model"), shared.path("production/model")
    write_as = world.call_as("mleng1", write_file, role, b"content")
    assert write_as.errno == 0
    assert world.call_as("mleng1", os.rename, role, owner).errno == errno.EXDEV
    assert world.call_as("mleng1", os.link, role, owner).errno == errno.EXDEV
    assert world.call_as("mleng1", syscalls.renameat2, role, owner,
                         syscalls.RENAME_EXCHANGE).errno in (errno.EXDEV, errno.ENOENT)
    result = world.run_as("mleng1", "mv", role, owner)
    assert result.returncode == 0 and not result.stderr
    assert world.call_as("mleng1", os.rename, owner, role).errno == errno.EXDEV
    result = world.run_as("mleng1", "mv", owner, role)
    assert result.returncode == 0, result.stderr
    assert world.call_as("mleng2", read_file, role).value == b"content"
    # Both zones say owner: a rename as any other.
    shared.put("production/other", owner="mleng1", mode=0o644)
    assert world.call_as("mleng1", os.rename, shared.path("production/other"),
                         shared.path("experiments/other")).errno == 0


def test_a_zone_without_modes_is_as_before(shared):
    """The source's modes do not matter there, and the umask is the caller's."""
    path = shared.put("staging/f", owner="mleng1", mode=0o000)
    assert world.call_as("mleng2", read_file, path).errno == 0

    def make():
        os.umask(0o077)
        write_file(shared.path("staging/private"), b"")
        os.mkdir(shared.path("staging/dir"), 0o1777)
        os.mkfifo(shared.path("staging/fifo"), 0o666)

    assert world.call_as("mleng1", make).errno == 0
    for name, mode in (("private", 0o600), ("dir", 0o700), ("fifo", 0o600)):
        assert stat.S_IMODE(os.stat(shared.source(f"staging/{name}")).st_mode) == mode, name
    assert world.call_as("mleng2", read_file, shared.path("staging/private")).errno == 0


def test_the_modes_shown_are_the_source_s(shared):
    for name, mode in (("a", 0o4711), ("b", 0o604), ("c", 0o2750)):
        path = shared.put(f"production/{name}", owner="mleng1")
        os.chmod(shared.source(f"production/{name}"), mode)
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
        shown = world.run_as("sci1", "getfacl", "-cE", path).stdout.split()
        bare = subprocess.run(["getfacl", "-cE", shared.source(f"production/{name}")],
                              capture_output=True, text=True, check=True).stdout.split()
        assert shown == bare


def test_explain_says_that_modes_decide_as_well(shared):
    def explain(path):
        return subprocess.run([guards.CTL, "explain", "-p", shared.policy_file, "mleng1", "write",
                               path], capture_output=True, text=True, check=False).stdout

    assert "mode bits and ACLs of the source" in explain("/production/model")
    assert "mode bits" not in explain("/staging/model")


def test_a_reload_changes_whether_modes_count(shared):
    path = shared.put("staging/f", owner="mleng1", mode=0o600)
    assert world.call_as("mleng2", read_file, path).errno == 0
    shared.write_policy(BOTH_POLICY.replace("path = /staging", "path = /staging\nmodes = owner"))
    shared.process.send_signal(1)
    deadline = time.monotonic() + 5
    while "generation 2" not in shared.stderr() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert world.call_as("mleng2", read_file, path).errno == errno.EACCES
    assert world.call_as("mleng1", read_file, path).errno == 0
