# SPDX-License-Identifier: Apache-2.0
"""Many processes at once: afterwards the tree is what they wrote."""

import errno
import hashlib
import os
import random
import time

import pytest

import world
from guard import OPEN_POLICY

PROCESSES = 16
SECONDS = 20


def _mixed_work(top, seed, seconds):
    """Random work in one directory, every answer compared with a model in memory."""
    chosen = random.Random(seed)
    model = {}  # name -> bytearray, or None for a directory
    os.mkdir(top)
    deadline = time.monotonic() + seconds
    steps = 0

    def files():
        return [name for name, content in model.items() if content is not None]

    while time.monotonic() < deadline:
        steps += 1
        kind = chosen.randrange(16)
        name = f"n{chosen.randrange(40)}"
        path = f"{top}/{name}"
        if kind < 3:
            data = chosen.randbytes(chosen.randrange(20000))
            if name in model and model[name] is None:
                try:
                    open(path, "wb")
                    raise RuntimeError("a directory was opened for writing")
                except IsADirectoryError:
                    continue
            with open(path, "wb") as file:
                file.write(data)
            model[name] = bytearray(data)
        elif kind == 3:
            try:
                os.mkdir(path)
                assert name not in model
                model[name] = None
            except FileExistsError:
                assert name in model
        elif kind == 4:
            try:
                os.rmdir(path)
                assert model.pop(name, 0) is None
            except (FileNotFoundError, NotADirectoryError):
                assert model.get(name, 0) is not None
        elif kind == 5:
            try:
                os.unlink(path)
                assert model.pop(name) is not None
            except (FileNotFoundError, IsADirectoryError):
                assert model.get(name) is None
        elif not files():
            continue
        else:
            name = chosen.choice(files())
            path = f"{top}/{name}"
            content = model[name]
            if kind == 6:
                data = chosen.randbytes(500)
                with open(path, "ab") as file:
                    file.write(data)
                content += data
            elif kind == 7:
                offset = chosen.randrange(len(content) + 5000)
                data = chosen.randbytes(3000)
                with open(path, "r+b", buffering=0) as file:
                    file.seek(offset)
                    file.write(data)
                    assert os.pread(file.fileno(), 3000, offset) == data
                if offset > len(content):
                    content += bytes(offset - len(content))
                content[offset:offset + len(data)] = data
            elif kind == 8:
                size = chosen.randrange(20000)
                os.truncate(path, size)
                del content[size:]
                content += bytes(size - len(content))
            elif kind == 9:
                target = f"n{chosen.randrange(40)}"
                try:
                    os.rename(path, f"{top}/{target}")
                    assert model.get(target, b"") is not None
                    model[target] = model.pop(name)
                except IsADirectoryError:
                    assert model[target] is None
            elif kind == 10:
                os.chmod(path, 0o755)
                os.utime(path, (1, 1))
                assert os.stat(path).st_mtime == 1
            elif kind == 11:
                assert set(os.listdir(top)) == set(model)
            elif kind == 12:
                fd = os.open(path, os.O_RDONLY)
                os.unlink(path)
                assert os.read(fd, 1 << 20) == content
                os.close(fd)
                del model[name]
            elif kind == 13:
                with open(path + ".link-source", "wb") as file:
                    file.write(content)
                os.rename(path + ".link-source", path)
            else:
                with open(path, "rb") as file:
                    assert file.read() == content, f"{name} is not what was written"
                assert os.stat(path).st_size == len(content)
    return steps, {name: None if content is None else hashlib.sha256(content).hexdigest()
                   for name, content in model.items()}


def _tree(top):
    found = {}
    for name in os.listdir(top):
        path = os.path.join(top, name)
        if os.path.isdir(path):
            found[name] = None
        else:
            with open(path, "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def test_sixteen_processes_write_what_they_wrote(make_guard):
    guard = make_guard(policy=OPEN_POLICY, audit="file")
    calls = [
        world.start_as(world.ENGINEERS[number % 2], _mixed_work, guard.path(f"p{number}"),
                       number, SECONDS)
        for number in range(PROCESSES)
    ]
    outcomes = [world.finish_call(call, SECONDS + 60) for call in calls]
    for number, outcome in enumerate(outcomes):
        assert outcome.errno == 0, f"process {number}: {outcome}"
        steps, model = outcome.value
        assert steps > 20
        assert _tree(guard.source(f"p{number}")) == model


def test_the_same_files_by_many(make_guard):
    """Processes that work on the same names: errors only of the kind that races make."""
    guard = make_guard(policy=OPEN_POLICY, audit="file")
    guard.put_directory("common")
    top = guard.path("common")
    expected = {errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY}

    def race(seed):
        chosen = random.Random(seed)
        deadline = time.monotonic() + 8
        steps = 0
        while time.monotonic() < deadline:
            steps += 1
            a, b = (f"{top}/{chosen.randrange(6)}" for _ in "ab")
            kind = chosen.randrange(9)
            try:
                if kind == 0:
                    with open(a, "wb") as file:
                        file.write(b"%06d" % chosen.randrange(10**6) * 1000)
                elif kind == 1:
                    with open(a, "rb") as file:
                        file.read()
                elif kind == 2:
                    os.rename(a, b)
                elif kind == 3:
                    os.unlink(a)
                elif kind == 4:
                    os.link(a, b)
                elif kind == 5:
                    os.listdir(top)
                elif kind == 6:
                    os.mkdir(a)
                elif kind == 7:
                    os.rmdir(a)
                else:
                    with open(a, "r+b", buffering=0) as file:
                        os.fstat(file.fileno())
                        file.write(b"x")
            except OSError as error:
                # link(2) of a directory is EPERM.
                if error.errno not in expected and (kind, error.errno) != (4, errno.EPERM):
                    raise
        return steps

    calls = [world.start_as(world.ENGINEERS[n % 2], race, n) for n in range(12)]
    for call in calls:
        outcome = world.finish_call(call)
        assert outcome.errno == 0, outcome
        assert outcome.value > 20
    # The mount and the source agree on what is left.
    left = guard.call_as("mleng1", os.listdir, top).value
    assert sorted(left) == sorted(os.listdir(guard.source("common")))


def test_opens_of_every_kind_at_once_never_fail(make_guard):
    """One file, opened by many in every mode at the same time: the io mode of the inode is
    chosen so that the kernel accepts it whichever answer it sees first."""
    guard = make_guard(policy=OPEN_POLICY, audit="file")
    path = guard.put("model")

    def opener(flags):
        deadline = time.monotonic() + 5
        errors = []
        opens = 0
        while time.monotonic() < deadline:
            try:
                os.close(os.open(path, flags))
                opens += 1
            except OSError as error:
                errors.append(error.errno)
        return opens, errors

    modes = [os.O_RDONLY, os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR]
    calls = [world.start_as("mleng1", opener, flags) for flags in modes]
    for flags, call in zip(modes, calls):
        opens, errors = world.finish_call(call).value
        assert opens > 20
        assert not errors, f"{len(errors)} of {opens} opens with flags {flags:#o} failed: " \
            f"{set(map(os.strerror, errors))}"


@pytest.mark.parametrize("pair", [(os.O_RDONLY, os.O_WRONLY), (os.O_RDONLY, os.O_RDWR),
                                  (os.O_WRONLY, os.O_RDWR)], ids=["r-w", "r-rw", "w-rw"])
def test_opens_of_two_kinds_at_once_never_fail(make_guard, pair):
    guard = make_guard(policy=OPEN_POLICY, audit="file")
    path = guard.put("model")

    def opener(flags):
        deadline = time.monotonic() + 3
        errors = []
        while time.monotonic() < deadline:
            try:
                os.close(os.open(path, flags))
            except OSError as error:
                errors.append(error.errno)
        return errors

    calls = [world.start_as("mleng1", opener, flags) for flags in pair * 2]
    found = [errno.errorcode[number] for call in calls
             for number in world.finish_call(call).value]
    assert not found, f"{len(found)} opens failed: {set(found)}"


def test_renames_of_directories_under_walkers(make_guard):
    """Parents move while others work below them: paths in records stay true, nothing is lost."""
    guard = make_guard(policy=OPEN_POLICY, audit="file")
    for name in ("a/deep/er", "b"):
        guard.put_directory(name)

    def mover():
        deadline = time.monotonic() + 5
        here, there = guard.path("a/deep"), guard.path("b/deep")
        moves = 0
        while time.monotonic() < deadline:
            os.rename(here, there)
            here, there = there, here
            moves += 1
        return moves

    def worker(number):
        made = 0
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for parent in ("a", "b"):
                try:
                    path = guard.path(parent, "deep/er", f"{number}-{made}")
                    with open(path, "wb") as file:
                        file.write(b"x")
                    made += 1
                except FileNotFoundError:
                    pass
        return made

    calls = [world.start_as("mleng1", worker, number) for number in range(4)]
    moved = guard.call_as("mleng2", mover)
    made = [world.finish_call(call) for call in calls]
    assert moved.errno == 0, moved
    assert moved.value > 10
    for outcome in made:
        assert outcome.errno == 0, outcome
    parent = "a" if os.path.exists(guard.source("a/deep")) else "b"
    names = os.listdir(guard.source(parent, "deep/er"))
    assert len(names) == sum(outcome.value for outcome in made)


def test_one_caller_that_waits_stops_nobody(make_guard):
    """Processes blocked in the share (a FIFO, a lock) take no worker from the others."""
    guard = make_guard(policy=OPEN_POLICY, audit="file")
    fifo = guard.path("fifo")
    assert guard.call_as("mleng1", os.mkfifo, fifo).errno == 0
    waiting = [world.start_as("mleng1", lambda: open(fifo, "rb").read()) for _ in range(30)]
    time.sleep(0.3)
    started = time.monotonic()
    for number in range(20):
        path = guard.path(f"f{number}")
        assert guard.call_as("mleng2", lambda p=path: open(p, "wb").write(b"x")).errno == 0
    assert time.monotonic() - started < 10

    def feed():
        with open(fifo, "wb"):
            time.sleep(0.3)

    assert guard.call_as("mleng2", feed).errno == 0
    for call in waiting:
        assert world.finish_call(call).errno == 0
