# SPDX-License-Identifier: Apache-2.0
"""Every operation, by every role, in every zone, on one's own and on others' files: what the mount
does, what it leaves in the source, and what it records, against the reference decider."""

import errno
import os
import pwd
import socket
import stat

import pytest

import reference
import syscalls
import world
from guard import snapshot
from reference import Step
from trail import brief_all

USERS = ("sci1", "mleng1", "madmin", "ci-release", "outsider", "root")
PLACES = ("", "experiments", "production", "staging")  # "" is the zone of the share's root
CONTENT = b"weights " * 512
PYTHON = os.path.realpath("/usr/bin/python3")


class Cell:
    """One case of the table: a user, a zone, and objects of some owner made for it."""

    _number = 0

    def __init__(self, guard, user, place, owner):
        Cell._number += 1
        self.guard = guard
        self.user = user
        self.owns = owner == user
        self.number = Cell._number
        self.place = place
        # Where a cross-zone operation goes to.
        self.other_place = {"": "staging", "staging": "production", "production": "staging",
                            "experiments": ""}[place]
        self.top = self._join(place, f"c{self.number}")
        self.other_top = self._join(self.other_place, f"d{self.number}")
        for top in (self.top, self.other_top):
            guard.put_directory(top, owner)
            guard.put(top + "/model", CONTENT, owner)
            guard.put(top + "/second", b"other\n", owner)
            os.mkfifo(guard.source(top, "fifo"))
            guard.put_directory(top + "/empty", owner)
            guard.put_directory(top + "/full", owner)
            guard.put(top + "/full/inner", b"inner\n", owner)
            os.symlink("model", guard.source(top, "symlink"))
            entry = pwd.getpwnam(owner)
            os.chown(guard.source(top, "symlink"), entry.pw_uid, entry.pw_gid,
                     follow_symlinks=False)
            os.setxattr(guard.source(top, "model"), "user.color", b"blue")
        self.flags = _with_open(guard.source(self.top, "model"), os.O_RDONLY,
                                syscalls.get_flags)

    @staticmethod
    def _join(*names):
        return "/".join(name for name in names if name)

    def share(self, name=""):
        """A name in this cell's directory, as a path in the share ("/zone/c1/name")."""
        return "/" + self._join(self.top, name)

    def other(self, name=""):
        return "/" + self._join(self.other_top, name)

    def path(self, name=""):
        return self.guard.path(self.share(name).strip("/"))

    def other_path(self, name=""):
        return self.guard.path(self.other(name).strip("/"))

    def source(self, name=""):
        return self.guard.source(self.share(name).strip("/"))

    def other_source(self, name=""):
        return self.guard.source(self.other(name).strip("/"))

    def can(self, verb, path=None):
        """Whether the user holds a verb, or its -own form for what they own."""
        return reference.can(self.user, path or self.share("model"), verb, self.owns)

    def holds(self, verb, path=None):
        return verb in reference.verbs_of(
            self.user, reference.zone_of(path or self.share("model"))
        )

    def walk(self, path):
        return reference.walk(self.user, path)


def _open_close(path, flags, mode=0o666):
    fd = os.open(path, flags, mode)
    os.close(fd)


def _with_open(path, flags, function):
    fd = os.open(path, flags, 0o666)
    try:
        return function(fd)
    finally:
        os.close(fd)


class Operation:
    """A row. `act` runs as the user with the cell; `steps` are what is decided; `works` looks at
    the source after a success; `fails_with` is the error of an allowed one that cannot succeed."""

    def __init__(self, name, act, steps, works=None, fails_with=0, also=(), maybe=()):
        self.name = name
        self.act = act
        self.steps = steps
        self.works = works
        self.fails_with = fails_with
        self.also = set(also)  # errnos that a denied case may have as well
        self.maybe = set(maybe)  # ops that may be recorded beside the expected ones


ROWS = []


def row(name, act, steps, **options):
    ROWS.append(Operation(name, act, steps, **options))


def on(cell, op, name, allowed, error=errno.EACCES, recorded=True):
    """The walk to a name of the cell, then one decision about it."""
    path = cell.share(name)
    return cell.walk(path) + [Step(op, path, allowed, error, recorded)]


OPENS = {"open-read", "open-write", "open-read-write"}


def opening(flags):
    """Steps of an open: by its access mode, and write whenever it truncates."""

    def steps(cell):
        access = flags & os.O_ACCMODE
        reads = access != os.O_WRONLY
        writes = access != os.O_RDONLY or flags & os.O_TRUNC
        allowed = (not reads or cell.can("read")) and (not writes or cell.can("write"))
        op = {os.O_RDONLY: "open-read", os.O_WRONLY: "open-write",
              os.O_RDWR: "open-read-write"}[access]
        ops = OPENS if flags & os.O_TRUNC and access == os.O_RDONLY else {op}
        return on(cell, ops, "model", allowed)

    return steps


def unchanged(cell):
    with open(cell.source("model"), "rb") as file:
        return file.read() == CONTENT


def emptied(cell):
    return os.path.getsize(cell.source("model")) == 0


for _name, _flags, _effect in (
    ("open-read", os.O_RDONLY, unchanged),
    ("open-write", os.O_WRONLY, unchanged),
    ("open-read-write", os.O_RDWR, unchanged),
    ("open-append", os.O_WRONLY | os.O_APPEND, unchanged),
    ("open-create-existing", os.O_WRONLY | os.O_CREAT, unchanged),
    ("open-truncate", os.O_WRONLY | os.O_TRUNC, emptied),
    ("open-read-write-truncate", os.O_RDWR | os.O_TRUNC, emptied),
    ("open-read-truncate", os.O_RDONLY | os.O_TRUNC, emptied),
    ("creat-existing", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, emptied),
):
    row(
        _name,
        lambda cell, flags=_flags: _open_close(cell.path("model"), flags),
        opening(_flags),
        works=_effect,
        maybe=("truncate",) if _flags & os.O_TRUNC else (),
    )


def owned_by_caller(cell, path):
    return os.lstat(path).st_uid == world.uid_of(cell.user)


def made(name, check=lambda path: True):
    def works(cell):
        path = cell.source(name)
        return os.path.lexists(path) and owned_by_caller(cell, path) and check(path)

    return works


def content(name, expected):
    def works(cell):
        with open(cell.source(name), "rb") as file:
            return file.read() == expected

    return works


row(
    "open-create-new",
    lambda cell: _open_close(cell.path("new"), os.O_RDWR | os.O_CREAT),
    lambda cell: on(cell, "create", "new", cell.can("create")),
    works=made("new"),
)
row(
    "open-create-excl-new",
    lambda cell: _open_close(cell.path("new"), os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    lambda cell: on(cell, "create", "new", cell.can("create")),
    works=made("new"),
)
row(
    "open-create-excl-existing",
    lambda cell: _open_close(cell.path("model"), os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    lambda cell: cell.walk(cell.share("model")),
    fails_with=errno.EEXIST,
)
row(
    "create-and-write",
    lambda cell: _with_open(
        cell.path("new"), os.O_WRONLY | os.O_CREAT | os.O_EXCL,
        lambda fd: os.write(fd, b"saved"),
    ),
    lambda cell: on(cell, "create", "new", cell.can("create"))
    + [Step("write", cell.share("new"), True)],
    works=content("new", b"saved"),
)
row(
    "write",
    lambda cell: _with_open(
        cell.path("model"), os.O_WRONLY, lambda fd: os.pwrite(fd, b"WEIGHTS ", 8)
    ),
    lambda cell: on(cell, "open-write", "model", cell.can("write"))
    + [Step("write", cell.share("model"), True)],
    works=content("model", CONTENT[:8] + b"WEIGHTS " + CONTENT[16:]),
)
row(
    "append",
    lambda cell: _with_open(
        cell.path("model"), os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"more")
    ),
    lambda cell: on(cell, "open-write", "model", cell.can("write"))
    + [Step("write", cell.share("model"), True)],
    works=content("model", CONTENT + b"more"),
)
row(
    "read",
    lambda cell: _with_open(
        cell.path("model"), os.O_RDONLY,
        lambda fd: None if os.read(fd, 1 << 16) == CONTENT else 1 / 0,
    ),
    lambda cell: on(cell, "open-read", "model", cell.can("read")),
    works=unchanged,
)
row(
    "truncate",
    lambda cell: os.truncate(cell.path("model"), 8),
    lambda cell: on(cell, "truncate", "model", cell.can("write")),
    works=content("model", CONTENT[:8]),
)
row(
    "truncate-longer",
    lambda cell: os.truncate(cell.path("model"), 10000),
    lambda cell: on(cell, "truncate", "model", cell.can("write")),
    works=content("model", CONTENT + bytes(10000 - len(CONTENT))),
)
row(
    "ftruncate",
    lambda cell: _with_open(
        cell.path("model"), os.O_WRONLY, lambda fd: os.ftruncate(fd, 8)
    ),
    lambda cell: on(cell, "open-write", "model", cell.can("write"))
    + [Step("truncate", cell.share("model"), True)],
    works=content("model", CONTENT[:8]),
)
row(
    "fallocate",
    lambda cell: _with_open(
        cell.path("model"), os.O_WRONLY, lambda fd: os.posix_fallocate(fd, 0, 65536)
    ),
    lambda cell: on(cell, "open-write", "model", cell.can("write"))
    + [Step("fallocate", cell.share("model"), True)],
    works=lambda cell: os.path.getsize(cell.source("model")) == 65536,
)
row(
    "fallocate-punch-hole",
    lambda cell: _with_open(
        cell.path("model"), os.O_RDWR,
        lambda fd: syscalls.fallocate(
            fd, syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE, 0, 4096
        ),
    ),
    lambda cell: on(cell, "open-read-write", "model", cell.can("read") and cell.can("write"))
    + [Step("fallocate", cell.share("model"), True)],
    works=content("model", bytes(4096)),
)


def _copy_range(cell):
    source = os.open(cell.path("model"), os.O_RDONLY)
    target = os.open(cell.path("second"), os.O_WRONLY)
    if os.copy_file_range(source, target, 4096, 0, 0) != 4096:
        raise RuntimeError("a short copy")


row(
    "copy-file-range",
    _copy_range,
    lambda cell: on(cell, "open-read", "model", cell.can("read"))
    + on(cell, "open-write", "second", cell.can("write"))
    + [Step({"copy-file-range", "write"}, cell.share("second"), True)],
    works=content("second", CONTENT[:4096]),
)


def _tmpfile(cell):
    fd = os.open(cell.path(), os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"x")
    os.close(fd)


def _tmpfile_link(cell):
    fd = os.open(cell.path(), os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"whole")
    syscalls.linkat_fd(fd, cell.path("new"))
    os.close(fd)


def _tmpfile_steps(cell):
    # A file without a name: the record can only name its directory.
    return cell.walk(cell.share()) + [
        Step({"create", "tmpfile"}, None, cell.can("create")),
        Step("write", None, True),
    ]


row("tmpfile", _tmpfile, _tmpfile_steps)
row(
    "tmpfile-and-link",
    _tmpfile_link,
    lambda cell: _tmpfile_steps(cell)
    + cell.walk(cell.share("new"))
    + [Step({"link", "create"}, None, cell.can("create"))],
    works=content("new", b"whole"),
)
row(
    "mkdir",
    lambda cell: os.mkdir(cell.path("new")),
    lambda cell: on(cell, "mkdir", "new", cell.can("create")),
    works=made("new", os.path.isdir),
)
row(
    "rmdir",
    lambda cell: os.rmdir(cell.path("empty")),
    lambda cell: on(cell, "rmdir", "empty", cell.can("delete")),
    works=lambda cell: not os.path.exists(cell.source("empty")),
)
row(
    "rmdir-not-empty",
    lambda cell: os.rmdir(cell.path("full")),
    lambda cell: on(cell, "rmdir", "full", cell.can("delete"), recorded=None),
    fails_with=errno.ENOTEMPTY,
)
row(
    "mknod-fifo",
    lambda cell: os.mkfifo(cell.path("new")),
    lambda cell: on(cell, "mknod", "new", cell.can("create")),
    works=made("new", lambda path: stat.S_ISFIFO(os.lstat(path).st_mode)),
)


def _bind_socket(cell):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.chdir(cell.path())  # sun_path is short
        listener.bind("new")


row(
    "mknod-socket",
    _bind_socket,
    lambda cell: on(cell, "chdir", "", True, recorded=None)
    + [Step("lookup", cell.share("new"), True, recorded=None),
       Step("mknod", cell.share("new"), cell.can("create"))],
    works=made("new", lambda path: stat.S_ISSOCK(os.lstat(path).st_mode)),
)
row(
    # The kernel refuses this itself to everybody without CAP_MKNOD, so it may be unrecorded.
    "mknod-device",
    lambda cell: os.mknod(cell.path("new"), 0o666 | stat.S_IFCHR, os.makedev(1, 3)),
    lambda cell: on(cell, "mknod", "new", False, errno.EPERM, recorded=None),
)
row(
    "symlink",
    lambda cell: os.symlink("model", cell.path("new")),
    lambda cell: on(cell, "symlink", "new", cell.can("create")),
    works=made("new", lambda path: os.readlink(path) == "model"),
)
row(
    "readlink",
    lambda cell: None if os.readlink(cell.path("symlink")) == "model" else 1 / 0,
    lambda cell: cell.walk(cell.share("symlink")),
)
row(
    "open-through-symlink",
    lambda cell: _open_close(cell.path("symlink"), os.O_RDONLY),
    lambda cell: cell.walk(cell.share("symlink"))
    + on(cell, "open-read", "model", cell.can("read")),
)
row(
    "link",
    lambda cell: os.link(cell.path("model"), cell.path("new")),
    lambda cell: cell.walk(cell.share("model"))
    + cell.walk(cell.share("new"))
    + [Step("link", None, cell.can("create"))],
    works=lambda cell: os.path.samefile(cell.source("model"), cell.source("new")),
)
row(
    "link-across-zones",
    lambda cell: os.link(cell.path("model"), cell.other_path("new")),
    lambda cell: cell.walk(cell.share("model"))
    + cell.walk(cell.other("new"))
    + [Step("link", None, False, errno.EXDEV, recorded=None)],
    also=(errno.EACCES,),
)
row(
    "unlink",
    lambda cell: os.unlink(cell.path("model")),
    lambda cell: on(cell, "unlink", "model", cell.can("delete")),
    works=lambda cell: not os.path.exists(cell.source("model")),
)
row(
    "unlink-symlink",
    lambda cell: os.unlink(cell.path("symlink")),
    lambda cell: on(cell, "unlink", "symlink", cell.can("delete")),
    works=lambda cell: not os.path.lexists(cell.source("symlink")) and unchanged(cell),
)


def renaming(old, new, allowed, flags=0, recorded=True):
    """Steps of a rename within the cell's directory."""

    def steps(cell):
        return (
            cell.walk(cell.share(old))
            + cell.walk(cell.share(new))
            + [Step("rename", {cell.share(old), cell.share(new)}, allowed(cell),
                    recorded=recorded)]
        )

    return steps


def moved(old, new, expected):
    def works(cell):
        with open(cell.source(new), "rb") as file:
            return not os.path.exists(cell.source(old)) and file.read() == expected

    return works


row(
    "rename",
    lambda cell: os.rename(cell.path("model"), cell.path("new")),
    renaming("model", "new", lambda cell: cell.can("delete") and cell.can("create")),
    works=moved("model", "new", CONTENT),
)
row(
    "rename-over",
    lambda cell: os.rename(cell.path("model"), cell.path("second")),
    renaming("model", "second", lambda cell: cell.can("delete") and cell.can("write")),
    works=moved("model", "second", CONTENT),
)
row(
    "rename-noreplace",
    lambda cell: syscalls.renameat2(
        cell.path("model"), cell.path("new"), syscalls.RENAME_NOREPLACE
    ),
    renaming("model", "new", lambda cell: cell.can("delete") and cell.can("create")),
    works=moved("model", "new", CONTENT),
)
row(
    "rename-noreplace-existing",
    lambda cell: syscalls.renameat2(
        cell.path("model"), cell.path("second"), syscalls.RENAME_NOREPLACE
    ),
    lambda cell: cell.walk(cell.share("model")) + cell.walk(cell.share("second")),
    fails_with=errno.EEXIST,
)
row(
    "rename-exchange",
    lambda cell: syscalls.renameat2(
        cell.path("model"), cell.path("second"), syscalls.RENAME_EXCHANGE
    ),
    renaming("model", "second", lambda cell: cell.can("delete") and cell.can("write")),
    works=lambda cell: content("second", CONTENT)(cell) and content("model", b"other\n")(cell),
)
row(
    "rename-whiteout",
    lambda cell: syscalls.renameat2(
        cell.path("model"), cell.path("new"), syscalls.RENAME_WHITEOUT
    ),
    # Refused to everybody: by the kernel, or by the guard if the caller is root.
    renaming("model", "new", lambda cell: False, recorded=None),
    also=(errno.EINVAL, errno.EPERM),
)
row(
    "rename-directory",
    lambda cell: os.rename(cell.path("full"), cell.path("new")),
    renaming("full", "new", lambda cell: cell.can("delete") and cell.can("create")),
    works=content("new/inner", b"inner\n"),
)
row(
    "rename-over-directory",
    lambda cell: os.rename(cell.path("full"), cell.path("empty")),
    # Replacing an empty directory is removing it and making the name anew.
    renaming("full", "empty", lambda cell: cell.can("delete") and cell.can("create")),
    works=content("empty/inner", b"inner\n"),
)


def moving(new, allowed_there):
    def steps(cell):
        allowed = (
            cell.can("read")
            and cell.can("delete")
            and allowed_there(cell, cell.other(new))
        )
        return (
            cell.walk(cell.share("model"))
            + cell.walk(cell.other(new))
            + [Step("rename", {cell.share("model"), cell.other(new)}, allowed)]
        )

    return steps


def moved_away(new):
    def works(cell):
        with open(cell.other_source(new), "rb") as file:
            return not os.path.exists(cell.source("model")) and file.read() == CONTENT

    return works


row(
    "move-to-another-zone",
    lambda cell: os.rename(cell.path("model"), cell.other_path("new")),
    moving("new", lambda cell, path: cell.can("create", path)),
    works=moved_away("new"),
)
row(
    "move-over-a-file-in-another-zone",
    lambda cell: os.rename(cell.path("model"), cell.other_path("second")),
    moving("second", lambda cell, path: cell.can("write", path)),
    works=moved_away("second"),
)
row(
    "exchange-across-zones",
    # Two moves at once; programs know what to do about EXDEV.
    lambda cell: syscalls.renameat2(
        cell.path("model"), cell.other_path("second"), syscalls.RENAME_EXCHANGE
    ),
    lambda cell: cell.walk(cell.share("model"))
    + cell.walk(cell.other("second"))
    + [Step("rename", {cell.share("model"), cell.other("second")}, False, errno.EXDEV)],
    also=(errno.EACCES,),
)
row(
    "move-directory-to-another-zone",
    lambda cell: os.rename(cell.path("full"), cell.other_path("new")),
    lambda cell: cell.walk(cell.share("full"))
    + cell.walk(cell.other("new"))
    + [Step("rename", None, False, errno.EXDEV, recorded=None)],
    also=(errno.EACCES,),
)


def may_change_metadata(cell):
    return cell.holds("admin") or (cell.owns and cell.can("write"))


row(
    "chmod",
    lambda cell: os.chmod(cell.path("model"), 0o755),
    lambda cell: on(cell, "chmod", "model", may_change_metadata(cell), errno.EPERM),
    works=lambda cell: os.stat(cell.source("model")).st_mode & 0o100,
)
row(
    "fchmod",
    lambda cell: _with_open(
        cell.path("model"), os.O_RDONLY, lambda fd: os.fchmod(fd, 0o755)
    ),
    lambda cell: on(cell, "open-read", "model", cell.can("read"))
    + [Step("chmod", cell.share("model"), may_change_metadata(cell), errno.EPERM)],
)
row(
    "utimes",
    lambda cell: os.utime(cell.path("model"), ns=(10**18, 10**18 + 5)),
    lambda cell: on(cell, "utimes", "model", may_change_metadata(cell), errno.EPERM),
    works=lambda cell: os.stat(cell.source("model")).st_mtime_ns == 10**18 + 5,
)
row(
    "touch",
    lambda cell: os.utime(cell.path("model")),
    lambda cell: on(cell, "touch", "model", cell.can("write")),
    works=lambda cell: os.stat(cell.source("model")).st_mtime > 1.5e9,
)
row(
    "chown",
    lambda cell: os.chown(cell.path("model"), world.uid_of("sci2"), -1),
    lambda cell: on(cell, "chown", "model", cell.holds("admin"), errno.EPERM),
    works=lambda cell: os.stat(cell.source("model")).st_uid == world.uid_of("sci2"),
)
row(
    "chgrp-to-own-group",
    lambda cell: os.chown(cell.path("model"), -1, os.getgroups()[-1]),
    lambda cell: on(cell, {"chown", "chgrp-own"}, "model", may_change_metadata(cell),
                    errno.EPERM),
    works=lambda cell: os.stat(cell.source("model")).st_gid
    == world.groups_of(cell.user)[-1],
)
row(
    "chgrp-to-foreign-group",
    lambda cell: os.chown(cell.path("model"), -1, world.gid_of("sci2")),
    lambda cell: on(cell, "chown", "model", cell.holds("admin"), errno.EPERM),
    works=lambda cell: os.stat(cell.source("model")).st_gid == world.gid_of("sci2"),
)
row(
    "getxattr",
    lambda cell: None if os.getxattr(cell.path("model"), "user.color") == b"blue" else 1 / 0,
    lambda cell: cell.walk(cell.share("model")),
)
row(
    "setxattr",
    lambda cell: os.setxattr(cell.path("model"), "user.color", b"red"),
    lambda cell: on(cell, "setxattr", "model", cell.holds("admin")),
    works=lambda cell: os.getxattr(cell.source("model"), "user.color") == b"red",
)
row(
    "removexattr",
    lambda cell: os.removexattr(cell.path("model"), "user.color"),
    lambda cell: on(cell, "removexattr", "model", cell.holds("admin")),
    works=lambda cell: not os.listxattr(cell.source("model")),
)
row(
    # Roles decide and no ACL does, so nobody can set one; the kernel itself says so to a caller
    # who does not own the file, and that goes unrecorded.
    "set-acl",
    lambda cell: os.setxattr(
        cell.path("model"), "system.posix_acl_access",
        syscalls.posix_acl(world.uid_of("sci2")),
    ),
    lambda cell: on(cell, "set-acl", "model", cell.holds("admin") and cell.owns, errno.EPERM,
                    recorded=None),
    fails_with=errno.EOPNOTSUPP,
    # Who may change the file's mode may be told that there are no ACLs here, so that install(1)
    # and cp(1) fall back to chmod(2).
    also=(errno.EOPNOTSUPP,),
)
row(
    "access-read",
    lambda cell: None if os.access(cell.path("model"), os.R_OK) else _denied(),
    lambda cell: on(cell, "access-read", "model", cell.can("read"), recorded=None),
)
row(
    "access-write",
    lambda cell: None if os.access(cell.path("model"), os.W_OK) else _denied(),
    lambda cell: on(cell, "access-write", "model", cell.can("write"), recorded=None),
)
row(
    "access-change-directory",
    lambda cell: None if os.access(cell.path("full"), os.W_OK) else _denied(),
    lambda cell: on(
        cell, "access-change-dir", "full",
        cell.can("create") or cell.holds("delete") or cell.holds("delete-own"),
        recorded=None,
    ),
)
row(
    "chdir",
    lambda cell: os.chdir(cell.path()),
    lambda cell: on(cell, "chdir", "", True, recorded=None),
)
row(
    "statx",
    lambda cell: None
    if syscalls.statx_mask(cell.path("model")) & syscalls.STATX_BTIME
    else 1 / 0,
    lambda cell: cell.walk(cell.share("model")),
)
row(
    "seek-data-and-hole",
    lambda cell: _with_open(
        cell.path("model"), os.O_RDONLY,
        lambda fd: None
        if (os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE)) == (0, len(CONTENT))
        else 1 / 0,
    ),
    lambda cell: on(cell, "open-read", "model", cell.can("read")),
)
row(
    "fsync",
    lambda cell: _with_open(cell.path("model"), os.O_WRONLY, os.fsync),
    lambda cell: on(cell, "open-write", "model", cell.can("write")),
)
row(
    "fsyncdir",
    lambda cell: _with_open(cell.path(), os.O_RDONLY | os.O_DIRECTORY, os.fsync),
    lambda cell: on(cell, "readdir", "", True, recorded=None),
)
row(
    "statfs",
    lambda cell: None if os.statvfs(cell.path("model")).f_blocks > 0 else 1 / 0,
    lambda cell: cell.walk(cell.share("model")),
)
row(
    "readdir",
    lambda cell: None
    if sorted(os.listdir(cell.path())) == ["empty", "fifo", "full", "model", "second",
                                           "symlink"]
    else 1 / 0,
    lambda cell: on(cell, "readdir", "", True, recorded=None),
)


def _set_flags(cell):
    def act(fd):
        # The other flags stay: ext4 refuses, for some files, to take FS_EXTENT_FL away.
        syscalls.set_flags(fd, cell.flags | syscalls.FS_NODUMP_FL)

    return _with_open(cell.path("model"), os.O_RDONLY, act)


row(
    # For one's own file the kernel opens it twice more, to get the flags and to set them; to a
    # caller who does not own it the kernel itself says EPERM, and that goes unrecorded.
    "ioctl-set-flags",
    _set_flags,
    lambda cell: on(cell, "open-read", "model", cell.can("read"))
    + [Step("open-read", cell.share("model"), True)] * (2 * cell.owns)
    + [Step("set-flags", cell.share("model"), cell.holds("admin") and cell.owns, errno.EPERM,
            recorded=True if cell.owns else None)],
    works=lambda cell: _with_open(cell.source("model"), os.O_RDONLY, syscalls.get_flags)
    & syscalls.FS_NODUMP_FL,
)


def _denied():
    """access(2) has answered False; Python hides the errno, so it is made up again."""
    raise PermissionError(errno.EACCES, "access")


def _share_path(guard, path):
    """A record's path as a path within the share."""
    if path == guard.mountpoint:
        return "/"
    assert path.startswith(guard.mountpoint + "/"), f"{path!r} is not below the mount point"
    return path[len(guard.mountpoint):]


def _complaints(cell, operation, steps, outcome, before, after, records):
    """Everything that is not as the reference says, as lines of text."""
    guard, user = cell.guard, cell.user
    denied = next((step for step in steps if not step.allowed), None)
    complaints = []

    if denied is not None:
        expected = {denied.error} | operation.also
    else:
        expected = {operation.fails_with}
    if outcome.errno not in expected:
        names = "/".join(errno.errorcode.get(number, "success") for number in expected)
        complaints.append(f"expected {names}, got {outcome.error_name} {outcome.exception}")
        return complaints

    failed = [record for record in records if record["res"] == "failed"]
    done = [record for record in records if record["res"] == "success"]
    if denied is not None and outcome.errno != 0:
        passed = steps[:steps.index(denied)]
        # Opening changes nothing; what else was allowed on the way may have.
        if before != after and all(step.ops <= OPENS for step in passed if step.recorded):
            changed = [path for path in before if before[path] != after.get(path)]
            complaints.append(f"denied, but the source changed: {changed}")
        if denied.recorded or denied.ops & {"lookup", "chdir", "readdir"} or (
            denied.ops & {"access-read", "access-write", "access-change-dir"}
        ):
            if len(failed) != 1:
                complaints.append(f"{len(failed)} records of the denial instead of 1")
        elif len(failed) > 1:
            complaints.append(f"{len(failed)} records of the denial")
        for record in failed:
            complaints += _denial_complaints(cell, denied, outcome, record)
    else:
        passed = steps
        if failed and not operation.fails_with:
            complaints.append(f"{len(failed)} failures recorded for what succeeded")
        if operation.works is not None and not operation.fails_with:
            if not operation.works(cell):
                complaints.append("it said success, but the source does not show the effect")

    required = [step for step in passed if step.recorded]
    optional = {"lookup", "readdir", "chdir", "readlink", "getxattr", "access-read",
                "access-write", "access-change-dir", "read"} | operation.maybe
    for step in passed:
        if step.recorded is None:
            optional |= step.ops
    effects = [record for record in done if record["op"] not in optional]
    if len(effects) != len(required):
        complaints.append(f"{len(effects)} effects recorded instead of {len(required)}")
    for step, record in zip(required, effects):
        if record["op"] not in step.ops:
            complaints.append(f"op={record['op']} instead of {sorted(step.ops)}")
        paths = step.path if isinstance(step.path, set) else {step.path}
        if step.path is not None and _share_path(guard, record["path"]) not in paths:
            complaints.append(f"path={record['path']} instead of {paths}")
        if not record.get("grole"):
            complaints.append("an allowed operation without grole=")
    for record in records:
        complaints += _record_complaints(cell, record, outcome)
    return complaints


def _denial_complaints(cell, denied, outcome, record):
    complaints = []
    if record["op"] not in denied.ops:
        complaints.append(f"op={record['op']} denied instead of {sorted(denied.ops)}")
    paths = denied.path if isinstance(denied.path, set) else {denied.path}
    if denied.path is not None and _share_path(cell.guard, record["path"]) not in paths:
        complaints.append(f"path={record['path']} denied instead of {paths}")
    if record.get("errno") != str(outcome.errno):
        complaints.append(f"errno={record.get('errno')} instead of {outcome.errno}")
    return complaints


def _record_complaints(cell, record, outcome):
    """The who, where and why of every single record."""
    path = _share_path(cell.guard, record["path"])
    paths = {path}
    if "name" in record and record["op"] in ("rename", "link"):
        paths.add(_share_path(cell.guard, record["name"]))
    expected = {
        "acct": {cell.user},
        "fsuid": {str(world.uid_of(cell.user))},
        "fsgid": {str(world.gid_of(cell.user))},
        "spid": {str(outcome.pid)},
        "exe": {PYTHON},
        "zone": {reference.zone_of(one).name for one in paths},
        "rule": set().union(*(reference.rules(cell.user, one) for one in paths)),
    }
    return [
        f"{name}={record.get(name)!r} instead of {sorted(values)}"
        for name, values in expected.items()
        if record.get(name) not in values
    ]


@pytest.fixture(scope="module")
def shared(module_guard):
    return module_guard


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("operation", ROWS, ids=lambda operation: operation.name)
def test_operation(shared, operation, user):
    found = []
    for place in PLACES:
        for owner in (user, "mleng2"):
            cell = Cell(shared, user, place, owner)
            trees = (cell.source(), cell.other_source())
            before = snapshot(*trees)
            since = shared.mark()
            outcome = shared.call_as(user, operation.act, cell)
            records = shared.records(since)
            after = snapshot(*trees)
            complaints = _complaints(
                cell, operation, operation.steps(cell), outcome, before, after, records
            )
            if complaints:
                found.append(
                    f"in zone {reference.zone_of(cell.share()).name}, a file of {owner}: "
                    + "; ".join(complaints) + "\n" + brief_all(records)
                )
    assert not found, "\n".join(found)


@pytest.mark.parametrize("user", USERS)
def test_the_root_of_the_share_shows_only_what_leads_to_something(shared, user):
    """Names in zones that a user may not list are neither found nor shown."""
    names = {"experiments", "production", "staging"}
    in_root = reference.may_list(user, "/")
    expected = {
        name for name in os.listdir(shared.source()) if reference.may_see(user, "/" + name)
    }
    since = shared.mark()
    outcome = shared.call_as(user, os.listdir, shared.path())
    if not in_root and not reference.leads_to_listed(user, "/"):
        assert outcome.errno == errno.EACCES
        assert [record["op"] for record in shared.failures(since)] == ["readdir"]
        expected = set()
    else:
        assert outcome.errno == 0
        assert set(outcome.value) == expected
    for name in names:
        error = shared.call_as(user, os.stat, shared.path(name)).errno
        assert error == (0 if name in expected else errno.EACCES), name


def test_root_with_a_role_still_makes_no_device(make_guard):
    """CAP_MKNOD lets root past the kernel; the guard says no."""
    guard = make_guard(policy="[role r]\nusers = root\n[zone share]\npath = /\n"
                       "allow r = read, create, write, delete, admin\n")
    since = guard.mark()
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        outcome = guard.call_as(
            "root", os.mknod, guard.path("null"), 0o666 | kind, os.makedev(1, 3)
        )
        assert outcome.errno == errno.EPERM
    outcome = guard.call_as("root", os.mknod, guard.path("file"), 0o644 | stat.S_IFREG)
    assert outcome.errno == 0
    assert not os.path.exists(guard.source("null"))
    assert [(r["op"], r["res"]) for r in guard.records(since)] == [
        ("mknod", "failed"), ("mknod", "failed"), ("mknod", "success")]


def test_modes_shown_say_what_the_zone_grants(shared):
    """No mode of the source locks a team-mate out, and chmod changes the execute bits only."""
    path = shared.put("modes-model", owner="mleng2", mode=0o600)
    assert shared.call_as("mleng1", lambda: open(path, "rb").read()).value == b"a model\n"
    before = os.stat(shared.source("modes-model")).st_mode
    assert shared.call_as("mleng2", os.chmod, path, 0o000).errno == 0
    after = os.stat(shared.source("modes-model")).st_mode
    assert after & ~0o111 == before & ~0o111
    assert shared.call_as("mleng1", lambda: open(path, "rb").read()).value == b"a model\n"


def test_set_user_id_bits_cannot_be_set(shared):
    path = shared.put("suid-model", owner="mleng1")
    shared.call_as("mleng1", os.chmod, path, 0o6755)
    assert not os.stat(shared.source("suid-model")).st_mode & 0o6000


def test_getfacl_tells_which_groups_may_do_what(shared):
    path = shared.put("acl-model", owner="mleng1")
    result = shared.run_as("sci1", "getfacl", "-p", path)
    assert result.returncode == 0, result.stderr
    assert "group:data-scientists:r--" in result.stdout
    assert "group:ml-engineers:rw-" in result.stdout
