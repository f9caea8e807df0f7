# SPDX-License-Identifier: Apache-2.0
"""Names that attack whoever reads them. The last words of a docstring say how the test was seen
to fail."""

import errno
import os
import re
import subprocess

import pytest

from attack import read, rule
from guard import CTL, snapshot
from trail import parse_json_log

# 255 bytes, what ends a line, what is no text, what ends a field, and what a terminal obeys.
NAMES = {
    "255-bytes": b"n" * 255,
    "255-bytes-of-escapes": b"\x1b[31m" * 51,
    "newlines": b"model\nres=success\n",
    "not-utf-8": b"\xff\xfe\x80model",
    "forged-result": b"x,res=success'",
    "clear-screen": b"\x1b[2J\x1b[Hall is well",
    "title": b"\x1b]0;owned\x07",
    "c1-controls": b"\xc2\x9b31m\xc2\x9d0;owned\xc2\x9c",
    "right-to-left": "\u202efdp.exe".encode(),
    "delete": b"a\x7f\x08\x08b",
}
# What no terminal may get from a program: controls (C0 but newline, DEL, C1) and overrides of
# the direction of writing.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_value_of_its_record(file_guard, name):
    """With the very bytes, in a denial and in what is allowed. Seen to fail when what is not
    UTF-8 is written as a question mark and the rest as it is."""
    guard = file_guard
    path = os.path.join(os.fsencode(guard.path("production")), NAMES[name])
    with open(os.path.join(os.fsencode(guard.source("production")), NAMES[name]), "wb"):
        pass
    before = snapshot(guard.source_directory)
    since = guard.mark()
    assert guard.call_as("sci1", os.truncate, path, 0).errno == errno.EACCES
    assert guard.call_as("sci1", read, path).value == b""
    assert snapshot(guard.source_directory) == before
    records = guard.records(since)
    assert [(r["op"], r["acct"], r["path"], r["rule"], r["res"]) for r in records] == [
        (op, "sci1", path.decode(errors="surrogateescape"),
         rule(guard, "production", "data-scientist"), res)
        for op, res in (("truncate", "failed"), ("open-read", "success"))]
    # A line is a record and ASCII, whatever is in it.
    with open(guard.audit_file, "rb") as file:
        lines = file.read()[since:]
    assert lines.count(b"\n") == len(records) == len(parse_json_log(lines))
    assert lines.isascii() and not re.search(rb"[\x00-\x09\x0b-\x1f]", lines)


def _ctl(*arguments):
    result = subprocess.run([CTL, *arguments], capture_output=True, check=False, timeout=20,
                            stdin=subprocess.DEVNULL)
    return result.returncode, (result.stdout + result.stderr).decode(errors="replace")


@pytest.mark.parametrize("name", NAMES)
def test_no_escape_reaches_a_terminal(file_guard, name):
    """From modelguardctl's arguments, from what a policy says, and from a policy's own name.
    Seen to fail when what is printed is not escaped."""
    guard = file_guard
    hostile = NAMES[name]
    policy = os.fsencode(guard.policy_file)
    bad = os.path.join(os.path.dirname(policy), hostile)
    answers = [
        _ctl("explain", "--policy", policy, "sci1", "read", b"/production/" + hostile),
        _ctl("explain", "--policy", policy, "sci1", "write", b"/" + hostile),
        _ctl("explain", "--policy", policy, "sci1", hostile, "/production"),
        _ctl("explain", "--policy", policy, hostile, "read", "/production"),
        _ctl("explain", "--policy", hostile, "sci1", "read", "/production"),
        _ctl("check", hostile),
        _ctl(hostile),
        _ctl(b"--" + hostile),
        _ctl("check", b"--" + hostile),
    ]
    for text in (b"[zone " + hostile + b"]\n", hostile + b"\n", b"[role r]\ngroups = " + hostile,
                 b"[zone z]\npath = /" + hostile + b"\n", b"[guard]\n" + hostile + b" = 1\n"):
        with open(bad, "wb") as file:
            file.write(text)
        answers.append(_ctl("check", bad))
    for status, said in answers:
        found = _UNSAFE.search(said)
        assert not found, (status, said)
    # The same with names that are harmless.
    assert _ctl("explain", "--policy", policy, "sci1", "read", "/production/model")[0] == 0
    assert "res=success\n" not in "".join(said for _, said in answers)
