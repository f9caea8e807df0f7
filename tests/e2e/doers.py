# SPDX-License-Identifier: Apache-2.0
"""Users who stay: a process for each, that does one system call after the other when told."""

import ctypes
import errno
import os
import pickle
import socket
import struct

import world

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_END = struct.pack("I", 0)
OTHER_UID = 64999


def _access(mode):
    def ask(path):
        if not os.access(path, mode):
            raise OSError(errno.EACCES, "access")
    return ask


def _open(flags):
    return lambda path: os.close(os.open(path, flags, 0o644))


def _chdir(path):
    try:
        os.chdir(path)
    finally:
        os.chdir("/")


def _make(path):
    """Making a file as cp -p does: whoever makes it may do all of this."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(fd, b"new")
        os.ftruncate(fd, 1)
        os.fchmod(fd, 0o755)
        os.utime(fd, (1, 1))
    finally:
        os.close(fd)


def _edit(path):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, b"new")
    finally:
        os.close(fd)


def _exchange(path, other):
    if _libc.renameat2(_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(other),
                       _RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


CALLS = {
    "lookup": os.lstat, "readdir": os.listdir, "chdir": _chdir, "getxattr": os.listxattr,
    "access-read": _access(os.R_OK), "access-write": _access(os.W_OK),
    "access-change-dir": _access(os.W_OK), "open-read": _open(os.O_RDONLY),
    "open-write": _open(os.O_WRONLY), "open-read-write": _open(os.O_RDWR),
    "truncate": lambda path: os.truncate(path, 1),
    "create": _open(os.O_RDONLY | os.O_CREAT | os.O_EXCL), "mkdir": os.mkdir,
    "mknod": os.mkfifo, "symlink": lambda path: os.symlink("elsewhere", path),
    "unlink": os.unlink, "rmdir": os.rmdir, "chmod": lambda path: os.chmod(path, 0o755),
    "chown": lambda path: os.chown(path, OTHER_UID, -1), "touch": os.utime,
    "utimes": lambda path: os.utime(path, (1, 1)),
    "setxattr": lambda path: os.setxattr(path, "user.test", b"1"),
    "link": os.link, "rename": os.rename, "exchange": _exchange, "make": _make, "edit": _edit,
}


def _serve(channel):
    while True:
        size = channel.recv(4, socket.MSG_WAITALL)
        if size in (b"", _END):
            return
        call, arguments = pickle.loads(channel.recv(struct.unpack("I", size)[0],
                                                    socket.MSG_WAITALL))
        error = 0
        try:
            CALLS[call](*arguments)
        except OSError as failed:
            error = failed.errno or -1
        channel.sendall(struct.pack("i", error))


class Doer:
    def __init__(self, user):
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(60)
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                self._channel.close()
                os.chdir("/")
                os.umask(0o022)
                world.become(user)
                _serve(theirs)
                status = 0
            finally:
                os._exit(status)
        theirs.close()

    def do(self, call, *arguments):
        """The error number of one of CALLS, 0 if it succeeds."""
        data = pickle.dumps((call, arguments))
        self._channel.sendall(struct.pack("I", len(data)) + data)
        return struct.unpack("i", self._channel.recv(4, socket.MSG_WAITALL))[0]

    def end(self):
        """Told so: later doers hold this channel open, too."""
        self._channel.sendall(_END)
        self._channel.close()
        os.waitpid(self._pid, 0)
