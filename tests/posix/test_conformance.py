# SPDX-License-Identifier: Apache-2.0
"""With `modes = owner` and everything granted the share answers as the bare directory does: the
rows of tables.py are run on both and compared."""

import functools
import os
import re
import subprocess

import pytest

import guard as guards
import tables

ROWS = os.path.join(guards.BUILD, "tests", "posix-rows")

# Which rows may answer otherwise, and why. A line that no row needs is an error, too.
SPECIAL_FILES = ("the kernel opens FIFOs and sockets of a FUSE mount itself and asks nobody: "
                 "modelguard(8)")
DIFFERENCES = {
    r"fifo/[^r]/./open-(r|w|rw)": SPECIAL_FILES,
    r"socket/[^r]/./(connect|open-r)": SPECIAL_FILES,
    r"open/socket/.*/x": SPECIAL_FILES,
    r"file/[^or]/./open-noatime":
        "both deny; the kernel of a FUSE mount looks at O_NOATIME (EPERM) before it asks who may "
        "read (EACCES)",
    r"[fl]?chown/(file|fifo|socket)/.*/-1\.-1/(6777|2745)":
        "of a chown(2) that changes neither id FUSE sends nothing, so set-id bits stay",
    r"times/chown-none": "the same: no status change",
    r"exec/[^r]/[13]/program":
        "what may be executed has to be readable, too: the process could be traced and read",
    r"space/(collapse|insert)/(blocks|odd|beyond)": "FUSE has neither: EOPNOTSUPP",
    r"device/./r": "devices are never made in the share: modelguard(8)",
}


def run_rows(directory, rows):
    """The results of rows, by name."""
    result = subprocess.run([ROWS, directory], input=tables.script(rows), capture_output=True,
                            text=True, timeout=140, check=False, encoding="utf-8",
                            errors="surrogateescape")
    assert result.returncode == 0, result.stderr
    answers = dict(line.split(" ", 1) for line in result.stdout.splitlines() if line)
    assert list(answers) == [name for name, _ in rows]
    return answers


def reason_of(name):
    reasons = [pattern for pattern in DIFFERENCES if re.fullmatch(pattern, name)]
    assert len(reasons) <= 1, f"{name}: {reasons}"
    return reasons[0] if reasons else None


def compare(rows, bare, shared):
    """The rows that differ without a reason, as text; and the reasons that were needed."""
    unexplained, needed = [], set()
    for name, steps in rows:
        if bare[name] == shared[name]:
            continue
        reason = reason_of(name)
        needed.add(reason)
        if reason is None:
            unexplained.append(f"{name}: {'; '.join(steps)}\n  bare:  {bare[name]}\n"
                               f"  share: {shared[name]}")
    return unexplained, needed - {None}


@pytest.fixture(scope="module")
def bare(owned_guard):
    """A directory of the same file system, without the guard."""
    path = os.path.join(owned_guard.directory, "bare")
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


@functools.cache
def answers_of(bare, table):
    return run_rows(bare, tables.rows(table))


def check(table, bare, directory):
    rows = tables.rows(table)
    unexplained, needed = compare(rows, answers_of(bare, table), run_rows(directory, rows))
    assert not unexplained, f"{len(unexplained)} rows differ:\n" + "\n".join(unexplained[:10])
    expected = {reason_of(name) for name, _ in rows} - {None}
    assert needed == expected, f"no row differs any more: {expected - needed}"


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.__name__)
def test_the_share_answers_as_the_bare_directory(owned_guard, bare, table):
    check(table, bare, owned_guard.path("experiments"))


def test_the_tables_are_not_empty():
    names = [name for table in tables.TABLES for name, _ in tables.rows(table)]
    assert len(names) == len(set(names)) > 5000
    for pattern in DIFFERENCES:
        assert any(re.fullmatch(pattern, name) for name in names), pattern


def test_the_tables_tell_different_results_apart(bare):
    """Else they could not fail: on the bare directory the same operation comes out both ways."""
    answers = answers_of(bare, tables.directory_permissions)
    for name, operation in tables.IN_DIRECTORY.items():
        results = {answers[row] for row in answers if row.endswith("/" + name)}
        assert len(results) > 4, f"{operation}: {results}"


def test_a_source_on_tmpfs_answers_so(make_guard):
    guard = make_guard(policy=guards.OWNER_POLICY, audit="file", tmpfs=True)
    os.chmod(guard.source("experiments"), 0o777)
    os.mkdir(guard.source("bare"))
    os.chmod(guard.source("bare"), 0o777)
    for table in (tables.search_paths, tables.acl_changes, tables.suid_clearing):
        check(table, guard.source("bare"), guard.path("experiments"))


def test_a_share_over_its_source_answers_so_from_its_root(make_guard, bare):
    """SOURCE = MOUNTPOINT and the zone /: the modes of the root count as well."""
    policy = guards.OWNER_POLICY[guards.OWNER_POLICY.index("[zone owned]"):]
    guard = make_guard(policy=policy.replace("/experiments", "/"), audit="file",
                       over_source=True, start=False)
    os.chmod(guard.source(), 0o777)
    guard.start()
    check(tables.search_paths, bare, guard.path())
