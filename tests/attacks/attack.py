# SPDX-License-Identifier: Apache-2.0
"""What the attacks have in common: nothing changes, and each denial is on record as it was."""

import contextlib
import ctypes
import errno
import os
import signal

import syscalls
from auditd import wait_for
from guard import snapshot
from trail import brief_all

_libc = ctypes.CDLL(None, use_errno=True)


def error_of(function, *arguments):
    """The name of the error that a call ends with, or "success"."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "success"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content=b"evil"):
    """Into a file that exists."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


def make(path, content=b"new\n"):
    with open(path, "xb") as file:
        file.write(content)


def rule(guard, zone, grant=None):
    """How a record names the line of a zone: its header, or its grant to a role."""
    lines = guard.policy.splitlines()
    number = lines.index(f"[zone {zone}]")
    while grant and not lines[number].startswith(f"allow {grant} "):
        number += 1
        assert not lines[number].startswith("["), f"no grant to {grant} in {zone}"
    return f"policy.ini:{number + 1}"


def _asked_once(records):
    """Without the second record of a look-up that the kernel asked twice: modelguard-audit(7)."""
    kept = []
    for record in records:
        same = kept and all(kept[-1][name] == record[name] for name in ("op", "spid", "path"))
        if not (same and record["op"] == "lookup"):
            kept.append(record)
    return kept


@contextlib.contextmanager
def denied(guard, *expected, times=1):
    """Within it the source does not change, and what fails is on record as these, in order:
    (op, acct, path in the share, rule). Where the kernel may know the name already, op is a
    pair: the look-up, or what comes after it. Yields the list of the records, full at the
    end."""
    before = snapshot(guard.source_directory)
    since = guard.mark()
    found = []
    yield found
    assert snapshot(guard.source_directory) == before
    found += _asked_once(guard.failures(since))
    wanted = list(expected) * times
    assert len(found) == len(wanted), brief_all(found)
    for record, (operations, acct, path, line) in zip(found, wanted):
        if isinstance(operations, str):
            operations = (operations,)
        assert record["op"] in operations, brief_all(found)
        assert (record["acct"], record["path"], record["rule"]) == (
            acct, guard.path(path), line), brief_all(found)


def reload_policy(guard, policy):
    before = guard.stderr().count("in force")
    guard.write_policy(policy)
    guard.process.send_signal(signal.SIGHUP)
    wait_for(lambda: guard.stderr().count("in force") > before, 10, "no reload")


def revoke(guard):
    """From now on ml-engineers may only read in the zone of the whole share."""
    reload_policy(guard, guard.policy.replace(
        "ml-engineer = read, create, write, delete", "ml-engineer = read", 1))


class Handle(ctypes.Structure):
    """struct file_handle of name_to_handle_at(2)."""

    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]


def handle_of(path):
    handle, mount_id = Handle(bytes=128), ctypes.c_int()
    if _libc.name_to_handle_at(syscalls.AT_FDCWD, os.fsencode(path), ctypes.byref(handle),
                               ctypes.byref(mount_id), 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return handle


def open_by_handle(mount, handle, flags):
    """On the file system of an open directory. Returns a descriptor."""
    fd = _libc.open_by_handle_at(mount, ctypes.byref(handle), flags)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "open_by_handle_at")
    return fd
