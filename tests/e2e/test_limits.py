# SPDX-License-Identifier: Apache-2.0
"""Limits of what lies below: a source that is full, read-only or gone, and a daemon
with few descriptors. The error reaches the caller, the trail says what came of it, and all goes on
when there is room again."""

import errno
import fcntl
import os
import struct
import subprocess

import pytest

import world
from sources import image_of, put_source_on

POLICY = """\
[role ml-engineer]
groups = ml-engineers

[role data-scientist]
groups = data-scientists

[zone share]
path = /
allow ml-engineer = read, create, write, delete, admin
allow data-scientist = read, create, write, delete
"""
FS_IOC_SHUTDOWN = 0x8004587D  # fs/ext4/ext4.h: EXT4_IOC_SHUTDOWN
SHUTDOWN_NO_LOG_FLUSH = 2


@pytest.fixture
def guard_on(make_guard):
    """Makes a guard whose source is on a file system of its own."""
    def make(kind, **options):
        guard = make_guard(policy=POLICY, audit="file", start=False)
        put_source_on(guard, kind, **options)
        return guard.start()
    return make


def _create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _write(path, size=1 << 20):
    fd = os.open(path, os.O_WRONLY | os.O_SYNC)
    try:
        while size > 0:
            size -= os.write(fd, b"x" * min(size, 65536))
    finally:
        os.close(fd)


def _fallocate(path):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.posix_fallocate(fd, 0, 1 << 20)
    finally:
        os.close(fd)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _second_records(guard, since):
    """Of what failed after its record: those with the number of a first one."""
    records = guard.records(since)
    first = {(record["seqno"], record["op"]) for record in records if record["res"] == "success"}
    return [record for record in records if record.get("note") == "effect-failed"
            and (record["seqno"], record["op"]) in first]


def _check_fails(guard, operation, path, error):
    """It fails so, says so in a second record, and the daemon goes on."""
    since = guard.mark()
    outcome = world.call_as("mleng1", operation, path)
    assert outcome.errno == error, (path, outcome)
    second = _second_records(guard, since)
    assert [record["errno"] for record in second] == [str(error)], (path, guard.records(since))
    guard.check()


NEW_NAMES = [
    ("new", _create),
    ("new-dir", os.mkdir),
    ("new-link", lambda path: os.symlink("x" * 200, path)),
]
BY_HANDLE = [("written", _write), ("reserved", _fallocate)]
MARK = [("marked", lambda path: os.setxattr(path, "user.mark", b"x" * 900))]


def _put_files(guard):
    for word in ("written", "reserved", "marked"):
        guard.put(word, b"")


def test_a_full_source_says_so(guard_on):
    guard = guard_on("ext4", size=4 << 20, mkfs_options=["-N", "32", "-b", "1024", "-I", "128"])
    _put_files(guard)
    with open(guard.source("filler"), "wb") as filler:
        try:
            while True:
                filler.write(b"x" * 1024)
                filler.flush()
        except OSError as error:
            assert error.errno == errno.ENOSPC
            try:
                filler.close()
            except OSError:
                pass
    names = []
    try:
        while True:
            names.append(guard.source(f"staging/{len(names)}"))
            _create(names[-1])
    except OSError as error:
        assert error.errno == errno.ENOSPC
    for name, operation in NEW_NAMES + BY_HANDLE + MARK:
        _check_fails(guard, operation, guard.path(name), errno.ENOSPC)
    assert world.call_as("mleng1", os.unlink, guard.path("filler")).errno == 0
    for name in names[:-1]:
        os.unlink(name)
    for name, operation in NEW_NAMES + BY_HANDLE + MARK:
        outcome = world.call_as("mleng1", operation, guard.path(name))
        assert outcome.errno == 0, (name, outcome)


def test_a_source_that_became_read_only_says_so(guard_on):
    guard = guard_on("tmpfs")
    _put_files(guard)
    guard.put("read")
    subprocess.run(["mount", "-o", "remount,ro", guard.source_directory], check=True)
    for name, operation in NEW_NAMES + MARK:
        _check_fails(guard, operation, guard.path(name), errno.EROFS)
    _check_fails(guard, _write, guard.path("written"), errno.EROFS)
    assert world.call_as("mleng1", _read, guard.path("read")).value == b"a model\n"
    subprocess.run(["mount", "-o", "remount,rw", guard.source_directory], check=True)
    for name, operation in NEW_NAMES + BY_HANDLE + MARK:
        assert world.call_as("mleng1", operation, guard.path(name)).errno == 0, name


def test_a_device_that_cannot_be_read_is_an_io_error(guard_on):
    guard = guard_on("ext4", size=32 << 20)
    guard.put("lost", b"x" * (8 << 20))
    guard.put("kept")
    subprocess.run(["sync", "-f", guard.source_directory], check=True)
    assert world.call_as("mleng1", _read, guard.path("kept")).errno == 0
    fd = os.open(guard.source("lost"), os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    size = os.path.getsize(image_of(guard))
    os.truncate(image_of(guard), 65536)
    assert world.call_as("mleng1", _read, guard.path("lost")).errno == errno.EIO
    assert world.call_as("mleng1", _read, guard.path("kept")).value == b"a model\n"
    guard.check()
    os.truncate(image_of(guard), size)


def _start_writer(path):
    """Somebody who has a file open, and writes when the descriptor is closed."""
    told, tell = os.pipe()
    wait, release = os.pipe()

    def open_and_write():
        os.close(release)
        fd = os.open(path, os.O_WRONLY)
        os.write(tell, b"1")
        os.read(wait, 1)
        os.write(fd, b"12345")
    pending = world.start_as("mleng1", open_and_write)
    os.close(tell)
    os.close(wait)
    assert os.read(told, 1) == b"1"
    os.close(told)
    return pending, release


def test_a_device_that_is_gone_is_an_io_error_for_all(guard_on):
    guard = guard_on("ext4", size=32 << 20)
    _put_files(guard)
    guard.put("read")
    assert world.call_as("mleng1", _write, guard.path("written"), 4096).errno == 0
    writer, release = _start_writer(guard.path("reserved"))
    fd = os.open(guard.source_directory, os.O_RDONLY)
    fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("=I", SHUTDOWN_NO_LOG_FLUSH))
    os.close(fd)
    since = guard.mark()
    os.close(release)
    assert world.finish_call(writer).errno == errno.EIO
    assert [record["op"] for record in _second_records(guard, since)] == ["write"]
    for name, operation in NEW_NAMES + MARK:
        _check_fails(guard, operation, guard.path(name), errno.EIO)
    _check_fails(guard, _write, guard.path("written"), errno.EIO)
    guard.check()
    assert world.call_as("mleng1", os.statvfs, guard.mountpoint).errno in (0, errno.EIO)


# Descriptors

DESCRIPTORS = 256


def _open_all(paths):
    """Opens until it cannot. How many, and why not."""
    fds = []
    try:
        for path in paths:
            fds.append(os.open(path, os.O_RDWR))
    except OSError as error:
        return len(fds), error.errno, fds
    return len(fds), 0, fds


@pytest.fixture
def small_guard(make_guard):
    guard = make_guard(policy=POLICY, audit="file", start=False)
    guard.prefix = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]
    for number in range(300):
        guard.put(f"many/{number}")
    return guard.start()


def _hoard_many(guard, users, function):
    """Each of the users holds all they can get while a function is called."""
    paths = [guard.path("many", str(number)) for number in range(300)]
    pipes, pending = [], []
    for user in users:
        told, tell = os.pipe()
        wait, release = os.pipe()

        def hold(tell=tell, wait=wait, release=release):
            os.close(release)
            n, error, _ = _open_all(paths)
            os.write(tell, b"1")
            os.read(wait, 1)
            return n, error
        pending.append(world.start_as(user, hold))
        os.close(tell)
        os.close(wait)
        assert os.read(told, 1) == b"1"
        os.close(told)
        pipes.append(release)
    try:
        result = function()
    finally:
        for release in pipes:
            os.close(release)
    return result, [world.finish_call(call).value for call in pending]


def _work(guard, name):
    assert len(os.listdir(guard.path("many"))) == 300
    for number in range(300):
        os.stat(guard.path("many", str(number)))
    _read(guard.path("many/7"))
    _create(guard.path(name))
    _write(guard.path(name), 4096)


def test_who_opens_everything_takes_no_descriptor_from_others(small_guard):
    guard = small_guard
    neighbour, held = _hoard_many(
        guard, ["mleng1"], lambda: world.call_as("sci1", _work, guard, "made-meanwhile"))
    assert neighbour.errno == 0, neighbour
    (n, error), = held
    assert 0 < n < 300 and error in (errno.ENFILE, errno.EMFILE), held
    # All that was held is back.
    assert world.call_as("mleng1", _work, guard, "made-afterwards").errno == 0


def test_without_a_descriptor_nobody_is_lied_to_and_the_daemon_ends_in_order(small_guard):
    guard = small_guard
    users = ["mleng1", "mleng2", "sci1", "sci2", "both"]

    def try_more():
        outcome = world.call_as("primary", _work, guard, "made-meanwhile")
        return outcome.errno
    error, held = _hoard_many(guard, users, try_more)
    assert error in (0, errno.ENFILE, errno.EMFILE), errno.errorcode[error]
    assert all(why in (errno.ENFILE, errno.EMFILE) for _, why in held), held
    denied = [record for record in guard.records(0) if record.get("reason") == "not granted"]
    assert not denied, denied[:2]  # nobody was taken for somebody else
    assert world.call_as("mleng1", _work, guard, "made-afterwards").errno == 0
    error, _ = _hoard_many(guard, users, lambda: guard.stop())
    assert error == 0, guard.stderr()
