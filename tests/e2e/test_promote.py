# SPDX-License-Identifier: Apache-2.0
"""Promotion: a rename into a zone that says where its models come from. What passes stands beside
the neighbour that is refused, with what the refusal says."""

import contextlib
import ctypes
import errno
import mmap
import os
import re
import threading

import pytest

import syscalls
import world
from guard import CTL, DEFAULT_POLICY, snapshot

PRODUCTION = """\
[zone production]
path = /production
allow data-scientist = read
allow release-pipeline = promote
promote-from = /staging
"""

POLICY = DEFAULT_POLICY.replace("""\
[zone production]
path = /production
allow data-scientist = read
allow release-pipeline = read, create, write, delete
""", PRODUCTION)

PIPELINE = "ci-release"


@pytest.fixture
def share(make_guard):
    return make_guard(POLICY, audit="file")


@contextlib.contextmanager
def acting_as(user, function, *args):
    """Another process has called the function as the user, and keeps what it got meanwhile."""
    told, tell = os.pipe()
    wait, end = os.pipe()

    def act():
        os.close(end)
        kept = function(*args)
        os.write(tell, b"x")
        os.read(wait, 1)
        return kept is None

    pending = world.start_as(user, act)
    os.close(tell)
    os.close(wait)
    try:
        assert os.read(told, 1) == b"x"
        yield
    finally:
        os.close(end)
        os.close(told)
        world.finish_call(pending)


def put_model(guard, name="m", owner="mleng1"):
    """A tree in staging, its root's path in the share."""
    path = guard.put_directory(f"staging/{name}", owner)
    guard.put(f"staging/{name}/model.bin", b"weights " * 1000, owner)
    guard.put(f"staging/{name}/tokenizer/vocab.txt", b"a\nb\n", owner)
    guard.put_directory(f"staging/{name}/tokenizer", owner)
    os.symlink("tokenizer/vocab.txt", guard.source("staging", name, "vocab"))
    return path


def promote(guard, source, target, user=PIPELINE):
    return guard.call_as(user, os.rename, source, target)


def only(records, op="promote"):
    (record,) = [r for r in records if r["op"] == op]
    return record


def refusal(guard, source, target, user=PIPELINE):
    """The errno and the reason of a promotion that must be refused without any change."""
    before = snapshot(guard.source_directory)
    since = guard.mark()
    outcome = promote(guard, source, target, user)
    record = only(guard.records(since))
    assert snapshot(guard.source_directory) == before
    assert record["res"] == "failed" and record["errno"] == str(outcome.errno)
    assert (record["path"], record["name"]) == (source, target)
    return outcome.error_name, record["reason"]


def test_a_directory_tree_is_promoted_whole_with_one_record(share):
    source, target = put_model(share), share.path("production/m")
    files = snapshot(share.source("staging/m"))
    since = share.mark()
    assert promote(share, source, target).errno == 0
    (record,) = share.records(since)
    assert record["op"] == "promote" and record["res"] == "success"
    assert (record["path"], record["name"]) == (source, target)
    assert record["zone"] == "production" and record["grole"] == "release-pipeline"
    line = share.policy_line("allow release-pipeline = promote")
    assert record["rule"] == f"policy.ini:{line}"
    assert record["size"] == str(8000 + 4)
    assert not os.path.lexists(share.source("staging/m"))
    moved = snapshot(share.source("production/m"))
    assert [names[:5] for names in moved.values()] == [names[:5] for names in files.values()]


def test_a_single_file_is_promoted(share):
    source = share.put("staging/one", b"1234", "mleng1")
    since = share.mark()
    assert promote(share, source, share.path("production/one")).errno == 0
    assert only(share.records(since))["size"] == "4"


def test_mv_promotes(share):
    source, target = put_model(share), share.path("production/m")
    assert share.run_as(PIPELINE, "mv", source, target).returncode == 0
    assert os.path.isdir(share.source("production/m/tokenizer"))


@pytest.mark.parametrize("user", ["mleng1", "madmin"])
def test_only_who_holds_promote_promotes(share, user):
    error, reason = refusal(share, put_model(share), share.path("production/m"), user)
    assert error == "EACCES" and reason == "not granted"


@pytest.mark.parametrize("user", ["sci1", "root", "outsider"])
def test_who_may_not_even_look_does_not(share, user):
    outcome = promote(share, put_model(share), share.path("production/m"), user)
    assert outcome.errno == errno.EACCES and os.listdir(share.source("production")) == []


def test_create_is_not_promote(make_guard):
    share = make_guard(POLICY.replace("= promote\n", "= create, read\n").replace(
        "allow data-scientist = read\nallow release",
        "allow data-scientist = read\nallow model-admin = promote\nallow release"), audit="file")
    error, _ = refusal(share, put_model(share), share.path("production/m"))
    assert error == "EACCES"


def test_promote_is_not_create(share):
    before = snapshot(share.source_directory)
    inside = share.path("production/x")
    for act in (lambda: os.mkdir(inside), lambda: open(inside, "wb"),
                lambda: os.symlink("a", inside)):
        assert share.call_as(PIPELINE, act).errno == errno.EACCES
    assert snapshot(share.source_directory) == before


def test_it_takes_read_and_delete_at_the_source(make_guard):
    share = make_guard(POLICY.replace("allow release-pipeline = read, delete",
                                      "allow release-pipeline = read"), audit="file")
    assert refusal(share, put_model(share), share.path("production/m"))[0] == "EACCES"


@pytest.mark.parametrize("place", ["experiments", ""])
def test_from_elsewhere_it_is_no_promotion(share, place):
    path = share.put(os.path.join(place, "x"), owner="mleng1")
    assert promote(share, path, share.path("production/x"), PIPELINE).errno == errno.EACCES
    assert promote(share, path, share.path("production/x"), "mleng1").errno == errno.EACCES
    assert os.listdir(share.source("production")) == []


def test_the_staging_directory_itself_stays(share):
    put_model(share)
    outcome = promote(share, share.path("staging"), share.path("production/staging"))
    assert outcome.errno in (errno.EACCES, errno.EXDEV)
    assert os.listdir(share.source("staging")) == ["m"]


def test_a_name_that_is_taken_is_never_replaced(share):
    source = share.put("staging/m", b"new", "mleng1")
    share.put("production/m", b"old")
    error, reason = refusal(share, source, share.path("production/m"))
    assert error == "EEXIST" and "taken" in reason


def test_an_empty_directory_is_not_replaced_either(share):
    source = put_model(share)
    share.put_directory("production/m")
    assert refusal(share, source, share.path("production/m"))[0] == "EEXIST"


def test_an_exchange_is_no_promotion(share):
    source = share.put("staging/a", b"1", "mleng1")
    target = share.put("production/b", b"2")
    assert share.call_as(PIPELINE, syscalls.renameat2, source, target,
                         syscalls.RENAME_EXCHANGE).errno != 0
    with open(share.source("production/b"), "rb") as file:
        assert file.read() == b"2"


BAD_TREES = {
    "hard link": (lambda s: os.link(f"{s}/model.bin", f"{s}/../kept"), "model.bin", "further"),
    "absolute link": (lambda s: os.symlink("/etc/passwd", f"{s}/l"), "'l'", "leads"),
    "link that leads out": (lambda s: os.symlink("../../x", f"{s}/tokenizer/l"),
                            "tokenizer/l", "leads"),
    "link out and back": (lambda s: os.symlink("../m/model.bin", f"{s}/l"), "'l'", "leads"),
    "fifo": (lambda s: os.mkfifo(f"{s}/fifo"), "fifo", "neither"),
    "control characters": (lambda s: os.mkfifo(f"{s}/\x1b[31m"), "x1b[31m", "neither"),
}


@pytest.mark.parametrize("name", BAD_TREES)
def test_a_tree_that_is_not_whole_in_itself_is_refused(share, name):
    spoil, what, why = BAD_TREES[name]
    source = put_model(share)
    spoil(share.source("staging/m"))
    error, reason = refusal(share, source, share.path("production/m"))
    assert error == "EPERM" and what in reason and why in reason


def test_a_link_inside_the_tree_that_goes_up_is_fine(share):
    source = put_model(share)
    os.symlink("../model.bin", share.source("staging/m/tokenizer/weights"))
    assert promote(share, source, share.path("production/m")).errno == 0


def test_nothing_is_promoted_while_someone_holds_it_open_for_writing(share):
    source, target = put_model(share), share.path("production/m")
    with acting_as("mleng1", os.open, f"{source}/tokenizer/vocab.txt", os.O_WRONLY):
        error, reason = refusal(share, source, target)
        assert error == "EBUSY" and "'tokenizer/vocab.txt'" in reason and "mleng1" in reason
    with acting_as("mleng1", os.open, f"{source}/model.bin", os.O_RDONLY):
        assert promote(share, source, target).errno == 0


def _map(path):
    """mmap(2) itself: Python's keeps a descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    fd = os.open(path, os.O_RDWR)
    address = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_WRITE,
                        mmap.MAP_SHARED, fd, ctypes.c_long(0))
    assert address != ctypes.c_void_p(-1).value
    os.close(fd)
    return address


@pytest.mark.parametrize("reader_first", [False, True])
def test_nor_while_it_is_mapped_for_writing(share, reader_first):
    """With a reader the kernel stores past us, and the mapping outlives the handle."""
    source, target = put_model(share), share.path("production/m")

    def map_it():
        reader = os.open(f"{source}/model.bin", os.O_RDONLY) if reader_first else -1
        mapping = _map(f"{source}/model.bin")
        if reader >= 0:
            os.close(reader)
        return mapping

    with acting_as("mleng1", map_it):
        error, reason = refusal(share, source, target)
        assert error == "EBUSY" and "model.bin" in reason
    assert promote(share, source, target).errno == 0


def test_what_was_staged_is_decided_in_production_afterwards(share):
    """Names and open files that are known already: nothing is decided where they were."""
    source, target = put_model(share), share.path("production/m")
    reader = os.open(f"{share.source('staging/m')}/model.bin", os.O_RDONLY)

    def look():
        os.listdir(f"{source}/tokenizer")
        os.stat(f"{source}/tokenizer/vocab.txt")
        return os.open(f"{source}/tokenizer", os.O_RDONLY)

    with acting_as("mleng1", look):
        assert promote(share, source, target).errno == 0
        since = share.mark()
        for act, args in ((os.open, (f"{target}/model.bin", os.O_WRONLY)),
                          (os.truncate, (f"{target}/tokenizer/vocab.txt", 0)),
                          (os.unlink, (f"{target}/tokenizer/vocab.txt",)),
                          (os.rename, (f"{target}/model.bin", f"{source}.bin"))):
            outcome = share.call_as("mleng1", act, *args)
            assert outcome.errno == errno.EACCES, act
        assert {r["zone"] for r in share.records(since)} == {"production"}
    assert share.call_as("sci1", os.listdir, target).value
    os.close(reader)


def test_two_promotions_to_one_name(share):
    for number in range(20):
        names = [put_model(share, f"{side}{number}") for side in "ab"]
        target = share.path("production", f"m{number}")
        results = []

        def one(name):
            results.append(promote(share, name, target).error_name)

        threads = [threading.Thread(target=one, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["EEXIST", "success"]


def test_too_large_a_tree_is_refused_in_bounded_time(share):
    source = put_model(share)
    for number in range(20100):
        os.mknod(share.source("staging/m", f"f{number}"))
    since = share.mark()
    outcome = promote(share, source, share.path("production/m"))
    assert outcome.errno == errno.E2BIG
    assert "20000" in only(share.records(since))["reason"]


def test_a_directory_across_other_zones_still_has_to_be_copied(share):
    share.put_directory("staging/d", "mleng1")
    outcome = share.call_as("mleng1", os.rename, share.path("staging/d"), share.path("d"))
    assert outcome.errno == errno.EXDEV


def test_the_lineage_follows_a_promotion(share):
    """modelguardctl history of the new path begins with the old one."""
    source, target = put_model(share), share.path("production/m")
    assert share.call_as("mleng1", os.truncate, f"{source}/model.bin", 5).errno == 0
    assert promote(share, source, target).errno == 0
    result = world.run_as("root", CTL, "history", "--input", share.audit_file,
                          f"{target}/model.bin")
    assert re.search(r"truncate.*mleng1|mleng1.*truncate", result.stdout, re.DOTALL)
    assert "promote" in result.stdout
