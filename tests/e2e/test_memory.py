# SPDX-License-Identifier: Apache-2.0
"""Out of memory: whichever request for memory of a start, a reload, an operation or a check of a
policy fails, it ends in order or goes on, and nothing is half done.

What breaks without the defence was seen once for each: a start that crashed in hash_init() and in
OpenSSL's EVP_Digest(), one that left its mount behind, and one that said nothing. That libfuse's
own loop would end the guard when a new thread has no buffer is read from its source."""

import errno
import json
import os
import signal
import subprocess
import time

import pytest

import world
from auditd import wait_for
from faults import FOR_EVER, Faults
from guard import (CTL, DAEMON, DEFAULT_POLICY, sanitizer_environment, snapshot,
                   unmount_all)
from trail import parse_json_log

CONTROL_PLACE = "/run/modelguard"
# A data scientist loses production, where the pipeline may still read.
OTHER_POLICY = DEFAULT_POLICY.replace("path = /production\nallow data-scientist = read\n",
                                      "path = /production\n")


def _is_sanitized():
    with open(DAEMON, "rb") as program:
        return b"__asan_init" in program.read()


# With a sanitizer all is slower: only some of the requests are tried.
STEP = 5 if _is_sanitized() else 1


@pytest.fixture
def faulty(make_guard):
    """Makes guards that are not started yet, and the faults of their daemons."""
    def make(**options):
        guard = make_guard(audit="file", start=False, **options)
        faults = Faults(os.path.join(guard.directory, "faults"))
        guard.prefix = faults.prefix
        return guard, faults
    return make


def _trail(guard, since=0):
    return guard.records(since, kind=None)


# Who may do what, by group, by user name, and not at all.

def _as(user, function):
    entry = world.uid_of(user), world.gid_of(user)
    os.setgroups(world.groups_of(user))
    os.setegid(entry[1])
    os.seteuid(entry[0])
    try:
        function()
        return 0
    except OSError as error:
        return error.errno
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _probe(guard):
    """What the policy in force comes to, from one process that is several people."""
    model = guard.path("production/model")
    return world.call_as(None, lambda: {
        "scientist reads": _as("sci1", lambda: _read(model)),
        "scientist writes": _as("sci1", lambda: os.truncate(model, 0)),
        "engineer reads staging": _as("mleng1", lambda: _read(guard.path("staging/model"))),
        "pipeline reads": _as("ci-release", lambda: _read(model)),
        "outsider reads": _as("outsider", lambda: _read(model)),
    }).value


HOLDS = {"scientist reads": 0, "scientist writes": errno.EACCES, "engineer reads staging": 0,
         "pipeline reads": 0, "outsider reads": errno.EACCES}
HOLDS_OTHER = dict(HOLDS, **{"scientist reads": errno.EACCES})


def _prepare(guard):
    guard.put("production/model")
    guard.put("staging/model")


def _status(guard):
    return subprocess.run([CTL, "status", "--json", guard.mountpoint], capture_output=True,
                          timeout=60)


# Starting

def _start(guard):
    environment = dict(os.environ, **sanitizer_environment(guard.directory))
    with open(guard.stderr_file, "wb") as errors:
        return subprocess.Popen(guard.command(), stdin=subprocess.DEVNULL, stdout=errors,
                                stderr=errors, env=environment, cwd="/",
                                preexec_fn=world.die_with_parent)


def _is_ready(guard, process):
    """Mounted, serving, and done with all that a start does; None: it has ended."""
    deadline = time.monotonic() + 10
    while process.poll() is None:
        assert time.monotonic() < deadline, f"neither up nor ended: {guard.stderr()}"
        if guard.is_mounted() and (os.listdir(CONTROL_PLACE) or
                                   "without control" in guard.stderr()):
            # It answers, were it that there is no memory; one that is given up again does not.
            answer = world.call_as(None, os.statvfs, guard.mountpoint).errno
            if answer in (0, errno.ENOMEM) and guard.is_mounted():
                return True
        time.sleep(0.002)
    return None


def _check_refused_start(guard, process, before, no_end_either):
    lines = guard.stderr().splitlines()
    assert process.returncode == 1, (process.returncode, lines, guard.sanitizer_reports())
    # Nothing but this, unless it began to do without something first.
    assert len(lines) == 1 or no_end_either and len(lines) == 2, lines
    assert lines[-1].startswith("modelguard: "), lines
    assert not guard.is_mounted()
    assert snapshot(guard.source_directory) == before
    if os.path.exists(guard.audit_file):
        lives = [record["op"] for record in _trail(guard) if record["op"] in ("start", "end")]
        assert lives in ([], ["start", "end"]) or no_end_either, lives
        os.unlink(guard.audit_file)


def _check_start(guard, process, faults):
    faults.disarm()
    assert _probe(guard) == HOLDS
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, guard.stderr()
    assert not guard.is_mounted()
    os.unlink(guard.audit_file)


@pytest.mark.parametrize("count", [1, FOR_EVER], ids=["one", "all-from-then-on"])
def test_a_start_without_memory_is_whole_or_not_at_all(faulty, count):
    guard, faults = faulty()
    _prepare(guard)
    before = snapshot(guard.source_directory)
    os.makedirs(CONTROL_PLACE, mode=0o700, exist_ok=True)
    outcomes = {"refused": 0, "served": 0}
    n, fault_reached = 1, True
    while fault_reached:
        faults.arm(n, count)
        process = _start(guard)
        try:
            if _is_ready(guard, process):
                fault_reached = faults.failed > 0
                outcomes["served"] += 1
                _check_start(guard, process, faults)
            else:
                outcomes["refused"] += 1
                _check_refused_start(guard, process, before, count > 1)
        except AssertionError as error:
            raise AssertionError(f"request {n}: {error}") from error
        finally:
            process.kill()
            process.wait()
            unmount_all(guard.directory)
        n += STEP
    print(f"requests: {n - STEP}, {outcomes}")
    assert outcomes["refused"] > 50 // STEP and outcomes["served"] > 0
    assert not guard.sanitizer_reports()


# Reading the policy again

def _loads(guard, since):
    return [record for record in _trail(guard, since) if record["op"] == "policy-reload"]


def _reload_by_signal(guard, since):
    guard.process.send_signal(signal.SIGHUP)
    wait_for(lambda: _loads(guard, since) or _told_of_reload(guard), 20, "no outcome")


def _told_of_reload(guard):
    told = guard.stderr()
    return any(word in told for word in ("was refused", "cannot be recorded", "is in force"))


def _reload_by_socket(guard, _):
    subprocess.run([CTL, "reload", guard.mountpoint], capture_output=True, timeout=60)


@pytest.mark.parametrize("reload", [_reload_by_signal, _reload_by_socket], ids=["SIGHUP", "socket"])
def test_a_reload_without_memory_is_whole_or_not_at_all(faulty, reload):
    guard, faults = faulty()
    _prepare(guard)
    guard.start()
    wait_for(lambda: _status(guard).returncode == 0, 10, "the guard does not answer")
    policies = [(DEFAULT_POLICY, HOLDS), (OTHER_POLICY, HOLDS_OTHER)]
    in_force, outcomes = 0, {"refused": 0, "loaded": 0}
    n, fault_reached = 1, True
    while fault_reached:
        wanted = 1 - in_force
        guard.write_policy(policies[wanted][0])
        open(guard.stderr_file, "w", encoding="ascii").close()
        since = guard.mark()
        faults.arm(n)
        reload(guard, since)
        fault_reached = faults.failed > 0
        faults.disarm()
        loaded = [record for record in _loads(guard, since) if record["res"] == "success"]
        outcomes["loaded" if loaded else "refused"] += 1
        in_force = wanted if loaded else in_force
        assert _probe(guard) == policies[in_force][1], (n, guard.stderr())
        if not loaded:
            assert "keeping" in guard.stderr() or reload is _reload_by_socket, n
        n += STEP
    assert in_force == wanted  # without a fault it is loaded
    print(f"requests: {n - STEP}, {outcomes}")
    assert outcomes["refused"] > 0


# Serving: one of each operation, on names of their own.

def _create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _tmpfile(path):
    os.close(os.open(path, os.O_WRONLY | os.O_TMPFILE, 0o600))


def _write(path):
    with open(path, "r+b", buffering=0) as file:
        file.write(b"12345")


def _pread(path):
    with open(path, "r+b", buffering=0) as file:
        file.read()


OPERATIONS = [
    ("create", "new-file", _create),
    ("tmpfile", ".", _tmpfile),
    ("mkdir", "new-dir", os.mkdir),
    ("mknod", "new-fifo", os.mkfifo),
    ("symlink", "new-link", lambda path: os.symlink("elsewhere", path)),
    ("link", "linked", lambda path: os.link(path, path + "-2")),
    ("rename", "moved", lambda path: os.rename(path, path + "-2")),
    ("unlink", "removed", os.unlink),
    ("rmdir", "removed-dir", os.rmdir),
    ("write", "written", _write),
    ("truncate", "truncated", lambda path: os.truncate(path, 3)),
    ("chmod", "made-program", lambda path: os.chmod(path, 0o755)),
    ("setxattr", "marked", lambda path: os.setxattr(path, "user.mark", b"1")),
    ("getxattr", "read", lambda path: os.listxattr(path)),
    ("read", "read", _read),
    ("read and write", "read", _pread),
    ("stat", "read", os.stat),
    ("list", ".", os.listdir),
]
EXISTING = ("linked", "moved", "removed", "written", "truncated", "made-program", "marked", "read")
SERVING_POLICY = """\
[role ml-engineer]
groups = ml-engineers

[zone share]
path = /
allow ml-engineer = read, create, write, delete, admin
"""


def _do_all(top):
    outcomes = {}
    for word, name, operation in OPERATIONS:
        try:
            operation(os.path.join(top, name))
            outcomes[word] = 0
        except OSError as error:
            outcomes[word] = error.errno
    return outcomes


def _what_is(top):
    """Names, and of files the size, execute bits and marks."""
    found = {}
    for name in os.listdir(top):
        path = os.path.join(top, name)
        state = os.lstat(path)
        is_file = os.path.isfile(path) and not os.path.islink(path)
        found[name] = (state.st_size, bool(state.st_mode & 0o111),
                       bool(os.listxattr(path))) if is_file else None
    return found


def _replay(records, state, top):
    """What the trail says of what became of a directory."""
    records = [record for record in records if record["type"] == "DAC_CHECK"]
    failed = {record["seqno"] for record in records if record.get("note") == "effect-failed"}
    state = dict(state)
    for record in records:
        name = os.path.relpath(record["path"], top)
        if record["res"] != "success" or record["seqno"] in failed:
            continue
        new_name = os.path.relpath(record["name"], top) if "name" in record else None
        operation = record["op"]
        if operation == "create" and record.get("note") != "tmpfile":
            state[name] = (0, False, False)
        elif operation in ("mkdir", "mknod", "symlink"):
            state[name] = None
        elif operation == "link":
            state[new_name] = state[name]
        elif operation == "rename":
            state[new_name] = state.pop(name)
        elif operation in ("unlink", "rmdir"):
            del state[name]
        elif operation == "write":
            state[name] = (int(record["len"]), *state[name][1:])
        elif operation == "truncate":
            state[name] = (int(record["size"]), *state[name][1:])
        elif operation == "chmod":
            state[name] = (state[name][0], True, state[name][2])
        elif operation == "setxattr":
            state[name] = (*state[name][:2], True)
    return state


def test_what_is_served_without_memory_is_done_and_recorded_or_neither(faulty):
    guard, faults = faulty(policy=SERVING_POLICY)
    guard.start()
    world.call_as("mleng1", _do_all, guard.mountpoint)  # threads, buffers
    n, fault_reached, failures = 1, True, {}
    while fault_reached:
        top = f"n{n}"
        for name in EXISTING:
            guard.put(f"{top}/{name}", b"")
        guard.put_directory(f"{top}/removed-dir")
        before = _what_is(guard.source(top))
        since = guard.mark()
        faults.arm(n)
        outcomes = world.call_as("mleng1", _do_all, guard.path(top)).value
        time.sleep(0.001)  # what is closed is released a little later
        fault_reached = faults.failed > 0
        faults.disarm()
        failed = {word: errno.errorcode[error] for word, error in outcomes.items() if error}
        # Without memory for its record an effect is refused with EIO (modelguard-audit(7)).
        assert set(failed.values()) <= {"ENOMEM", "EIO"} and len(failed) <= 1, (n, failed)
        failures.update(failed)
        assert _replay(_trail(guard, since), before, guard.path(top)) == \
            _what_is(guard.source(top)), (n, failed)
        n += STEP
    print(f"requests: {n - STEP}, failed at least once: {sorted(failures)}")
    assert len(failures) > 10 or STEP > 1
    assert world.call_as("mleng1", _do_all, guard.put_directory("again")).value["create"] == 0


# Checking a policy: what `policy_load()` makes of it, and what the admin is told.

@pytest.mark.parametrize("text, status", [(DEFAULT_POLICY, 0), (DEFAULT_POLICY + "[zone x]\n", 1)],
                         ids=["sound", "broken"])
def test_a_check_without_memory_calls_no_policy_sound_that_is_not(faulty, text, status):
    guard, faults = faulty(policy=text)
    environment = dict(os.environ, **faults.environment, **sanitizer_environment(guard.directory))
    outcomes = {}
    n, fault_reached = 1, True
    while fault_reached:
        faults.arm(n)
        done = subprocess.run([CTL, "check", guard.policy_file], env=environment, text=True,
                              capture_output=True, timeout=60)
        fault_reached = faults.failed > 0
        assert done.returncode >= 0, (n, done)
        assert done.returncode != 0 or status == 0, (n, done)
        assert done.stdout or done.stderr, n
        outcomes[done.returncode] = outcomes.get(done.returncode, 0) + 1
        n += STEP
    print(f"requests: {n - STEP}, exit statuses: {outcomes}")
    assert done.returncode == status and not guard.sanitizer_reports()
