# SPDX-License-Identifier: Apache-2.0
"""The promises that the README makes, each with the programs that people use."""

import errno
import hashlib
import os
import re
import subprocess
import time

import pytest

import reference
import world
from guard import snapshot
from trail import brief_all

MODEL = "production/team/model.safetensors"

# What is run, as a data scientist, and what it must be recorded as.
ATTEMPTS = {
    "dd": (["dd", "if=/dev/zero", "of={model}", "bs=64", "count=1"], "open-write", "/usr/bin/dd"),
    "dd-notrunc": (["dd", "if=/dev/zero", "of={model}", "bs=64", "count=1", "conv=notrunc"],
                   "open-write", "/usr/bin/dd"),
    "truncate": (["truncate", "-s", "0", "{model}"], "open-write", "/usr/bin/truncate"),
    "mv": (["mv", "{model}", "{model}.old"], "rename", "/usr/bin/mv"),
    "rm": (["rm", "-f", "{model}"], "unlink", "/usr/bin/rm"),
    "chmod": (["chmod", "a+x", "{model}"], "chmod", "/usr/bin/chmod"),
    "setfattr": (["setfattr", "-n", "user.x", "-v", "1", "{model}"], "setxattr",
                 "/usr/bin/setfattr"),
    "ln": (["ln", "{model}", "{model}.link"], "link", "/usr/bin/ln"),
    "python": (["/usr/bin/python3", "-c", "open({model!r}, 'r+')"], "open-read-write",
               os.path.realpath("/usr/bin/python3")),
    "shell": (["sh", "-c", "echo x >> '{model}'"], "open-write", os.path.realpath("/bin/sh")),
    "touch": (["touch", "{model}"], "open-write", "/usr/bin/touch"),
}
# Where POSIX says EPERM; everywhere else it is EACCES.
NOT_PERMITTED = {"chmod"}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_data_scientist_cannot_change_a_model(module_guard, attempt):
    """One record each, with the person, the full path, the program and the policy line."""
    guard = module_guard
    model = guard.put(MODEL, b"weights" * 1000, owner="ci-release")
    command, op, exe = ATTEMPTS[attempt]
    command = [part.format(model=model) if "!r" not in part
               else part.replace("{model!r}", repr(model)) for part in command]
    before = snapshot(guard.source("production"))
    since = guard.mark()
    result = guard.run_as("sci1", *command)
    records = guard.records(since)
    assert result.returncode != 0
    message = "Operation not permitted" if attempt in NOT_PERMITTED else "Permission denied"
    assert message in result.stderr or "PermissionError: [Errno 13]" in result.stderr
    assert snapshot(guard.source("production")) == before

    failed = [record for record in records if record["res"] == "failed"]
    if attempt == "touch":
        # It tries to open and then to set the times: two acts, two denials.
        assert [record["op"] for record in failed] in (["open-write", "touch"], ["open-write"])
        failed = failed[:1]
    assert len(failed) == 1, brief_all(records)
    record = failed[0]
    assert record["op"] == op
    assert record["acct"] == "sci1"
    assert record["fsuid"] == str(world.uid_of("sci1"))
    assert record["path"] == model
    assert record["exe"] == exe
    assert record["comm"] == os.path.basename(command[0])
    assert record["zone"] == "production"
    assert record["rule"] in reference.rules("sci1", "/" + MODEL)
    assert record["errno"] == str(errno.EPERM if attempt in NOT_PERMITTED else errno.EACCES)
    assert record["reason"]


def test_the_rule_of_a_denial_is_a_line_of_the_policy_about_that_zone(module_guard):
    guard = module_guard
    model = guard.put("production/ruled", owner="ci-release")
    since = guard.mark()
    guard.run_as("sci1", "sh", "-c", f"echo > {model}")
    name, _, line = guard.failures(since)[0]["rule"].partition(":")
    assert name == os.path.basename(guard.policy_file)
    assert int(line) in (
        guard.policy_line("[zone production]"),
        guard.policy_line("[zone production]") + 2,
    )


def test_a_save_of_one_gibibyte_is_accounted_for_byte_by_byte(guard):
    """The bytes are right, and the write records cover each of them once."""
    size = 1 << 30
    path = guard.path("big.bin")

    def save():
        digest = hashlib.sha256()
        block = os.urandom(1 << 20)
        with open(path, "wb", buffering=0) as file:
            for i in range(size >> 20):
                data = i.to_bytes(8, "little") + block[8:]
                assert file.write(data) == len(data)
                digest.update(data)
            os.fsync(file.fileno())
        return digest.hexdigest()

    since = guard.mark()
    saved = guard.call_as("mleng1", save)
    assert saved.errno == 0, saved.exception
    records = guard.records(since)

    with open(guard.source("big.bin"), "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == saved.value
    assert [r["op"] for r in records if r["op"] != "write"][0] == "create"
    covered = 0
    writes = [record for record in records if record["op"] == "write"]
    for record in sorted(writes, key=lambda record: int(record["off"])):
        assert record["res"] == "success"
        assert record["path"] == path
        assert record["acct"] == "mleng1"
        assert int(record["off"]) == covered, "a gap or an overlap"
        covered += int(record["len"])
    assert covered == size


def _ausearch(auditd, start):
    """`ausearch -m DAC_CHECK -i` over the end of the log."""
    tail = os.path.join(auditd.directory if auditd.is_ours else "/tmp", "tail.log")
    with open(auditd.log, "rb") as log, open(tail, "wb") as copy:
        log.seek(start)
        copy.write(log.read())
    result = subprocess.run(
        ["ausearch", "-m", "DAC_CHECK", "-i", "-if", tail],
        capture_output=True, text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL,
    )
    os.unlink(tail)
    return result.stdout


def test_ausearch_shows_the_actors_name(guard, auditd):
    """Never "root" for what others did, whatever tool looks."""
    model = guard.put("production/named", owner="ci-release")
    since = guard.mark()
    guard.run_as("sci1", "cat", model)
    guard.run_as("sci1", "sh", "-c", f"echo x > {model}")
    guard.run_as("mleng1", "sh", "-c", f"echo x > {guard.path('saved')}")
    assert len(guard.records(since)) >= 3
    lines = [line for line in _ausearch(auditd, since).splitlines() if "msg='" in line]
    assert len(lines) >= 3
    for line in lines:
        message = line.split("msg='", 1)[1]
        # ausearch prints what a record says, quotes resolved.
        person = re.search(r"\bfsuid=(\S+)", message).group(1)
        assert person in ("sci1", "mleng1"), line
        assert re.search(r"\bacct=\"?(\w+)", message).group(1) == person
        actor_exe = re.search(r"\bexe=(\S+)", message).group(1)
        assert "modelguard" not in actor_exe, line
    assert any("named" in line and "res=failed" in line for line in lines)
    assert any("saved" in line and "res=success" in line for line in lines)


def test_without_auditd_nothing_happens_and_with_it_everything_again(guard, own_auditd):
    """Kill auditd: opens fail with EIO within a second and no effect goes unrecorded."""
    model = guard.put("model", owner="mleng1")

    def append():
        with open(model, "ab", buffering=0) as file:
            file.write(b"x")

    since = guard.mark()
    effects = 0
    own_auditd.kill()
    killed = time.monotonic()
    while True:
        outcome = guard.call_as("mleng1", append)
        if outcome.errno:
            break
        effects += 1
        assert time.monotonic() - killed < 1, "still written a second after auditd died"
    assert outcome.errno == errno.EIO
    content = os.path.getsize(guard.source("model"))
    for _ in range(20):
        assert guard.call_as("mleng1", append).errno == errno.EIO
    assert os.path.getsize(guard.source("model")) == content

    own_auditd.start()
    started = time.monotonic()
    while guard.call_as("mleng1", append).errno:
        assert time.monotonic() - started < 1, "not writable a second after auditd is back"
    effects += 1
    # What was sent shortly before may be sent again, with its old number.
    written = {r["seqno"] for r in guard.records(since)
               if r["op"] == "write" and r["res"] == "success"}
    assert len(written) == effects
    assert os.path.getsize(guard.source("model")) == len(b"a model\n") + effects


def test_the_story(guard):
    """An engineer saves, a scientist reads and cannot change, and both are on record."""
    path = guard.path("story.bin")
    since = guard.mark()
    saved = guard.run_as("mleng1", "/usr/bin/python3", "-c",
                         f"open({path!r}, 'wb').write(b'model')")
    assert saved.returncode == 0, saved.stderr
    read = guard.run_as("sci1", "cat", path)
    assert read.stdout == "model"
    assert guard.run_as("outsider", "cat", path).returncode != 0
    assert guard.run_as("sci1", "rm", "-f", path).returncode != 0
    told = [(r["acct"], r["op"], r["res"]) for r in guard.records(since)]
    for expected in (("mleng1", "create", "success"), ("mleng1", "write", "success"),
                     ("sci1", "open-read", "success"), ("sci1", "unlink", "failed")):
        assert expected in told
    assert any(who == "outsider" and res == "failed" for who, _, res in told)
    assert os.stat(guard.source("story.bin")).st_uid == world.uid_of("mleng1")
