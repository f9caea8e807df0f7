# SPDX-License-Identifier: Apache-2.0
"""What a review found, each as a promise that is now kept. The last words of a docstring say
how the test was seen to fail."""

import contextlib
import errno
import fcntl
import mmap
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

import syscalls
import world
from auditd import wait_for
from guard import DAEMON, OPEN_POLICY, ZONES, mounts_below, snapshot, unmount_all
from trail import brief_all

# Zones that differ in who may do what with a file that is moved between them.
POLICY = """\
[role data-scientist]
groups = data-scientists

[role ml-engineer]
groups = ml-engineers
include = data-scientist

[role model-admin]
groups = model-admins
include = ml-engineer

[role dropper]
users = ci-release

[zone share]
path = /
allow data-scientist = read
allow ml-engineer = read, create, write, delete

[zone experiments]
path = /experiments
allow data-scientist = read, create, write-own, delete-own

[zone production]
path = /production
allow data-scientist = read
allow model-admin = create, write, delete

[zone secret]
path = /teams/secret
allow model-admin = read

[zone drop]
path = /drop
allow dropper = create
allow model-admin = read, write, delete

[zone box]
path = /box
allow dropper = create
allow model-admin = read, create, write, delete
"""


@pytest.fixture
def share(make_guard):
    """A share with the zones above."""
    guard = make_guard(policy=POLICY, audit="file", start=False)
    for name in ("teams/secret", "drop", "box"):
        guard.put_directory(name)
    return guard.start()


@pytest.fixture
def idle(make_guard):
    guard = make_guard(audit="file", start=False)
    yield guard


class Stop:
    """A place where a process of another user waits until the test has done something."""

    def __init__(self):
        self._reached = os.pipe()
        self._go_on = os.pipe()

    def wait(self):
        os.write(self._reached[1], b".")
        os.read(self._go_on[0], 1)

    @contextlib.contextmanager
    def reached(self):
        ready, _, _ = select.select([self._reached[0]], [], [], 30)
        assert ready, "the other process does not get there"
        os.read(self._reached[0], 1)
        yield
        os.write(self._go_on[1], b".")


def _error(function, *arguments):
    """The name of the error that a call ends with, or "success"."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "success"


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _write_new(path, content=b"new\n"):
    with open(path, "xb") as file:
        file.write(content)


def _reload(guard, policy=None, outcome="in force"):
    """SIGHUP, and waits until it has come to something."""
    before = guard.stderr().count(outcome)
    if policy is not None:
        guard.write_policy(policy)
    guard.process.send_signal(signal.SIGHUP)
    wait_for(lambda: guard.stderr().count(outcome) > before, 10, "no reload")


def _reloads(guard, since):
    return [r for r in guard.records(since, kind="USYS_CONFIG") if r["op"] == "policy-reload"]


# Zones and nodes


def test_an_exchange_opens_no_zone_inside_a_directory(share):
    """Seen to fail without the look at the second directory's zones."""
    share.put("teams/secret/weights", b"secret")
    share.put("f")
    share.put("g", b"another\n")
    share.put_directory("plain")
    before = snapshot(share.source_directory)
    exchange = syscalls.RENAME_EXCHANGE
    # Either way round.
    for pair in (("f", "teams"), ("teams", "f")):
        paths = [share.path(name) for name in pair]
        assert share.call_as("mleng1", syscalls.renameat2, *paths, exchange).errno == errno.EXDEV
    assert snapshot(share.source_directory) == before
    for name in ("f/secret/weights", "teams/secret/weights"):
        assert share.call_as("mleng1", _read, share.path(name)).errno in (
            errno.EACCES, errno.ENOTDIR)
    assert share.call_as("madmin", _read, share.path("teams/secret/weights")).value == b"secret"
    # A directory without zones, and a file, may be exchanged.
    for name in ("plain", "g"):
        assert share.call_as("mleng1", syscalls.renameat2, share.path("f"), share.path(name),
                             exchange).errno == 0
    assert _read(share.source("f")) == b"another\n"


def test_a_file_made_without_a_name_is_one_inode_and_moves_with_its_name(share):
    """O_TMPFILE in a directory with zones below. Seen to fail when nodes of the same inode are
    compared by their places with the bit for zones below, not by their zones."""
    stops = [Stop(), Stop()]

    def maker():
        fd = os.open(share.path(), os.O_TMPFILE | os.O_RDWR, 0o644)
        os.write(fd, b"v1")
        syscalls.linkat_fd(fd, share.path("model"))
        other = os.open(share.path("model"), os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        found = {
            "same": os.path.samestat(os.fstat(fd), os.stat(share.path("model"))),
            "links": os.fstat(fd).st_nlink,
            "lock": _error(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB),
        }
        fcntl.flock(fd, fcntl.LOCK_UN)
        found["lock again"] = _error(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        for where, stop in zip(("within the zone", "in production"), stops):
            stop.wait()
            found["write " + where] = _error(os.pwrite, fd, b"v2", 0)
            found["truncate " + where] = _error(os.ftruncate, fd, 1)
        return found

    call = world.start_as("mleng1", maker)
    with stops[0].reached():
        assert share.call_as("mleng2", os.rename, share.path("model"),
                             share.path("renamed")).errno == 0
    with stops[1].reached():
        since = share.mark()
        assert share.call_as("madmin", os.rename, share.path("renamed"),
                             share.path("production/model")).errno == 0
        before = snapshot(share.source("production/model"))
    outcome = world.finish_call(call)
    assert outcome.errno == 0, outcome
    assert outcome.value == {
        "same": True, "links": 1, "lock": "EAGAIN", "lock again": "success",
        "write within the zone": "success", "truncate within the zone": "success",
        "write in production": "EACCES", "truncate in production": "EACCES",
    }
    assert snapshot(share.source("production/model")) == before
    denied = share.failures(since)
    assert [(r["op"], r["zone"], r["path"]) for r in denied] == [
        (op, "production", share.path("production/model")) for op in ("write", "truncate")
    ], brief_all(denied)


def test_a_hard_linked_file_stays_one_inode_after_a_reload(share):
    """A lock held through one name excludes through the other. Seen to fail without finding out
    the zone of a place that is older than the reload."""
    stop = Stop()
    names = share.path("h1"), share.path("h2")
    share.put("h1")
    os.link(share.source("h1"), share.source("h2"))

    def holder():
        fd = os.open(names[0], os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        stop.wait()
        other = os.open(names[1], os.O_RDWR)
        held = _error(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
        return held, _error(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    call = world.start_as("mleng1", holder)
    with stop.reached():
        _reload(share)
    outcome = world.finish_call(call)
    assert outcome.value == ("EAGAIN", "success"), outcome


def test_a_directory_may_move_under_who_works_in_it(share):
    """Within a zone: open files, working directories and what is made there go along. Seen to
    fail when a rename leaves the node where it was."""
    stop = Stop()
    share.put_directory("a/deep")
    share.put_directory("b")
    share.put("a/deep/model")

    def worker():
        os.chdir(share.path("a/deep"))
        fd = os.open("model", os.O_RDWR)
        stop.wait()
        os.write(fd, b"A")
        _write_new("new")
        os.close(fd)
        return os.getcwd(), sorted(os.listdir(".")), _read("model"), os.stat("..").st_ino

    call = world.start_as("mleng1", worker)
    with stop.reached():
        since = share.mark()
        assert share.call_as("mleng2", os.rename, share.path("a/deep"),
                             share.path("b/moved")).errno == 0
        parent = share.call_as("mleng1", os.stat, share.path("b")).value.st_ino
    outcome = world.finish_call(call)
    moved = share.path("b/moved")
    assert outcome.value == (moved, ["model", "new"], b"A model\n", parent), outcome
    made = [r for r in share.records(since) if r["op"] == "create"]
    assert [r["path"] for r in made] == [moved + "/new"], brief_all(made)


def test_a_makers_handle_outlives_a_reload_but_not_a_move(share):
    """With `create` only. The reload was seen to fail when nothing is the maker's; the move,
    when all that was made is the maker's wherever it lies."""
    stops = [Stop(), Stop()]
    path = share.path("drop/x")

    def changes(fd):
        return (_error(os.pwrite, fd, b"z", 0), _error(os.fchmod, fd, 0o755),
                _error(os.utime, fd, (1, 1)))

    def maker():
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, b"1")
        stops[0].wait()
        found = [changes(fd), _error(os.open, path, os.O_WRONLY)]
        stops[1].wait()
        return found + [changes(fd)]

    call = world.start_as("ci-release", maker)
    with stops[0].reached():
        _reload(share)
    with stops[1].reached():
        assert share.call_as("madmin", os.rename, path, share.path("box/x")).errno == 0
        before = snapshot(share.source("box/x"))
    outcome = world.finish_call(call)
    assert outcome.errno == 0, outcome
    after_reload, opened_again, after_move = outcome.value
    assert after_reload == ("success",) * 3
    assert opened_again == "EACCES"
    assert after_move == ("EACCES", "EPERM", "EPERM")
    assert snapshot(share.source("box/x")) == before


# Writes that nobody asked for


@pytest.mark.parametrize("stores", [True, False], ids=["stores", "no-stores"])
def test_unseen_stores_are_recorded_also_behind_a_write(share, stores):
    """Seen to fail without the look before each change."""
    path = share.put("model", bytes(8192))
    time.sleep(0.05)

    def work():
        reader = os.open(path, os.O_RDONLY)
        os.pread(reader, 1, 0)
        fd = os.open(path, os.O_RDWR)
        with mmap.mmap(fd, 8192) as mapping:
            time.sleep(0.05)  # a file's times tick some milliseconds
            if stores:
                mapping[0:3] = b"ONE"
                mapping.flush()
            time.sleep(0.05)
            os.pwrite(fd, b"L", 5000)
        os.close(fd)
        os.close(reader)

    def notes(op):
        return [r.get("note") for r in share.records(since) if r["op"] == op]

    since = share.mark()
    assert share.call_as("mleng1", work).errno == 0
    if notes("open-read-write") != ["mapped-unseen"]:
        pytest.skip("no passthrough here: every store is seen")
    if stores:
        wait_for(lambda: "changed-unseen" in notes("write"), 10, "the stores are not recorded")
        assert _read(share.source("model"))[:3] == b"ONE"
    time.sleep(0.2)
    assert notes("write") == [None] + ["changed-unseen"] * stores


def test_stores_reach_the_source_before_the_guard_ends(share):
    """SIGTERM while a mapping is dirty. Seen to fail when nothing is asked to be written back."""
    stop = Stop()

    def work():
        fd = os.open(share.path("dirty"), os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(fd, 4096)
        mapping = mmap.mmap(fd, 4096)
        mapping[0:5] = b"DIRTY"
        stop.wait()

    call = world.start_as("mleng1", work)
    with stop.reached():
        since = share.mark()
        assert share.stop() == 0
    assert world.finish_call(call).errno == 0
    assert _read(share.source("dirty")) == b"DIRTY" + bytes(4091)
    pages = [r for r in share.records(since) if r["op"] == "write"]
    assert [(r["acct"], r["note"]) for r in pages] == [("mleng1", "page-write")], brief_all(pages)


# Policy and trail


def _refused(guard, command, *needles):
    """One line that names these, and nothing mounted."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False,
                            stdin=subprocess.DEVNULL, cwd="/")
    assert result.returncode > 0, result
    (line,) = [text for text in result.stderr.splitlines() if "without the capability" not in text]
    for needle in needles:
        assert needle in line
    assert not guard.is_mounted()


@pytest.mark.parametrize("place", ["source_directory", "mountpoint"])
def test_a_policy_inside_the_share_is_refused(idle, place):
    """Who it binds could write it. Seen to fail without the check."""
    where = getattr(idle, place)
    policy = idle.policy
    idle.policy_file = os.path.join(where, "policy.ini")
    idle.write_policy(policy)
    _refused(idle, idle.command(), idle.policy_file, where)
    os.unlink(idle.policy_file)
    # Beside it, and called nearly the same, is well.
    beside = where + "-policy"
    os.mkdir(beside, 0o755)
    idle.policy_file = os.path.join(beside, "policy.ini")
    idle.write_policy(policy)
    idle.start()


@pytest.mark.parametrize("place", ["source_directory", "mountpoint"])
def test_a_trail_inside_the_share_is_refused(idle, place):
    """Whom it is about could change it. Seen to fail without the check."""
    where = getattr(idle, place)
    idle.audit_file = os.path.join(where, "production", "audit.json")
    os.makedirs(os.path.dirname(idle.audit_file), exist_ok=True)
    _refused(idle, idle.command(), idle.audit_file, where)
    assert not os.path.exists(idle.audit_file)
    idle.audit_file = where + "-audit.json"
    idle.start()


def _fill(directory):
    """Leaves no room on a small file system."""
    with open(os.path.join(directory, "filler"), "ab", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(256))


def test_a_reload_applies_audit_failure_both_ways(idle):
    """A trail without room. Seen to fail when a reload leaves it as at the start."""
    allow = "[guard]\naudit-failure = allow\n" + OPEN_POLICY
    deny = allow.replace("= allow\n", "= deny\n", 1)
    trail = os.path.join(idle.directory, "trail")
    filler = os.path.join(trail, "filler")
    idle.audit_file = os.path.join(trail, "audit.json")
    idle.write_policy(allow)
    os.mkdir(trail, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", trail],
                   check=True)

    def make_some(tag):
        """More than what was left of the trail's last page could hold."""
        return {_error(os.mkdir, idle.path(f"{tag}{number}")) for number in range(30)}

    def gaps():
        return [r for r in idle.records(0, kind="TRUSTED_APP") if r["op"] == "gap"]

    try:
        idle.start()
        for tag, policy, expected in (("a", None, {"success"}), ("b", deny, {"EIO"}),
                                      ("c", allow, {"success"})):
            if policy:
                _reload(idle, policy)
            _fill(trail)
            errors = idle.call_as("mleng1", make_some, tag).value
            assert errors - {"success"} == expected - {"success"}, tag
            if "success" in expected:
                assert len([n for n in os.listdir(idle.source_directory) if n[0] == tag]) == 30
            else:
                assert not os.path.exists(idle.source(f"{tag}29"))
            told = len(gaps())
            os.unlink(filler)
            wait_for(lambda: len(gaps()) > told, 10, "the guard does not record again")
        assert idle.stop() == 0
    finally:
        idle.kill()
        unmount_all(trail)


def test_a_reload_binds_who_has_a_file_open(share):
    """A revoked writer's next write is denied and recorded; a bad policy changes nothing, and
    is recorded, too. Seen to fail when the new policy is not put in force, and when a refused
    one is not recorded."""
    stops = [Stop(), Stop()]
    path = share.put("model")
    revoked = POLICY.replace("ml-engineer = read, create, write, delete", "ml-engineer = read", 1)

    def writer():
        fd = os.open(path, os.O_WRONLY)
        found = [_error(os.write, fd, b"1")]
        for stop in stops:
            stop.wait()
            found.append(_error(os.write, fd, b"2"))
        return found

    call = world.start_as("mleng1", writer)
    since = share.mark()
    with stops[0].reached():
        _reload(share, POLICY + "[zone x]\npath = /x\nallow nobody-such = read\n", "was refused")
    with stops[1].reached():
        _reload(share, revoked)
        denied_since = share.mark()
    outcome = world.finish_call(call)
    assert outcome.value == ["success", "success", "EACCES"], outcome
    assert _read(share.source("model")) == b"12model\n"
    denied = share.failures(denied_since)
    assert [(r["op"], r["acct"], r["path"], r["errno"]) for r in denied] == [
        ("write", "mleng1", path, str(errno.EACCES))], brief_all(denied)
    refused, taken = _reloads(share, since)
    assert (refused["res"], taken["res"]) == ("failed", "success")
    assert int(taken["gen"]) == int(refused["gen"]) + 1


# Who is on record, and where


def test_the_record_names_the_program_that_asked(share):
    """Also right after an exec(2) of another program of the same name. Seen to fail when a
    program is told by its name only."""
    path = share.put("model")
    program = os.path.join(share.directory, "cat")
    shutil.copy(shutil.which("cat"), program)
    os.chmod(program, 0o755)
    script = (
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(15, b'cat', 0, 0, 0);"
        "os.close(os.open(sys.argv[2], os.O_RDONLY));"
        "os.execv(sys.argv[1], ['cat', sys.argv[2]])"
    )
    since = share.mark()
    result = share.run_as("mleng1", sys.executable, "-c", script, program, path)
    assert result.stdout == "a model\n", result
    opens = [r for r in share.records(since) if r["op"] == "open-read"]
    assert [(r["comm"], r["exe"]) for r in opens] == [
        ("cat", os.path.realpath(sys.executable)), ("cat", program)], brief_all(opens)


def test_a_link_by_others_does_not_rename_an_open_file_in_the_trail(share):
    """A rename by its owner does. Seen to fail when the path is the inode's last known one."""
    stops = [Stop(), Stop()]
    victim, decoy, renamed = (share.path("experiments", name)
                              for name in ("victim", "decoy", "renamed"))
    share.put("experiments/victim", owner="mleng1")

    def writer():
        fd = os.open(victim, os.O_WRONLY)
        for stop in stops:
            stop.wait()
            os.write(fd, b"x")

    call = world.start_as("mleng1", writer)
    with stops[0].reached():
        assert share.call_as("sci1", os.link, victim, decoy).errno == 0
        since = share.mark()
    with stops[1].reached():
        assert share.call_as("mleng1", os.rename, victim, renamed).errno == 0
    assert world.finish_call(call).errno == 0
    writes = [r["path"] for r in share.records(since) if r["op"] == "write"]
    assert writes == [victim, renamed]


def test_a_descriptor_that_was_handed_over_can_be_read_and_looked_at(share):
    """By whom no role lets near the path: cat < file. Seen to fail when fstat(2) of an open file
    is decided as a walk."""
    path = share.put("model")
    ours, theirs = socket.socketpair()

    def giver():
        socket.send_fds(theirs, [b"."], [os.open(path, os.O_RDONLY)])

    assert share.call_as("mleng1", giver).errno == 0
    _, (fd,), _, _ = socket.recv_fds(ours, 1, 1)
    try:
        def taker():
            size = os.fstat(fd).st_size
            result = subprocess.run(["cat"], stdin=fd, capture_output=True, check=False)
            return size, result.returncode, result.stdout

        outcome = share.call_as("outsider", taker)
        assert outcome.value == (8, 0, b"a model\n"), outcome
        assert share.call_as("outsider", os.stat, path).errno == errno.EACCES
        assert share.call_as("outsider", os.open, path, os.O_RDONLY).errno == errno.EACCES
    finally:
        os.close(fd)
        ours.close()
        theirs.close()


def test_a_denied_look_at_a_known_name_is_recorded_once(share):
    """The kernel asks twice for a name that it held. Seen to fail when its second look is taken
    for another one."""
    path = share.path("teams/secret")
    assert share.call_as("mleng1", os.stat, share.path("teams")).errno == 0

    def looks(number):
        return {_error(os.stat, path) for _ in range(number)}

    for user, number in (("mleng1", 1), ("sci1", 1), ("mleng1", 200)):
        assert share.call_as("madmin", os.stat, path).errno == 0
        time.sleep(0.1)
        since = share.mark()
        assert share.call_as(user, looks, number).value == {"EACCES"}
        if number > 1:
            time.sleep(1.3)  # identical denials are counted, and recorded once a second
        denied = share.failures(since)
        assert {(r["op"], r["acct"], r["path"]) for r in denied} == {("lookup", user, path)}
        assert sum(int(r.get("count", 1)) for r in denied) == number, brief_all(denied)


def test_the_record_of_a_chmod_tells_when_nothing_came_of_it(share):
    """Seen to fail without the note."""
    directory = share.put_directory("d", owner="mleng1")
    path = share.put("tool", owner="mleng1")
    mode = os.stat(share.source("d")).st_mode
    since = share.mark()
    assert share.call_as("mleng1", os.chmod, directory, 0o700).errno == 0
    assert share.call_as("mleng1", os.chmod, path, 0o755).errno == 0
    assert [(r["path"], r.get("note")) for r in share.records(since) if r["op"] == "chmod"] == [
        (directory, "no-effect"), (path, None)]
    assert os.stat(share.source("d")).st_mode == mode
    assert os.stat(share.source("tool")).st_mode & 0o111 == 0o111


def test_an_acl_of_three_entries_is_a_mode_and_any_other_is_refused(share):
    """install -m, setfacl. Seen to fail when every ACL is one."""
    path = share.put("tool", owner="mleng1")
    since = share.mark()
    for command in (["install", "-m", "644", "/etc/passwd", share.path("installed")],
                    ["setfacl", "--set", "u::rwx,g::r-x,o::r-x", path]):
        result = share.run_as("mleng1", *command)
        assert result.returncode == 0, result
    assert _read(share.source("installed")) == _read("/etc/passwd")
    assert os.stat(share.source("tool")).st_mode & 0o111 == 0o111
    records = share.records(since)
    assert {r["op"] for r in records} == {"create", "write", "chmod"}, brief_all(records)
    assert {r["res"] for r in records} == {"success"}, brief_all(records)

    before = snapshot(share.source_directory)
    result = share.run_as("mleng1", "setfacl", "-m", "u:sci1:r", path)
    assert result.returncode != 0
    assert snapshot(share.source_directory) == before
    denied = share.failures(since)
    assert [(r["op"], r["path"]) for r in denied] == [("set-acl", path)], brief_all(denied)


# The daemon's own limits and privileges


def test_a_source_without_file_handles_is_served(idle):
    """An overlay. Seen to fail when the descriptor's magic link is not followed."""
    layers = [os.path.join(idle.directory, "ovl-" + name) for name in ("lower", "upper", "work")]
    for layer in layers:
        os.mkdir(layer, 0o755)
    for zone in ZONES:
        os.mkdir(os.path.join(layers[0], zone))
    with open(os.path.join(layers[0], "below"), "wb") as file:
        file.write(b"below\n")
    options = "lowerdir={},upperdir={},workdir={}".format(*layers)
    if subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay",
                       idle.source_directory], check=False, capture_output=True).returncode:
        pytest.skip("no overlay can be mounted here")
    os.chmod(idle.source_directory, 0o700)
    idle.write_policy(OPEN_POLICY)
    idle.start()

    def work():
        found = [sorted(os.listdir(idle.path())), _read(idle.path("below"))]
        _write_new(idle.path("made"))
        os.rename(idle.path("made"), idle.path("renamed"))
        found.append(_read(idle.path("renamed")))
        with open(idle.path("gone"), "w+b", buffering=0) as file:
            file.write(b"gone\n")
            os.unlink(idle.path("gone"))
            found += [os.fstat(file.fileno()).st_nlink, os.pread(file.fileno(), 9, 0)]
        fd = os.open(idle.path(), os.O_TMPFILE | os.O_RDWR, 0o644)
        os.write(fd, b"unnamed\n")
        syscalls.linkat_fd(fd, idle.path("named"))
        os.close(fd)
        return found + [_read(idle.path("named"))]

    outcome = idle.call_as("mleng1", work)
    assert outcome.value == [sorted(("below",) + ZONES), b"below\n", b"new\n", 0, b"gone\n",
                             b"unnamed\n"], outcome
    assert idle.call_as("outsider", _read, idle.path("named")).errno == errno.EACCES
    assert _read(idle.source("named")) == b"unnamed\n"


def _with_few_descriptors(guard, number):
    command = guard.command()
    guard.command = lambda: ["prlimit", f"--nofile={number}:{number}", *command]
    return guard.start()


def _open_file(path):
    return open(path, "rb")


def _begin_to_read(path):
    listing = os.scandir(path)
    next(listing)
    return listing


@pytest.mark.parametrize("kind", ["files", "listings"])
def test_nobody_holds_so_many_that_others_cannot_open_any(idle, kind):
    """Seen to fail when users are not counted."""
    idle.write_policy(POLICY)
    paths = [idle.put(f"many/{number}") for number in range(150)]
    hoarded, take = paths, _open_file
    if kind == "listings":  # of more names than one answer holds
        for number in range(3000):
            idle.put(f"large/a-name-of-some-length-{number}")
        hoarded, take = [idle.path("large")] * 150, _begin_to_read
    _with_few_descriptors(idle, 200)
    stop = Stop()

    def hoarder():
        held = []
        try:
            for path in hoarded:
                held.append(take(path))
            error = "success"
        except OSError as failure:
            error = errno.errorcode[failure.errno]
        stop.wait()
        for item in held:
            item.close()
        time.sleep(0.2)  # the kernel tells of a close later
        return len(held), error, _error(_read, paths[-1])

    call = world.start_as("sci1", hoarder)
    with stop.reached():
        since = idle.mark()
        assert idle.call_as("mleng1", _read, paths[0]).value == b"a model\n"
        assert idle.call_as("mleng1", _write_new, idle.path("new")).errno == 0
        assert idle.call_as("sci2", _read, paths[1]).value == b"a model\n"
        assert not idle.failures(since)
    n_held, error, afterwards = world.finish_call(call).value
    assert (error, afterwards) == ("ENFILE", "success")
    assert 10 <= n_held < 100


def test_a_directory_that_is_only_open_takes_no_descriptor(idle):
    """Seen to fail when an open directory is a descriptor of the daemon's: ENFILE."""
    idle.write_policy(POLICY)
    path = idle.put("many/file")
    _with_few_descriptors(idle, 200)

    def opener():
        held = [os.open(os.path.dirname(path), os.O_RDONLY) for _ in range(900)]
        return {tuple(os.listdir(fd)) for fd in held}, len(held)

    assert idle.call_as("sci1", opener).value == ({("file",)}, 900)
    assert idle.call_as("mleng1", _read, path).value == b"a model\n"


def _removed(directory, how, others=()):
    """What one who has a directory open sees of it after its name is gone, and after others
    were used."""
    os.mkdir(directory)
    fd = os.open(directory, os.O_RDONLY)
    try:
        if how == "removed":
            os.rmdir(directory)
        else:
            os.mkdir(directory + ".new")
            os.rename(directory + ".new", directory)
        for other in others:
            os.listdir(other)
        seen = [os.fstat(fd).st_nlink]
        for call in (os.listdir, lambda fd: os.stat("inside", dir_fd=fd), os.fsync,
                     lambda fd: os.mkdir("inside", dir_fd=fd)):
            try:
                seen.append(call(fd))
            except OSError as failure:
                seen.append(errno.errorcode[failure.errno])
        return seen
    finally:
        os.close(fd)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_removed_directory_is_seen_by_who_has_it_open(share, tmp_path, how):
    """Seen to fail when its descriptor is not kept: ESTALE. Answers are as on the bare
    directory."""
    bare = _removed(str(tmp_path / "bare"), how)
    others = [os.path.dirname(share.put(f"crowd/{number}/file")) for number in range(900)]
    seen = share.call_as("mleng1", _removed, share.path("gone"), how, others)
    assert seen.value == bare


def test_want_of_descriptors_is_never_want_of_a_role(idle):
    """Seen to fail when a caller who cannot be read is nobody, whatever the cause."""
    idle.write_policy(POLICY)
    path = idle.put("model")
    _with_few_descriptors(idle, 200)
    pid = idle.process.pid
    since = idle.mark()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 200))
    try:
        found = {idle.call_as("mleng1", call, path).errno for call in (os.stat, _read)
                 for _ in range(5)}
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert found <= {errno.EMFILE, errno.ENFILE} and found
    assert not [r for r in idle.failures(since) if r["errno"] in ("1", "13")]
    assert idle.call_as("mleng1", _read, path).value == b"a model\n"
    assert idle.call_as("outsider", _read, path).errno == errno.EACCES


def _fragments(path, number):
    """A file of so many pieces that to free it takes its file system a while."""
    with open(path, "wb") as file:
        for piece in range(number):
            os.pwrite(file.fileno(), b"x", piece * 8192)
        os.fsync(file.fileno())


def test_nobody_waits_for_the_removal_of_another_ones_large_file(share):
    """Seen to fail when nodes are disposed of under the table's lock."""
    number = 16000
    _fragments(share.source("probe"), number)
    started = time.monotonic()
    os.unlink(share.source("probe"))
    alone = time.monotonic() - started
    if alone < 0.1:
        pytest.skip(f"a file of {number} pieces is gone after {alone:.3f} s here")
    _fragments(share.source("large"), number)
    share.put("model")

    def looks(path, fd):
        worst = 0
        while not select.select([fd], [], [], 0.002)[0]:
            began = time.monotonic()
            os.stat(path)
            worst = max(worst, time.monotonic() - began)
        return worst

    reader, writer = os.pipe()
    call = world.start_as("sci1", looks, share.path("experiments"), reader)
    time.sleep(0.2)
    began = time.monotonic()
    assert share.call_as("mleng1", os.stat, share.path("large")).errno == 0
    assert share.call_as("mleng1", os.unlink, share.path("large")).errno == 0
    time.sleep(max(0.1, began + alone + 0.3 - time.monotonic()))
    os.write(writer, b".")
    worst = world.finish_call(call).value
    for fd in (reader, writer):
        os.close(fd)
    assert worst < alone / 2, f"{worst:.3f} s; the removal alone takes {alone:.3f} s"


def _without_audit_capabilities(command):
    return ["capsh", "--drop=cap_audit_write,cap_audit_control", "--", "-c", 'exec "$0" "$@"',
            *command]


def test_a_file_of_records_needs_no_audit_capabilities(idle):
    """auditd does, and the one that is missing is named. Seen to fail when they are always
    needed."""
    to_auditd = [DAEMON, "-f", "-o", f"policy={idle.policy_file},audit=auditd",
                 idle.source_directory, idle.mountpoint]
    _refused(idle, _without_audit_capabilities(to_auditd), "cap_audit_write", "audit=file")
    command = _without_audit_capabilities(idle.command())
    idle.command = lambda: command
    idle.start()
    path = idle.put("model")
    since = idle.mark()
    assert idle.call_as("outsider", _read, path).errno == errno.EACCES
    assert idle.call_as("mleng1", _read, path).value == b"a model\n"
    assert [(r["acct"], r["res"]) for r in idle.records(since)] == [
        ("outsider", "failed"), ("mleng1", "success")]
    assert mounts_below(idle.mountpoint) == [idle.mountpoint]
