# SPDX-License-Identifier: Apache-2.0
"""The policy as a target: who can change it, and what is read when it changes. The last words of
a docstring say how the test was seen to fail."""

import errno
import os
import signal
import subprocess
import threading
import time

import pytest

import world
from attack import denied, reload_policy, rule, write
from auditd import wait_for
from guard import CTL, DEFAULT_POLICY

LOOSE = DEFAULT_POLICY.replace("allow data-scientist = read", "allow data-scientist = read, write")


@pytest.fixture
def share(file_guard):
    """The default share with one model in production."""
    file_guard.put("production/model")
    return file_guard


def _reload_and_tell(guard):
    """SIGHUP, whatever comes of it. Returns the record."""
    since = guard.mark()
    guard.process.send_signal(signal.SIGHUP)
    wait_for(lambda: guard.records(since, kind="USYS_CONFIG"), 20, "no reload")
    (record,) = guard.records(since, kind="USYS_CONFIG")
    return record


def _reload_refused(guard, *needles):
    """SIGHUP: the file is refused, in words and on record, and the old policy stays."""
    before = guard.stderr()
    assert _reload_and_tell(guard)["res"] == "failed"
    said = guard.stderr()[len(before):]
    assert os.path.dirname(guard.policy_file) in said, said
    for needle in needles:
        assert needle in said, said


def _still_in_force(guard):
    with denied(guard, ("open-write", "sci1", "production/model",
                        rule(guard, "production", "data-scientist"))):
        assert guard.call_as("sci1", write, guard.path("production/model")).errno == errno.EACCES


def _loosen(guard):
    """What an attacker would put there."""
    with open(guard.policy_file, "w", encoding="ascii") as file:
        file.write(LOOSE)


def _by_group(guard):
    os.chmod(guard.policy_file, 0o664)


def _by_all(guard):
    os.chmod(guard.policy_file, 0o646)


def _by_owner(guard):
    os.chown(guard.policy_file, world.uid_of("sci1"), -1)


def _by_directory(guard):
    os.chmod(os.path.dirname(guard.policy_file), 0o777)


def _by_directory_s_owner(guard):
    os.chown(os.path.dirname(guard.policy_file), world.uid_of("sci1"), -1)


def _by_symlink(guard):
    os.rename(guard.policy_file, guard.policy_file + ".real")
    os.symlink(guard.policy_file + ".real", guard.policy_file)


def _by_fifo(guard):
    os.unlink(guard.policy_file)
    os.mkfifo(guard.policy_file, 0o644)


@pytest.mark.parametrize("way", [_by_group, _by_all, _by_owner, _by_directory,
                                 _by_directory_s_owner, _by_symlink, _by_fifo])
def test_a_policy_that_others_can_change_is_not_loaded(share, way):
    """Writable by others, or its directory; a symbolic link; a FIFO. At a reload, as at the
    start: tests/e2e/test_seal.py. Seen to fail without the checks of owner, mode, directory and
    O_NOFOLLOW; a FIFO is empty."""
    _loosen(share)
    way(share)
    _reload_refused(share)
    _still_in_force(share)
    subprocess.run(["rm", "-rf", os.path.dirname(share.policy_file)], check=True)
    os.mkdir(os.path.dirname(share.policy_file), 0o755)
    reload_policy(share, LOOSE)
    assert share.call_as("sci1", write, share.path("production/model"), b"A").errno == 0


def test_a_policy_that_changes_while_it_is_read_is_one_or_the_other(share):
    """Two policies of the same size, written over each other again and again, by a program that
    closes the file after each and by one that holds it open: what is loaded is one of them,
    whole, or it is refused. Seen to fail without the lease."""
    texts = [(DEFAULT_POLICY + ("; " + letter * 77 + "\n") * 20_000).encode() for letter in "xy"]
    hashes = set()
    for text in texts:
        with open(share.policy_file, "wb") as file:
            file.write(text)
        hashes.add(_reload_and_tell(share)["hash"])
    assert len(hashes) == 2
    stop = threading.Event()

    def rewrite():
        while not stop.is_set():
            for text in texts:
                fd = os.open(share.policy_file, os.O_WRONLY)
                os.pwrite(fd, text, 0)
                os.close(fd)
            time.sleep(0.002)

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        records = [_reload_and_tell(share) for _ in range(40)]
    finally:
        stop.set()
        thread.join()
    loaded = {r["hash"] for r in records if r["res"] == "success"}
    assert loaded and loaded <= hashes, records
    with open(share.policy_file, "r+b"):
        _reload_refused(share, "open for writing")
    assert _reload_and_tell(share)["res"] == "success"
    _still_in_force(share)


def test_a_policy_of_100_megabytes_is_refused_unread(share):
    """At a reload, by modelguardctl, and at the limit itself the text is still read. Seen to
    fail without the limit."""
    with open(share.policy_file, "ab") as file:
        file.truncate(100_000_000)
    peak = _peak_memory(share.process.pid)
    started = time.monotonic()
    _reload_refused(share, "100000000 bytes")
    assert time.monotonic() - started < 2
    assert _peak_memory(share.process.pid) - peak < 20_000
    _still_in_force(share)
    result = subprocess.run([CTL, "check", share.policy_file], capture_output=True, text=True,
                            check=False, timeout=20)
    assert result.returncode != 0 and "100000000 bytes" in result.stderr
    line = "; " + "x" * 77 + "\n"
    reload_policy(share, LOOSE + line * (((16 << 20) - len(LOOSE)) // len(line)))
    assert share.call_as("sci1", write, share.path("production/model"), b"A").errno == 0


def _peak_memory(pid):
    """In kB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    raise ValueError("no VmHWM")
