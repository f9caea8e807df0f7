# SPDX-License-Identifier: Apache-2.0
"""A write-once zone: what is complete there is never changed again, by anybody; it is removed by
role, after its time, and not while it is held. Each refusal stands beside what goes through."""

import errno
import os
import time

import pytest

import syscalls
import world
from guard import CTL, snapshot
from test_promote import PIPELINE, POLICY, promote, put_model

ALL = "read, create, write, delete, admin"
SEALED = POLICY.replace("""\
allow data-scientist = read
allow release-pipeline = promote
""", f"""\
allow data-scientist = read
allow release-pipeline = promote
allow model-admin = {ALL}
write-once = yes
""")
RETAINED = SEALED.replace("write-once = yes\n", "write-once = yes\nretain = 90d\n")
DAY = 86400


@pytest.fixture
def share(make_guard):
    return make_guard(SEALED, audit="file")


@pytest.fixture
def sealed(share):
    """A promoted model; madmin holds every verb but promote, and owns it."""
    assert promote(share, put_model(share, owner="madmin"), share.path("production/m")).errno == 0
    return share


def _with_open(path, flags, act):
    fd = os.open(path, flags)
    try:
        return act(fd)
    finally:
        os.close(fd)


# What is done to a complete file of one's own by somebody who holds all of it.
CHANGES = {
    "open-write": lambda p: _with_open(p, os.O_WRONLY, lambda fd: None),
    "open-append": lambda p: _with_open(p, os.O_WRONLY | os.O_APPEND, lambda fd: None),
    "open-read-write": lambda p: _with_open(p, os.O_RDWR, lambda fd: None),
    "open-truncate": lambda p: _with_open(p, os.O_RDONLY | os.O_TRUNC, lambda fd: None),
    "create": lambda p: _with_open(p, os.O_WRONLY | os.O_CREAT, lambda fd: None),
    "truncate": lambda p: os.truncate(p, 0),
    "chmod": lambda p: os.chmod(p, 0o755),
    "chown": lambda p: os.chown(p, 0, 0),
    "chgrp": lambda p: os.chown(p, -1, os.getgid()),
    "utimes": lambda p: os.utime(p, (1, 1)),
    "touch": lambda p: os.utime(p),
    "setxattr": lambda p: os.setxattr(p, "user.color", b"red"),
    "removexattr": lambda p: os.removexattr(p, "user.kept"),
    "acl": lambda p: os.setxattr(p, "system.posix_acl_access", syscalls.posix_acl(0)),
    "flags": lambda p: _with_open(p, os.O_RDONLY,
                                  lambda fd: syscalls.set_flags(fd, syscalls.FS_NODUMP_FL)),
    "link": lambda p: os.link(p, os.path.dirname(os.path.dirname(p)) + "/other"),
    "rename": lambda p: os.rename(p, p + ".new"),
    "rename-over": lambda p: os.rename(os.path.dirname(p) + "/tokenizer/vocab.txt", p),
    "exchange": lambda p: syscalls.renameat2(p, os.path.dirname(p) + "/tokenizer/vocab.txt",
                                             syscalls.RENAME_EXCHANGE),
    "move-out": lambda p: os.rename(p, p.replace("/production/m/", "/staging/")),
}
ADDS = {
    "file": lambda d: _with_open(d + "/new", os.O_WRONLY | os.O_CREAT, lambda fd: None),
    "directory": lambda d: os.mkdir(d + "/new"),
    "fifo": lambda d: os.mkfifo(d + "/new"),
    "symlink": lambda d: os.symlink("x", d + "/new"),
    "tmpfile": lambda d: _with_open(d, os.O_WRONLY | os.O_TMPFILE, lambda fd: None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_complete_is_not_changed(sealed, name):
    os.setxattr(sealed.source("production/m/model.bin"), "user.kept", b"1")
    before = snapshot(sealed.source_directory)
    since = sealed.mark()
    outcome = sealed.call_as("madmin", CHANGES[name], sealed.path("production/m/model.bin"))
    assert outcome.errno == errno.EPERM
    assert snapshot(sealed.source_directory) == before
    (record,) = [r for r in sealed.records(since) if r["res"] == "failed"]
    assert record["reason"].startswith("write-once: ") and record["errno"] == str(errno.EPERM)


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_goes_through_without_write_once(make_guard, name):
    """The neighbour: each of these is refused by write-once alone."""
    share = make_guard(SEALED.replace("write-once = yes\n", "").replace(
        "path = /staging\n", "path = /staging\nallow model-admin = admin, create\n").replace(
        "allow model-admin = admin\nallow release-pipeline = read, delete",
        "allow release-pipeline = read, delete"), audit="file")
    assert promote(share, put_model(share, owner="madmin"), share.path("production/m")).errno == 0
    os.setxattr(share.source("production/m/model.bin"), "user.kept", b"1")
    outcome = share.call_as("madmin", CHANGES[name], share.path("production/m/model.bin"))
    assert outcome.errno in ((errno.EOPNOTSUPP,) if name == "acl" else (0,)), outcome


@pytest.mark.parametrize("where", ["m", "m/tokenizer"])
@pytest.mark.parametrize("name", ADDS)
def test_nothing_is_added_to_a_version(sealed, name, where):
    before = snapshot(sealed.source_directory)
    outcome = sealed.call_as("madmin", ADDS[name], sealed.path("production", where))
    assert outcome.errno == errno.EPERM
    assert snapshot(sealed.source_directory) == before


@pytest.mark.parametrize("name", ADDS)
def test_beside_it_things_are_made_by_role(sealed, name):
    assert sealed.call_as("sci1", ADDS[name], sealed.path("production")).errno == errno.EACCES
    assert sealed.call_as("madmin", ADDS[name], sealed.path("production")).errno == 0


def test_nothing_is_promoted_into_a_version(sealed):
    put_model(sealed, "n")
    outcome = promote(sealed, sealed.path("staging/n"), sealed.path("production/m/n"))
    assert outcome.errno == errno.EPERM
    assert promote(sealed, sealed.path("staging/n"), sealed.path("production/n")).errno == 0


def test_who_makes_a_file_writes_it_until_it_is_closed(share):
    path = share.path("production/made")

    def make():
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(fd, b"first")
        os.ftruncate(fd, 3)
        os.pwrite(fd, b"second", 0)
        os.fchmod(fd, 0o755)
        os.utime(fd, (1, 1))
        with pytest.raises(PermissionError):
            os.open(path, os.O_WRONLY)
        os.close(fd)

    assert share.call_as("madmin", make).errno == 0
    with open(share.source("production/made"), "rb") as file:
        assert file.read() == b"second"
    for name in ("open-write", "truncate", "chmod", "utimes"):
        assert share.call_as("madmin", CHANGES[name], path).errno == errno.EPERM, name


def test_a_writer_from_before_the_zone_was_sealed_writes_no_more(make_guard):
    share = make_guard(SEALED.replace("write-once = yes\n", ""), audit="file")
    path = share.put("production/old", b"12345", "madmin")

    def write_after_reload():
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, b"x")
        os.mkdir(share.path("experiments/ready"))
        while os.path.isdir(share.path("experiments/ready")):
            time.sleep(0.01)
        os.write(fd, b"y")

    pending = world.start_as("madmin", write_after_reload)
    while not os.path.isdir(share.source("experiments/ready")):
        time.sleep(0.01)
    share.write_policy(SEALED)
    assert world.run_as("root", CTL, "reload", share.mountpoint).returncode == 0
    os.rmdir(share.source("experiments/ready"))
    assert world.finish_call(pending).errno == errno.EPERM
    with open(share.source("production/old"), "rb") as file:
        assert file.read() == b"x2345"


def remove_all(path):
    for directory, names, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(directory, name))
        for name in names:
            entry = os.path.join(directory, name)
            (os.unlink if os.path.islink(entry) else os.rmdir)(entry)
    os.rmdir(path)


def test_without_retain_it_is_removed_by_role(sealed):
    assert sealed.call_as("sci1", remove_all, sealed.path("production/m")).errno == errno.EACCES
    assert sealed.call_as(PIPELINE, remove_all, sealed.path("production/m")).errno == errno.EACCES
    assert sealed.call_as("madmin", remove_all, sealed.path("production/m")).errno == 0


def _age(share, name, days):
    os.setxattr(share.source(name), "trusted.modelguard.sealed",
                b"%d" % (time.time() - days * DAY))


def test_what_is_retained_is_not_removed_before_its_time(make_guard):
    share = make_guard(RETAINED, audit="file")
    assert promote(share, put_model(share), share.path("production/m")).errno == 0
    for days in (0, 89):
        _age(share, "production/m", days)
        before = snapshot(share.source_directory)
        since = share.mark()
        outcome = share.call_as("madmin", os.unlink, share.path("production/m/tokenizer/vocab.txt"))
        assert outcome.errno == errno.EPERM
        assert snapshot(share.source_directory) == before
        (record,) = share.records(since)
        due = time.strftime("%Y-%m-%d", time.gmtime(time.time() + (90 - days) * DAY))
        assert record["reason"].startswith(f"retained until {due}")
    _age(share, "production/m", 91)
    assert share.call_as("madmin", remove_all, share.path("production/m")).errno == 0


def test_what_was_made_there_is_retained_since_its_last_change(make_guard):
    share = make_guard(RETAINED.replace("90d", "2s"), audit="file")
    path = share.put("production/made")
    assert share.call_as("madmin", os.unlink, path).errno == errno.EPERM
    time.sleep(2.2)
    assert share.call_as("madmin", os.unlink, path).errno == 0


def ctl(share, user, verb, path, *arguments):
    result = share.run_as(user, CTL, verb, *arguments, path)
    return result.returncode, result.stdout + result.stderr


def test_a_hold_blocks_even_what_is_due(sealed):
    path, root = sealed.path("production/m/model.bin"), sealed.path("production/m")
    since = sealed.mark()
    assert ctl(sealed, "madmin", "hold", root, "--reason", "case 12")[0] == 0
    assert sealed.call_as("madmin", os.unlink, path).errno == errno.EPERM
    assert sealed.call_as("madmin", os.rmdir, root).errno in (errno.EPERM, errno.ENOTEMPTY)
    held, removed = sealed.records(since)[:2]
    assert (held["op"], held["res"], held["reason"]) == ("hold", "success", "case 12")
    assert removed["reason"] == "held: case 12"
    assert sealed.call_as("sci1", os.getxattr, root, "user.modelguard.hold").value == b"case 12"
    assert sealed.call_as("sci1", os.listxattr, root).value == []
    since = sealed.mark()
    assert ctl(sealed, "madmin", "release", root, "--reason", "closed")[0] == 0
    (released,) = sealed.records(since)
    assert (released["op"], released["reason"]) == ("release", "closed")
    assert sealed.call_as("madmin", os.unlink, path).errno == 0


def test_holding_takes_admin(sealed):
    path = sealed.path("production/m")
    for user in ("sci1", PIPELINE, "mleng1"):
        status, text = ctl(sealed, user, "hold", path, "--reason", "x")
        assert status == 1 and "'admin'" in text
    assert ctl(sealed, "madmin", "hold", path, "--reason", "x")[0] == 0
    assert ctl(sealed, "mleng1", "release", path, "--reason", "x")[0] == 1
    assert os.getxattr(sealed.source("production/m"), "trusted.modelguard.hold") == b"x"


BAD_HOLDS = {
    "no reason": (["hold"], "m", 2, "--reason"),
    "empty": (["hold", "--reason", ""], "m", 2, "one line"),
    "two lines": (["hold", "--reason", "a\nb"], "m", 2, "one line"),
    "long": (["hold", "--reason", "a" * 256], "m", 2, "one line"),
    "not held": (["release", "--reason", "a"], "m", 1, "not held"),
}


@pytest.mark.parametrize("name", BAD_HOLDS)
def test_a_hold_that_is_not_understood_is_refused(sealed, name):
    (verb, *arguments), place, status, text = BAD_HOLDS[name]
    got, said = ctl(sealed, "madmin", verb, sealed.path("production", place), *arguments)
    assert got == status and text in said
    assert "trusted.modelguard.hold" not in os.listxattr(sealed.source("production/m"))


def test_only_what_is_sealed_can_be_held(sealed):
    path = sealed.put("staging/file", owner="madmin")
    status, text = ctl(sealed, "madmin", "hold", path, "--reason", "a")
    assert status == 1 and "write-once" in text
    assert os.listxattr(sealed.source("staging/file")) == []
    status, text = ctl(sealed, "madmin", "hold", "/var/tmp", "--reason", "a")
    assert status == 1 and "no guarded share" in text


@pytest.mark.parametrize("name", ["trusted.modelguard.sealed", "trusted.modelguard.hold",
                                  "user.modelguard.other"])
@pytest.mark.parametrize("user", ["madmin", "root"])
def test_nobody_forges_the_marks(make_guard, name, user):
    """Also before it is promoted, and with root's capabilities."""
    share = make_guard(SEALED.replace("allow ml-engineer = read, create, write, delete",
                                      "allow ml-engineer = read, create, write, delete\n"
                                      "allow everyone = read, admin"), audit="file")
    path = put_model(share, owner="madmin")
    outcome = share.call_as(user, os.setxattr, path, name, b"1")
    assert outcome.errno in (errno.EPERM, errno.EACCES)
    assert share.call_as(user, os.removexattr, path, name).errno in (errno.EPERM, errno.EACCES)
    assert os.listxattr(share.source("staging/m")) == []


def test_a_promotion_that_fails_leaves_no_mark(share):
    source = put_model(share)
    os.mkfifo(share.source("staging/m/fifo"))
    assert promote(share, source, share.path("production/m")).errno == errno.EPERM
    assert os.listxattr(share.source("staging/m")) == []
