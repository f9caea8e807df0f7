# SPDX-License-Identifier: Apache-2.0
"""modelguardctl: `check` refuses what the guard refuses, `explain` says what the mount does."""

import errno
import glob
import json
import os
import subprocess

import pytest

import reference
from guard import CTL, DEFAULT_POLICY

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


def ctl(*arguments):
    return subprocess.run([CTL, *arguments], capture_output=True, text=True, errors="replace",
                          check=False, timeout=30, stdin=subprocess.DEVNULL)


def _open(path, flags):
    os.close(os.open(path, flags, 0o644))


# VERB: how to do it, at a path of the share.
ACTS = {
    "read": lambda path: _open(path, os.O_RDONLY),
    "write": lambda path: _open(path, os.O_WRONLY),
    "create": lambda path: _open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "delete": os.unlink,
    "admin": lambda path: os.setxattr(path, "user.x", b"1"),
    "list": os.stat,
    # Operations, as records name them.
    "open-read-write": lambda path: _open(path, os.O_RDWR),
    "truncate": lambda path: os.truncate(path, 0),
    "mkdir": lambda path: os.mkdir(path + ".d"),
    "symlink": lambda path: os.symlink("x", path + ".l"),
    "chmod": lambda path: os.chmod(path, 0o755),
    "utimes": lambda path: os.utime(path, (1, 1)),
    "touch": os.utime,
}


@pytest.mark.parametrize("user", ("sci1", "mleng1", "madmin", "ci-release", "outsider", "both",
                                  "primary"))
@pytest.mark.parametrize("place", ("/", "/experiments", "/production", "/staging"))
def test_explain_says_what_the_mount_does(module_guard, user, place):
    guard = module_guard
    for number, word in enumerate(ACTS):
        for owner in (user, "mleng2"):
            name = f"{place}/explain-{number}-{user}-{owner}".replace("//", "/")
            path = guard.put(name.strip("/"), owner=owner)
            since = guard.mark()
            done = guard.call_as(user, ACTS[word], path)
            assert done.errno in (0, errno.EACCES, errno.EPERM)
            said = ctl("explain", "--json", "--policy", guard.policy_file, "--owner", owner, user,
                       word, name)
            assert said.returncode in (OK, NO), said.stderr
            answer = json.loads(said.stdout)
            what = (user, word, name, owner, said.stdout)
            assert answer["allowed"] == (said.returncode == OK), what
            assert answer["allowed"] == (done.errno == 0), what
            assert answer["zone"]["name"] == reference.zone_of(name).name, what
            records = guard.records(since)
            if records and records[-1]["op"] != "lookup":
                # The same line, in the same file.
                line = int(records[-1]["rule"].rpartition(":")[2])
                assert line == answer["rule"]["line"], (what, records[-1]["text"])


def test_explain_in_words_names_the_line_and_the_way_out(module_guard):
    said = ctl("explain", "--policy", module_guard.policy_file, "sci1", "write", "/production/m")
    assert said.returncode == NO
    assert "denied" in said.stdout.lower()
    assert "production" in said.stdout
    assert "release-pipeline" in said.stdout, "what would be needed"
    line = module_guard.policy_line("[zone production]")
    assert f"{module_guard.policy_file}:{line}" in said.stdout or f"policy.ini:{line}" \
        in said.stdout
    said = ctl("explain", "--policy", module_guard.policy_file, "mleng1", "write", "/model")
    assert said.returncode == OK
    line = module_guard.policy_line("allow ml-engineer = read, create, write, delete")
    assert f"policy.ini:{line}" in said.stdout
    assert "ml-engineers" in said.stdout, "how the role came to the user"


def test_explain_knows_no_such_user(module_guard):
    said = ctl("explain", "--policy", module_guard.policy_file, "nobody-such", "read", "/x")
    assert said.returncode == NO_USER
    assert "nobody-such" in said.stderr and said.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [["sci1", "frobnicate", "/x"], ["sci1", "read"], ["sci1", "read", "relative"],
     ["sci1", "read", "/a/../b"], ["--frobnicate", "sci1", "read", "/x"]],
)
def test_a_wrong_question_is_a_usage_error(module_guard, arguments):
    said = ctl("explain", "--policy", module_guard.policy_file, *arguments)
    assert said.returncode == USAGE
    assert said.stdout == "" and said.stderr


def test_a_bad_policy_answers_nothing(module_guard, scratch):
    bad = os.path.join(scratch, "bad-policy.ini")
    with open(bad, "w", encoding="ascii") as file:
        file.write("[zone x]\npath = relative\n")
    said = ctl("explain", "--policy", bad, "sci1", "read", "/x")
    assert said.returncode == POLICY and f"{bad}:" in said.stderr
    os.unlink(bad)


def test_a_word_with_escapes_does_not_reach_the_terminal(module_guard):
    for word in ("\x1b[31mred", "bell\x07"):
        said = ctl("explain", "--policy", module_guard.policy_file, "sci1", word, "/x")
        assert "\x1b" not in said.stderr and "\x07" not in said.stderr
        said = ctl("explain", "--policy", module_guard.policy_file, "sci1", "read", "/" + word)
        assert "\x1b" not in said.stdout + said.stderr
        assert "\x07" not in said.stdout + said.stderr


def test_check_accepts_what_mounts(module_guard):
    said = ctl("check", module_guard.policy_file)
    assert said.returncode == OK and "sound" in said.stdout and said.stderr == ""


def test_check_reports_every_error_with_its_line(scratch):
    name = os.path.join(scratch, "errors.ini")
    text = DEFAULT_POLICY + "[zone x]\npath = relative\nallow nobody-such = read\n" \
        "[role y]\ngroups = no-such-group\nfrobnicate = yes\n"
    with open(name, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(name, 0o644)
    said = ctl("check", name)
    assert said.returncode == NO
    first = DEFAULT_POLICY.count("\n") + 1
    for line in (first + 1, first + 2, first + 4, first + 5):
        assert f"{name}:{line}: " in said.stderr
    document = json.loads(ctl("check", "--json", name).stdout)
    assert not document["sound"]
    assert {first + 1, first + 2, first + 4, first + 5} <= {
        complaint["line"] for complaint in document["complaints"]}
    os.unlink(name)


def test_check_of_a_file_that_is_not_there():
    said = ctl("check", "/nonexistent/policy.ini")
    assert said.returncode in (NO, FAILED)
    assert "/nonexistent/policy.ini" in said.stderr


def test_each_bad_policy_is_refused_by_check_with_its_message(scratch):
    """The corpus: what `check` says is the message beside each file, and the guard agrees."""
    files = sorted(glob.glob(os.path.join(ROOT, "tests", "bad-policies", "*.ini")))
    assert len(files) >= 40
    for file in files:
        name = os.path.join(scratch, os.path.basename(file))
        with open(file, "rb") as source, open(name, "wb") as copy:
            copy.write(source.read())
        os.chmod(name, 0o644)
        said = ctl("check", name)
        assert said.returncode in (NO, FAILED), f"{file}: {said.stdout}"
        assert said.stderr.startswith(f"{name}:") or name in said.stderr, file
        os.unlink(name)


def test_help_lists_the_verbs():
    said = ctl("--help")
    assert said.returncode == OK
    for verb in ("check", "explain"):
        assert f"\n  {verb} " in said.stdout
        assert ctl(verb, "--help").returncode == OK
    assert ctl().returncode == USAGE
    unknown = ctl("frobnicate")
    assert unknown.returncode == USAGE and "frobnicate" in unknown.stderr


def test_an_answer_that_gets_lost_is_an_error(module_guard):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([CTL, "check", module_guard.policy_file], stdout=full,
                                stderr=subprocess.PIPE, check=False)
    assert result.returncode == FAILED
