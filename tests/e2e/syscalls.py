# SPDX-License-Identifier: Apache-2.0
"""System calls that Python's os module lacks."""

import ctypes
import fcntl
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_FOLLOW = 0x400
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4
FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2
FALLOC_FL_COLLAPSE_RANGE = 8
FALLOC_FL_ZERO_RANGE = 16
FALLOC_FL_INSERT_RANGE = 32
FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602
FS_NODUMP_FL = 0x40
STATX_BTIME = 0x800
STATX_BASIC_STATS = 0x7FF
_SYS = {"x86_64": {"statx": 332}, "aarch64": {"statx": 291}}[os.uname().machine]


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def renameat2(old, new, flags=0):
    _check(
        _libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags),
        "renameat2",
    )


def fallocate(fd, mode, offset, length):
    _check(
        _libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)), "fallocate"
    )


def linkat_fd(fd, new):
    """Gives an O_TMPFILE its name, as open(2) says."""
    _check(
        _libc.linkat(
            AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, os.fsencode(new), AT_SYMLINK_FOLLOW
        ),
        "linkat",
    )


def statx_mask(path):
    """The mask of the fields that statx(2) filled in for a path, birth time asked for."""
    buffer = ctypes.create_string_buffer(256)
    _check(
        _libc.syscall(
            _SYS["statx"],
            AT_FDCWD,
            os.fsencode(path),
            0,
            STATX_BASIC_STATS | STATX_BTIME,
            buffer,
        ),
        "statx",
    )
    return struct.unpack_from("=I", buffer)[0]


def get_flags(fd):
    buffer = bytearray(8)
    fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer, True)
    return struct.unpack_from("=I", buffer)[0]


def set_flags(fd, flags):
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("=Q", flags))


_INOTIFY_CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200


def inotify(path):
    """A descriptor that tells of what changes in a directory."""
    fd = _check(_libc.inotify_init1(os.O_NONBLOCK), "inotify_init1")
    _check(_libc.inotify_add_watch(fd, os.fsencode(path), _INOTIFY_CHANGES), "inotify_add_watch")
    return fd


def inotify_read(fd):
    """The events so far, as (mask, name)."""
    data, events = os.read(fd, 65536), []
    while data:
        _, mask, _, length = struct.unpack_from("=iIII", data)
        events.append((mask, data[16:16 + length].rstrip(b"\0").decode()))
        data = data[16 + length:]
    return events


def posix_acl(uid):
    """A system.posix_acl_access value: rw- for the owner and for one more user."""
    undefined = 0xFFFFFFFF
    entries = [(1, 6, undefined), (2, 6, uid), (4, 4, undefined), (16, 6, undefined)]
    entries.append((32, 0, undefined))
    value = struct.pack("<I", 2)
    for tag, perm, who in entries:
        value += struct.pack("<HHI", tag, perm, who)
    return value
