# SPDX-License-Identifier: Apache-2.0
"""What an open file, or what is known of one, is good for. The last words of a docstring say how
the test was seen to fail."""

import ctypes
import errno
import mmap
import os
import socket
import stat
import subprocess
import time

import pytest

import world
from attack import (Handle, denied, error_of, handle_of, make, open_by_handle, read, revoke,
                    rule, write)

SCIENTISTS = 64152


@pytest.fixture
def share(file_guard):
    """The default share with one model in production and one outside."""
    file_guard.put("production/model")
    file_guard.put("model")
    return file_guard


@pytest.fixture
def pair():
    """Two ends of a socket for descriptors."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def _send(end, path, flags):
    socket.send_fds(end, [b"."], [os.open(path, flags)])


def _receive(end):
    _, (fd,), _, _ = socket.recv_fds(end, 1, 1)
    return fd


def test_a_reopened_descriptor_gains_nothing(share):
    """/proc/self/fd, with more rights than it was opened with. Seen to fail when an open takes
    no verb."""
    def reopen(path, flags, more):
        fd = os.open(path, flags)
        return error_of(os.open, f"/proc/self/fd/{fd}", more)

    path = share.path("production/model")
    line = rule(share, "production", "data-scientist")
    with denied(share, *((op, "sci1", "production/model", line) for op in (
            "open-write", "open-read-write", "open-read-write"))):
        for more in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
            assert share.call_as("sci1", reopen, path, os.O_RDONLY, more).value == "EACCES"
    assert share.call_as("sci1", reopen, path, os.O_RDONLY, os.O_RDONLY).value == "success"
    assert share.call_as("mleng1", reopen, share.path("model"), os.O_RDONLY,
                         os.O_RDWR).value == "success"


def test_a_path_descriptor_is_no_right(share, pair):
    """O_PATH, used by its opener, and by somebody without a role who was sent it. Seen to fail
    when an open, a truncation, or a change of attributes takes no verb."""
    path = share.path("production/model")
    ours, theirs = pair
    line = rule(share, "production", "data-scientist")

    def use_own():
        fd = os.open(path, os.O_PATH)
        name = f"/proc/self/fd/{fd}"
        return [error_of(os.read, fd, 1), error_of(write, name), error_of(os.truncate, name, 0),
                error_of(os.chmod, name, 0o777), error_of(os.setxattr, name, "user.x", b"1")]

    with denied(share, *((op, "sci1", "production/model", line) for op in (
            "open-write", "truncate", "chmod", "setxattr"))):
        assert share.call_as("sci1", use_own).value == [
            "EBADF", "EACCES", "EACCES", "EPERM", "EACCES"]

    assert share.call_as("sci1", _send, theirs, path, os.O_PATH).errno == 0
    fd = _receive(ours)

    def use_sent():
        name = f"/proc/self/fd/{fd}"
        return error_of(read, name), error_of(write, name)

    with denied(share, *((op, "outsider", "production/model", rule(share, "production"))
                         for op in ("open-read", "open-write"))):
        assert share.call_as("outsider", use_sent).value == ("EACCES", "EACCES")
    assert share.call_as("sci1", lambda: read(f"/proc/self/fd/{fd}")).value == b"a model\n"
    os.close(fd)


def test_a_file_handle_is_no_right(share):
    """open_by_handle_at on the mount: takes CAP_DAC_READ_SEARCH, and then a role, too. Seen to
    fail when an open takes no verb, and when a subject is reused for longer."""
    path = share.path("production/model")
    ready, go_on = os.pipe(), os.pipe()

    def hold():
        """While somebody has the file open the kernel knows it by its handle."""
        fd = os.open(path, os.O_RDONLY)
        os.write(ready[1], bytes(handle_of(path)))
        os.read(go_on[0], 1)
        os.close(fd)

    def use(groups, flags):
        os.setgroups([SCIENTISTS])
        mount = os.open(share.path(), os.O_RDONLY)
        os.setgroups(groups)
        time.sleep(1.1)  # the longest that a subject may be reused
        fd = open_by_handle(mount, handle, flags)
        return os.read(fd, 99) if flags == os.O_RDONLY else os.write(fd, b"evil")

    call = world.start_as("sci1", hold)
    handle = Handle.from_buffer_copy(os.read(ready[0], 4096))
    with denied(share):  # the kernel asks nobody
        assert share.call_as("sci1", lambda: open_by_handle(
            os.open(share.path(), os.O_RDONLY), handle, os.O_RDONLY)).errno == errno.EPERM
    with denied(share, ("open-read", "root", "production/model", rule(share, "production")),
                ("open-write", "root", "production/model",
                 rule(share, "production", "data-scientist"))):
        assert share.call_as("root", use, [], os.O_RDONLY).errno == errno.EACCES
        assert share.call_as("root", use, [SCIENTISTS], os.O_WRONLY).errno == errno.EACCES
    assert share.call_as("root", use, [SCIENTISTS], os.O_RDONLY).value == b"a model\n"
    os.write(go_on[1], b".")
    assert world.finish_call(call).errno == 0
    for fd in ready + go_on:
        os.close(fd)


def test_a_descriptor_sent_to_somebody_is_its_opener_s(share, pair):
    """Over a socket, to a user without the role: as on any file system it can be used, by its
    opener's right and as long as that lasts, and the record names both. It opens nothing. Seen
    to fail when an open, and when a write, takes no verb."""
    path = share.path("model")
    ours, theirs = pair
    assert share.call_as("mleng1", _send, theirs, path, os.O_RDWR).errno == 0
    fd = _receive(ours)
    since = share.mark()
    assert share.call_as("outsider", os.pwrite, fd, b"A", 0).errno == 0
    (record,) = [r for r in share.records(since) if r["op"] == "write"]
    assert (record["op"], record["acct"], record["opener"], record["res"]) == (
        "write", "outsider", "mleng1", "success")
    with denied(share, ("open-read-write", "outsider", "model", rule(share, "share"))):
        assert share.call_as("outsider", os.open, f"/proc/self/fd/{fd}",
                             os.O_RDWR).errno == errno.EACCES
    revoke(share)
    line = rule(share, "share", "data-scientist")  # of the opener's roles
    with denied(share, *((op, "outsider", "model", line) for op in ("write", "truncate"))) as told:
        for function, argument in ((os.pwrite, (b"B", 0)), (os.ftruncate, (0,))):
            assert share.call_as("outsider", function, fd, *argument).errno == errno.EACCES
    assert told[0]["opener"] == "mleng1"
    os.close(fd)


def test_a_directory_sent_to_somebody_opens_nothing(share, pair):
    """A descriptor of a directory: what is opened beneath it is decided for who opens. Seen to
    fail when a new name takes no verb."""
    ours, theirs = pair
    assert share.call_as("sci1", _send, theirs, share.path("production"), os.O_RDONLY).errno == 0
    fd = _receive(ours)

    def use(name, flags):
        return read(os.open(name, flags, 0o644, dir_fd=fd))

    line = rule(share, "production")
    with denied(share, (("lookup", "open-read"), "outsider", "production/model", line),
                (("lookup", "create"), "outsider", "production/new", line)):
        for arguments in (("model", os.O_RDONLY), ("new", os.O_WRONLY | os.O_CREAT)):
            assert share.call_as("outsider", use, *arguments).errno == errno.EACCES
    assert share.call_as("sci1", use, "model", os.O_RDONLY).value == b"a model\n"
    os.close(fd)


def test_a_read_only_mapping_stores_nothing(share):
    """MAP_SHARED of a file that is open for reading; mprotect(2); and a mapping that was made
    before its opener's right was revoked. Seen to fail when a write takes no verb; what the
    kernel refuses cannot be taken out."""
    def make_writable(path):
        fd = os.open(path, os.O_RDONLY)
        found = [error_of(mmap.mmap, fd, 8, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)]
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        at = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ, mmap.MAP_SHARED, fd,
                       ctypes.c_long(0))
        result = libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(4096),
                               mmap.PROT_READ | mmap.PROT_WRITE)
        found.append(errno.errorcode[ctypes.get_errno()] if result else "success")
        with mmap.mmap(fd, 8, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as private:
            private[0:4] = b"evil"
        return found

    with denied(share):
        outcome = share.call_as("sci1", make_writable, share.path("production/model"))
        assert outcome.value == ["EACCES", "EACCES"], outcome

    ready, go_on = os.pipe(), os.pipe()

    def store():
        fd = os.open(share.path("model"), os.O_RDWR)
        with mmap.mmap(fd, 8) as mapping:
            mapping[0:1] = b"A"
            mapping.flush()
            os.write(ready[1], b".")
            os.read(go_on[0], 1)
            mapping[0:4] = b"evil"
            return error_of(mapping.flush)

    since = share.mark()
    call = world.start_as("mleng1", store)
    os.read(ready[0], 1)
    assert read(share.source("model")) == b"A model\n"
    told = [(r["op"], r["acct"], r["res"]) for r in share.records(since)]
    assert told == [("open-read-write", "mleng1", "success"), ("write", "mleng1", "success")]
    revoke(share)
    with denied(share, ("write", "mleng1", "model", rule(share, "share", "data-scientist"))):
        os.write(go_on[1], b".")
        assert world.finish_call(call).value == "EACCES"
    for fd in ready + go_on:
        os.close(fd)


def test_a_fifo_and_a_socket_are_made_by_role_and_found_by_role(share):
    """The kernel opens them without asking anybody; but who may not list their place does not
    get to them, and the daemon itself opens none. Seen to fail when a look-up and mknod take no
    verb."""
    ready, go_on = os.pipe(), os.pipe()
    os.mkfifo(share.source("production/fifo"))

    def listen():
        os.chdir(share.path("production"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("socket")
        listener.listen(1)
        os.write(ready[1], b".")
        os.read(go_on[0], 1)

    def connect(path):
        directory, name = os.path.split(path)
        os.chdir(directory)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)

    call = world.start_as("ci-release", listen)
    os.read(ready[0], 1)
    line = rule(share, "production", "data-scientist")
    with denied(share, ("mknod", "sci1", "production/new", line),
                ("mknod", "sci1", "production/new", line)):
        for kind in (stat.S_IFIFO, stat.S_IFSOCK):
            assert share.call_as("sci1", os.mknod, share.path("production/new"),
                                 kind | 0o600).errno == errno.EACCES
    fifo = share.path("production/fifo")
    with denied(share, *[("lookup", "outsider", "production", rule(share, "production"))] * 2):
        assert share.call_as("outsider", os.open, fifo, os.O_RDONLY).errno == errno.EACCES
        assert share.call_as("outsider", connect,
                             share.path("production/socket")).errno == errno.EACCES
    assert share.call_as("sci1", os.open, fifo, os.O_RDONLY | os.O_NONBLOCK).errno == 0
    assert share.call_as("sci1", connect, share.path("production/socket")).errno == 0
    os.write(go_on[1], b".")
    assert world.finish_call(call).errno == 0
    for fd in ready + go_on:
        os.close(fd)
    assert share.call_as("mleng1", os.mkfifo, share.path("mine")).errno == 0
    assert stat.S_ISFIFO(os.lstat(share.source("mine")).st_mode)


def test_a_mount_over_the_source_changes_nothing_that_is_served(share):
    """Over the source, and inside it, while files are open. Seen to fail when mount points in
    the source are entered."""
    def mount(where):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", where], check=True)

    over, inside = share.source_directory, share.source("staging")
    stops = {place: (os.pipe(), os.pipe()) for place in (over, inside)}

    def work():
        fd = os.open(share.path("model"), os.O_RDWR)
        found = []
        for number, (reached, go_on) in enumerate(stops.values()):
            os.write(reached[1], b".")
            os.read(go_on[0], 1)
            os.pwrite(fd, b"%d" % number, number)
            found += [read(share.path("model")), error_of(make, share.path(f"new{number}")),
                      error_of(make, share.path(f"staging/new{number}"))]
        return found

    real = os.open(over, os.O_RDONLY)
    call = world.start_as("mleng1", work)
    os.read(stops[over][0][0], 1)
    mount(over)
    make(share.source("planted"))
    os.write(stops[over][1][1], b".")
    os.read(stops[inside][0][0], 1)
    assert os.listdir(over) == ["planted"]
    assert share.call_as("mleng1", os.stat, share.path("planted")).errno == errno.ENOENT
    subprocess.run(["umount", over], check=True)
    mount(inside)
    os.write(stops[inside][1][1], b".")
    outcome = world.finish_call(call)
    subprocess.run(["umount", inside], check=True)
    # A mount inside the source is not entered; what it hides is not reached around it.
    assert outcome.value == [b"0 model\n", "success", "success", b"01model\n", "success",
                             "EXDEV"], outcome
    assert {"model", "new0", "new1"} < set(os.listdir(real)) and "planted" not in os.listdir(real)
    assert os.listdir(share.source("staging")) == ["new0"]
    os.close(real)
