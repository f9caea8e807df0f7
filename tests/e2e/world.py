# SPDX-License-Identifier: Apache-2.0
"""The people of the tests, and how to act as one of them."""

import contextlib
import ctypes
import errno
import os
import pickle
import pwd
import select
import signal
import subprocess
import time

ENGINEERS = ("mleng1", "mleng2")
SCIENTISTS = ("sci1", "sci2")
EVERYBODY = ENGINEERS + SCIENTISTS + ("madmin", "ci-release", "outsider", "root")

CALL_SECONDS = 90

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For a child: be killed when the process that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def gid_of(user):
    return pwd.getpwnam(user).pw_gid


def groups_of(user):
    return os.getgrouplist(user, gid_of(user))


def become(user):
    """Really becomes the user: groups, gid, uid; there is no way back."""
    entry = pwd.getpwnam(user)
    os.setgroups(groups_of(user))
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    die_with_parent()


class Outcome:
    """What a call as another user came to: a value, or an errno, or another exception."""

    def __init__(self, value=None, error=0, exception=None, pid=0):
        self.value = value
        self.errno = error
        self.exception = exception
        self.pid = pid

    @property
    def error_name(self):
        return errno.errorcode.get(self.errno, str(self.errno)) if self.errno else "success"

    def __repr__(self):
        return f"<Outcome {self.error_name} {self.exception or ''} {self.value!r}>"


def start_as(user, function, *args):
    """Forks, becomes the user (None: stays root with no groups changed) and calls. Returns a
    pending call for finish_call()."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            signal.set_wakeup_fd(-1)
            die_with_parent()
            os.chdir("/")
            os.umask(0o022)
            if user is not None:
                become(user)
            try:
                result = Outcome(value=function(*args))
            except OSError as error:
                result = Outcome(error=error.errno or -1, exception=repr(error))
            except BaseException as error:  # the parent reports it
                result = Outcome(exception=repr(error), error=-1)
            data = pickle.dumps(result)
            while data:
                data = data[os.write(writer, data):]
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    return pid, reader


def finish_call(pending, seconds=CALL_SECONDS):
    pid, reader = pending
    chunks = []
    deadline = time.monotonic() + seconds
    try:
        while True:
            ready, _, _ = select.select([reader], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                os.kill(pid, signal.SIGKILL)
                raise TimeoutError(f"a call was not over after {seconds} s")
            chunk = os.read(reader, 1 << 16)
            if not chunk:
                break
            chunks.append(chunk)
    finally:
        os.close(reader)
        if chunks or time.monotonic() < deadline:
            _, status = os.waitpid(pid, 0)
    if not chunks:
        raise RuntimeError(f"the calling process ended without an answer, status {status}")
    outcome = pickle.loads(b"".join(chunks))
    outcome.pid = pid
    return outcome


def call_as(user, function, *args, seconds=CALL_SECONDS):
    """Calls a Python function in a process of its own that has become the user."""
    return finish_call(start_as(user, function, *args), seconds)


def run_as(user, *argv, seconds=CALL_SECONDS, cwd="/", **options):
    """Runs a program as the user. Returns subprocess's CompletedProcess, output as text."""
    entry = pwd.getpwnam(user)
    options.setdefault("capture_output", True)
    options.setdefault("errors", "surrogateescape")
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nonexistent",
        "USER": user,
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.update(options.pop("env", {}))
    return subprocess.run(
        argv,
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=groups_of(user),
        timeout=seconds,
        cwd=cwd,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        **options,
    )


@contextlib.contextmanager
def changed(file, change):
    """One of the private files of names, with another content for a while."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert any(line.split()[4] == file for line in mounts), f"{file} is the machine's own"
    with open(file, encoding="utf-8") as old:
        text = old.read()
    try:
        with open(file, "w", encoding="utf-8") as new:
            new.write(change(text))
        yield
    finally:
        with open(file, "w", encoding="utf-8") as new:
            new.write(text)
