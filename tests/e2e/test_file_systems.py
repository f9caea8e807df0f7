# SPDX-License-Identifier: Apache-2.0
"""Sources on each file system that people have: what programs do through the guard comes to the
same as in the bare directory beside it. `modes = owner`, all granted."""

import errno
import json
import mmap
import os
import subprocess

import pytest

import syscalls
import world
from guard import CTL, OWNER_POLICY
from sources import kernel_has, put_source_on

KINDS = ("ext4", "xfs", "btrfs", "tmpfs", "overlay")
LONG = "n" * 255


def _write(path, data, flags=os.O_CREAT):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _create_and_append():
    _write("a", b"one")
    _write("a", b"two", os.O_APPEND)
    return _read("a"), os.stat("a").st_uid == os.getuid(), oct(os.stat("a").st_mode)


def _mapped():
    _write("m", bytes(8192))
    with open("m", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[4096:4099] = b"map"
        mapping.flush()
    return _read("m")[4090:4102]


def _rename(flags):
    def row():
        _write("r1", b"1")
        _write("r2", b"22")
        syscalls.renameat2("r1", "r2", flags)
        return sorted(os.listdir(".")), _read("r2")
    return row


def _rename_directory():
    os.makedirs("d/e")
    _write("d/e/f", b"deep")
    os.rename("d", "moved")
    return _read("moved/e/f"), sorted(os.listdir("moved"))


def _links():
    _write("l1", b"linked")
    os.link("l1", "l2")
    with os.scandir(".") as entries:
        inodes = {entry.name: entry.stat(follow_symlinks=False).st_ino for entry in entries}
    found = inodes["l1"] == inodes["l2"], os.stat("l1").st_nlink
    os.unlink("l1")
    return found, _read("l2"), os.stat("l2").st_nlink


def _xattr():
    _write("x", b"")
    os.setxattr("x", "user.one", b"1")
    os.setxattr("x", "user.two", b"2")
    os.removexattr("x", "user.one")
    return [name for name in os.listxattr("x") if name.startswith("user.")], os.getxattr(
        "x", "user.two")


def _acl():
    _write("acl", b"")
    subprocess.run(["setfacl", "-m", "u:sci1:rw", "acl"], check=True, capture_output=True)
    shown = subprocess.run(["getfacl", "-c", "acl"], check=True, capture_output=True)
    return shown.stdout


def _tmpfile():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"unnamed")
    syscalls.linkat_fd(fd, "named")
    os.close(fd)
    return _read("named")


def _fallocate(mode):
    def row():
        fd = os.open("f", os.O_RDWR | os.O_CREAT, 0o600)
        os.write(fd, b"x" * 65536)
        syscalls.fallocate(fd, mode, 4096 * 4, 4096 * 4)
        state = os.fstat(fd)
        os.close(fd)
        return state.st_size, _read("f").count(b"x")
    return row


def _seek_hole():
    fd = os.open("h", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(fd, b"data" * 1024, 1 << 20)
    os.ftruncate(fd, 2 << 20)
    os.fsync(fd)
    found = os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 1 << 20, os.SEEK_HOLE)
    os.close(fd)
    return found


def _copy_range():
    _write("c1", b"copied" * 1000)
    with open("c1", "rb") as old, open("c2", "wb") as new:
        n = os.copy_file_range(old.fileno(), new.fileno(), 6000)
    return n, _read("c2") == _read("c1")


def _statfs():
    found = os.statvfs(".")
    return found.f_bsize, found.f_blocks, found.f_namemax


def _long_names():
    _write(LONG, b"long")
    os.mkdir("d" * 255)
    return sorted(os.listdir(".")), _read(LONG)


def _too_long():
    _write(LONG + "n", b"")


def _open_unlinked():
    fd = os.open("u", os.O_RDWR | os.O_CREAT, 0o600)
    os.unlink("u")
    os.write(fd, b"still there")
    found = os.pread(fd, 100, 0), os.fstat(fd).st_nlink, os.listdir(".")
    os.close(fd)
    return found


def _directory_not_empty():
    os.makedirs("full/of")
    os.rmdir("full")


def _symlink():
    os.symlink("target", "s")
    return os.readlink("s"), os.lstat("s").st_size


def _listing():
    for number in range(500):
        _write(f"many{number}", b"")
    return sorted(os.listdir("."))


def _flags():
    fd = os.open("flagged", os.O_RDWR | os.O_CREAT, 0o600)
    syscalls.set_flags(fd, syscalls.get_flags(fd) | syscalls.FS_NODUMP_FL)
    found = bool(syscalls.get_flags(fd) & syscalls.FS_NODUMP_FL)
    os.close(fd)
    return found


ROWS = {
    "create, write, append": _create_and_append,
    "mmap": _mapped,
    "rename": _rename(0),
    "rename, no replace": _rename(syscalls.RENAME_NOREPLACE),
    "rename, exchange": _rename(syscalls.RENAME_EXCHANGE),
    "rename a directory": _rename_directory,
    "hard links": _links,
    "xattr": _xattr,
    "ACL": _acl,
    "O_TMPFILE": _tmpfile,
    "reserve": _fallocate(syscalls.FALLOC_FL_KEEP_SIZE),
    "punch a hole": _fallocate(syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE),
    "zero a range": _fallocate(syscalls.FALLOC_FL_ZERO_RANGE),
    "collapse a range": _fallocate(syscalls.FALLOC_FL_COLLAPSE_RANGE),
    "insert a range": _fallocate(syscalls.FALLOC_FL_INSERT_RANGE),
    "seek": _seek_hole,
    "copy_file_range": _copy_range,
    "statfs": _statfs,
    "255 bytes": _long_names,
    "256 bytes": _too_long,
    "open, unlinked": _open_unlinked,
    "rmdir of a full one": _directory_not_empty,
    "symlink": _symlink,
    "listing": _listing,
    "flags of chattr(1)": _flags,
}
# The kernel's FUSE passes neither on: fs/fuse/file.c, fuse_file_fallocate().
NOT_IN_FUSE = ("collapse a range", "insert a range")


def _do_rows(top):
    found = {}
    for number, (word, row) in enumerate(ROWS.items()):
        place = os.path.join(top, f"row{number}")
        os.mkdir(place)
        os.chdir(place)
        try:
            found[word] = row()
        except OSError as error:
            found[word] = errno.errorcode[error.errno]
    return found


def _make(make_guard, kind):
    if not kernel_has(kind):
        pytest.skip(f"this kernel has no {kind}")
    guard = make_guard(policy=OWNER_POLICY, audit="file", start=False, options=["exec"])
    put_source_on(guard, kind)
    os.chmod(guard.source("experiments"), 0o777)
    return guard


def _compare(guard, directory):
    """A directory of the zone, through the guard and bare."""
    bare = os.path.join(guard.directory, "bare")
    os.mkdir(bare)
    for name in ("guarded", "bare"):
        path = guard.source(directory, name)
        os.mkdir(path)
        os.chmod(path, 0o777)
    subprocess.run(["mount", "--bind", guard.source(directory, "bare"), bare], check=True)
    try:
        expected = world.call_as("mleng1", _do_rows, bare)
    finally:
        subprocess.run(["umount", bare], check=True)
        os.rmdir(bare)
    found = world.call_as("mleng1", _do_rows, guard.path(directory, "guarded"))
    assert found.value, found
    assert not found.errno and not expected.errno, (found, expected)
    assert all(found.value[word] == "ENOTSUP" for word in NOT_IN_FUSE)
    differing = {word: (found.value[word], expected.value[word]) for word in ROWS
                 if found.value[word] != expected.value[word] and word not in NOT_IN_FUSE}
    assert not differing, differing
    guard.check()
    return expected.value


def _status(guard):
    done = subprocess.run([CTL, "status", "--json", guard.mountpoint], check=True, timeout=60,
                          capture_output=True)
    return json.loads(done.stdout)["guards"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_on_any_file_system_is_as_the_bare_directory(make_guard, kind):
    guard = _make(make_guard, kind)
    guard.start()
    found = _compare(guard, "experiments")
    print(kind, "does not have:", {word: value for word, value in found.items()
                                   if isinstance(value, str)})
    assert found["create, write, append"][0] == b"onetwo"
    assert found["256 bytes"] == "ENAMETOOLONG"


@pytest.mark.parametrize("kind", KINDS)
def test_reads_pass_through_or_the_status_says_why_not(make_guard, kind):
    guard = _make(make_guard, kind)
    path = guard.put("experiments/model", b"x" * 65536, mode=0o644)
    guard.start()
    told, tell = os.pipe()
    wait, release = os.pipe()

    def hold():
        os.close(release)
        with open(path, "rb") as file:
            size = len(file.read())
            os.write(tell, b"1")
            os.read(wait, 1)
        return size
    reader = world.start_as("sci1", hold)
    os.close(wait)
    assert os.read(told, 1) == b"1"
    status = _status(guard)
    os.close(release)
    os.close(told)
    os.close(tell)
    assert world.finish_call(reader).value == 65536
    passes, refused = status["handles"]["passthrough"], status["passthrough"]["refused"]
    print(kind, status["passthrough"], "handles:", passes)
    assert (passes == 1 and refused == 0) or (passes == 0 and refused > 0 and
                                              status["passthrough"]["error"])


def test_a_subvolume_of_btrfs_is_part_of_the_share(make_guard):
    guard = _make(make_guard, "btrfs")
    subprocess.run(["btrfs", "subvolume", "create", guard.source("experiments/volume")],
                   check=True, capture_output=True)
    assert os.stat(guard.source("experiments/volume")).st_dev != \
        os.stat(guard.source("experiments")).st_dev
    os.chmod(guard.source("experiments/volume"), 0o777)
    guard.start()
    found = _compare(guard, "experiments/volume")
    assert found["hard links"][1] == b"linked"

    def across(top):
        _write(os.path.join(top, "here"), b"here")
        os.link(os.path.join(top, "here"), os.path.join(top, "volume", "there"))
    assert world.call_as("mleng1", across, guard.path("experiments")).errno == errno.EXDEV
    assert world.call_as("mleng1", os.link, guard.path("experiments/here"),
                         guard.path("experiments/also-here")).errno == 0
