# SPDX-License-Identifier: Apache-2.0
"""modelguardctl explain: decisions of the past from their records, running processes as they are,
and what would be needed."""

import contextlib
import errno
import grp
import json
import os
import pwd
import re
import subprocess
import sys
import time

import pytest

import world
from guard import CTL, DEFAULT_POLICY

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)


def ctl(*arguments):
    return subprocess.run([CTL, *map(str, arguments)], capture_output=True, text=True,
                          errors="replace", check=False, timeout=60, stdin=subprocess.DEVNULL)


def answer(*arguments):
    said = ctl("explain", "--json", *arguments)
    assert said.returncode in (OK, NO), said.stderr
    document = json.loads(said.stdout)
    assert document["allowed"] == (said.returncode == OK)
    return document


def _open(path, flags):
    os.close(os.open(path, flags, 0o644))


# Records

@pytest.fixture(name="share")
def _share(module_file_guard):
    return module_file_guard


def seqno_of(guard, since, op):
    found = [record for record in guard.records(since) if record["op"] == op]
    assert found, guard.records(since)
    return int(found[-1]["seqno"])


def of_record(guard, seqno, *more):
    return answer("--record", seqno, "--input", guard.audit_file, *more)


def test_a_denial_on_record_is_explained(share):
    path = share.put("production/m")
    since = share.mark()
    assert share.call_as("sci1", _open, path, os.O_WRONLY).errno == errno.EACCES
    seqno = seqno_of(share, since, "open-write")
    document = of_record(share, seqno)
    assert not document["allowed"] and document["guard"] == share.mountpoint
    assert document["record"]["acct"] == "sci1" and document["record"]["path"] == path
    assert document["policy"]["changed"] is False
    now = document["now"]
    assert not now["allowed"] and now["path"] == "/production/m"
    assert now["rule"]["line"] == share.policy_line("[zone production]") + 2
    (needed,) = now["needed"]
    assert needed["role"] == "release-pipeline" and needed["users"] == ["ci-release"]
    assert needed["line"] == share.policy_line("[role release-pipeline]")
    assert needed["rule"]["line"] == share.policy_line("[zone production]") + 3

    said = ctl("explain", "--record", seqno, "--input", share.audit_file)
    assert said.returncode == NO
    for words in ("DENIED  sci1: open-write", f"uid {world.uid_of('sci1')}", "unchanged since",
                  "data-scientist", "allow data-scientist = read", "not granted", "Now",
                  "release-pipeline", f"policy.ini:{needed['rule']['line']}"):
        assert words in said.stdout, said.stdout


def test_what_was_allowed_is_explained_as_well(share):
    path = share.put("m")
    since = share.mark()
    assert share.call_as("mleng1", _open, path, os.O_WRONLY).errno == 0
    document = of_record(share, seqno_of(share, since, "open-write"))
    assert document["allowed"] and document["now"]["allowed"]
    assert document["now"]["role"]["name"] == "ml-engineer"


def test_under_the_same_policy_every_record_is_decided_as_it_was(share):
    """Also renames, which are decided at two names, and what only the owner may do."""
    share.put_directory("staging/d")
    acts = [
        ("mleng1", lambda: os.rename(share.path("staging/a"), share.path("staging/b"))),
        ("mleng1", lambda: os.rename(share.path("staging/b"), share.path("staging/c"))),
        ("mleng1", lambda: os.rename(share.path("staging/c"), share.path("moved"))),
        ("mleng1", lambda: os.rename(share.path("moved"), share.path("production/moved"))),
        ("sci1", lambda: os.rename(share.path("staging/c"), share.path("staging/x"))),
        ("mleng1", lambda: os.link(share.path("staging/over"), share.path("staging/linked"))),
        ("sci1", lambda: _open(share.path("experiments/own"), os.O_WRONLY)),
        ("sci2", lambda: _open(share.path("experiments/own"), os.O_WRONLY)),
        ("sci1", lambda: os.chmod(share.path("experiments/own"), 0o755)),
        ("sci1", lambda: os.unlink(share.path("experiments/own"))),
        ("mleng1", lambda: _open(share.path("staging/new"), os.O_WRONLY | os.O_CREAT)),
        ("mleng1", lambda: os.rename(share.path("staging/new"), share.path("staging/over"))),
        ("mleng1", lambda: os.mkdir(share.path("staging/e"))),
        ("mleng1", lambda: os.rename(share.path("staging/e"), share.path("staging/d"))),
        ("mleng1", lambda: os.rename(share.path("staging/d"), share.path("d"))),
        ("mleng1", lambda: os.link(share.path("staging/over"), share.path("linked"))),
        ("mleng1", lambda: os.symlink("x", share.path("staging/l"))),
        ("sci1", lambda: os.truncate(share.path("staging/over"), 0)),
        ("outsider", lambda: os.listdir(share.path())),
        ("madmin", lambda: os.setxattr(share.path("staging/over"), "user.x", b"1")),
    ]
    share.put("staging/a")
    share.put("staging/over")
    share.put("experiments/own", owner="sci1")
    since = share.mark()
    for user, act in acts:
        share.call_as(user, act)
    records = [record for record in share.records(since)
               if not str(record.get("note", "")).startswith("effect")]
    assert len(records) >= len(acts)
    refused = 0
    for record in records:
        document = of_record(share, record["seqno"])
        success = record["res"] == "success"
        what = (record, document)
        assert document["allowed"] == success, what
        assert document["refused_otherwise"] == (record.get("errno") == str(errno.EXDEV)), what
        assert document["now"]["allowed"] == (success or document["refused_otherwise"]), what
        refused += document["refused_otherwise"]
        line = int(record["rule"].rpartition(":")[2])
        assert document["now"]["rule"]["line"] == line, what
    assert refused == 2


PROMOTING = DEFAULT_POLICY + """\
[zone release]
path = /release
promote-from = /staging
allow model-admin = promote
allow everyone = list
"""


def test_a_promotion_is_asked_about_where_it_was_decided(make_guard):
    guard = make_guard(audit="file", policy=PROMOTING)
    guard.put_directory("release")
    for user, error in (("mleng1", errno.EACCES), ("madmin", 0)):
        guard.put("staging/m")
        since = guard.mark()
        done = guard.call_as(user, os.rename, guard.path("staging/m"), guard.path("release/m"))
        assert done.errno == error
        document = of_record(guard, seqno_of(guard, since, "promote"))
        assert document["allowed"] == document["now"]["allowed"] == (error == 0), document
        assert document["now"]["zone"]["name"] == "release"
        if error:
            assert [role["role"] for role in document["now"]["needed"]] == ["model-admin"]


def test_a_policy_that_has_changed_is_said_to(make_guard):
    guard = make_guard(audit="file")
    path = guard.put("production/m")
    since = guard.mark()
    guard.call_as("sci1", _open, path, os.O_WRONLY)
    seqno = seqno_of(guard, since, "open-write")
    old = of_record(guard, seqno)["policy"]["sha256_then"]
    guard.write_policy("# longer\n" + DEFAULT_POLICY.replace(
        "allow release-pipeline = read, create, write, delete",
        "allow release-pipeline = read, create, write, delete\nallow data-scientist = write", 1
    ).replace("path = /production\nallow data-scientist = read\n", "path = /production\n"))
    document = of_record(guard, seqno)
    assert document["policy"]["changed"] is True
    assert document["policy"]["sha256_then"] == old != document["policy"]["sha256_now"]
    assert not document["allowed"] and document["now"]["allowed"]
    said = ctl("explain", "--record", seqno, "--input", guard.audit_file)
    assert said.returncode == NO, "it was denied, whatever would be now"
    assert "has changed since" in said.stdout and f"sha256 {old[:12]}" in said.stdout
    assert "allow data-scientist = read" not in said.stdout, "a line of another policy"


def test_of_several_records_of_a_number_it_is_the_latest(make_guard):
    guard = make_guard(audit="file")
    path = guard.put("m")
    seqnos = []
    for user in ("sci1", "sci2"):
        since = guard.mark()
        assert guard.call_as(user, _open, path, os.O_RDONLY).errno == 0
        seqnos.append(seqno_of(guard, since, "open-read"))
        if user == "sci1":
            until = f"@{int(time.time()) + 1}"
            time.sleep(2.1)
        guard.restart()
    assert seqnos[0] == seqnos[1], "each start numbers from 1"
    document = of_record(guard, seqnos[0])
    assert document["record"]["acct"] == "sci2" and document["older"] == 1
    document = of_record(guard, seqnos[0], "--until", until)
    assert document["record"]["acct"] == "sci1" and document["older"] == 0
    said = ctl("explain", "--record", seqnos[0], "--input", guard.audit_file)
    assert "1 older: see --since" in said.stdout
    document = of_record(guard, seqnos[0], "--mount", guard.mountpoint)
    assert document["now"]["path"] == "/m"
    said = ctl("explain", "--record", seqnos[0], "--input", guard.audit_file, "--mount",
               guard.mountpoint + "2")
    assert said.returncode == FAILED and "--mount" in said.stderr


def test_auditd_s_own_log_is_read(guard):
    path = guard.put("production/m")
    since = guard.mark()
    guard.call_as("sci1", _open, path, os.O_WRONLY)
    seqno = seqno_of(guard, since, "open-write")
    document = answer("--record", seqno, "--input", guard.auditd.log, "--mount", guard.mountpoint)
    assert document["record"]["acct"] == "sci1" and document["policy"]["changed"] is False
    assert [role["role"] for role in document["now"]["needed"]] == ["release-pipeline"]


def test_a_start_that_is_not_in_the_trail_any_more(share, tmp_path):
    path = share.put("production/late")
    since = share.mark()
    share.call_as("sci1", _open, path, os.O_WRONLY)
    seqno = seqno_of(share, since, "open-write")
    trail = tmp_path / "late.json"
    with open(share.audit_file, encoding="ascii") as whole:
        trail.write_text(whole.readlines()[-1], encoding="ascii")
    question = ("--record", seqno, "--input", trail, "--policy", share.policy_file)
    document = answer(*question)
    assert document["policy"]["changed"] is None and document["now"] is None
    said = ctl("explain", *question)
    assert said.returncode == NO and "cannot" in said.stdout and "--mount" in said.stdout
    document = answer(*question, "--mount", share.mountpoint)
    assert document["policy"]["changed"] is None and not document["now"]["allowed"]


def test_a_number_that_is_of_no_decision(share):
    said = ctl("explain", "--record", 999999, "--input", share.audit_file)
    assert said.returncode == FAILED and "no record 999999" in said.stderr
    said = ctl("explain", "--record", 1, "--input", share.audit_file)
    assert said.returncode == FAILED and "no decision" in said.stderr


@pytest.mark.parametrize("arguments", [
    ["--record", "x"], ["--record", "0"], ["--record", "-1"], ["--record", "1", "/x"],
    ["--record", "1", "--pid", "1", "/x"], ["--pid", "x", "/x"], ["--pid", "0", "/x"],
    ["--pid", "1"], ["--pid", "1", "frobnicate", "/x"], ["--pid", "1", "read", "/x", "/y"],
    ["--record", "1", "--since", "now", "--until", "yesterday"],
])
def test_a_wrong_question_is_a_usage_error(arguments):
    said = ctl("explain", *arguments)
    assert said.returncode == USAGE and said.stdout == "" and said.stderr


def test_a_name_on_record_does_not_reach_the_terminal(share):
    path = share.put("production/\x1b[31mred")
    since = share.mark()
    share.call_as("sci1", _open, path, os.O_WRONLY)
    said = ctl("explain", "--record", seqno_of(share, since, "open-write"), "--input",
               share.audit_file)
    assert "\x1b" not in said.stdout and "\\x1b[31mred" in said.stdout


# Processes

@contextlib.contextmanager
def process_of(user, groups=None, comm=None):
    """A process that sleeps as a user, with these supplementary groups."""
    entry = pwd.getpwnam(user)
    groups = world.groups_of(user) if groups is None else groups

    code = "import ctypes, sys, time; ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0); " \
        "print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, comm or "a job"], user=entry.pw_uid,
                          group=entry.pw_gid, extra_groups=groups, stdout=subprocess.PIPE,
                          preexec_fn=world.die_with_parent) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("user", ("sci1", "mleng1", "both", "primary", "outsider", "ci-release"))
def test_a_process_is_answered_as_its_user(share, user):
    with process_of(user) as pid:
        for word in ("read", "create", "open-write"):
            for path in ("/m", "/production/m", "/experiments/m"):
                of_pid = answer("--policy", share.policy_file, "--pid", pid, word, path)
                of_user = answer("--policy", share.policy_file, user, word, path)
                assert of_pid.pop("process")["pid"] == pid
                assert of_pid.pop("new_login_differs") is False
                assert of_pid == of_user


def test_a_process_has_the_groups_that_it_was_started_with(share):
    """One that started before its user was put into the group; the mount says the same."""
    path = share.put("m2")
    with process_of("mleng1", groups=[]) as pid:
        document = answer("--policy", share.policy_file, "--pid", pid, "write", "/m2")
        said = ctl("explain", "--policy", share.policy_file, "--pid", pid, "write", "/m2")
    assert not document["allowed"] and document["new_login_differs"]
    assert document["process"]["groups"] == [] and document["user"] == "mleng1"
    assert "after a new login" in said.stdout and "would be allowed" in said.stdout
    done = subprocess.run(["sh", "-c", 'exec 3>>"$1"', "sh", path], check=False,
                          user=world.uid_of("mleng1"), group=world.gid_of("mleng1"),
                          extra_groups=[], stderr=subprocess.DEVNULL)
    assert done.returncode != 0
    # And the other way round: who was taken out of it still has it.
    with process_of("outsider", groups=[grp.getgrnam("ml-engineers").gr_gid]) as pid:
        document = answer("--policy", share.policy_file, "--pid", pid, "write", "/m2")
    assert document["allowed"] and document["new_login_differs"]


def test_with_groups_from_the_database_those_of_the_process_do_not_count(share, tmp_path):
    policy = tmp_path / "database.ini"
    policy.write_text(DEFAULT_POLICY.replace("groups-from = process", "groups-from = database"),
                      encoding="ascii")
    with process_of("mleng1", groups=[]) as pid:
        document = answer("--policy", policy, "--pid", pid, "write", "/m")
        said = ctl("explain", "--policy", policy, "--pid", pid, "write", "/m")
    assert document["allowed"] and not document["new_login_differs"]
    assert "groups-from = database" in said.stdout


def test_to_read_is_what_is_asked_if_nothing_is_named(share):
    with process_of("sci1") as pid:
        document = answer("--policy", share.policy_file, "--mount", share.mountpoint, "--pid", pid,
                          share.path("m"))
    assert document["asked"] == "read" and document["path"] == "/m"


def test_what_a_process_is_called_does_not_reach_the_terminal(share):
    with process_of("sci1", comm="\x1b[31mred") as pid:
        said = ctl("explain", "--policy", share.policy_file, "--pid", pid, "read", "/m")
    assert said.returncode == OK
    assert "\x1b" not in said.stdout and "\\x1b[31mred" in said.stdout
    assert re.search(rf"process +{pid}, ", said.stdout)


def test_there_is_no_such_process(share):
    with process_of("sci1") as pid:
        pass
    said = ctl("explain", "--policy", share.policy_file, "--pid", pid, "read", "/m")
    assert said.returncode == NO_USER and str(pid) in said.stderr


# What would be needed

def test_nothing_is_suggested_that_the_policy_does_not_have(share):
    document = answer("--policy", share.policy_file, "mleng1", "admin", "/production/m")
    assert not document["allowed"] and document["needed"] == []
    said = ctl("explain", "--policy", share.policy_file, "mleng1", "admin", "/production/m")
    assert "no role is granted 'admin' here" in said.stdout


@pytest.mark.parametrize("word", ("read", "create", "write", "delete", "admin"))
@pytest.mark.parametrize("place", ("/", "/experiments", "/production", "/staging"))
def test_each_role_that_is_named_would_do_and_no_other(share, word, place):
    """One who is in a role's group, and in no other, is asked about."""
    holders = {"data-scientist": "sci1", "ml-engineer": "mleng1", "model-admin": "madmin",
               "release-pipeline": "ci-release"}
    path = place.rstrip("/") + "/m"
    document = answer("--policy", share.policy_file, "outsider", word, path)
    assert not document["allowed"]
    named = {role["role"]: role for role in document["needed"]}
    for role, user in holders.items():
        theirs = answer("--policy", share.policy_file, user, word, path)
        if document.get("needed_only_if_own"):
            theirs = answer("--policy", share.policy_file, "--owner", user, user, word, path)
        assert theirs["allowed"] == (role in named), (role, document)
        if role in named:
            assert named[role]["rule"]["line"] == theirs["rule"]["line"], (role, document)
            assert named[role]["rule"]["text"].startswith("allow ")
