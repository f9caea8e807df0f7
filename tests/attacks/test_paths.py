# SPDX-License-Identifier: Apache-2.0
"""Other ways to a name. The last words of a docstring say how the test was seen to fail."""

import errno
import os
import subprocess
import time

import pytest

import syscalls
import world
from attack import denied, error_of, make, read, rule, write
from guard import DEFAULT_POLICY, snapshot

RACE_TRIES = 100_000
RACE_SECONDS = 60  # a build with sanitizers may try less often


@pytest.fixture
def share(file_guard):
    """The default share with one model in production."""
    file_guard.put("production/model")
    return file_guard


def test_a_hard_link_opens_no_zone(share):
    """Into a zone where one may write. Seen to fail when a link across zones asks for the sight
    of the old name only."""
    model = share.path("production/model")
    with denied(share, ("link", "sci1", "production/model",
                        rule(share, "experiments", "data-scientist"))) as records:
        outcome = share.call_as("sci1", os.link, model, share.path("experiments/mine"))
        assert outcome.errno == errno.EXDEV
    assert records[0]["name"] == share.path("experiments/mine")
    share.put("experiments/own", owner="sci1")
    assert share.call_as("sci1", os.link, share.path("experiments/own"),
                         share.path("experiments/second")).errno == 0


def test_a_parent_directory_takes_nothing_along(share):
    """Into another zone, and a zone with all that is in it. Seen to fail without the reasons to
    copy."""
    share.put("team/model")
    staging = rule(share, "staging", "ml-engineer")
    whole = rule(share, "share", "ml-engineer")
    with denied(share, ("rename", "mleng1", "team", staging),
                ("rename", "mleng1", "staging", whole)):
        for old, new in (("team", "staging/team"), ("staging", "opened")):
            outcome = share.call_as("mleng1", os.rename, share.path(old), share.path(new))
            assert outcome.errno == errno.EXDEV
    assert share.call_as("mleng1", os.rename, share.path("team"), share.path("crew")).errno == 0
    assert share.call_as("mleng1", read, share.path("crew/model")).value == b"a model\n"


def test_an_exchange_swaps_nothing_across_zones(share):
    """RENAME_EXCHANGE of two files that the caller may change, each where it is. Seen to fail
    without the reasons to copy."""
    share.put("one", b"1")
    share.put("two", b"2")
    share.put("staging/three", b"3")
    exchange = syscalls.RENAME_EXCHANGE
    pairs = [("one", "staging/three"), ("staging/three", "one")]
    with denied(share, ("rename", "mleng1", "one", rule(share, "staging", "ml-engineer")),
                ("rename", "mleng1", "staging/three", rule(share, "share", "ml-engineer"))):
        for old, new in pairs:
            outcome = share.call_as("mleng1", syscalls.renameat2, share.path(old),
                                    share.path(new), exchange)
            assert outcome.errno == errno.EXDEV
    with denied(share):
        assert share.call_as("mleng1", syscalls.renameat2, share.path("one"), share.path("two"),
                             syscalls.RENAME_WHITEOUT).errno == errno.EINVAL
    assert share.call_as("mleng1", syscalls.renameat2, share.path("one"), share.path("two"),
                         exchange).errno == 0
    assert read(share.source("one")) == b"2"


def test_an_unnamed_file_gets_its_name_where_it_was_made(share):
    """O_TMPFILE + linkat. Seen to fail when a link across zones asks for the sight of the old
    name only."""
    def work(made_in, names):
        fd = os.open(share.path(made_in), os.O_TMPFILE | os.O_RDWR, 0o644)
        os.write(fd, b"evil")
        return [error_of(syscalls.linkat_fd, fd, share.path(name)) for name in names]

    with denied(share, ("create", "sci1", "production",
                        rule(share, "production", "data-scientist"))):
        outcome = share.call_as("sci1", work, "production", [])
        assert outcome.errno == errno.EACCES
    # By whom may not create there, and by whom may.
    since = share.mark()
    for user, made_in, others, error in (
        ("sci1", "experiments", ("production/new", "new"), "EACCES"),
        ("mleng1", "staging", ("experiments/new", "new"), "EXDEV"),
    ):
        outcome = share.call_as(user, work, made_in, others + (made_in + "/new",))
        assert outcome.value == [error] * len(others) + ["success"], outcome
        told = [(r["op"], r["acct"], r["name"], r["errno"]) for r in share.failures(since)]
        assert told == [("link", user, share.path(name), str(getattr(errno, error)))
                        for name in others]
        assert all(not os.path.exists(share.source(name)) for name in others)
        os.unlink(share.source(made_in, "new"))
        since = share.mark()


def test_a_symlink_leads_no_further_than_its_reader(share):
    """Out of the share, and from outside into it: what counts is who follows, and the place.
    Seen to fail when an open, and when a look-up, takes no verb."""
    secret = os.path.join(share.directory, "secret")
    with open(secret, "wb") as file:
        file.write(b"of root\n")
    os.chmod(secret, 0o600)
    targets = {"out": secret, "around": share.source("production/model")}
    for name, target in targets.items():
        assert share.call_as("mleng1", os.symlink, target, share.path(name)).errno == 0
    with denied(share):
        for name in targets:
            assert share.call_as("mleng1", read, share.path(name)).errno == errno.EACCES
    outside = os.path.join(share.directory, "in")
    os.symlink(share.path("production/model"), outside)
    with denied(share, ("open-write", "sci1", "production/model",
                        rule(share, "production", "data-scientist"))):
        assert share.call_as("sci1", write, outside).errno == errno.EACCES
    with denied(share, ("lookup", "outsider", "production", rule(share, "production"))):
        assert share.call_as("outsider", read, outside).errno == errno.EACCES
    assert share.call_as("sci1", read, outside).value == b"a model\n"


def test_a_working_directory_is_no_right(share):
    """A role holder enters, then becomes somebody else. Seen to fail when an open, and when a
    look-up or a new name, takes no verb."""
    def enter_and_become(uid, groups, function, *arguments):
        os.setgroups([world.gid_of("primary")])
        os.setresgid(64152, 64152, 64152)
        os.setresuid(world.uid_of("sci1"), world.uid_of("sci1"), 0)
        os.chdir(share.path("production"))
        assert read("model") == b"a model\n"
        os.seteuid(0)
        os.setgroups(groups)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        return function(*arguments)

    uid = world.uid_of("outsider")
    production, staging = rule(share, "production"), rule(share, "staging")
    for operation, path, line, function, arguments in (
        (("lookup", "open-read"), "production/model", production, read, ("model",)),
        (("lookup", "create"), "production/new", production, make, ("new",)),
        ("readdir", "production", production, os.listdir, (".",)),
        ("lookup", "staging", staging, os.stat, ("../staging",)),
        (("lookup", "mkdir"), "production/new", production, os.mkdir, ("new",)),
    ):
        with denied(share, (operation, "outsider", path, line)):
            outcome = share.call_as(None, enter_and_become, uid, [], function, *arguments)
            assert outcome.errno == errno.EACCES, (function, outcome)
    outcome = share.call_as(None, enter_and_become, uid, [64152], read, "model")
    assert outcome.value == b"a model\n", outcome


def test_a_bind_mount_is_the_same_place(share):
    """A subtree, mounted elsewhere: zones go by the path in the share. Seen to fail when an
    open takes no verb."""
    elsewhere = os.path.join(share.directory, "elsewhere")
    os.mkdir(elsewhere)
    bind = ["mount", "--bind", share.path("production"), elsewhere]
    # Root needs a role to get there.
    subprocess.run(bind, check=True, preexec_fn=lambda: os.setgroups([64152]))
    inside = os.path.join(elsewhere, "model")
    try:
        with denied(share, ("open-write", "sci1", "production/model",
                            rule(share, "production", "data-scientist"))):
            assert share.call_as("sci1", write, inside).errno == errno.EACCES
        with denied(share, (("lookup", "open-read"), "outsider", "production/model",
                            rule(share, "production"))):
            assert share.call_as("outsider", read, inside).errno == errno.EACCES
        assert share.call_as("sci1", read, inside).value == b"a model\n"
    finally:
        subprocess.run(["umount", elsewhere], check=True)


def _swap(path, other, ready, stop):
    """Exchanges two names until told to stop, at least once. Returns how often."""
    swaps = 0
    os.write(ready, b".")
    while not os.path.exists(stop) or not swaps:
        for _ in range(100):
            syscalls.renameat2(path, other, syscalls.RENAME_EXCHANGE)
            swaps += 1
    return swaps


def _try_often(path, n_writes):
    """Opens a path and writes to it, until so much of that was decided. Returns how often it came
    to what, and the seconds."""
    ends = {"success": 0, "EACCES": 0}
    started = time.monotonic()
    while (ends["success"] + ends["EACCES"] < RACE_TRIES
           and time.monotonic() - started < RACE_SECONDS):
        try:
            fd = os.open(path, os.O_WRONLY)
            try:
                for _ in range(n_writes):
                    os.pwrite(fd, b"evil", 0)
                    ends["success"] += 1
            finally:
                os.close(fd)
        except OSError as error:
            end = errno.errorcode[error.errno]
            ends[end] = ends.get(end, 0) + 1
    return ends, time.monotonic() - started


def _race(share, user, mover, paths, *attempt):
    """Somebody moves things while a writer tries. Returns how often the writer came to what."""
    stop = os.path.join(share.directory, "stop")
    reader, ready = os.pipe()
    moving = world.start_as(user, mover, *paths, ready, stop)
    os.read(reader, 1)
    outcome = share.call_as("mleng1", _try_often, *attempt)
    with open(stop, "wb"):
        pass
    moved = world.finish_call(moving)
    os.close(reader)
    os.close(ready)
    assert moved.errno == 0 and outcome.errno == 0, (moved, outcome)
    tries, seconds = outcome.value
    n_decided = tries["success"] + tries["EACCES"]
    assert n_decided >= RACE_TRIES or seconds >= RACE_SECONDS, outcome
    assert min(tries["success"], tries["EACCES"], moved.value) > 500, (moved, outcome)
    return tries


def _counts(records):
    """How many denials there were of each kind: identical ones are counted after some."""
    found = {}
    for record in records:
        key = record["op"], record["path"], record["rule"]
        found[key] = found.get(key, 0) + int(record.get("count", 1))
    return found


def test_a_symlink_race_wins_nothing(share):
    """A directory and a symlink to a closed zone change places while another process writes to
    a file through them. Seen to fail when an open takes no verb."""
    share.put("real/model")
    os.symlink(share.path("production"), share.source("link"))
    before = snapshot(share.source("production"))
    since = share.mark()
    tries = _race(share, "mleng1", _swap, [share.path("real"), share.path("link")],
                  share.path("real/model"), 1)
    assert snapshot(share.source("production")) == before
    assert share.stop() == 0  # what is counted is recorded now
    assert set(tries) == {"success", "EACCES"}
    assert _counts(share.failures(since)) == {
        ("open-write", share.path("production/model"),
         rule(share, "production", "data-scientist")): tries["EACCES"]}
    written = [r for r in share.records(since) if r["op"] == "write"]
    assert {r["path"] for r in written} <= {share.path("real/model"), share.path("link/model")}
    assert len(written) == tries["success"]


def _move_often(one, other, ready, stop):
    """Moves a file to and fro until told to stop, and opens it where it arrives. Returns how
    often."""
    moves = 0
    os.write(ready, b".")
    while not os.path.exists(stop):
        os.rename(one, other)
        os.close(os.open(other, os.O_RDONLY))
        time.sleep(0.001)
        os.rename(other, one)
        time.sleep(0.001)
        moves += 2
    os.rename(one, other)
    return moves


def _written_after_arrival(records, other):
    """How many writes succeeded in each stay at the other place: after it was opened there, which
    was after the rename had returned, and before the rename back."""
    stays = []
    there = False
    for record in sorted(records, key=lambda r: int(r["seqno"])):
        if record["op"] == "open-read":
            there = True
            stays.append(0)
        elif record["op"] == "rename" and record["path"] == other:
            there = False
        elif there and record["op"] == "write" and record["res"] == "success":
            stays[-1] += 1
    return stays


def test_a_rename_race_wins_nothing(make_guard):
    """A file moves between a zone where others may write to it and one where they may not,
    while another process opens it and writes. Each write that succeeded was decided in the one;
    each that failed was refused in the other. Seen to fail when a rename leaves the node where
    it was."""
    guard = make_guard(audit="file", policy=DEFAULT_POLICY.replace(
        "allow release-pipeline = read, delete\n",
        "allow release-pipeline = read, create, delete\n"))
    names = [guard.path("staging/model"), guard.path("production/model")]
    guard.put("staging/model", b"good")
    since = guard.mark()
    tries = _race(guard, "ci-release", _move_often, names, names[0], 20)
    before = snapshot(guard.source_directory)
    assert guard.call_as("mleng1", write, names[1]).errno == errno.EACCES
    assert snapshot(guard.source_directory) == before
    assert guard.stop() == 0
    assert set(tries) == {"success", "EACCES", "ENOENT"}
    of_writer = [r for r in guard.records(since) if r["acct"] == "mleng1"]
    written = [r for r in of_writer if r["op"] == "write" and r["res"] == "success"]
    assert len(written) == tries["success"]
    assert {r["zone"] for r in written} == {"staging"}
    # One write may have been decided before the file moved, and be recorded after.
    assert max(_written_after_arrival(guard.records(since), names[1])) <= 1
    denials = _counts(r for r in of_writer if r["res"] == "failed")
    assert sum(denials.values()) == tries["EACCES"] + 1
    assert {line for _, _, line in denials} == {rule(guard, "production", "data-scientist")}
