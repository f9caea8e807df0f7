# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost: after 100,000 mixed operations and an unmount, the leak sanitizer of the
daemon's own build has nothing to say."""

import os
import signal
import subprocess
import time

import pytest

import world
from guard import DAEMON, OPEN_POLICY

PROCESSES = 4
ROUNDS = 1150  # of 22 operations each, and a few more
OPERATIONS = 100_000


def _is_sanitized():
    with open(DAEMON, "rb") as program:
        return b"__asan_init" in program.read()


def _mixed(top):
    """Every kind of request, on names that come and go; refused ones as well."""
    os.mkdir(top)
    os.chdir(top)
    done = 0
    for number in range(ROUNDS):
        name = f"n{number % 50}"
        fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
        os.write(fd, b"a model" * 20)
        os.pread(fd, 100, 3)
        os.fstat(fd)
        os.ftruncate(fd, 50)
        os.close(fd)
        os.stat(name)
        os.utime(name, (1, number))
        os.chmod(name, 0o755)
        os.link(name, "second")
        os.rename("second", "third")
        os.unlink("third")
        os.symlink(name, "link")
        os.readlink("link")
        os.unlink("link")
        os.mkdir("dir")
        os.rename("dir", "other")
        os.listdir(".")
        os.rmdir("other")
        for refused in (lambda: os.chown(name, 0, 0), lambda: os.stat("missing"),
                        lambda: os.setxattr(name, "user.a", b"value")):
            try:
                refused()
                raise RuntimeError("it was not refused")
            except OSError:
                pass
        done += 22
        if number % 7 == 0:
            os.unlink(name)
            done += 1
    return done


def _run_all(guard):
    calls = [world.start_as(world.ENGINEERS[number % 2], _mixed, guard.path(f"p{number}"))
             for number in range(PROCESSES)]
    outcomes = [world.finish_call(call) for call in calls]
    assert all(outcome.errno == 0 for outcome in outcomes), outcomes
    return sum(outcome.value for outcome in outcomes)


@pytest.mark.skipif(not _is_sanitized(), reason="the build has no address sanitizer, which is "
                    "what looks for leaks: MODELGUARD_BUILD must name one that has")
@pytest.mark.parametrize("end", ["umount", "signal"])
def test_no_leak_after_100000_operations(make_guard, end):
    guard = make_guard(policy=OPEN_POLICY, audit="file", tmpfs=True)
    started = time.monotonic()
    done = _run_all(guard)
    print(f"{done} operations in {time.monotonic() - started:.0f} s")
    assert done >= OPERATIONS
    if end == "umount":
        subprocess.run(["umount", guard.mountpoint], check=True)
        status = guard.wait(60)
    else:
        status = guard.stop(signal.SIGTERM, 60)
    assert guard.sanitizer_reports() == []
    assert status == 0, guard.stderr()
