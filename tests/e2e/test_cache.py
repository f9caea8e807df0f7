# SPDX-License-Identifier: Apache-2.0
"""What the kernel keeps for all users, and that nobody learns from it what they may not see
(DESIGN, Cache). The last words of a docstring say how the test was seen to fail."""

import ctypes
import errno
import os
import signal
import subprocess
import time

import pytest

import world
from auditd import wait_for
from guard import CTL

POLICY = """\
[role model-admin]
groups = model-admins

[role ml-engineer]
groups = ml-engineers
include = model-admin

[zone share]
path = /
allow model-admin = read, create, write, delete

[zone team]
path = /a/team
allow ml-engineer = read

[zone open]
path = /open
allow everyone = list
allow model-admin = read
"""

HOLDER = "madmin"  # may see all but /a/team
STRANGER = "outsider"  # holds no role
LOOKS = 100
UNSEALED_SECONDS = 1  # fuse/fs-cache.c: SECONDS_OTHER


@pytest.fixture
def share(make_guard):
    guard = make_guard(policy=POLICY, audit="file")
    for name in ("inside/deep/model", "a/b/model", "a/team/model", "open/model"):
        guard.put(name, b"weights")
    os.symlink("/secret/target", guard.source("inside/link"))
    return guard


def _look(path):
    """All that can be learnt of a path without opening it; the errors as numbers."""
    found = {}
    for what in (os.lstat, os.readlink, os.listdir):
        try:
            found[what.__name__] = what(path)
        except OSError as error:
            found[what.__name__] = error.errno
    return found


def _warm(share, *names):
    """Somebody who may see them looks at names, twice, so that the kernel has them."""
    for _ in range(2):
        for name in names:
            outcome = world.call_as(HOLDER, _look, share.path(name))
            assert outcome.errno == 0, outcome


def test_the_first_component_is_a_gate_where_there_is_only_one_zone(make_guard):
    """Everyone gets to the root of the mount. Failed when guard_may_cache() made no difference
    for NODE_ROOT."""
    share = make_guard(policy=POLICY[:POLICY.index("[zone team]")], audit="file")
    share.put("inside/deep/model")
    for name in ("inside", "inside/deep/model", "absent"):
        assert world.call_as(HOLDER, _look, share.path(name)).errno == 0
        assert world.call_as(STRANGER, os.lstat, share.path(name)).errno == errno.EACCES, name


NAMES = ["inside", "inside/deep", "inside/deep/model", "inside/link", "inside/absent",
         "inside/deep/absent", "absent", "a/b/model", "a/absent"]


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_learns_nothing_from_what_others_looked_at(share, name):
    """Names, attributes, targets, listings, and what is not there: all the same to who may not
    list it. Failed when a look-up was not decided."""
    _warm(share, *NAMES)
    seen = world.call_as(STRANGER, _look, share.path(name)).value
    assert seen == {"lstat": errno.EACCES, "readlink": errno.EACCES, "listdir": errno.EACCES}
    assert isinstance(world.call_as(HOLDER, _look, share.path("inside/deep")).value["lstat"],
                      os.stat_result)


def test_a_zones_boundary_is_decided_at_each_walk(share):
    """Those who may only walk through /a see the way and nothing beside it, whatever others have
    looked at; who may not enter the zone below, nothing there. Failed when guard_may_cache()
    left out PLACE_ZONES_BELOW."""
    _warm(share, "a", "a/b", "a/b/model", "a/absent")
    assert world.call_as("mleng1", os.listdir, share.path("a/team")).value == ["model"]
    assert world.call_as("mleng1", os.lstat, share.path("a/team/model")).errno == 0
    for name in ("a/team", "a/team/model", "a/team/absent"):
        assert world.call_as(HOLDER, os.lstat, share.path(name)).errno == errno.EACCES, name


def test_a_gate_that_everyone_may_list_is_kept_and_opens_nothing(share):
    """Failed when the gate of /open had a timeout of 0 (the count), and when OPEN was answered
    without a decision."""
    assert world.call_as(STRANGER, os.lstat, share.path("open/model")).errno == 0
    assert world.call_as(STRANGER, os.listdir, share.path("open")).value == ["model"]
    assert _requests(share, "open/model") < LOOKS / 2
    assert _requests(share, "a/b/model") >= LOOKS
    assert world.call_as(STRANGER, _read, share.path("open/model")).errno == errno.EACCES
    assert world.call_as(HOLDER, _read, share.path("open/model")).value == b"weights"


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _look_often(path):
    for _ in range(LOOKS):
        os.lstat(path)


def _requests(share, name):
    """How many reads of the device a hundred looks at a path take."""
    def reads():
        with open(f"/proc/{share.process.pid}/io", encoding="ascii") as file:
            return int(file.read().split("syscr: ")[1].split()[0])

    assert world.call_as(HOLDER, os.lstat, share.path(name)).errno == 0
    before = reads()
    assert world.call_as(HOLDER, _look_often, share.path(name)).errno == 0
    return reads() - before


def _try(function, *args):
    try:
        return function(*args) and 0
    except OSError as error:
        return error.errno


def _left_inside(directory):
    """Enters a directory as one who may, gives up all rights there, and tries what is left."""
    os.setgroups(world.groups_of(HOLDER))
    os.setegid(world.gid_of(HOLDER))
    os.seteuid(world.uid_of(HOLDER))
    os.chdir(directory)
    os.lstat("model")
    os.seteuid(0)
    os.setegid(0)
    world.become(STRANGER)
    kept = _try(os.lstat, "model")
    time.sleep(UNSEALED_SECONDS + 0.3)
    return {
        "kept": kept,
        "later": _try(os.lstat, "model"),
        "never looked at": _try(os.lstat, "other"),
        "absent": _try(os.lstat, "absent"),
        "open": _try(_read, "model"),
        "list": _try(os.listdir, "."),
        "create": _try(os.mkdir, "new"),
        "enter": _try(os.chdir, "../deeper"),
    }


def _check_left_inside(found):
    kept = found.pop("kept")
    assert kept in (0, errno.EACCES), "as modelguard(8) says: for a while"
    assert set(found.values()) == {errno.EACCES}, found


@pytest.fixture
def unsealed(make_guard):
    """A source that others may change: what the kernel keeps, it keeps for a second."""
    guard = make_guard(policy=POLICY, audit="file", options=["unsealed"], start=False)
    os.chmod(guard.source_directory, 0o755)
    for name in ("inside/deep/model", "inside/deep/other", "inside/deeper/model"):
        guard.put(name, b"weights")
    return guard.start()


def test_who_stays_in_a_directory_sees_only_what_is_kept_and_only_for_a_while(unsealed):
    """No walk, no gate: names that others look at show until the kernel asks again; nothing is
    opened, listed, entered or changed. Failed when LOOKUP in a directory was not decided."""
    outcome = world.call_as(None, _left_inside, unsealed.path("inside/deep"))
    assert outcome.errno == 0, outcome
    _check_left_inside(outcome.value)


def _bind(directory, way):
    """As root, who may mount but not walk: with the file-system ids of one who may."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.setgroups(world.groups_of(HOLDER))
    libc.setfsgid(world.gid_of(HOLDER))
    libc.setfsuid(world.uid_of(HOLDER))
    if libc.mount(directory.encode(), way.encode(), None, 4096, None) < 0:  # MS_BIND
        raise OSError(ctypes.get_errno(), "mount")


def test_a_bind_mount_of_a_subtree_is_no_other_way_in(unsealed):
    """As above, without having been inside."""
    way = unsealed.directory + "/way"
    os.mkdir(way)
    os.chmod(unsealed.directory, 0o755)
    assert world.call_as(None, _bind, unsealed.path("inside/deep"), way).errno == 0
    try:
        for name, what in (("model", _read), ("model", os.truncate), ("", os.listdir)):
            args = (0,) if what is os.truncate else ()
            path = os.path.join(way, name)
            assert world.call_as(STRANGER, what, path, *args).errno == errno.EACCES, name
        assert world.call_as(STRANGER, os.lstat, f"{way}/other").errno == errno.EACCES
        assert world.call_as(HOLDER, _read, f"{way}/model").value == b"weights"
    finally:
        subprocess.run(["umount", way], check=True)


def _reload(guard, policy):
    guard.write_policy(policy)
    guard.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "in force" in guard.stderr(), 10, "no reload")
    time.sleep(0.05)  # the kernel is told just after


def test_a_new_zone_holds_at_once_for_names_that_are_kept(share):
    """A directory that many have looked at becomes a zone of its own: from the reload on, who
    may not enter it learns nothing of it. Failed without fs_cache_forget()."""
    everyone = POLICY + "[zone way]\npath = /inside\nallow everyone = list\n"
    share.stop()
    share.write_policy(everyone)
    share.start()
    for user in (HOLDER, STRANGER, STRANGER):
        assert world.call_as(user, os.lstat, share.path("inside/deep/model")).errno == 0
    _reload(share, everyone + "[zone closed]\npath = /inside/deep\nallow model-admin = read\n")
    assert world.call_as(STRANGER, os.lstat, share.path("inside/deep/model")).errno == errno.EACCES
    assert world.call_as(STRANGER, os.lstat, share.path("inside/deep")).errno == errno.EACCES
    assert world.call_as(HOLDER, os.lstat, share.path("inside/deep/model")).errno == 0


def _list_again(path, ready, go):
    """Lists an open directory twice; in between the world changes."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    first = sorted(os.listdir(fd))
    os.write(ready, b"x")
    os.read(go, 1)
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        return first, sorted(os.listdir(fd))
    except OSError as error:
        return first, error.errno


def test_an_open_directory_is_listed_anew_after_a_reload(share):
    """The kernel keeps the listing; who may not list any more gets nothing more from it. Failed
    without forget_listing(), once GETATTR, which comes first, was not decided either."""
    ready, go = os.pipe(), os.pipe()
    pending = world.start_as(HOLDER, _list_again, share.path("inside/deep"), ready[1], go[0])
    os.read(ready[0], 1)
    revoked = POLICY.replace("allow model-admin = read, create, write, delete",
                             "allow ml-engineer = read")
    _reload(share, revoked)
    os.write(go[1], b"x")
    outcome = world.finish_call(pending)
    assert outcome.errno == 0, outcome
    assert outcome.value == (["model"], errno.EACCES)


def test_a_listing_that_is_kept_shows_what_is_made_and_removed(share):
    """The kernel compares the directory's time of change. Not seen to fail."""
    def names():
        return sorted(world.call_as(HOLDER, os.listdir, share.path("inside/deep")).value)

    assert names() == names() == ["model"]
    assert world.call_as(HOLDER, os.mkdir, share.path("inside/deep/new")).errno == 0
    assert names() == ["model", "new"]
    assert world.call_as(HOLDER, os.rename, share.path("inside/deep/new"),
                         share.path("inside/moved")).errno == 0
    assert names() == ["model"]
    assert world.call_as(STRANGER, os.listdir, share.path("inside/deep")).errno == errno.EACCES


def _work_there(directory, ready, go):
    os.chdir(directory)
    os.lstat("model")
    os.write(ready, b"x")
    os.read(go, 1)
    os.lstat(directory)
    return os.getcwd(), _read("model")


def test_who_works_in_a_directory_notices_no_reload(share):
    """Directories in use stay where they are. Not seen to fail."""
    ready, go = os.pipe(), os.pipe()
    pending = world.start_as(HOLDER, _work_there, share.path("inside/deep"), ready[1], go[0])
    os.read(ready[0], 1)
    _reload(share, POLICY + "# the same\n")
    os.write(go[1], b"x")
    outcome = world.finish_call(pending)
    assert outcome.errno == 0, outcome
    assert outcome.value == (share.path("inside/deep"), b"weights")


def test_modes_follow_a_reload_at_once(share):
    """Failed without fs_cache_forget()."""
    path = share.path("inside/deep/model")
    assert world.call_as(HOLDER, os.lstat, path).value.st_mode & 0o222
    _reload(share, POLICY.replace("read, create, write, delete", "read"))
    assert not world.call_as(HOLDER, os.lstat, path).value.st_mode & 0o222


def test_what_was_absent_shows_as_soon_as_somebody_makes_it(share):
    """The kernel forgets the absence itself. Not seen to fail."""
    path = share.path("inside/deep/absent")
    for _ in range(2):
        assert world.call_as("mleng1", os.lstat, path).errno == errno.ENOENT
    assert world.call_as(HOLDER, os.mkdir, path).errno == 0
    assert world.call_as("mleng1", os.lstat, path).errno == 0
    assert world.call_as(HOLDER, os.rmdir, path).errno == 0
    assert world.call_as("mleng1", os.lstat, path).errno == errno.ENOENT


def test_what_others_change_around_the_guard_shows_within_a_second(unsealed):
    """Failed when everything was kept for 10 s."""
    path = unsealed.path("inside/deep/model")
    absent = unsealed.path("inside/deep/absent")
    assert world.call_as(HOLDER, os.lstat, path).value.st_size == 7
    assert world.call_as(HOLDER, os.lstat, absent).errno == errno.ENOENT
    unsealed.put("inside/deep/new", b"longer weights")
    os.rename(unsealed.source("inside/deep/new"), unsealed.source("inside/deep/model"))
    unsealed.put("inside/deep/absent", b"")
    time.sleep(UNSEALED_SECONDS + 0.3)
    assert world.call_as(HOLDER, os.lstat, path).value.st_size == 14
    assert world.call_as(HOLDER, os.lstat, absent).errno == 0


def test_an_open_of_what_was_replaced_around_the_guard_finds_the_new_one(share):
    """The name is kept, the inode is gone: the kernel walks again. Failed when a
    file without a name was opened because its registration was kept."""
    path = share.path("inside/deep/model")
    assert world.call_as(HOLDER, _read, path).value == b"weights"
    time.sleep(UNSEALED_SECONDS + 0.1)
    os.unlink(share.source("inside/deep/model"))
    share.put("inside/deep/model", b"others")
    assert world.call_as(HOLDER, _read, path).value == b"others"


def _looks(path, times):
    for _ in range(times):
        with pytest.raises(PermissionError):
            os.lstat(path)


def test_each_denied_look_after_a_reload_is_on_record(make_guard):
    """The reload has made the kernel forget the name, so it does not ask twice for one look.
    Without node_names_forgotten() one of three has no record."""
    share = make_guard(policy=POLICY, audit="file")
    os.mkdir(share.source("a"))
    share.call_as(HOLDER, os.lstat, share.path("a"))
    for _ in range(3):
        share.write_policy(POLICY.replace("path = /a/team", "path = /b/team"))
        assert subprocess.run([CTL, "reload", share.mountpoint], check=False,
                              stdout=subprocess.DEVNULL).returncode == 0
        mark = share.mark()
        assert share.call_as(STRANGER, _looks, share.path("a"), 3).exception is None
        looks = [r for r in share.failures(mark) if r["path"] == share.path("a")]
        assert len(looks) == 3, looks
        share.call_as(HOLDER, os.lstat, share.path("a"))
