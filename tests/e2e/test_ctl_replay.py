# SPDX-License-Identifier: Apache-2.0
"""modelguardctl replay: what it says of a trail made by hand, and its exit statuses. That it agrees
with the mounted guard is test_agreement.py's."""

import hashlib
import json
import os
import subprocess

import pytest

import make_trail
import world
from guard import CTL

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
OLD = "[role sci]\ngroups = data-scientists\n[zone z]\npath = /\nallow sci = read, write\n"
NARROW = OLD.replace("read, write", "read")
WIDE = OLD.replace("read, write", "read, write, delete")
OWN = OLD.replace("read, write", "read, write-own")


@pytest.fixture
def replay(scratch, tmp_path):
    def ask(policy, *options, old=OLD, loaded=OLD, mounts=("/models",), more=()):
        names = {}
        for name, text in (("new.ini", policy), ("policy.ini", old)):
            names[name] = os.path.join(tmp_path, name)
            with open(names[name], "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(names[name], 0o644)
        trail = os.path.join(tmp_path, "trail")
        with open(trail, "wb") as file:
            for number, mount in enumerate(mounts):
                file.write(b"".join(lines(mount, loaded, 800 + number)) + b"".join(more))
        return subprocess.run(
            [CTL, "replay", "--input", trail, "--old", names["policy.ini"], *options,
             names["new.ini"]], capture_output=True, text=True, check=False, timeout=60)
    os.chmod(tmp_path, 0o755)
    return ask


def lines(mount, loaded, pid):
    """A start, a read, two writes and a denied removal by sci1."""
    digest = hashlib.sha256(loaded.encode()).hexdigest()
    who = make_trail.actor("sci1", world.uid_of("sci1"))
    rule = {"grole": "sci", "zone": "z", "rule": "policy.ini:5", "gen": 1}
    yield make_trail.audit_line(1000, 1, "policy-load", kind="USYS_CONFIG", pid=pid,
                                path="/p.ini", hash=digest, gen=1, seqno=1)
    yield make_trail.audit_line(1000, 2, "start", kind="TRUSTED_APP", pid=pid, path=mount, seqno=2)
    for number, (op, reason) in enumerate((("open-read", None), ("open-write", None),
                                           ("open-write", None), ("unlink", "not granted"))):
        more = {"errno": 13, "reason": reason} if reason else {}
        yield make_trail.audit_line(2000 + number, 3 + number, op, ok=not reason, pid=pid, **who,
                                    path=f"{mount}/m", ino=7, dev="fd:01", **rule,
                                    seqno=3 + number, **more)


def test_no_change_is_status_0(replay):
    said = replay(OLD)
    assert said.returncode == OK and "4  as before" in said.stdout, said.stdout + said.stderr


def test_what_would_be_denied_is_counted_with_its_line(replay):
    said = replay(NARROW, "--json")
    assert said.returncode == NO
    document = json.loads(said.stdout)
    (change,) = document["changes"]
    assert (change["change"], change["acct"], change["path"], change["operations"],
            change["count"], change["first"], change["last"], change["line"]) == (
        "denied", "sci1", "/models/m", ["open-write"], 2, 2001, 2002, 5)
    assert (document["decisions"], document["same"]) == (4, 2)


def test_what_would_be_allowed_is_no_narrowing(replay):
    said = replay(WIDE)
    assert said.returncode == NO and "+ sci1" in said.stdout
    assert replay(WIDE, "--fail-on=narrow").returncode == OK
    assert replay(WIDE, "--fail-on=widen").returncode == NO
    assert replay(WIDE, "--fail-on=nothing").returncode == USAGE


def test_only_the_time_that_is_asked_for_counts(replay):
    document = json.loads(replay(NARROW, "--json", "--since=@2002").stdout)
    assert (document["decisions"], document["denied"]) == (2, 1)
    assert json.loads(replay(NARROW, "--json", "--until=@2000").stdout)["denied"] == 0


def test_ownership_that_matters_and_is_not_on_record_is_not_guessed(replay):
    said = replay(OWN, "--json")
    document = json.loads(said.stdout)
    assert said.returncode == OK
    assert document["untold"]["reasons"] == {"whether it was their own is not on record": 2}
    assert replay(OWN, "--fail-on=untold").returncode == NO


def test_without_the_policy_of_then_changes_by_groups_are_not_guessed(replay):
    document = json.loads(replay(WIDE, "--json", loaded="another").stdout)
    (missing,) = document["untold"]["missing_policies"]
    assert missing == {"sha256": hashlib.sha256(b"another").hexdigest(), "count": 1}
    assert document["allowed"] == 0
    everyone = WIDE.replace("allow sci", "allow everyone")
    assert json.loads(replay(everyone, "--json", loaded="another").stdout)["allowed"] == 1


def test_two_shares_have_to_be_told_apart(replay):
    mounts = ("/models", "/data")
    said = replay(NARROW, mounts=mounts)
    assert said.returncode == FAILED and "--mount='/models' or --mount='/data'" in said.stderr
    document = json.loads(replay(NARROW, "--json", "--mount=/data/", mounts=mounts).stdout)
    assert (document["decisions"], document["of_other_shares"]) == (4, 4)
    assert {change["path"] for change in document["changes"]} == {"/data/m"}


def test_a_refused_policy_and_a_wrong_option_have_their_statuses(replay):
    assert replay("[zone]\n").returncode == POLICY
    assert replay(NARROW, "--mount=models").returncode == USAGE
