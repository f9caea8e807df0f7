# SPDX-License-Identifier: Apache-2.0
"""audit-writes = ranges: every byte that is written is on record once, by whoever wrote it, with
fewer records. The last words of a docstring say how the test was seen to fail."""

import contextlib
import errno
import mmap
import os
import random
import select
import signal
import subprocess
import threading
import time

import pytest

import syscalls
import world
from auditd import wait_for
from guard import OPEN_POLICY
from trail import brief_all

EACH_POLICY = "[guard]\naudit-writes = each\n" + OPEN_POLICY
POLICY = EACH_POLICY.replace("= each", "= ranges")
BLOCK = bytes(range(256)) * 16
SIZE = len(BLOCK)


@pytest.fixture
def share(make_guard):
    return make_guard(policy=POLICY, audit="file")


class Stop:
    """A place where a process of another user waits until the test has done something."""

    def __init__(self):
        self._reached = os.pipe()
        self._go_on = os.pipe()

    def wait(self):
        os.write(self._reached[1], b".")
        os.read(self._go_on[0], 1)

    @contextlib.contextmanager
    def reached(self):
        ready, _, _ = select.select([self._reached[0]], [], [], 30)
        assert ready, "the other process does not get there"
        os.read(self._reached[0], 1)
        yield
        os.write(self._go_on[1], b".")


def _reload(guard, policy):
    before = guard.stderr().count("in force")
    guard.write_policy(policy)
    guard.process.send_signal(signal.SIGHUP)
    wait_for(lambda: guard.stderr().count("in force") > before, 10, "no reload")


def _writes(records):
    """The records of writes that happened: what came after a number's first record corrects it,
    and what was sent again is one. In the order of the trail."""
    happened = {}
    for record in records:
        if record["op"] != "write":
            continue
        if record["res"] == "success":
            happened[record["seqno"]] = record
        elif record.get("note") == "effect-failed":
            happened.pop(record["seqno"], None)
    return list(happened.values())


def _spans(records):
    return [(int(r["off"]), int(r["len"])) for r in records]


def _follow(spans):
    """Whether each begins where the one before ends. Returns the end of the last."""
    for (off, length), (following, _) in zip(spans, spans[1:]):
        assert following == off + length, spans
    return spans[-1][0] + spans[-1][1]


def _once(spans, size):
    """Whether they cover each of the first bytes of a file once."""
    spans = sorted(spans)
    assert spans[0][0] == 0 and _follow(spans) == size


def _ranges(records):
    return [r for r in records if r.get("note", "").endswith("range")]


def _write_blocks(fd, n):
    for _ in range(n):
        assert os.write(fd, BLOCK) == SIZE


def _create(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)


# What becomes one record, and what does not


@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_what_is_written_in_a_row_is_few_records(make_guard, audit):
    """The first block of a run by itself, the rest of it together, each byte once, in order."""
    guard = make_guard(policy=POLICY, audit=audit)
    path = guard.path("model")

    def work():
        fd = _create(path)
        _write_blocks(fd, 2048)
        os.close(fd)

    since = guard.mark()
    started = time.monotonic()
    outcome = guard.call_as("mleng1", work)
    seconds = time.monotonic() - started
    assert outcome.errno == 0, outcome
    records = guard.records(since)
    writes = _writes(records)
    assert _spans(writes)[0] == (0, SIZE) and "note" not in writes[0]
    assert _follow(_spans(writes)) == 2048 * SIZE
    assert len(writes) <= 2 * (seconds + 1), brief_all(writes)
    ranges = _ranges(writes)
    assert ranges and all(r["note"] == "range" for r in ranges)
    for record in writes:
        assert (record["acct"], record["path"], record["spid"]) == (
            "mleng1", path, str(outcome.pid))
        assert record["gen"] == "1" and record["ino"] == writes[0]["ino"]
    for record in ranges:
        if audit == "file":
            assert record["since"] <= record["until"]
        else:
            assert float(record["since"]) <= float(record["until"])
            assert float(record["until"]) < record["time"] + 0.1  # the kernel's clock is coarse
    assert len({r["seqno"] for r in records}) == len(records)


def test_each_is_the_default(make_guard):
    guard = make_guard(policy=OPEN_POLICY, audit="file")

    def work():
        fd = _create(guard.path("model"))
        _write_blocks(fd, 20)
        os.close(fd)

    assert guard.call_as("mleng1", work).errno == 0
    writes = _writes(guard.records(0))
    assert _spans(writes) == [(i * SIZE, SIZE) for i in range(20)]
    assert not _ranges(writes)


def test_writes_here_and_there_have_a_record_each(share):
    numbers = list(range(0, 128, 2))
    random.Random(4).shuffle(numbers)

    def work():
        fd = _create(share.path("model"))
        for number in numbers:
            os.pwrite(fd, BLOCK, number * SIZE)
        os.close(fd)

    assert share.call_as("mleng1", work).errno == 0
    writes = _writes(share.records(0))
    assert _spans(writes) == [(number * SIZE, SIZE) for number in numbers]
    assert not _ranges(writes)


def test_a_gap_and_an_overwrite_begin_another_run(share):
    """In the order in which it was done. Seen to fail when the offset is not looked at."""

    def work():
        fd = _create(share.path("model"))
        _write_blocks(fd, 4)
        os.lseek(fd, SIZE, os.SEEK_CUR)
        _write_blocks(fd, 4)
        for _ in range(3):
            os.pwrite(fd, BLOCK, 0)
        os.close(fd)

    assert share.call_as("mleng1", work).errno == 0
    assert _spans(_writes(share.records(0))) == [
        (0, SIZE), (SIZE, 3 * SIZE), (5 * SIZE, SIZE), (6 * SIZE, 3 * SIZE),
        (0, SIZE), (0, SIZE), (0, SIZE)]


def test_appended_lines_are_a_range_that_says_so(share):
    share.put("log", b"begin\n")

    def work():
        fd = os.open(share.path("log"), os.O_WRONLY | os.O_APPEND)
        for _ in range(50):
            os.write(fd, b"a line\n")
        os.close(fd)

    assert share.call_as("mleng1", work).errno == 0
    writes = _writes(share.records(0))
    assert [r["note"] for r in writes] == ["append", "append-range"], brief_all(writes)
    assert _spans(writes) == [(6, 7), (13, 49 * 7)]


# Who


def test_two_processes_with_one_descriptor_answer_for_their_own_bytes(share):
    """Inherited: the offset is shared. Seen to fail when anybody's write joins a run."""
    n_turns, n_blocks = 6, 3

    def work():
        fd = _create(share.path("model"))
        pipes = [os.pipe(), os.pipe()]
        child = os.fork()
        me = 1 if child == 0 else 0
        for _ in range(n_turns):
            if me == 1:
                os.read(pipes[0][0], 1)
            _write_blocks(fd, n_blocks)
            os.write(pipes[me][1], b".")
            if me == 0:
                os.read(pipes[1][0], 1)
        if me == 1:
            os._exit(0)
        os.waitpid(child, 0)
        return child

    outcome = share.call_as("mleng1", work)
    assert outcome.errno == 0, outcome
    writes = _writes(share.records(0))
    assert _follow(_spans(writes)) == 2 * n_turns * n_blocks * SIZE
    expected = {str(pid): {(2 * turn + me) * n_blocks + block
                           for turn in range(n_turns) for block in range(n_blocks)}
                for me, pid in enumerate((outcome.pid, outcome.value))}
    for pid, blocks in expected.items():
        told = [number for off, length in _spans(r for r in writes if r["spid"] == pid)
                for number in range(off // SIZE, (off + length) // SIZE)]
        assert sorted(told) == sorted(blocks), brief_all(writes)
    assert len(_ranges(writes)) == 2 * n_turns


def test_a_program_answers_for_its_own_bytes_only(share):
    """exec(2) keeps the process and the descriptor. Seen to fail when anybody's write joins."""

    def work():
        fd = _create(share.path("model"))
        for _ in range(3):
            os.write(fd, b"12345")
        os.dup2(fd, 1)
        os.set_inheritable(fd, True)  # closing it would end the run
        os.execv("/bin/echo", ["echo", "hello"])

    with pytest.raises(RuntimeError):  # it does not come back
        share.call_as("mleng1", work)
    wait_for(lambda: len(_writes(share.records(0))) == 3, 2, "not all is recorded")
    writes = _writes(share.records(0))
    assert _spans(writes) == [(0, 5), (5, 10), (15, 6)]
    assert [os.path.basename(r["exe"]) == "echo" for r in writes] == [False, False, True]


def test_two_threads_write_a_half_each(share):
    n = 200

    def work():
        fd = _create(share.path("model"))

        def half(first):
            for number in range(first, first + n):
                os.pwrite(fd, BLOCK, number * SIZE)

        threads = [threading.Thread(target=half, args=(first,)) for first in (0, n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.close(fd)

    assert share.call_as("mleng1", work).errno == 0
    writes = _writes(share.records(0))
    _once(_spans(writes), 2 * n * SIZE)
    for pid in {r["spid"] for r in writes}:
        spans = _spans(r for r in writes if r["spid"] == pid)
        assert len({off < n * SIZE for off, _ in spans}) == 1, "a thread told for another"


def test_many_handles_at_once(share):
    """Eight processes on one file, each in its own part, for longer than a run lasts."""
    share.put("model", b"", mode=0o660)

    def work(number):
        fd = os.open(share.path("model"), os.O_WRONLY)
        at = number * 1000 * SIZE
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            at += os.pwrite(fd, BLOCK, at)
            if random.random() < 0.01:
                os.fsync(fd)
        os.close(fd)
        return at

    calls = [world.start_as("mleng1", work, number) for number in range(8)]
    outcomes = [world.finish_call(call) for call in calls]
    writes = _writes(share.records(0))
    for number, outcome in enumerate(outcomes):
        assert outcome.errno == 0, outcome
        spans = _spans(r for r in writes if r["spid"] == str(outcome.pid))
        assert spans[0][0] == number * 1000 * SIZE and _follow(spans) == outcome.value
    assert {r["spid"] for r in writes} == {str(outcome.pid) for outcome in outcomes}


# When


@pytest.mark.parametrize("how", ["fsync", "fdatasync", "close", "close of a copy"])
def test_the_range_is_recorded_when_it_is_asked_for(share, how):
    """Before the call returns. Seen to fail for each without its flush."""
    stop = Stop()

    def work():
        fd = _create(share.path("model"))
        _write_blocks(fd, 5)
        copy = os.dup(fd)
        if how == "fsync":
            os.fsync(fd)
        elif how == "fdatasync":
            os.fdatasync(fd)
        elif how == "close":
            os.close(copy)
            os.close(fd)
        else:
            os.close(copy)
        stop.wait()

    call = world.start_as("mleng1", work)
    with stop.reached():
        writes = _writes(share.records(0))
    world.finish_call(call)
    assert _spans(writes) == [(0, SIZE), (SIZE, 4 * SIZE)]
    assert len(_writes(share.records(0))) == 2


def test_a_range_waits_no_longer_than_a_second(share):
    """The writer only sleeps. Seen to fail without the thread."""
    stop = Stop()

    def work():
        fd = _create(share.path("model"))
        _write_blocks(fd, 5)
        stop.wait()

    call = world.start_as("mleng1", work)
    with stop.reached():
        wait_for(lambda: len(_writes(share.records(0))) == 2, 1.5, "still not on record")
        assert _spans(_writes(share.records(0))) == [(0, SIZE), (SIZE, 4 * SIZE)]
    world.finish_call(call)


def test_a_source_that_stands_still_holds_no_range_back(make_guard, scratch):
    """A write that has joined is stuck in the source: what was done before it is recorded in
    time, and it afterwards. Seen to fail when a run waits for the write on its way,
    and when that write does not end it."""
    guard = make_guard(policy=POLICY, audit="file", start=False)
    image = os.path.join(scratch, "ranges.img")
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, guard.source_directory], check=False)
    os.unlink(image)
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted from a file here")
    os.chmod(guard.source_directory, 0o700)
    guard.start()
    stops = [Stop(), Stop()]

    def work():
        fd = _create(guard.path("model"))
        _write_blocks(fd, 4)
        stops[0].wait()
        _write_blocks(fd, 1)
        stops[1].wait()
        _write_blocks(fd, 1)
        os.close(fd)

    call = world.start_as("mleng1", work)
    with stops[0].reached():
        subprocess.run(["fsfreeze", "-f", guard.source_directory], check=True)
    try:
        wait_for(lambda: len(_writes(guard.records(0))) == 2, 1.5, "still not on record")
    finally:
        subprocess.run(["fsfreeze", "-u", guard.source_directory], check=True)
    with stops[1].reached():
        assert len(_writes(guard.records(0))) == 3
    assert world.finish_call(call).errno == 0
    assert _spans(_writes(guard.records(0))) == [
        (0, SIZE), (SIZE, 3 * SIZE), (4 * SIZE, SIZE), (5 * SIZE, SIZE)]


def test_after_a_second_the_next_write_has_its_record_first(share):
    """Slow and steady: seen to fail when a run has no end."""

    def work():
        fd = _create(share.path("model"))
        for _ in range(25):
            _write_blocks(fd, 1)
            time.sleep(0.1)

    assert share.call_as("mleng1", work).errno == 0
    writes = _writes(share.records(0))
    assert _follow(_spans(writes)) == 25 * SIZE
    assert len([r for r in writes if r not in _ranges(writes)]) >= 3
    assert all(int(r["len"]) <= 11 * SIZE for r in writes)


def test_a_writer_that_is_killed_is_on_record(share):
    stop = Stop()

    def work():
        fd = _create(share.path("model"))
        _write_blocks(fd, 5)
        stop.wait()

    call = world.start_as("mleng1", work)
    with stop.reached():
        os.kill(call[0], signal.SIGKILL)
    with pytest.raises(RuntimeError):
        world.finish_call(call)
    wait_for(lambda: len(_writes(share.records(0))) == 2, 0.5, "not when it is closed")
    assert _spans(_writes(share.records(0))) == [(0, SIZE), (SIZE, 4 * SIZE)]


def test_the_range_is_recorded_before_the_end(share):
    """A handle that is open when the guard ends."""
    stop = Stop()

    def work():
        fd = _create(share.path("model"))
        _write_blocks(fd, 5)
        stop.wait()

    call = world.start_as("mleng1", work)
    with stop.reached():
        assert share.stop() == 0
    world.finish_call(call)
    records = share.records(0, kind=None)
    assert _spans(_writes(records)) == [(0, SIZE), (SIZE, 4 * SIZE)]
    assert records[-1]["op"] == "end"


@pytest.mark.parametrize("change", ["truncate", "fallocate", "copy-range", "rename"])
def test_the_range_is_recorded_before_another_change(share, change):
    """Seen to fail when only writes look for what is pending."""
    path, renamed = share.path("model"), share.path("renamed")
    share.put("other", BLOCK)

    def work():
        fd = _create(path)
        _write_blocks(fd, 3)
        if change == "truncate":
            os.ftruncate(fd, 0)
        elif change == "fallocate":
            syscalls.fallocate(fd, syscalls.FALLOC_FL_KEEP_SIZE, 0, SIZE)
        elif change == "copy-range":
            source = os.open(share.path("other"), os.O_RDONLY)
            assert os.copy_file_range(source, fd, SIZE, 0, 3 * SIZE) == SIZE
        else:
            os.rename(path, renamed)
            _write_blocks(fd, 2)
        os.close(fd)

    assert share.call_as("mleng1", work).errno == 0
    told = [(r["op"], r.get("note"), r["path"]) for r in share.records(0)
            if not r["op"].startswith(("create", "open"))]
    first, rest = ("write", None, path), ("write", "range", path)
    assert told == {
        "truncate": [first, rest, ("truncate", None, path)],
        "fallocate": [first, rest, ("fallocate", None, path)],
        "copy-range": [first, rest, ("write", "copy-range", path)],
        # Through another name: a range stands under the one that it was written by.
        "rename": [first, ("rename", None, path), rest, ("write", None, renamed),
                   ("write", "range", renamed)],
    }[change]


# What goes wrong


@pytest.mark.parametrize("length", [4096, 6000], ids=["failed", "short"])
def test_what_did_not_fit_is_not_on_record_as_written(make_guard, length):
    """A source that gets full. Seen to fail when a range counts what was asked for, and when
    the failure of a write that joined is not told."""
    guard = make_guard(policy=POLICY, audit="file", tmpfs=True)
    subprocess.run(["mount", "-o", "remount,size=1m", guard.source_directory], check=True)
    piece = b"x" * length

    def work():
        fd = _create(guard.path("model"))
        written = 0
        with contextlib.suppress(OSError):
            while True:
                written += os.write(fd, piece)
        os.close(fd)
        return written

    outcome = guard.call_as("mleng1", work)
    assert (outcome.value % length > 0) == (length == 6000), "whether a write was short"
    records = guard.records(0)
    writes = _writes(records)
    assert _follow(_spans(writes)) == outcome.value == os.path.getsize(guard.source("model"))
    failed = [r for r in records if r["res"] == "failed"]
    assert [(r["op"], r["note"], r["errno"], int(r["off"])) for r in failed] == [
        ("write", "effect-failed", str(errno.ENOSPC), outcome.value)], brief_all(failed)


def test_who_is_revoked_writes_no_more_and_what_was_written_is_on_record(share):
    """In the middle of a run. Seen to fail when a reload ends no run."""
    stop = Stop()
    revoked = POLICY.replace("= read, create, write, delete", "= read")

    def work():
        fd = _create(share.path("model"))
        os.close(fd)
        fd = os.open(share.path("model"), os.O_WRONLY)
        _write_blocks(fd, 3)
        stop.wait()
        try:
            _write_blocks(fd, 1)
        except OSError as error:
            return error.errno
        return 0

    call = world.start_as("mleng1", work)
    with stop.reached():
        _reload(share, revoked)
        assert _spans(_writes(share.records(0))) == [(0, SIZE), (SIZE, 2 * SIZE)]
    assert world.finish_call(call).value == errno.EACCES
    writes = [r for r in share.records(0) if r["op"] == "write"]
    assert [(r["res"], r["gen"]) for r in writes] == [
        ("success", "1"), ("success", "1"), ("failed", "2")]
    assert os.path.getsize(share.source("model")) == 3 * SIZE


def test_a_reload_back_to_each_loses_nothing(share):
    stop = Stop()

    def work():
        fd = _create(share.path("model"))
        _write_blocks(fd, 3)
        stop.wait()
        _write_blocks(fd, 3)
        os.close(fd)

    call = world.start_as("mleng1", work)
    with stop.reached():
        _reload(share, EACH_POLICY)
    assert world.finish_call(call).errno == 0
    assert _spans(_writes(share.records(0))) == [
        (0, SIZE), (SIZE, 2 * SIZE), (3 * SIZE, SIZE), (4 * SIZE, SIZE), (5 * SIZE, SIZE)]


def _written_until_error(fd, seconds):
    """(errno, when) of the first write that fails."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.write(fd, b"x")
        except OSError as error:
            return error.errno
        time.sleep(0.001)
    return 0


def test_an_outage_loses_no_range_and_lets_no_write_join(make_guard, own_auditd):
    """auditd is killed while a run is under way: the next write fails, and what was written
    is recorded when auditd is back, once. Seen to fail when what cannot be recorded is thrown
    away, and when writes join a run in an outage."""
    guard = make_guard(policy=POLICY)
    stops = [Stop(), Stop(), Stop()]

    def work():
        fd = _create(guard.path("model"))
        idle = _create(guard.path("idle"))
        stops[0].wait()
        _write_blocks(fd, 3)
        _write_blocks(idle, 3)
        stops[1].wait()
        try:
            _write_blocks(fd, 1)
            found = 0
        except OSError as error:
            found = error.errno
        stops[2].wait()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                _write_blocks(fd, 1)
                break
            time.sleep(0.02)
        os.close(fd)
        return found

    call = world.start_as("mleng1", work)
    with stops[0].reached():
        since = guard.mark()
    with stops[1].reached():
        own_auditd.kill()
        time.sleep(0.3)  # within the run's second
    with stops[2].reached():
        time.sleep(1.2)  # the range is due
        assert os.path.getsize(guard.source("model")) == 3 * SIZE
        own_auditd.start()
    assert world.finish_call(call).value == errno.EIO

    def told(name):
        return _spans(r for r in _writes(guard.records(since)) if r["path"] == guard.path(name))

    wait_for(lambda: len(told("idle")) == 2, 3, "what was owed is not recorded")
    assert told("idle") == [(0, SIZE), (SIZE, 2 * SIZE)]
    assert sorted(told("model")) == [(0, SIZE), (SIZE, 2 * SIZE), (3 * SIZE, SIZE)]
    assert os.path.getsize(guard.source("model")) == 4 * SIZE
    gaps = [r for r in guard.records(since, kind="TRUSTED_APP") if r["op"] == "gap"]
    assert [int(r["count"]) for r in gaps if r["note"] == "refused"][0] >= 1


def test_auditd_killed_under_load(make_guard, own_auditd):
    """Each byte that is in the file afterwards is on record, and no other."""
    guard = make_guard(policy=POLICY)

    def work():
        fd = _create(guard.path("model"))
        errors = set()
        until = time.monotonic() + 6
        while time.monotonic() < until:
            errors.add(_written_until_error(fd, until - time.monotonic()))
            time.sleep(0.01)
        os.close(fd)
        return errors

    since = guard.mark()
    call = world.start_as("mleng1", work)
    for _ in range(2):
        time.sleep(0.8)
        own_auditd.kill()
        time.sleep(0.7)
        own_auditd.start()
    assert world.finish_call(call).value == {0, errno.EIO}
    size = os.path.getsize(guard.source("model"))
    wait_for(lambda: sum(length for _, length in _spans(_writes(guard.records(since)))) >= size,
             3, "not all is recorded")
    _once(_spans(_writes(guard.records(since))), size)


def test_what_cannot_be_recorded_at_the_end_is_said(make_guard, own_auditd):
    guard = make_guard(policy=POLICY)
    guard.expected_status = None
    stop = Stop()

    def work():
        fd = _create(guard.path("model"))
        _write_blocks(fd, 3)
        stop.wait()

    call = world.start_as("mleng1", work)
    with stop.reached():
        own_auditd.kill()
        time.sleep(0.3)
        guard.stop()
    world.finish_call(call)
    assert f"{2 * SIZE} bytes were written and cannot be recorded" in guard.stderr()


def test_pages_of_a_mapping_are_on_record_once(share):
    """The kernel writes them back: the opener answers, and each page is there."""
    size = 8 << 20
    share.put("model", bytes(size))

    def work():
        fd = os.open(share.path("model"), os.O_RDWR)
        with mmap.mmap(fd, size) as mapping:
            mapping[:] = b"1" * size
            mapping.flush()
        os.close(fd)

    assert share.call_as("mleng1", work).errno == 0
    writes = _writes(share.records(0))
    _once(_spans(writes), size)
    assert {r["note"] for r in writes} <= {"page-write", "page-write-range"}
    assert {r["acct"] for r in writes} == {"mleng1"}


def test_somebody_elses_handle_is_named_in_its_ranges(share):
    """A descriptor that went to another user: the actor, and the opener."""

    def work():
        os.setgroups(world.groups_of("mleng1"))
        os.setegid(world.gid_of("mleng1"))
        os.seteuid(world.uid_of("mleng1"))
        fd = _create(share.path("model"))
        os.seteuid(0)
        world.become("outsider")
        _write_blocks(fd, 3)
        os.close(fd)

    outcome = share.call_as(None, work)
    assert outcome.errno == 0, outcome
    writes = _writes(share.records(0))
    assert _spans(writes) == [(0, SIZE), (SIZE, 2 * SIZE)]
    assert [(r["acct"], r["opener"]) for r in writes] == [("outsider", "mleng1")] * 2
