# SPDX-License-Identifier: Apache-2.0
"""Ways to change what is in a file, and what is on it. The last words of a docstring say how the
test was seen to fail."""

import errno
import fcntl
import os
import stat
import struct

import pytest

import syscalls
import world
from attack import denied, error_of, read, revoke, rule
from guard import mount_entry, snapshot

FICLONE = 0x40049409
FICLONERANGE = 0x4020940D
FS_IOC_SETVERSION = 0x40087602
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)  # cap_sys_admin


@pytest.fixture
def share(file_guard):
    """The default share with one model in production and one outside."""
    file_guard.put("production/model", owner="sci1")
    file_guard.put("model", owner="mleng1")
    return file_guard


def _after_revocation(share, *functions):
    """What comes of acts on a file that a role holder opened for writing before the role lost
    its grant. The acts are called with the descriptor."""
    ready, go_on = os.pipe(), os.pipe()

    def work():
        fd = os.open(share.path("model"), os.O_RDWR)
        os.pwrite(fd, b"A", 0)
        os.write(ready[1], b".")
        os.read(go_on[0], 1)
        return [error_of(function, fd) for function in functions]

    call = world.start_as("mleng1", work)
    os.read(ready[0], 1)
    revoke(share)
    expected = [(op, "mleng1", "model", rule(share, "share", "data-scientist"))
                for op in _OPERATIONS[functions[0]]]
    with denied(share, *expected):
        os.write(go_on[1], b".")
        outcome = world.finish_call(call)
    for fd in ready + go_on:
        os.close(fd)
    return outcome.value


def _copy_range(path):
    def copy(fd):
        os.copy_file_range(os.open(path, os.O_RDONLY), fd, 5, 0, 0)

    return copy


def _copy_range_within(fd):
    os.copy_file_range(fd, fd, 2, 0, 4)


def _splice(fd):
    reader, writer = os.pipe()
    os.write(writer, b"evil")
    os.splice(reader, fd, 4, offset_dst=0)


def _sendfile(fd):
    other = os.open("/etc/passwd", os.O_RDONLY)
    os.sendfile(fd, other, 0, 5)


def _punch(fd):
    syscalls.fallocate(fd, syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE, 0, 4)


def _reserve(fd):
    syscalls.fallocate(fd, 0, 0, 1 << 16)


def _zero(fd):
    syscalls.fallocate(fd, syscalls.FALLOC_FL_ZERO_RANGE, 0, 4)


def _ftruncate(fd):
    os.ftruncate(fd, 0)


_OPERATIONS = {
    _copy_range_within: ["write"] * 4,
    _punch: ["fallocate"] * 3,
    _ftruncate: ["truncate"],
}


def test_a_copy_or_splice_writes_nothing(share):
    """copy_file_range(2), splice(2) and sendfile(2) into a file that is open for writing, after
    that right is gone; and into one that is open for reading. Seen to fail when a write takes
    no verb."""
    ways = (_copy_range_within, _copy_range(share.path("production/model")), _splice, _sendfile)
    assert _after_revocation(share, *ways) == ["EACCES"] * 4

    def into_read_only():
        fd = os.open(share.path("production/model"), os.O_RDONLY)
        return [error_of(way, fd) for way in ways]

    with denied(share):
        assert share.call_as("sci1", into_read_only).value == ["EBADF"] * 4


def test_fallocate_punches_nothing(share):
    """Each mode, after the right to write is gone; and on a file that is open for reading. Seen
    to fail when it takes no verb."""
    modes = (_punch, _reserve, _zero)
    assert _after_revocation(share, *modes) == ["EACCES"] * 3

    def into_read_only():
        fd = os.open(share.path("production/model"), os.O_RDONLY)
        return [error_of(function, fd) for function in modes]

    with denied(share):
        assert share.call_as("sci1", into_read_only).value == ["EBADF"] * 3

    def allowed():
        fd = os.open(share.path("experiments/own"), os.O_RDWR | os.O_CREAT, 0o644)
        os.write(fd, b"content")
        _punch(fd)

    assert share.call_as("sci1", allowed).errno == 0
    assert read(share.source("experiments/own")) == bytes(4) + b"ent"


def test_a_file_is_truncated_in_none_of_four_ways(share):
    """truncate(2), O_TRUNC, creat(2) and, with a handle, ftruncate(2). Seen to fail when an
    open, and when a truncation, takes no verb."""
    path = share.path("production/model")
    ways = {
        "truncate": lambda p: os.truncate(p, 0),
        "open-write": lambda p: os.open(p, os.O_WRONLY | os.O_TRUNC),
        "open-read-write": lambda p: os.open(p, os.O_RDONLY | os.O_TRUNC),
        "creat": lambda p: os.open(p, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644),
    }
    line = rule(share, "production", "data-scientist")
    for name, way in ways.items():
        operation = "open-write" if name == "creat" else name
        with denied(share, (operation, "sci1", "production/model", line)):
            assert share.call_as("sci1", way, path).errno == errno.EACCES
    with denied(share):
        assert share.call_as("sci1", lambda: os.ftruncate(os.open(path, os.O_RDONLY), 0)
                             ).errno == errno.EINVAL
    for way in ways.values():
        share.put("model")
        assert share.call_as("mleng1", way, share.path("model")).errno == 0
        assert read(share.source("model")) == b""
    share.put("model")
    assert _after_revocation(share, _ftruncate) == ["EACCES"]


def test_inode_flags_and_clones_change_nothing(share):
    """FS_IOC_SETFLAGS, FICLONE and ioctls that the guard does not know. Seen to fail when flags
    take no verb; a clone does not get to the guard."""
    def flags(path):
        fd = os.open(path, os.O_RDONLY)
        syscalls.set_flags(fd, syscalls.get_flags(fd) | syscalls.FS_NODUMP_FL)

    def clones(source, target, access):
        fd = os.open(target, access)
        other = os.open(source, os.O_RDONLY)
        span = struct.pack("=qQQQ", other, 0, 4096, 0)
        return [error_of(fcntl.ioctl, fd, FICLONE, other),
                error_of(fcntl.ioctl, fd, FICLONERANGE, span),
                error_of(fcntl.ioctl, fd, FS_IOC_SETVERSION, struct.pack("=Q", 1))]

    path = share.path("production/model")
    with denied(share, ("set-flags", "sci1", "production/model",
                        rule(share, "production", "data-scientist"))):
        assert share.call_as("sci1", flags, path).errno == errno.EPERM
    with denied(share):  # these do not get to the guard
        assert share.call_as("sci1", clones, share.path("model"), path, os.O_RDONLY).value == [
            "EBADF", "EBADF", "ENOTTY"]
        assert share.call_as("mleng1", clones, path, share.path("model"), os.O_WRONLY).value == [
            "ENOTSUP", "ENOTSUP", "ENOTTY"]
    # The kernel asks for ownership, the guard for admin.
    share.put("own", owner="madmin")
    assert share.call_as("madmin", flags, share.path("own")).errno == 0
    fd = os.open(share.source("own"), os.O_RDONLY)
    assert syscalls.get_flags(fd) & syscalls.FS_NODUMP_FL
    os.close(fd)


def test_extended_attributes_give_no_rights(share):
    """ACLs, file capabilities, trusted.*, security.* and user.*: by a user, and by root with a
    role, whom the kernel lets past. Seen to fail when attributes take no verb, and when
    trusted.* are taken for others."""
    acl = syscalls.posix_acl(world.uid_of("sci2"))
    attributes = {
        "system.posix_acl_access": (acl, "set-acl", errno.EPERM),
        "security.capability": (CAPABILITY, "setxattr", errno.EACCES),
        "security.evil": (b"1", "setxattr", errno.EACCES),
        "trusted.evil": (b"1", "setxattr", errno.EACCES),
        "user.evil": (b"1", "setxattr", errno.EACCES),
    }
    path = share.path("production/model")

    def by_root(groups, path, name, value):
        os.setgroups(groups)
        os.setxattr(path, name, value)

    for name, (value, operation, error) in attributes.items():
        line = rule(share, "production", "data-scientist")
        of_users = name.startswith(("system.", "user."))
        with denied(share, *[(operation, user, "production/model", line)
                             for user in ("sci1", "root") if of_users or user == "root"]):
            outcome = share.call_as("sci1", os.setxattr, path, name, value)
            assert outcome.errno == (error if of_users else errno.EPERM), name
            assert share.call_as(None, by_root, [64152], path, name, value).errno == error, name
    # With the right to: the policy makes the ACL, the daemon itself cannot set capabilities, and
    # what is nobody's is not set.
    model = share.path("model")
    assert share.call_as("madmin", os.setxattr, model, "user.x", b"1").errno == 0
    assert share.call_as("madmin", os.removexattr, model, "user.x").errno == 0
    os.setxattr(share.source("model"), "trusted.planted", b"1")
    before = snapshot(share.source_directory)
    since = share.mark()
    for name, error in (("system.posix_acl_access", errno.ENOTSUP),
                        ("security.capability", errno.EPERM), ("trusted.evil", errno.EPERM)):
        outcome = share.call_as(None, by_root, [64153], model, name, attributes[name][0])
        assert outcome.errno == error, name
        assert [(r["xattr"], r["errno"]) for r in share.failures(since)] == [(name, str(error))]
        since = share.mark()

    def remove():
        os.setgroups([64153])
        os.removexattr(model, "trusted.planted")

    assert share.call_as(None, remove).errno == errno.EPERM
    assert snapshot(share.source_directory) == before


def test_no_device_is_made_or_used(share):
    """mknod(2) by a user, and by root with and without a role; and one that lies in the source.
    Seen to fail when mknod makes what it is asked for and the mount has devices."""
    null = os.makedev(1, 3)

    def by_root(kind):
        os.setgroups([64151])
        os.mknod(share.path("new"), kind | 0o666, null)

    kinds = (stat.S_IFCHR, stat.S_IFBLK)
    with denied(share):
        for kind in kinds:
            assert share.call_as("mleng1", os.mknod, share.path("new"), kind | 0o666,
                                 null).errno == errno.EPERM
    with denied(share, ("mknod", "root", "new", rule(share, "share", "ml-engineer")), times=2):
        for kind in kinds:
            assert share.call_as(None, by_root, kind).errno == errno.EPERM
    with denied(share, ("lookup", "root", "new", rule(share, "share")), times=2):
        for kind in kinds:
            assert share.call_as("root", os.mknod, share.path("new"), kind | 0o666,
                                 null).errno == errno.EACCES
    assert share.call_as("mleng1", os.mkfifo, share.path("new")).errno == 0
    os.mknod(share.source("null"), stat.S_IFCHR | 0o666, null)
    with denied(share):
        assert share.call_as("mleng1", read, share.path("null")).errno == errno.EACCES


def test_set_user_id_bits_are_neither_set_nor_kept(share):
    """chmod(2), open(2) and mkdir(2) set none; writing and chown(2) clear those that are there;
    and none has an effect in the mount. Seen to fail when a new mode is taken as it comes, from
    mkdir and from chmod."""
    assert "nosuid" in mount_entry(share.mountpoint)[2]
    mode = os.stat(share.source("model")).st_mode
    assert share.call_as("mleng1", os.chmod, share.path("model"), 0o6755).errno == 0
    assert os.stat(share.source("model")).st_mode == mode | 0o111

    def make_all():
        os.umask(0)
        os.close(os.open(share.path("new"), os.O_CREAT | os.O_WRONLY, 0o6777))
        os.mkdir(share.path("directory"), 0o7777)
        os.mknod(share.path("node"), stat.S_IFREG | 0o6777)
        fd = os.open(share.path(), os.O_TMPFILE | os.O_WRONLY, 0o6777)
        syscalls.linkat_fd(fd, share.path("unnamed"))

    assert share.call_as("mleng1", make_all).errno == 0
    for name in ("new", "directory", "node", "unnamed"):
        assert not os.stat(share.source(name)).st_mode & 0o7000, name

    def append(path):
        with open(path, "ab") as file:
            file.write(b"evil")

    program = share.put("program", owner="root", mode=0o6755)
    os.setxattr(share.source("program"), "security.capability", CAPABILITY)
    with denied(share, ("open-write", "sci1", "program", rule(share, "share", "data-scientist"))):
        assert share.call_as("sci1", append, program).errno == errno.EACCES
    assert share.call_as("mleng1", append, program).errno == 0
    assert os.stat(share.source("program")).st_mode & 0o7000 == 0
    assert not os.listxattr(share.source("program"))

    os.chmod(share.source("program"), 0o6755)
    assert share.call_as("mleng1", os.truncate, program, 1).errno == 0
    assert os.stat(share.source("program")).st_mode & 0o7000 == 0
    os.chmod(share.source("program"), 0o6755)

    def give_away():
        os.setgroups([64153])
        os.chown(program, world.uid_of("sci1"), -1)

    assert share.call_as(None, give_away).errno == 0
    assert os.stat(share.source("program")).st_mode & 0o7000 == 0
