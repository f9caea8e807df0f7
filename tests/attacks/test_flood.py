# SPDX-License-Identifier: Apache-2.0
"""One denied process in a loop: few records, and every denial in them. The last words of a
docstring say how the test was seen to fail."""

import errno
import os
import subprocess
import time

import pytest

import world
from attack import reload_policy, rule
from auditd import wait_for
from guard import DEFAULT_POLICY, snapshot
from trail import brief_all

SINGLY = 10  # identical denials within a second that get a record each


def _flood(path, number=0, until=None):
    """Denied again and again. Returns what came of it, and how often."""
    found = {}
    while number > 0 or (until and not os.path.exists(until)):
        number -= 1
        try:
            os.truncate(path, 0)
        except OSError as error:
            found[error.errno] = found.get(error.errno, 0) + 1
    return found


def _total(records):
    return sum(int(r.get("count", 1)) for r in records)


@pytest.fixture
def share(file_guard):
    """The default share with one model in production."""
    file_guard.put("production/model")
    return file_guard


def _settled(guard, since, number):
    wait_for(lambda: _total(guard.failures(since)) >= number, 5, "not all denials are recorded")
    return guard.failures(since)


def test_a_flood_of_denials_is_counted(share):
    """The first ones are recorded singly, the others once a second with their number, and all
    of them as what they were. Seen to fail when nothing is counted, and when all of one
    operation is taken for identical."""
    path = share.path("production/model")
    before = snapshot(share.source_directory)
    since = share.mark()
    began = time.time()
    outcome = share.call_as("sci1", _flood, path, 20_000)
    seconds = time.time() - began
    assert outcome.value == {errno.EACCES: 20_000}
    records = _settled(share, since, 20_000)
    assert snapshot(share.source_directory) == before
    assert _total(records) == 20_000
    assert len(records) <= SINGLY + seconds + 2, brief_all(records)
    line = rule(share, "production", "data-scientist")
    assert {(r["op"], r["acct"], r["path"], r["rule"], r["errno"], r["spid"]) for r in records} == {
        ("truncate", "sci1", path, line, "13", str(outcome.pid))}
    assert ["count" in r for r in records] == [False] * SINGLY + [True] * (len(records) - SINGLY)
    assert {r["note"] for r in records[SINGLY:]} == {"repeated"}
    assert len({r["seqno"] for r in records}) == len(records)
    assert all(r["since"] <= r["until"] for r in records[SINGLY:])
    # Others, and the same one later, are recorded as ever.
    since = share.mark()
    assert share.call_as("sci2", _flood, path, SINGLY).value == {errno.EACCES: SINGLY}
    records = share.failures(since)
    assert [(r["acct"], r.get("count")) for r in records] == [("sci2", None)] * SINGLY


def test_denials_that_differ_are_not_counted_as_one(share):
    """By path, by operation, by size: each has its own record, also where there are more kinds
    than are kept in mind. Seen to fail when all of one operation is taken for identical, and
    when a full table drops."""
    def many():
        for number in range(400):
            for size in (0, 1):
                try:
                    os.truncate(share.path(f"production/model-{number}"), size)
                except PermissionError:
                    pass

    for number in range(400):
        share.put(f"production/model-{number}")
    since = share.mark()
    assert share.call_as("sci1", many).errno == 0
    records = share.failures(since)
    assert len({(r["path"], r["size"]) for r in records}) == len(records) == 800
    # A table that is full drops nothing.
    outcome = share.call_as("sci1", _flood, share.path("production/model"), 500)
    assert outcome.errno == 0
    assert _total(_settled(share, since, 1300)) == 1300


@pytest.mark.parametrize("end", ["umount", "signal"])
def test_what_is_counted_is_recorded_before_the_end(share, end):
    """At an unmount and at SIGTERM, in front of the record of the end. Seen to fail when
    nothing is settled at the end."""
    since = share.mark()
    outcome = share.call_as("sci1", _flood, share.path("production/model"), 3000)
    if end == "umount":
        subprocess.run(["umount", share.mountpoint], check=True)
        assert share.wait() == 0
    else:
        assert share.stop() == 0
    assert outcome.value == {errno.EACCES: 3000}
    assert _total(share.failures(since)) == 3000
    assert share.records(since, kind=None)[-1]["op"] == "end"


def test_a_reload_loses_no_count(share):
    """Under each policy the denials are that policy's. Seen to fail when denials under two
    policies are taken for identical."""
    stop = os.path.join(share.directory, "stop")
    since = share.mark()
    call = world.start_as("sci1", _flood, share.path("production/model"), 0, stop)
    for number in range(4):
        time.sleep(0.3)
        reload_policy(share, DEFAULT_POLICY + f"; {number}\n")
    with open(stop, "wb"):
        pass
    outcome = world.finish_call(call)
    assert outcome.errno == 0
    records = _settled(share, since, sum(outcome.value.values()))
    assert _total(records) == outcome.value[errno.EACCES]
    assert {r["gen"] for r in records} == {"1", "2", "3", "4", "5"}


@pytest.mark.parametrize("failure", ["deny", "allow"])
def test_an_outage_loses_no_count(make_guard, own_auditd, failure):
    """auditd ends while one process floods: what the caller was told, and what the records and
    the account of the gap say, is the same number. Seen to fail when a count that cannot be
    recorded is not kept."""
    guard = make_guard(policy=DEFAULT_POLICY.replace("audit-failure = deny",
                                                     f"audit-failure = {failure}"))
    guard.put("production/model")
    stop = os.path.join(guard.directory, "stop")
    since = guard.mark()
    call = world.start_as("sci1", _flood, guard.path("production/model"), 0, stop)
    time.sleep(0.6)
    own_auditd.stop()
    time.sleep(0.7)
    own_auditd.start()
    time.sleep(1.5)
    with open(stop, "wb"):
        pass
    outcome = world.finish_call(call)
    told = outcome.value
    assert guard.stop() == 0
    records = guard.records(since, kind=None)
    # A copy that was sent again has the number of the first.
    refused = {r["seqno"] for r in records if r.get("refused") == "yes"}
    denials = {r["seqno"]: r for r in records
               if r["res"] == "failed" and r["type"] == "DAC_CHECK" and r["seqno"] not in refused}
    gaps = [r for r in records if r["op"] == "gap"]
    in_gaps = sum(int(r["count"]) for r in gaps)
    assert in_gaps > 0 and any("count" in r for r in denials.values())
    if failure == "deny":
        assert told[errno.EIO] == in_gaps
    assert _total(denials.values()) + in_gaps == sum(told.values())
