# SPDX-License-Identifier: Apache-2.0
"""The trail: nothing without a record, no record that lies, and what happens when there is none."""

import errno
import hashlib
import json
import mmap
import os
import random
import signal
import subprocess
import time

import pytest

import syscalls
import world
from guard import DEFAULT_POLICY
from trail import brief_all, parse_json_log

ALLOW_POLICY = DEFAULT_POLICY.replace("audit-failure = deny", "audit-failure = allow")

# Names made to end a field, a message, a line or a record, or to look like encoded text.
HOSTILE = [
    b"x,res=success'",
    b"x' res=success",
    b'x" res=success fsuid=0',
    b"a b",
    b"new\nline",
    b"type=DAC_CHECK msg=audit(1.1:1): pid=1",
    b"x\ntype=DAC_CHECK msg=audit(1.1:1): pid=1 uid=0 msg='op=open res=success'",
    b"\x1dUID=\"root\"",
    b"tab\there",
    b"\xff\xfe",
    b"2F726F6F74",
    b"DEADBEEF",
    b"?",
    b"(null)",
    b"caf\xc3\xa9",
    b"\x1b[2Jclear",
    b"\x01",
    b"%n%s",
    b"path=etc",
    b"=",
    b"'",
    b'"',
    b"\\x41",
]


def _write(path, content=b"x"):
    with open(path, "ab", buffering=0) as file:
        file.write(content)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _text(name):
    return name.decode(errors="surrogateescape")


@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_no_name_forges_a_record(make_guard, audit):
    """Each act is one record with the very bytes of the name, and denied stays denied."""
    guard = make_guard(audit=audit)
    for number, name in enumerate(HOSTILE):
        directory = f"production/hostile-{number}"
        path = os.fsencode(guard.put_directory(directory)) + b"/" + name
        with open(os.fsencode(guard.source(directory)) + b"/" + name, "wb"):
            pass
        since = guard.mark()
        assert guard.call_as("sci1", _read, path).errno == 0
        assert guard.call_as("sci1", os.truncate, path, 0).errno == errno.EACCES
        assert guard.call_as("ci-release", os.rename, path, path[:-1] + b"~").errno == 0
        told = [(r["acct"], r["op"], r["res"], r["path"], r.get("name"))
                for r in guard.records(since)]
        text, renamed = _text(path), _text(path[:-1] + b"~")
        assert told == [
            ("sci1", "open-read", "success", text, None),
            ("sci1", "truncate", "failed", text, None),
            ("ci-release", "rename", "success", text, renamed),
        ]


def test_symlink_targets_and_attribute_names_forge_nothing(guard):
    path = guard.put("model", owner="madmin")
    since = guard.mark()
    target = "'\nres=success op=none"
    assert guard.call_as("madmin", os.symlink, target, guard.path("link")).errno == 0
    assert guard.call_as("madmin", os.setxattr, path, "user.' res=failed", b"1").errno == 0
    records = guard.records(since)
    assert [(r["op"], r["res"]) for r in records] == [
        ("symlink", "success"), ("setxattr", "success")]
    assert records[0]["name"] == target
    assert records[1]["xattr"] == "user.' res=failed"


def test_a_hostile_program_name_forges_nothing(guard, scratch):
    """comm and exe are the caller's to choose."""
    path = guard.put("model")
    program = os.path.join(scratch, "x' res=success")
    os.symlink("/usr/bin/cat", os.path.join(scratch, "link"))
    subprocess.run(["cp", "/usr/bin/cat", program], check=True)
    os.chmod(program, 0o755)
    since = guard.mark()
    assert guard.run_as("outsider", program, path).returncode != 0
    (record,) = guard.records(since)
    assert record["res"] == "failed"
    assert record["exe"] == program
    assert record["comm"] == "x' res=success"[:15]
    os.unlink(program)
    os.unlink(os.path.join(scratch, "link"))


def test_paths_too_long_for_one_message_come_whole(guard):
    """Two encoded long paths do not fit one message: parts, joined to the same bytes."""
    component = "é" * 120
    directory = "/".join([component] * 15)
    os.makedirs(guard.source(directory))
    old = guard.path(directory, "old name")
    new = guard.path(directory, "new name")
    with open(guard.source(directory, "old name"), "wb"):
        pass
    since = guard.mark()
    assert guard.call_as("mleng1", os.rename, old, new).errno == 0
    (record,) = guard.records(since)
    assert (record["op"], record["path"], record["name"]) == ("rename", old, new)


def test_each_record_has_its_own_number(guard):
    path = guard.put("model")
    since = guard.mark()
    for _ in range(50):
        guard.call_as("mleng1", _write, path)
    numbers = [int(record["seqno"]) for record in guard.records(since)]
    assert len(numbers) == 100
    assert len(set(numbers)) == 100


def test_a_record_says_what_and_how(guard):
    path = guard.put("model")
    st = os.stat(guard.source("model"))
    since = guard.mark()
    guard.call_as("mleng1", _read, path)
    guard.call_as("mleng1", os.truncate, path, 3)
    (opened, truncated) = guard.records(since)
    assert opened["ino"] == truncated["ino"] == str(st.st_ino)
    assert opened["perm"] == "4" and truncated["perm"] == "2"
    assert opened["grole"] == "ml-engineer" or opened["grole"] == "data-scientist"
    assert truncated["size"] == "3"
    assert opened["gen"] == truncated["gen"]
    assert opened["rule"] == f"policy.ini:{guard.policy_line('allow data-scientist = read')}" \
        or opened["rule"] == f"policy.ini:{guard.policy_line('allow ml-engineer = read')}"


# Life


@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_start_policy_and_end_are_recorded(make_guard, auditd, audit):
    guard = make_guard(audit=audit, start=False)
    since = guard.mark()
    guard.start()
    with open(guard.policy_file, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    assert guard.stop() == 0
    records = guard.records(since, kind=None)
    loads = [r for r in records if r["type"] == "USYS_CONFIG"]
    assert len(loads) == 1, brief_all(records)
    assert loads[0]["op"] == "policy-load" and loads[0]["res"] == "success"
    assert loads[0]["hash"] == digest
    life = [r["op"] for r in records if r["type"] == "TRUSTED_APP"]
    assert life[0] == "start" and life[-1] == "end"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(make_guard, number):
    guard = make_guard(audit="file")
    path = guard.put("model")
    guard.call_as("mleng1", _write, path)
    assert guard.stop(number) == 0
    assert not guard.is_mounted()
    assert guard.records(0, kind=None)[-1]["op"] == "end"


def test_umount_ends_it_cleanly(make_guard):
    guard = make_guard(audit="file")
    subprocess.run(["umount", guard.mountpoint], check=True)
    assert guard.wait() == 0
    assert guard.records(0, kind=None)[-1]["op"] == "end"


def test_it_ends_with_open_handles(make_guard):
    """A handle that is open at the end keeps nothing alive, and what it wrote is there."""
    guard = make_guard(audit="file")
    path = guard.put("model")
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()

    def hold():
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"written")
        os.write(ready_write, b"r")
        os.read(go_read, 1)
        try:
            os.write(fd, b"late")
        except OSError as error:
            return error.errno
        return 0

    call = world.start_as("mleng1", hold)
    os.read(ready_read, 1)
    assert guard.stop() == 0
    os.write(go_write, b"g")
    assert world.finish_call(call).value in (errno.ENOTCONN, errno.ECONNABORTED)
    with open(guard.source("model"), "rb") as file:
        assert file.read() == b"a model\nwritten"
    for fd in (ready_read, ready_write, go_read, go_write):
        os.close(fd)


def test_the_file_of_records_is_lines_of_json(file_guard):
    guard = file_guard
    path = guard.put("model")
    for _ in range(20):
        guard.call_as("mleng1", _write, path)
        guard.call_as("sci1", os.truncate, path, 0)
    guard.stop()
    with open(guard.audit_file, "rb") as file:
        data = file.read()
    assert data.endswith(b"\n")
    numbers = []
    for line in data.splitlines():
        event = json.loads(line)
        assert event["res"] in ("success", "failed") and event["op"] and event["time"]
        numbers.append(event["seqno"])
    assert len(numbers) == len(set(numbers))
    assert os.stat(guard.audit_file).st_mode & 0o077 == 0, "anyone reads the trail"
    records = parse_json_log(data)
    assert len([r for r in records if r["op"] == "write"]) == 20
    assert len([r for r in records if r["op"] == "truncate" and r["res"] == "failed"]) == 20


# Mapped writes


def test_page_writes_through_a_mapping_are_recorded(guard):
    """What is stored through a mapping reaches the trail as writes of whoever opened it."""
    path = guard.put("model", bytes(16384))

    def work():
        fd = os.open(path, os.O_RDWR)
        mapping = mmap.mmap(fd, 16384)
        mapping[5000:5003] = b"abc"
        mapping.flush()
        mapping.close()
        os.close(fd)

    since = guard.mark()
    assert guard.call_as("mleng1", work).errno == 0
    records = guard.records(since)
    writes = [record for record in records if record["op"] == "write"]
    assert writes, brief_all(records)
    for record in writes:
        assert record["acct"] == "mleng1" and record["note"] == "page-write"
        assert record["path"] == path
    first = writes[0]
    assert int(first["off"]) <= 5000 < int(first["off"]) + int(first["len"])


def test_stores_that_are_not_seen_are_said_to_be_possible(guard):
    """A mapping of a file that others read natively bypasses the guard: the open says so."""
    path = guard.put("model", bytes(8192))

    def work():
        reader = os.open(path, os.O_RDONLY)
        os.pread(reader, 1, 0)
        fd = os.open(path, os.O_RDWR)
        mapping = mmap.mmap(fd, 8192)
        mapping[0:3] = b"abc"
        mapping.flush()
        mapping.close()
        os.close(fd)
        os.close(reader)

    since = guard.mark()
    assert guard.call_as("mleng1", work).errno == 0
    time.sleep(0.2)
    records = guard.records(since)
    (opened,) = [r for r in records if r["op"] == "open-read-write"]
    writes = [r for r in records if r["op"] == "write"]
    if "note" in opened:
        assert opened["note"] == "mapped-unseen"
        assert any(r["op"] == "write" and r.get("note") == "changed-unseen"
                   for r in records), "the unexplained change is not recorded"
    else:
        assert writes, "neither announced nor recorded"
    with open(guard.source("model"), "rb") as file:
        assert file.read(3) == b"abc"


def test_mapped_writes_can_be_refused(make_guard):
    policy = DEFAULT_POLICY.replace("path = /\n", "path = /\nmapped-writes = refuse\n")
    guard = make_guard(policy=policy)
    path = guard.put("model", bytes(8192))

    def work():
        reader = os.open(path, os.O_RDONLY)
        os.pread(reader, 1, 0)
        os.open(path, os.O_RDWR)

    since = guard.mark()
    assert guard.call_as("mleng1", work).errno == errno.ETXTBSY
    assert [r["errno"] for r in guard.failures(since)] == [str(errno.ETXTBSY)]


# No audit


def test_mounting_without_auditd_is_refused(make_guard, own_auditd):
    guard = make_guard(start=False)
    own_auditd.stop()
    result = subprocess.run(guard.command(), capture_output=True, text=True, timeout=20,
                            check=False)
    assert result.returncode != 0
    assert result.stderr.startswith("modelguard: ") and "auditd" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not guard.is_mounted()


def test_mounting_with_auditing_disabled_is_refused(make_guard, own_auditd):
    guard = make_guard(start=False)
    own_auditd.enable(False)
    result = subprocess.run(guard.command(), capture_output=True, text=True, timeout=20,
                            check=False)
    assert result.returncode != 0
    assert result.stderr.startswith("modelguard: ") and "auditctl -e 1" in result.stderr
    assert not guard.is_mounted()


def _disable(auditd):
    auditd.enable(False)


def _enable(auditd):
    auditd.enable(True)


def _kill(auditd):
    auditd.kill()


def _terminate(auditd):
    auditd.stop()


def _start(auditd):
    auditd.start()


OUTAGES = {"disabled": (_disable, _enable), "killed": (_kill, _start),
           "terminated": (_terminate, _start)}


def _until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.parametrize("outage", OUTAGES)
def test_what_cannot_be_recorded_does_not_happen(guard, own_auditd, outage):
    """audit-failure = deny: EIO, no effect, and service again within a second."""
    begin, end = OUTAGES[outage]
    path = guard.put("model", b"")
    content = {"old": guard.put("old"), "dir": guard.put_directory("dir")}
    effects = 0
    since = guard.mark()
    begin(own_auditd)

    def written():
        nonlocal effects
        outcome = guard.call_as("mleng1", _write, path)
        effects += outcome.errno == 0
        return outcome.errno == EIO

    EIO = errno.EIO
    _until(written, 1, "still writable a second after audit is gone")
    size = os.path.getsize(guard.source("model"))
    for function, *arguments in (
        (_read, path), (_write, path), (os.unlink, content["old"]), (os.rmdir, content["dir"]),
        (os.mkdir, guard.path("new")), (os.rename, content["old"], guard.path("renamed")),
        (os.truncate, path, 0), (os.symlink, "a", guard.path("link")),
        (_write, guard.path("created")), (os.utime, content["old"]),
    ):
        assert guard.call_as("mleng1", function, *arguments).errno == EIO, function
    assert os.path.getsize(guard.source("model")) == size
    assert os.path.exists(guard.source("old")) and os.path.exists(guard.source("dir"))
    for name in ("new", "renamed", "link", "created"):
        assert not os.path.lexists(guard.source(name)), name

    end(own_auditd)
    _until(lambda: guard.call_as("mleng1", _write, path).errno == 0, 1,
           "not writable a second after audit is back")
    effects += 1
    assert os.path.getsize(guard.source("model")) == effects
    records = guard.records(since, kind=None)
    # What was sent shortly before may be sent again, with its old number.
    writes = {r["seqno"] for r in records if r["op"] == "write" and r["res"] == "success"}
    if outage == "disabled":
        # The kernel acknowledges and drops what is sent in the moment before it is noticed.
        assert len(writes) <= effects
    else:
        assert len(writes) == effects, brief_all(records)
    gaps = [r for r in records if r["op"] == "gap"]
    assert gaps and gaps[0]["type"] == "TRUSTED_APP"
    assert "since" in gaps[0] and "until" in gaps[0]


@pytest.mark.parametrize("outage", OUTAGES)
def test_allowed_gaps_are_counted(make_guard, own_auditd, outage):
    """audit-failure = allow: work goes on, and the gap's record has the exact count."""
    guard = make_guard(policy=ALLOW_POLICY)
    path = guard.put("model", b"")
    guard.call_as("mleng1", _write, path)
    begin, end = OUTAGES[outage]
    begin(own_auditd)
    time.sleep(1)  # so that it has been noticed, and every record from here on is in the gap
    for _ in range(25):
        assert guard.call_as("mleng1", _write, path).errno == 0
    since = os.path.getsize(own_auditd.log)
    end(own_auditd)

    def gaps():
        return [r for r in guard.records(since, kind="TRUSTED_APP") if r["op"] == "gap"]

    _until(gaps, 3, "the gap is not recorded")
    time.sleep(0.3)
    # An open and a write each.
    assert [int(gap["count"]) for gap in gaps()] == [50], brief_all(gaps())
    assert guard.call_as("mleng1", _write, path).errno == 0
    # What was sent shortly before is sent again after the gap, with its old numbers.
    last = int(gaps()[-1]["seqno"])
    assert [r["op"] for r in guard.records(since) if int(r["seqno"]) > last] == [
        "open-write", "write"]


def test_a_stopped_auditd_hangs_nobody_for_long(guard, own_auditd):
    """SIGSTOP: records wait in the kernel's queue; callers are served or refused, never stuck."""
    path = guard.put("model", b"")
    since = guard.mark()
    os.kill(own_auditd.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        for _ in range(20):
            outcome = guard.call_as("mleng1", _write, path)
            assert outcome.errno in (0, errno.EIO)
        assert time.monotonic() - started < 60
    finally:
        os.kill(own_auditd.pid, signal.SIGCONT)
    _until(lambda: guard.call_as("mleng1", _write, path).errno == 0, 5, "no service")
    size = os.path.getsize(guard.source("model"))
    writes = [r for r in guard.records(since) if r["op"] == "write"]
    assert len(writes) >= size


def test_every_effect_has_its_record(guard):
    """A random mix of operations: the effects that happened and the records are the same list."""
    users = ("mleng1", "sci1", "ci-release", "madmin")
    rounds = 60
    top = guard.path()

    def mix(user, seed):
        chosen = random.Random(seed)
        did = []
        names = [f"{zone}/{user}-{i}" for zone in ("experiments", "production", "staging")
                 for i in range(4)] + [f"{user}-{i}" for i in range(4)]

        def attempt(op, function, *arguments):
            try:
                function(*arguments)
            except (PermissionError, FileNotFoundError, FileExistsError, IsADirectoryError,
                    NotADirectoryError, OSError) as error:
                if error.errno in (errno.EACCES, errno.EPERM):
                    did.append(("failed", None))
                elif error.errno == errno.EIO:
                    raise
                return
            did.append(("success", op))

        def make(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))

        for _ in range(rounds):
            path = f"{top}/{chosen.choice(names)}"
            other = f"{top}/{chosen.choice(names)}"
            kind = chosen.randrange(10)
            if kind < 3:
                attempt("create", make, path)
            elif kind == 3:
                attempt("truncate", os.truncate, path, chosen.randrange(100))
            elif kind == 4:
                attempt("unlink", os.unlink, path)
            elif kind == 5:
                attempt("rename", syscalls.renameat2, path, other, syscalls.RENAME_NOREPLACE)
            elif kind == 6:
                attempt("mkdir", os.mkdir, path + ".d")
            elif kind == 7:
                attempt("rmdir", os.rmdir, path + ".d")
            elif kind == 8:
                attempt("utimes", lambda p: os.utime(p, (1, 1)), path)
            else:
                attempt("symlink", os.symlink, "x", path + ".l")
        return did

    since = guard.mark()
    calls = {user: world.start_as(user, mix, user, number) for number, user in enumerate(users)}
    did = {user: world.finish_call(call) for user, call in calls.items()}
    time.sleep(1.3)  # identical denials are counted, and recorded once a second
    records = guard.records(since)
    for user in users:
        assert did[user].errno == 0, did[user]
        effects = sorted(op for res, op in did[user].value if res == "success")
        of_user = [r for r in records if r["acct"] == user]
        # A record whose effect then failed in the source is taken back by a second one.
        failed_effects = [r["seqno"] for r in of_user if "effect-failed" in r.get("note", "")]
        recorded = sorted(r["op"] for r in of_user
                          if r["res"] == "success" and r["seqno"] not in failed_effects)
        assert recorded == effects
        denials = [r for r in of_user
                   if r["res"] == "failed" and r["seqno"] not in failed_effects
                   and r["errno"] in ("1", "13")]
        # A denied look-up of a name that others look up at the same time may be asked twice by
        # the kernel, and is then recorded twice; never less than once.
        denied = len([1 for res, _ in did[user].value if res == "failed"])
        recorded = sum(int(r.get("count", 1)) for r in denials)
        lookups = sum(int(r.get("count", 1)) for r in denials if r["op"] == "lookup")
        assert denied <= recorded <= denied + lookups // 2
    assert {r["acct"] for r in records} <= set(users)


def test_records_of_a_flood_are_all_there(guard):
    """Some thousand denials from several processes: each is in a record, none lost or mixed up."""
    path = guard.put("production/model")

    def hammer():
        for _ in range(500):
            try:
                os.truncate(path, 0)
            except PermissionError:
                pass

    since = guard.mark()
    calls = [world.start_as(user, hammer) for user in ("sci1", "sci2", "mleng1")]
    for call in calls:
        assert world.finish_call(call).errno == 0

    def recorded():
        """Identical ones are counted after some, and their number recorded within a second."""
        return sum(int(r.get("count", 1)) for r in guard.failures(since))

    _until(lambda: recorded() >= 1500, 3, "not all denials are recorded")
    assert recorded() == 1500
    assert {r["acct"] for r in guard.failures(since)} == {"sci1", "sci2", "mleng1"}
