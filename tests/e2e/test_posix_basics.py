# SPDX-License-Identifier: Apache-2.0
"""For a role that may do everything, the share behaves as the bare directory does, whether roles
alone decide or the source's modes do as well."""

import ctypes
import errno
import fcntl
import itertools
import mmap
import os
import random
import shlex
import sqlite3
import stat
import struct
import subprocess
import time

import pytest

import syscalls
import world
from guard import OPEN_POLICY

USER = "mleng1"


@pytest.fixture(scope="module", params=["role", "owner"])
def share(request):
    """The share's guard; every test works in a directory of its own."""
    return request.getfixturevalue(
        {"role": "open_guard", "owner": "owned_guard"}[request.param])


@pytest.fixture
def place(share, request):
    """A directory of the test's own, as users see it. Where modes count it and what is made in it
    are open to all, so that they do not stand in the way."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:80]
    if request.node.callspec.params["share"] == "role":
        share.put_directory(name, owner=USER)
        return share.path(name)
    name = os.path.join("experiments", name)
    share.put_directory(name, owner=USER, mode=0o777)
    _setfacl("-d", "-m", "u::rwx,g::rwx,o::rwx", share.source(name))
    return share.path(name)


def _setfacl(*arguments):
    subprocess.run(["setfacl", *arguments], check=True)


def under(share, path):
    """The same path in the source."""
    return share.source(os.path.relpath(path, share.mountpoint))


def ok(outcome):
    assert outcome.errno == 0, outcome
    return outcome.value


def act(function, *args, user=USER):
    return ok(world.call_as(user, function, *args))


def write_file(path, content, mode="wb"):
    with open(path, mode) as file:
        file.write(content)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


# Writing


def test_appends_of_several_processes_lose_nothing(share, place):
    path = place + "/log"
    act(write_file, path, b"")

    def append(number):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        for i in range(200):
            line = b"%d %d\n" % (number, i)
            assert os.write(fd, line) == len(line)

    pending = [world.start_as(USER, append, number) for number in range(6)]
    for call in pending:
        ok(world.finish_call(call))
    lines = read_file(under(share, path)).splitlines()
    assert sorted(lines) == sorted(b"%d %d" % (n, i) for n in range(6) for i in range(200))


def test_both_sides_append(share, place):
    """The share and the source underneath append to one file: nothing is lost."""
    path = place + "/log"
    act(write_file, path, b"")

    def append():
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        for _ in range(300):
            os.write(fd, b"guard.\n")

    call = world.start_as(USER, append)
    fd = os.open(under(share, path), os.O_WRONLY | os.O_APPEND)
    for _ in range(300):
        os.write(fd, b"source\n")
    os.close(fd)
    ok(world.finish_call(call))
    lines = act(read_file, path).splitlines()
    assert lines.count(b"guard.") == 300 and lines.count(b"source") == 300


def test_a_shared_mapping_writes_through(share, place):
    path = place + "/mapped"
    act(write_file, path, bytes(8192))

    def work():
        fd = os.open(path, os.O_RDWR)
        with mmap.mmap(fd, 8192) as mapping:
            mapping[100:105] = b"hello"
            mapping[5000:5005] = b"world"
            mapping.flush()
        os.close(fd)

    act(work)
    content = read_file(under(share, path))
    assert content[100:105] == b"hello" and content[5000:5005] == b"world"
    assert act(read_file, path) == content


def test_a_shared_mapping_without_flush_arrives(share, place):
    path = place + "/mapped"
    act(write_file, path, bytes(8192))

    def work():
        fd = os.open(path, os.O_RDWR)
        mapping = mmap.mmap(fd, 8192)
        os.close(fd)  # the mapping lives on
        mapping[0:4] = b"late"
        mapping.close()

    act(work)
    assert act(read_file, path)[:4] == b"late"
    assert read_file(under(share, path))[:4] == b"late"


def test_two_processes_share_a_mapping(place):
    path = place + "/mapped"
    act(write_file, path, bytes(4096))

    def other():
        fd = os.open(path, os.O_RDWR)
        mapping = mmap.mmap(fd, 4096)
        deadline = time.monotonic() + 20
        while mapping[0] != 1:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        mapping[1] = 2
        mapping.close()

    def first():
        fd = os.open(path, os.O_RDWR)
        mapping = mmap.mmap(fd, 4096)
        mapping[0] = 1
        deadline = time.monotonic() + 20
        while mapping[1] != 2:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    call = world.start_as("mleng2", other)
    act(first)
    ok(world.finish_call(call))


def test_a_private_mapping_changes_nothing(share, place):
    path = place + "/mapped"
    act(write_file, path, b"a" * 4096)

    def work():
        fd = os.open(path, os.O_RDONLY)
        with mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE,
                       prot=mmap.PROT_READ | mmap.PROT_WRITE) as mapping:
            assert mapping[:4] == b"aaaa"
            mapping[0:4] = b"bbbb"
            return mapping[:4]

    assert act(work) == b"bbbb"
    assert read_file(under(share, path)) == b"a" * 4096


def test_a_read_mapping_shows_the_file(place):
    path = place + "/mapped"
    content = os.urandom(3 << 20)
    act(write_file, path, content)

    def work():
        fd = os.open(path, os.O_RDONLY)
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED) as mapping:
            return mapping[:]

    assert act(work) == content


def test_vectored_and_positioned_io(place):
    def work():
        fd = os.open(place + "/v", os.O_RDWR | os.O_CREAT)
        assert os.writev(fd, [b"abc", b"", b"defg"]) == 7
        assert os.pwrite(fd, b"XY", 2) == 2
        assert os.pread(fd, 100, 0) == b"abXYefg"
        buffers = [bytearray(3), bytearray(10)]
        assert os.preadv(fd, buffers, 1) == 6
        assert os.pread(fd, 5, 100) == b""
        assert os.pwrite(fd, b"z", 1 << 33) == 1
        return os.fstat(fd).st_size

    assert act(work) == (1 << 33) + 1


def test_sendfile_and_splice(place):
    content = os.urandom(1 << 20)
    act(write_file, place + "/a", content)

    def work():
        source = os.open(place + "/a", os.O_RDONLY)
        target = os.open(place + "/b", os.O_WRONLY | os.O_CREAT)
        left = len(content)
        while left:
            left -= os.sendfile(target, source, None, left)
        reader, writer = os.pipe()
        spliced = os.splice(source, writer, 4096, offset_src=0)
        data = os.read(reader, 4096)
        assert spliced == len(data) and data == content[:spliced]
        return read_file(place + "/b")

    assert act(work) == content


def test_direct_io_reads_and_writes(place):
    path = place + "/direct"

    def work():
        buffer = mmap.mmap(-1, 8192)
        buffer[:] = b"d" * 8192
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
        assert os.write(fd, buffer) == 8192
        target = mmap.mmap(-1, 8192)
        assert os.preadv(fd, [target], 0) == 8192
        return target[:]

    assert act(work) == b"d" * 8192


def test_fallocate_does_what_the_source_does(share, place):
    """Whatever the bare directory answers, the share answers, with the same bytes."""
    block = 4096
    modes = {
        "allocate": 0,
        "keep-size": syscalls.FALLOC_FL_KEEP_SIZE,
        "punch": syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE,
        "zero": syscalls.FALLOC_FL_ZERO_RANGE,
        "nonsense": 0x4000,
    }

    def work(path, mode):
        with open(path, "wb") as file:
            file.write(b"".join(bytes([i]) * block for i in range(1, 9)))
        fd = os.open(path, os.O_RDWR)
        try:
            syscalls.fallocate(fd, mode, block, 2 * block)
            error = 0
        except OSError as failure:
            error = failure.errno
        return error, os.pread(fd, 1 << 20, 0), os.fstat(fd).st_size

    for name, mode in modes.items():
        bare = work(under(share, place) + "/bare-" + name, mode)
        guarded = act(work, place + "/" + name, mode)
        assert guarded[0] == bare[0], f"{name}: {guarded[0]} instead of {bare[0]}"
        assert guarded == bare, name
    # The kernel's FUSE itself refuses these two, and nothing changes.
    for mode in (syscalls.FALLOC_FL_COLLAPSE_RANGE, syscalls.FALLOC_FL_INSERT_RANGE):
        error, content, size = act(work, place + "/shifted", mode)
        assert error == errno.EOPNOTSUPP and size == len(content) == 8 * block


def test_sparse_files_stay_sparse(share, place):
    def work():
        fd = os.open(place + "/sparse", os.O_RDWR | os.O_CREAT)
        os.ftruncate(fd, 1 << 30)
        os.pwrite(fd, b"x" * 4096, 512 << 20)
        found = (os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE),
                 os.lseek(fd, 512 << 20, os.SEEK_HOLE))
        try:
            os.lseek(fd, (512 << 20) + 4096, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == errno.ENXIO
        else:
            raise AssertionError("data found in the hole at the end")
        return found, os.fstat(fd).st_blocks

    found, blocks = act(work)
    assert found == (512 << 20, 0, (512 << 20) + 4096)
    assert blocks < 100
    assert os.stat(under(share, place) + "/sparse").st_blocks < 100


def test_blocks_and_times_are_the_source_s(share, place):
    act(write_file, place + "/f", os.urandom(100000))
    bare = os.stat(under(share, place) + "/f")
    seen = act(os.stat, place + "/f")
    for field in ("st_size", "st_blocks", "st_mtime_ns", "st_ctime_ns", "st_nlink", "st_uid",
                  "st_gid", "st_ino"):
        assert getattr(seen, field) == getattr(bare, field), field
    act(os.utime, place + "/f", None)
    act(lambda: os.utime(place + "/f", ns=(123456789, 987654321987654321)))
    assert act(os.stat, place + "/f").st_mtime_ns == 987654321987654321


# Names


@pytest.mark.parametrize(
    "name",
    [b"with space", b"new\nline", b"\xff\xfe not utf-8", b"quote'\"=res=success", b"\x1b[31mred",
     b"-rf", b"\x01\x7f\x80", b"%s%n", "модель".encode(), b"a" * 255, b"'", b"=", b".hidden"],
)
def test_names_may_hold_any_byte(share, place, name):
    path = os.fsencode(place) + b"/" + name

    def work():
        with open(path, "wb") as file:
            file.write(name)
        os.rename(path, path[:-len(name)] + b"plain")
        os.rename(path[:-len(name)] + b"plain", path)
        return os.listdir(os.fsencode(place)), read_file(path), os.stat(path).st_size

    names, content, size = act(work)
    assert names == [name] and content == name and size == len(name)
    assert os.listdir(os.fsencode(under(share, place))) == [name]
    act(os.unlink, path)
    assert os.listdir(under(share, place)) == []


def test_a_name_of_256_bytes_is_too_long(place):
    path = place + "/" + "a" * 256
    for function in (os.mkdir, os.stat, os.unlink, lambda p: open(p, "w"),
                     lambda p: os.symlink("x", p), lambda p: os.rename(place, p)):
        assert world.call_as(USER, function, path).errno == errno.ENAMETOOLONG


def test_paths_near_the_limit(share, place):
    """Names relative to a directory make trees deeper than any path; a path goes to 4095."""
    component = "d" * 250

    def work():
        os.chdir(place)
        for _ in range(30):
            os.mkdir(component)
            os.chdir(component)
        write_file("file", b"deep")
        os.rename("file", "renamed")
        os.link("renamed", "linked")
        assert os.stat("linked").st_nlink == 2
        assert read_file("linked") == b"deep"
        return sorted(os.listdir("."))

    assert act(work) == ["linked", "renamed"]

    def longest():
        path = place
        while len(path) + 1 + len(component) + 1 + 4 < 4095:
            path += "/" + component
        path += "/" + "f" * (4095 - len(path) - 1)
        write_file(path, b"x")
        assert len(path) == 4095
        try:
            os.stat(path + "g")
        except OSError as error:
            assert error.errno == errno.ENAMETOOLONG
        return read_file(path)

    assert act(longest) == b"x"
    subprocess.run(["rm", "-rf", under(share, place)], check=True)


def test_hard_links_share_everything(share, place):
    def work():
        write_file(place + "/a", b"one")
        os.link(place + "/a", place + "/b")
        os.chmod(place + "/b", 0o755)
        with open(place + "/b", "ab") as file:
            file.write(b"two")
        a, b = os.stat(place + "/a"), os.stat(place + "/b")
        assert (a.st_ino, a.st_mode, a.st_size, a.st_uid) == (b.st_ino, b.st_mode, b.st_size,
                                                              b.st_uid)
        assert a.st_nlink == b.st_nlink == 2
        os.unlink(place + "/a")
        assert os.stat(place + "/b").st_nlink == 1
        return read_file(place + "/b")

    assert act(work) == b"onetwo"


def test_symlinks(share, place):
    def work():
        write_file(place + "/file", b"through")
        os.symlink("file", place + "/link")
        os.symlink("/etc/hostname", place + "/out")
        os.symlink("x" * 4000, place + "/long")
        os.symlink("loop", place + "/loop")
        assert read_file(place + "/link") == b"through"
        assert os.lstat(place + "/link").st_size == 4
        assert len(os.readlink(place + "/long")) == 4000
        try:
            open(place + "/loop", "rb")
        except OSError as error:
            assert error.errno == errno.ELOOP
        os.rename(place + "/link", place + "/moved")
        return os.readlink(place + "/moved"), os.readlink(place + "/out")

    assert act(work) == ("file", "/etc/hostname")


# Directories


def test_a_directory_of_ten_thousand(share, place):
    source = under(share, place)
    expected = {f"file-{i:05}" for i in range(10000)}
    for name in expected:
        os.mknod(os.path.join(source, name), 0o644 | stat.S_IFREG)
    names = act(os.listdir, place)
    assert len(names) == 10000 and set(names) == expected


class _Dir:
    """opendir(3) and its friends, which Python lacks."""

    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = ctypes.c_void_p
    libc.readdir.restype = ctypes.c_void_p
    libc.telldir.restype = ctypes.c_long
    libc.readdir.argtypes = libc.telldir.argtypes = [ctypes.c_void_p]
    libc.closedir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]

    def __init__(self, path):
        self.handle = self.libc.opendir(os.fsencode(path))
        assert self.handle

    def read(self):
        entry = self.libc.readdir(self.handle)
        if not entry:
            return None
        return ctypes.string_at(entry + 19)  # struct dirent: d_name, 64 bit

    def tell(self):
        return self.libc.telldir(self.handle)

    def seek(self, position):
        self.libc.seekdir(self.handle, position)

    def rewind(self):
        self.libc.rewinddir(self.handle)


def test_a_directory_can_be_sought(share, place):
    """telldir(3) and seekdir(3): every position leads to the same name again."""
    source = under(share, place)
    for i in range(1000):
        os.mknod(os.path.join(source, f"f{i}"), 0o644 | stat.S_IFREG)

    def work():
        directory = _Dir(place)
        positions = []
        while True:
            position = directory.tell()
            name = directory.read()
            if name is None:
                break
            positions.append((position, name))
        assert len(positions) == 1002
        chosen = random.Random(1)
        for position, name in chosen.sample(positions, 100):
            directory.seek(position)
            assert directory.read() == name
        directory.rewind()
        assert directory.read() == positions[0][1]
        return True

    assert act(work)


def test_a_directory_changes_while_it_is_read(share, place):
    """Names that stay are seen exactly once, whatever comes and goes around them."""
    source = under(share, place)
    for i in range(3000):
        os.mknod(os.path.join(source, f"stay-{i}"), 0o644 | stat.S_IFREG)
        os.mknod(os.path.join(source, f"go-{i}"), 0o644 | stat.S_IFREG)

    def work():
        directory = _Dir(place)
        names = []
        gone = 0
        while True:
            name = directory.read()
            if name is None:
                return [n for n in names if n.startswith(b"stay")]
            names.append(name)
            if len(names) % 2 == 0:
                os.unlink(f"{place}/go-{gone}")
                gone += 1

    names = act(work)
    assert len(names) == len(set(names)) == 3000


def test_dot_and_dot_dot_are_there(place):
    def work():
        os.mkdir(place + "/sub")
        directory = _Dir(place + "/sub")
        names = [directory.read(), directory.read(), directory.read()]
        return (sorted(names[:2]), names[2], os.stat(place + "/sub/..").st_ino,
                os.stat(place).st_ino)

    names, end, parent, ino = act(work)
    assert names == [b".", b".."] and end is None and parent == ino


def test_directory_link_counts(share, place):
    act(os.mkdir, place + "/d")
    act(os.mkdir, place + "/d/one")
    act(os.mkdir, place + "/d/two")
    assert act(os.stat, place + "/d").st_nlink == os.stat(under(share, place) + "/d").st_nlink == 4
    act(os.rmdir, place + "/d/one")
    assert act(os.stat, place + "/d").st_nlink == 3


def test_a_set_group_id_directory_hands_its_group_down(share, place):
    source = under(share, place)
    os.chown(source, world.uid_of(USER), 64151)
    os.chmod(source, 0o2775)
    act(write_file, place + "/file", b"")
    act(os.mkdir, place + "/dir")
    assert os.stat(source + "/file").st_gid == 64151
    assert os.stat(source + "/dir").st_gid == 64151
    assert os.stat(source + "/dir").st_mode & stat.S_ISGID


def test_what_is_new_belongs_to_its_maker(share, place):
    for user in ("mleng1", "mleng2"):
        def work():
            write_file(f"{place}/file-{user}", b"")
            os.mkdir(f"{place}/dir-{user}")
            os.symlink("x", f"{place}/link-{user}")
            os.mkfifo(f"{place}/fifo-{user}")

        act(work, user=user)
        for kind in ("file", "dir", "link", "fifo"):
            st = os.lstat(f"{under(share, place)}/{kind}-{user}")
            assert (st.st_uid, st.st_gid) == (world.uid_of(user), world.gid_of(user)), kind


# Handles


def test_an_unlinked_open_file_lives_on(share, place):
    def work():
        fd = os.open(place + "/gone", os.O_RDWR | os.O_CREAT)
        os.write(fd, b"before")
        os.unlink(place + "/gone")
        assert os.listdir(place) == []
        assert os.fstat(fd).st_nlink == 0
        os.pwrite(fd, b"after.", 0)
        os.ftruncate(fd, 4)
        os.fchmod(fd, 0o755)
        os.utime(fd)
        content = os.pread(fd, 100, 0)
        os.rmdir(place)  # no hidden name keeps the directory
        return content

    assert act(work) == b"afte"


def test_an_unlinked_file_opened_again_through_proc(place):
    def work():
        fd = os.open(place + "/gone", os.O_RDWR | os.O_CREAT)
        os.write(fd, b"still here")
        os.unlink(place + "/gone")
        return read_file(f"/proc/self/fd/{fd}")

    assert act(work) == b"still here"


def test_a_file_without_a_name_gets_one(share, place):
    def work():
        fd = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"made in secret")
        assert os.listdir(place) == [] and os.fstat(fd).st_nlink == 0
        syscalls.linkat_fd(fd, place + "/named")
        os.write(fd, b", seen by all")
        once = os.open(place, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o640)
        try:
            syscalls.linkat_fd(once, place + "/never")
        except FileNotFoundError:
            return os.fstat(fd).st_nlink, read_file(place + "/named")

    assert act(work) == (1, b"made in secret, seen by all")
    st = os.stat(under(share, place) + "/named")
    assert (st.st_uid, st.st_gid) == (world.uid_of(USER), world.gid_of(USER))


def test_inotify_tells_of_changes_by_others(place):
    """Changes through the mount, by whomever; the masks are those of the bare directory."""
    def watch(directory, ready, go):
        fd = syscalls.inotify(directory)
        os.write(ready, b"r")
        os.read(go, 1)
        return syscalls.inotify_read(fd)

    def change():
        write_file(place + "/a", b"x")
        os.rename(place + "/a", place + "/b")
        os.chmod(place + "/b", 0o755)
        os.unlink(place + "/b")
        os.mkdir(place + "/d")

    (ready_read, ready_write), (go_read, go_write) = os.pipe(), os.pipe()
    call = world.start_as("mleng2", watch, place, ready_write, go_read)
    assert os.read(ready_read, 1) == b"r"
    act(change)
    os.write(go_write, b"g")
    events = ok(world.finish_call(call))
    for fd in (ready_read, ready_write, go_read, go_write):
        os.close(fd)
    create, modify, close, attributes = 0x100, 0x2, 0x8, 0x4
    moved_from, moved_to, delete, directory = 0x40, 0x80, 0x200, 0x40000000
    assert events == [(create, "a"), (modify, "a"), (close, "a"), (moved_from, "a"),
                      (moved_to, "b"), (attributes, "b"), (delete, "b"),
                      (create | directory, "d")]


def test_replacing_by_rename_under_readers(place):
    """A reader sees the old file or the new one, whole, and never none."""
    path = place + "/model"
    act(write_file, path, b"0" * 10000)

    def reader():
        deadline = time.monotonic() + 3
        reads = 0
        while time.monotonic() < deadline:
            content = read_file(path)
            assert len(content) == 10000 and len(set(content)) == 1, "a torn file"
            reads += 1
        return reads

    def writer():
        deadline = time.monotonic() + 3
        i = 0
        while time.monotonic() < deadline:
            i = (i + 1) % 10
            write_file(path + ".new", b"%d" % i * 10000)
            os.rename(path + ".new", path)

    calls = [world.start_as(user, reader) for user in ("mleng1", "mleng2")]
    act(writer)
    for call in calls:
        assert ok(world.finish_call(call)) > 10


MODES = {"read": os.O_RDONLY, "write": os.O_WRONLY, "read-write": os.O_RDWR}


@pytest.mark.parametrize("order", list(itertools.product(MODES, repeat=3)), ids="+".join)
def test_three_handles_in_any_order(share, place, order):
    """No order of open modes fails, and every handle sees what any other one wrote."""
    path = place + "/shared"
    size = 20000
    act(write_file, path, b"." * size)

    def work():
        model = bytearray(b"." * size)
        fds = []
        value = 0

        def see_all():
            for mode, fd in fds:
                if mode != "write":
                    seen = os.pread(fd, size + 1, 0)
                    assert seen == model, f"a {mode} handle does not see the last write"

        def write_all():
            nonlocal value
            for mode, fd in fds:
                if mode != "read":
                    value += 1
                    for offset in (value * 7, 4096 * (value % 4) + value, size - 20 - value):
                        data = b"<%03d>" % value
                        assert os.pwrite(fd, data, offset) == len(data)
                        model[offset:offset + len(data)] = data
                    see_all()

        for mode in order:
            fds.append((mode, os.open(path, MODES[mode])))
            see_all()
            write_all()
        while fds:
            os.close(fds.pop(0)[1])
            write_all()
        assert read_file(path) == model
        return bytes(model)

    written = act(work)
    assert read_file(under(share, path)) == written


@pytest.mark.parametrize("order", list(itertools.permutations(MODES)), ids="+".join)
def test_handles_of_several_processes_in_any_order(place, order):
    """The same over processes and users, the first handle being a passthrough reader's."""
    path = place + "/shared"
    act(write_file, path, b"-" * 5000)
    reader = os.pipe(), os.pipe()

    def hold(mode, ready, go):
        fd = os.open(path, MODES[mode])
        if mode != "write":
            assert os.pread(fd, 10, 0)
        os.write(ready, b"r")
        os.read(go, 1)
        if mode != "read":
            os.pwrite(fd, mode.encode(), 100)
        if mode != "write":
            return os.pread(fd, 20, 100)
        return b""

    (ready_read, ready_write), (go_read, go_write) = reader
    calls = []
    for user, mode in zip(("mleng1", "mleng2", "mleng1"), order):
        calls.append(world.start_as(user, hold, mode, ready_write, go_read))
        assert os.read(ready_read, 1) == b"r"
    os.write(go_write, b"ggg")
    for call in calls:
        ok(world.finish_call(call))
    for fd in (ready_read, ready_write, go_read, go_write):
        os.close(fd)


def _has_passthrough():
    with open("/proc/kallsyms", encoding="ascii", errors="replace") as symbols:
        return any("fuse_passthrough_open" in line for line in symbols)


@pytest.mark.skipif(not _has_passthrough(), reason="this kernel has no FUSE passthrough")
def test_what_is_read_does_not_go_through_the_daemon(share, place):
    """Readers and their mappings read kernel to kernel."""
    path = place + "/big"
    size = 32 << 20
    act(write_file, path, bytes(size))

    def read_by_daemon():
        with open(f"/proc/{share.process.pid}/io", encoding="ascii") as counters:
            return int(counters.readline().split()[1])

    def map_all():
        fd = os.open(path, os.O_RDONLY)
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapping:
            return len(mapping[:])

    before = read_by_daemon()
    assert len(act(read_file, path)) == size
    assert act(map_all) == size
    assert read_by_daemon() - before < size / 8


def test_mappings_and_handles_agree(place):
    """A mapping of a read handle sees what a write handle writes, opened before or after."""
    path = place + "/shared"
    act(write_file, path, b"." * 8192)

    def work():
        early = os.open(path, os.O_RDONLY)
        first = mmap.mmap(early, 8192, prot=mmap.PROT_READ)
        assert first[0:1] == b"."
        writer = os.open(path, os.O_WRONLY)
        os.pwrite(writer, b"abc", 0)
        late = os.open(path, os.O_RDONLY)
        second = mmap.mmap(late, 8192, prot=mmap.PROT_READ)
        os.pwrite(writer, b"def", 4096)
        return first[0:3], second[0:3], first[4096:4099], second[4096:4099]

    assert act(work) == (b"abc", b"abc", b"def", b"def")


def test_the_size_is_seen_at_once_by_all(place):
    path = place + "/growing"

    def work():
        writer = os.open(path, os.O_WRONLY | os.O_CREAT)
        reader = os.open(path, os.O_RDONLY)
        for i in range(1, 50):
            os.write(writer, b"x" * 100)
            assert os.stat(path).st_size == os.fstat(reader).st_size == i * 100
            assert os.lseek(reader, 0, os.SEEK_END) == i * 100
            assert len(os.pread(reader, 10000, 0)) == i * 100
        os.truncate(path, 10)
        assert os.fstat(reader).st_size == 10
        return os.pread(reader, 100, 0)

    assert act(work) == b"x" * 10


def test_a_handle_s_access_mode_is_kept(place):
    path = place + "/file"
    act(write_file, path, b"x")

    def work():
        errors = []
        for flags, function in (
            (os.O_RDONLY, lambda fd: os.write(fd, b"y")),
            (os.O_WRONLY, lambda fd: os.read(fd, 1)),
            (os.O_RDONLY, lambda fd: os.ftruncate(fd, 0)),
        ):
            fd = os.open(path, flags)
            try:
                function(fd)
                errors.append(0)
            except OSError as error:
                errors.append(error.errno)
        return errors

    assert act(work) == [errno.EBADF, errno.EBADF, errno.EINVAL]


def test_the_access_mode_three_opens_nothing(share, place):
    """Linux lets open(2) pass O_WRONLY|O_RDWR, which is no right that could be decided. (With
    O_CREAT it makes O_RDWR of it.)"""
    share.put(os.path.join(os.path.relpath(place, share.mountpoint), "model"), owner=USER)
    for name, flags in (("model", 0), ("model", os.O_TRUNC), (".", os.O_TMPFILE)):
        outcome = world.call_as(USER, os.open, os.path.join(place, name), 3 | flags, 0o666)
        assert outcome.errno == errno.EINVAL, (name, outcome)
    assert os.path.getsize(under(share, place) + "/model") > 0


def test_a_program_in_the_share_does_not_run(share, place):
    """noexec by default: a model directory is no place for programs."""
    act(write_file, place + "/program", b"#!/bin/sh\necho ran\n")
    act(os.chmod, place + "/program", 0o755)
    if "exec" in share.options:
        assert world.run_as(USER, place + "/program").stdout == "ran\n"
        return
    assert world.call_as(USER, os.execv, place + "/program", ["program"]).errno == errno.EACCES


# Locks


def _locks(take_first, take_second):
    """Whether a second process is kept out while a first one holds a lock, and let in after."""
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()

    def hold():
        take_first()
        os.write(ready_write, b"r")
        os.read(go_read, 1)

    call = world.start_as(USER, hold)
    os.read(ready_read, 1)
    held = world.call_as("mleng2", take_second).errno
    os.write(go_write, b"g")
    ok(world.finish_call(call))
    freed = world.call_as("mleng2", take_second).errno
    for fd in (ready_read, ready_write, go_read, go_write):
        os.close(fd)
    return held, freed


@pytest.mark.parametrize("kind", ["flock", "posix"])
def test_locks_exclude(place, kind):
    path = place + "/lock"
    act(write_file, path, b"x" * 100)
    function = fcntl.flock if kind == "flock" else fcntl.lockf

    def take():
        fd = os.open(path, os.O_RDWR)  # held until the process ends
        function(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    held, freed = _locks(take, take)
    assert held in (errno.EAGAIN, errno.EACCES) and freed == 0


F_OFD_SETLKW = 38


def _lock_and_wait(file, kind):
    if kind == "flock":
        fcntl.flock(file, fcntl.LOCK_EX)
    elif kind == "posix":
        fcntl.lockf(file, fcntl.LOCK_EX)
    else:
        # struct flock: type, whence, start, length (0: to the end), pid (0 for OFD locks)
        fcntl.fcntl(file, F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))


@pytest.mark.parametrize("kind", ["flock", "posix", "ofd"])
def test_a_waiter_for_a_lock_can_be_killed(place, kind):
    path = place + "/lock"
    act(write_file, path, b"")
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()

    def hold():
        file = open(path, "r+b")
        _lock_and_wait(file, kind)
        os.write(ready_write, b"r")
        os.read(go_read, 1)

    def wait():
        file = open(path, "r+b")
        os.write(ready_write, b"r")
        _lock_and_wait(file, kind)

    holder = world.start_as(USER, hold)
    os.read(ready_read, 1)
    waiters = [world.start_as(USER, wait) for _ in range(40)]
    for _ in waiters:
        os.read(ready_read, 1)
    time.sleep(0.1)
    # The mount still answers, and a waiter dies at once.
    act(write_file, place + "/other", b"alive")
    victim, reader = waiters.pop()
    os.kill(victim, 9)
    os.waitpid(victim, 0)
    os.close(reader)
    os.write(go_write, b"g")
    ok(world.finish_call(holder))
    for waiter in waiters:
        ok(world.finish_call(waiter))
    for fd in (ready_read, ready_write, go_read, go_write):
        os.close(fd)


# Programs


def _shell(user, script, cwd="/", **options):
    result = world.run_as(user, "bash", "-euc", script, cwd=cwd, **options)
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
    assert not result.stderr, result.stderr
    return result.stdout


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_sqlite_with_three_writers(place, journal):
    path = place + "/experiments.db"

    def make():
        database = sqlite3.connect(path, isolation_level=None)
        assert database.execute(f"pragma journal_mode={journal}").fetchone()[0] == journal
        database.execute("create table run (who integer, number integer)")

    def insert(who):
        database = sqlite3.connect(path, timeout=60, isolation_level=None)
        for number in range(40):
            database.execute("begin immediate")
            database.execute("insert into run values (?, ?)", (who, number))
            database.execute("commit")

    def check():
        database = sqlite3.connect(path)
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        return database.execute("select count(*), count(distinct who) from run").fetchone()

    act(make)
    calls = [world.start_as(USER, insert, who) for who in range(3)]
    for call in calls:
        ok(world.finish_call(call))
    assert act(check) == (120, 3)


def test_git_works_in_the_share(place):
    _shell(USER, f"""
        export HOME={shlex.quote(place)} GIT_CONFIG_NOSYSTEM=1
        cd {shlex.quote(place)}
        git init -q --initial-branch=main origin
        cd origin
        git config user.email e@example.org
        git config user.name engineer
        for i in $(seq 60); do mkdir -p d$((i % 7)); echo $i > d$((i % 7))/f$i; done
        git add .
        git commit -qm first
        git mv d1 moved
        git commit -qm second
        git gc -q
        git -c protocol.file.allow=always clone -q --no-local file://$PWD ../clone
        cd ../clone
        git fsck --strict --no-progress 2>&1
        test -z "$(git status --porcelain)"
        test "$(git rev-list --count HEAD)" = 2
    """)


def test_rsync_transfers_nothing_the_second_time(share, place):
    source = os.path.join(share.directory, "rsync-source")
    os.makedirs(source + "/sub/deep")
    for i in range(50):
        write_file(f"{source}/sub/f{i}", os.urandom(2000 + i))
    os.symlink("f1", source + "/sub/link")
    os.link(source + "/sub/f2", source + "/sub/hard")
    subprocess.run(["chown", "-R", f"{USER}:{USER}", source], check=True)
    subprocess.run(["chmod", "-R", "u=rwX,g=rwX,o=rX", source], check=True)
    command = f"rsync -rltoHD --itemize-changes {source}/ {place}/copy/"
    assert "f49" in _shell(USER, command)
    second = _shell(USER, command)
    assert [line for line in second.splitlines() if line.strip()] == []
    assert _shell(USER, f"diff -r {source} {place}/copy") == ""
    subprocess.run(["rm", "-rf", source], check=True)


def test_rsync_of_a_whole_archive(share, place):
    """`rsync -a` twice, as people type it: no error, and the second transfers nothing."""
    act(os.mkdir, place + "/from")
    for i in range(20):
        act(write_file, f"{place}/from/f{i}", b"%d" % i * 1000)
    act(os.utime, place + "/from/f3", (10**9, 10**9))
    _shell(USER, f"rsync -a {place}/from/ {place}/to/")
    second = _shell(USER, f"rsync -a --itemize-changes {place}/from/ {place}/to/")
    assert second.strip() == ""


def test_rsync_with_acls_and_xattrs_transfers_nothing_the_second_time(share, place, request):
    """`rsync -aAX`: where modes count, with ACLs, set-id bits and attributes of the file's own."""
    def make():
        os.makedirs(place + "/from/sub")
        for i in range(20):
            write_file(f"{place}/from/sub/f{i}", b"%d" % i * 100)
        os.symlink("f1", place + "/from/sub/link")
        os.link(place + "/from/sub/f2", place + "/from/sub/hard")

    act(make)
    by_modes = request.node.callspec.params["share"] == "owner"
    if by_modes:
        _shell(USER, f"""
            cd {place}/from/sub
            setfacl -m u:sci1:r-- f3; setfacl -d -m g:data-scientists:r-x .; chmod 2751 .
            chmod 4711 f4; setfattr -n user.model -v 7 f5; chmod 400 f6
        """)
    command = f"rsync -aHAX --itemize-changes {place}/from/ {place}/to/"
    assert "f19" in _shell(USER, command)
    assert _shell(USER, command).strip() == ""
    if by_modes:
        state = ("cd {} && getfacl -Rn . && getfattr -Rd . && "
                 "find . -printf '%P %M %s %l\\n' | sort").format
        assert _shell(USER, state(place + "/to")) == _shell(USER, state(place + "/from"))


def test_tar_keeps_times(share, place):
    act(os.mkdir, place + "/tree")
    for i in range(30):
        act(write_file, f"{place}/tree/f{i}", b"x" * i)
        act(os.utime, f"{place}/tree/f{i}", (10**9 + i, 10**9 + i))
    _shell(USER, f"cd {place} && tar cf a.tar tree && mkdir out && tar xf a.tar -C out")
    for i in range(30):
        assert os.stat(f"{under(share, place)}/out/tree/f{i}").st_mtime == 10**9 + i


def test_cp_keeps_holes(share, place):
    def sparse():
        with open(place + "/a", "wb") as file:
            file.truncate(100 << 20)
            file.seek(50 << 20)
            file.write(b"data")

    act(sparse)
    _shell(USER, f"cp --sparse=always {place}/a {place}/b && cmp {place}/a {place}/b"
           f" && cp --reflink=auto {place}/a {place}/c && cmp {place}/a {place}/c")
    assert os.stat(under(share, place) + "/b").st_blocks < 1000


def test_shell_programs_work_without_a_message(place):
    _shell(USER, f"""
        cd {place}
        mkdir -p a/b/c; echo one > a/one; cp -r a copy; mv copy moved
        ln -s one a/link; ln a/one a/hard; touch a/new; install -m 644 a/one a/installed
        find . -type f | sort | xargs cat > /dev/null
        sed -i s/one/two/ a/one; grep -q two a/one; sort -o a/one a/one
        dd if=/dev/zero of=a/zero bs=1M count=3 status=none; truncate -s 10 a/zero
        du -s . > /dev/null; df . > /dev/null; ls -laR . > /dev/null; stat a > /dev/null
        chmod +x a/one; stat -c %A a/one | grep -q x; rm -rf a moved; test -z "$(ls -A)"
    """)


def test_the_suite_also_holds_on_a_source_without_file_handles(make_guard):
    """A source on tmpfs; nothing in the daemon may rely on ext4."""
    guard = make_guard(policy=OPEN_POLICY, audit="file", tmpfs=True)
    path = guard.path("dir")

    def work():
        os.mkdir(path)
        write_file(path + "/a", b"a" * 10000)
        os.rename(path + "/a", path + "/b")
        os.link(path + "/b", path + "/c")
        fd = os.open(path + "/b", os.O_RDWR)
        os.unlink(path + "/b")
        os.pwrite(fd, b"xyz", 0)
        assert read_file(path + "/c")[:4] == b"xyza"
        os.close(fd)
        os.unlink(path + "/c")
        os.rmdir(path)
        return os.listdir(guard.path())

    assert set(act(work)) == {"experiments", "production", "staging"}
