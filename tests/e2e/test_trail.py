# SPDX-License-Identifier: Apache-2.0
"""modelguardctl log and history: trails made by hand, and real ones."""

import json
import os
import pty
import pwd
import re
import shutil
import signal
import subprocess
import time

import pytest

import syscalls
import world
from auditd import wait_for
from guard import CTL
from make_trail import FOREIGN, Week, actor, audit_line, json_line
from test_audit import HOSTILE

OK, NO, USAGE, _, _, FAILED = range(6)
BEGIN = 1763900000.0
ROOT_NAME = pwd.getpwuid(0).pw_name


def ctl(*arguments, check=None, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    environment = dict(os.environ, TZ="UTC", **options.pop("env", {}))
    said = subprocess.run([CTL, *map(str, arguments)], capture_output=True, check=False, timeout=60,
                          env=environment, **options)
    said.stdout = said.stdout.decode(errors="surrogateescape")
    said.stderr = said.stderr.decode(errors="surrogateescape")
    if check is not None:
        assert said.returncode == check, said.stderr + said.stdout
    return said


def log(path, *arguments, check=OK):
    """The events, as dictionaries; and what was said on stderr."""
    said = ctl("log", "--json", "--input", path, *arguments, check=check)
    return [json.loads(line) for line in said.stdout.splitlines()], said.stderr


def brief(events):
    return [(e["op"], e["outcome"], e.get("path")) for e in events]


class Trail:
    """Lines of one guard, numbered as the guard does."""

    def __init__(self, line=audit_line, pid=812):
        self.line, self.pid = line, pid
        self.now, self.serial, self.seqno = BEGIN, 0, 0
        self.lines = []

    def raw(self, line):
        self.lines.append(line)
        return self

    def put(self, op, path=None, acct="sci1", uid=64103, ok=True, seqno=None, **fields):
        self.now += 1
        self.serial += 1
        if seqno is None:
            self.seqno += 1
        who = actor(acct, uid) if acct else {}
        if path is not None:
            who["path"] = path
        after = {name: fields.pop(name) for name in ("errno", "reason", "resent", "refused", "part")
                 if name in fields}
        self.lines.append(self.line(self.now, self.serial, op, ok=ok, pid=self.pid, **who, **fields,
                                    seqno=seqno or self.seqno, **after))
        return self

    def denied(self, op, path, **fields):
        return self.put(op, path, ok=False, zone="production", rule="policy.ini:31", errno=13,
                        reason="not granted", **fields)

    def start(self):
        self.seqno = 0
        self.put("policy-load", "/etc/modelguard/policy.ini", acct=None, kind="USYS_CONFIG",
                 hash="ab" * 32)
        return self.put("start", "/models", acct=None, kind="TRUSTED_APP")

    def write(self, path):
        path.write_bytes(b"".join(self.lines))
        return path


@pytest.fixture(params=[audit_line, json_line], ids=["auditd", "json"])
def trail(request):
    return Trail(request.param)


# What is read


def test_each_event_is_a_line_with_its_columns(trail, tmp_path):
    trail.put("open-read", "/models/a", rule="policy.ini:12").denied("open-write", "/models/b")
    said = ctl("log", "--input", trail.write(tmp_path / "log"), check=OK)
    first, second = said.stdout.splitlines()
    assert re.fullmatch(r"2025-11-23 12:13:21  sci1 +open-read +ok +/models/a +policy.ini:12", first)
    assert re.fullmatch(r"2025-11-23 12:13:22  sci1 +open-write +DENIED +/models/b +"
                        r"not.granted \(policy.ini:31\)", second)
    assert first.index("/models/a") == second.index("/models/b")
    assert said.stderr == ""


def test_the_fields_are_those_of_the_record(trail, tmp_path):
    trail.put("write", "/models/a", off=4096, len=65536, grole="ml-engineer", zone="staging",
              rule="policy.ini:7", gen=3)
    (event,), _ = log(trail.write(tmp_path / "log"))
    assert event["outcome"] == "ok" and event["acct"] == "sci1" and event["fsuid"] == 64103
    assert (event["off"], event["len"], event["gen"]) == (4096, 65536, 3)
    assert (event["grole"], event["zone"], event["rule"]) == ("ml-engineer", "staging",
                                                             "policy.ini:7")
    assert event["time"] == "2025-11-23T12:13:21.000000Z" and event["exe"] == "/usr/bin/python3.11"


def test_hostile_names_are_decoded_and_forge_nothing(tmp_path):
    trail = Trail()
    for name in HOSTILE:
        trail.denied("open-write", b"/models/" + name)
    path = trail.write(tmp_path / "log")
    events, errors = log(path)
    assert errors == ""
    assert [event["outcome"] for event in events] == ["denied"] * len(HOSTILE)
    for name, event in zip(HOSTILE, events):
        told = bytes.fromhex(event["path_hex"]) if "path_hex" in event else event["path"].encode()
        assert told == b"/models/" + name
    # One line each, and nothing on it can steer a terminal.
    said = ctl("log", "--input", path, check=OK)
    assert len(said.stdout.splitlines()) == len(HOSTILE)
    assert all(" " <= c <= "~" or c == "\n" for c in said.stdout)
    assert r"/models/\x1b[2Jclear" in said.stdout and r"new\x0aline" in said.stdout


def test_hostile_names_in_json_forge_nothing(tmp_path):
    trail = Trail(json_line)
    for name in HOSTILE:
        trail.denied("open-write", b"/models/" + name)
    said = ctl("log", "--input", trail.write(tmp_path / "log"), check=OK)
    assert len(said.stdout.splitlines()) == len(HOSTILE)
    assert said.stdout.count("DENIED") == len(HOSTILE)
    assert all(" " <= c <= "~" or c == "\n" for c in said.stdout)


def _parts(trail, op, path, name, seqno, **fields):
    """A rename in three parts, as the guard splits: all short fields first."""
    old, new = path.encode().hex().upper(), name.encode().hex().upper()
    middle = len(new) // 4 * 2
    head = {"op": op, "ok": True, "pid": trail.pid}
    common = {"seqno": seqno}
    order = [
        {**common, "part": "1/3", **actor("mleng1", 64101), "grole": "ml-engineer",
         "rule": "policy.ini:9", "raw_path": old},
        {**common, "part": "2/3", "raw_name": new[:middle]},
        {**common, "part": "3/3", "raw_name": new[middle:]},
    ]
    lines = []
    for number, part in enumerate(order):
        part = {key.removeprefix("raw_"): value for key, value in part.items()}
        line = audit_line(trail.now, 900 + number, **head, **{
            key: value for key, value in part.items() if key not in ("path", "name")}, **fields)
        for key in ("path", "name"):
            if key in part:
                line = line.replace(b' exe="/usr/sbin/', f' {key}={part[key]}'.encode()
                                    + b' exe="/usr/sbin/')
        lines.append(line)
    return lines


def test_parts_are_put_together(tmp_path):
    trail = Trail()
    old, new = "/models/" + "é" * 300, "/models/" + "ü" * 300
    first, second, third = _parts(trail, "rename", old, new, 7)
    other = Trail(pid=813).put("open-read", "/other", seqno=3).lines[0]
    own = trail.put("open-read", "/own", seqno=8).lines.pop()
    for line in (first, other, own, second, third):  # threads interleave
        trail.raw(line)
    events, errors = log(trail.write(tmp_path / "log"))
    assert errors == "" and [event["op"] for event in events] == ["open-read", "open-read", "rename"]
    assert (events[2]["path"], events[2]["name"]) == (old, new)
    assert (events[2]["acct"], events[2]["rule"]) == ("mleng1", "policy.ini:9")
    # A part that is missing: no half event.
    for kept in ((first, third), (second, third), (first, second)):
        path = Trail().raw(b"".join(kept)).put("open-read", "/x").write(tmp_path / "log")
        events, errors = log(path)
        assert brief(events) == [("open-read", "ok", "/x")]
        assert "broken record" in errors


def test_copies_that_were_sent_again_are_one_event(tmp_path):
    trail = Trail().start().put("open-read", "/a").put("open-read", "/b")
    trail.put("open-read", "/a", seqno=3, resent="yes")  # arrived before
    trail.put("open-read", "/c", seqno=5, resent="yes")  # had been lost
    events, _ = log(trail.write(tmp_path / "log"), "--op", "open-read")
    assert [event["path"] for event in events] == ["/a", "/b", "/c"]


def test_numbers_begin_anew_with_each_start_of_the_guard(tmp_path):
    trail = Trail().start().put("open-read", "/a").start().put("open-read", "/b")
    trail.put("open-read", "/b", seqno=3, resent="yes")
    # The same number of another guard is another event, sent again or not.
    other = Trail(pid=99).put("open-read", "/d", seqno=3, resent="yes")
    trail.raw(other.lines[0])
    events, _ = log(trail.write(tmp_path / "log"), "--op", "open-read")
    assert [event["path"] for event in events] == ["/a", "/b", "/d"]


def test_what_was_refused_at_the_last_moment_is_no_success(tmp_path):
    trail = Trail().start().put("unlink", "/a").put("unlink", "/b")
    trail.put("unlink", "/a", ok=False, seqno=3, resent="yes", refused="yes")
    trail.start().put("unlink", "/c")  # number 3 again
    path = trail.write(tmp_path / "log")
    events, _ = log(path, "--op", "unlink")
    assert brief(events) == [("unlink", "refused", "/a"), ("unlink", "ok", "/b"),
                             ("unlink", "ok", "/c")]
    document = json.loads(ctl("log", "--summary", "--json", "--input", path, check=OK).stdout)
    assert sum(row["changes"] for row in document["files"]) == 2


def test_an_effect_that_failed_is_taken_back(trail, tmp_path):
    trail.put("write", "/a", off=0, len=1000)
    trail.put("write", "/a", ok=False, off=0, len=1000, note="effect-failed", seqno=1, errno=28,
              reason="allowed, but it failed")
    trail.put("write", "/a", off=0, len=500).put("write", "/a", off=0, len=200, note="short",
                                                seqno=2)
    path = trail.write(tmp_path / "log")
    events, _ = log(path)
    assert [event["outcome"] for event in events] == ["ok", "failed", "ok", "ok"]
    assert "ENOSPC" in ctl("log", "--input", path, check=OK).stdout
    document = json.loads(ctl("log", "--summary", "--json", "--input", path, check=OK).stdout)
    (row,) = document["files"]
    assert (row["writes"], row["bytes"]) == (1, 200)


def test_foreign_and_broken_lines_are_skipped_and_counted(tmp_path):
    trail = Trail().raw(FOREIGN).put("open-read", "/a")
    good = Trail().put("open-read", "/b").lines[0]
    broken = [
        good[:good.index(b" hostname")] + b"\n",  # torn
        good.replace(b"fsuid=64103", b"fsuid=-1x"),
        good.replace(b"seqno=1", b"seqno=none"),
        good.replace(b"res=success", b"res=maybe"),
        good.replace(b'path="/b"', b"path=2F0"),
        good.replace(b'path="/b"', b"path=2F00"),
        good.replace(b'path="/b"', b"path=/b"),
        good.replace(b'path="/b"', b'path="/b" path="/c"'),
        good.replace(b'path="/b"', b'path="/b\0"'),
        good.replace(b' exe="/usr/sbin/modelguard" hostname=? addr=?', b""),
        good.replace(b" addr=?", b" adr=?"),  # not as libaudit ends a message
        good.replace(b"audit(17", b"audit(xx"),
    ]
    for line in broken:
        trail.raw(line)
    trail.raw(b"\n\xff\xfe\0\n" + b"x" * 3_000_000 + b"\n")
    trail.put("open-read", "/z")
    events, errors = log(trail.write(tmp_path / "log"))
    assert [event["path"] for event in events] == ["/a", "/z"]
    assert errors.count("\n") == 1
    assert f"skipped {len(broken) + 1} broken records, 5 lines of other programs" in errors


def test_broken_lines_of_json_are_skipped_and_counted(tmp_path):
    trail = Trail(json_line).put("open-read", "/a")
    good = Trail(json_line).put("open-read", "/b").lines[0]
    broken = [good[:40] + b"\n", good.replace(b'"seqno":1', b'"seqno":-1'),
              good.replace(b'"fsuid":64103', b'"fsuid":"x"'),
              good.replace(b'"res":"success"', b'"res":1'),
              good.replace(b'"time":"2025', b'"time":"soon'), b"{}\n"]
    for line in broken:
        trail.raw(line)
    events, errors = log(trail.raw(good).write(tmp_path / "log"))
    assert [event["path"] for event in events] == ["/a", "/b"]
    assert "skipped 5 broken records, 1 line of other programs" in errors


def test_half_a_line_at_the_end_is_no_event(trail, tmp_path):
    trail.put("open-read", "/a").put("unlink", "/b")
    trail.lines[-1] = trail.lines[-1][:-1]  # even without its newline only
    events, errors = log(trail.write(tmp_path / "log"))
    assert [event["path"] for event in events] == ["/a"]
    assert "1 half-written line" in errors


def test_rotated_files_are_read_oldest_first(tmp_path):
    trail = Trail()
    for number in range(12):
        trail.put("open-read", f"/{number}")
    for number, line in enumerate(trail.lines):
        age = 11 - number
        name = f"audit.log.{age}" if age else "audit.log"
        (tmp_path / name).write_bytes(line)
    (tmp_path / "audit.log.1.gz").write_bytes(b"x")
    (tmp_path / "audit.logs").write_bytes(b"x")
    events, errors = log(tmp_path)
    assert [event["path"] for event in events] == [f"/{number}" for number in range(12)]
    assert errors == ""


def test_auditd_s_own_logs_are_the_default(tmp_path):
    """Where auditd.conf says, rotated files included, in both of auditd's formats."""
    trail = Trail()
    trail.put("open-read", "/a").put("open-read", "/b")
    trail.raw(audit_line(BEGIN + 9, 9, "open-read", node="far.example", **actor("sci1", 64103),
                         path="/c", seqno=9))
    (tmp_path / "guard.log.1").write_bytes(trail.lines[0])
    (tmp_path / "guard.log").write_bytes(trail.lines[1].split(b"\x1d")[0] + b"\n" + trail.lines[2])
    conf = tmp_path / "auditd.conf"
    conf.write_text(f"# a comment\nlocal_events = yes\nlog_file = {tmp_path}/guard.log\n")
    shell = f"mount --bind '{conf}' /etc/audit/auditd.conf && exec '{CTL}' log --json"
    said = subprocess.run(["unshare", "--mount", "sh", "-c", shell], capture_output=True,
                          check=True, timeout=60, stdin=subprocess.DEVNULL)
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert [event["path"] for event in events] == ["/a", "/b", "/c"]
    assert [event.get("node") for event in events] == [None, None, "far.example"]


def test_an_empty_trail_is_no_error(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"")
    assert log(path, check=NO) == ([], "")
    assert "no events" in ctl("log", "--summary", "--input", path, check=NO).stdout
    ctl("history", "/a", "--input", path, check=NO)


def test_stdin_is_a_trail_too(trail, tmp_path):
    trail.put("open-read", "/a").put("rename", "/a", name="/b")
    with open(trail.write(tmp_path / "log"), "rb") as stdin:
        events = ctl("log", "--json", "--input", "-", check=OK, stdin=stdin).stdout
    assert len(events.splitlines()) == 2
    piped = subprocess.run(f"cat '{tmp_path}/log' | '{CTL}' history /b --input -", shell=True,
                           capture_output=True, check=True)
    assert len(piped.stdout.splitlines()) == 2, "read twice, from a pipe"


def test_without_permission_it_says_so(tmp_path, scratch):
    path = os.path.join(scratch, "closed")
    os.makedirs(path, 0o700)
    name = os.path.join(path, "audit.log")
    with open(name, "wb") as file:
        file.write(Trail().put("open-read", "/a").lines[0])
    os.chmod(name, 0o600)
    for argument in (name, path):
        said = world.run_as("sci1", CTL, "log", "--input", argument)
        assert said.returncode == FAILED and said.stdout == ""
        assert "Permission denied" in said.stderr and "as root" in said.stderr
    said = ctl("log", "--input", tmp_path / "nothing", check=FAILED)
    assert "No such file" in said.stderr and "--input" in said.stderr
    shutil.rmtree(path)


# Which events


@pytest.fixture
def many(trail, tmp_path):
    trail.start().put("open-read", "/models/production/a", zone="production", grole="reader")
    trail.put("open-write", "/models/production-old/b.bin", acct="mleng1", uid=64101, zone="share",
              grole="writer")
    trail.denied("unlink", "/models/production/c.bin").put(
        "rename", "/models/x", name="/models/production/y", acct="gone", uid=4242, zone="share")
    trail.put("gap", acct=None, kind="TRUSTED_APP", ok=False, note="refused", count=12,
              since=BEGIN, until=BEGIN + 2.5, reason="no auditd")
    return trail.write(tmp_path / "many")


@pytest.mark.parametrize("arguments, wanted", [
    (["--user", "sci1"], ["/models/production/a", "/models/production/c.bin"]),
    (["--user", "64101"], ["/models/production-old/b.bin"]),
    (["--user", "gone"], ["/models/x"]),
    (["--user", "4242"], ["/models/x"]),
    (["--role", "reader"], ["/models/production/a"]),
    (["--zone", "share"], ["/models/production-old/b.bin", "/models/x"]),
    (["--path", "/models/production"],
     ["/models/production/a", "/models/production/c.bin", "/models/x"]),
    (["--path", "/models/production/"],
     ["/models/production/a", "/models/production/c.bin", "/models/x"]),
    (["--path", "*.bin"], ["/models/production-old/b.bin", "/models/production/c.bin"]),
    (["--op", "unlink"], ["/models/production/c.bin"]),
    (["--op", "open-*, rename"],
     ["/models/production/a", "/models/production-old/b.bin", "/models/x"]),
    (["--denied"], ["/models/production/c.bin"]),
    (["--denied", "--user", "sci1", "--path", "/models/production"], ["/models/production/c.bin"]),
    (["--since", f"@{BEGIN + 5:.0f}", "--until", f"@{BEGIN + 5:.0f}.9"],
     ["/models/production/c.bin"]),
    (["--since", "2025-11-23 12:13:25", "--until", "2025-11-23 12:13:25"],
     ["/models/production/c.bin"]),
])
def test_events_are_chosen(many, arguments, wanted):
    events, _ = log(many, *arguments)
    assert [event["path"] for event in events] == wanted


@pytest.mark.parametrize("arguments", [
    ["--user", "sci2"], ["--role", "writer", "--user", "sci1"], ["--path", "/models/prod"],
    ["--zone", "prod"], ["--until", "2025-11-22"], ["--since", "2025-11-24"],
    ["--denied", "--user", "mleng1"], ["--op", "chmod"],
])
def test_events_that_do_not_fit_are_left_out(many, arguments):
    assert log(many, *arguments, check=NO)[0] == []


@pytest.mark.parametrize("arguments", [
    ["--op", "opne"], ["--op", "rename-from"], ["--since", "soon"], ["--since", "2025-02-30"],
    ["--since", "-2h"], ["--since", "@"], ["--since", "2026-01-01", "--until", "2025-01-01"],
    ["/models"], ["--summary", "--follow"], ["--frobnicate"], ["--user"],
])
def test_a_wrong_question_is_a_usage_error(many, arguments):
    said = ctl("log", "--input", many, *arguments, check=USAGE)
    assert said.stdout == "" and "modelguardctl log" in said.stderr


def test_times_are_relative_to_now(tmp_path):
    trail = Trail()
    now = time.time()
    for ago in (200_000, 4000, 100):
        trail.now = now - ago
        trail.put("open-read", f"/{ago}")
    path = trail.write(tmp_path / "log")
    for since, n in (("1w", 3), ("3d", 3), ("2h", 2), ("30m", 1), ("5m", 1)):
        assert len(log(path, "--since", since)[0]) == n, since
    log(path, "--since", "50s", check=NO)
    assert [e["path"] for e in log(path, "--until", "1d")[0]] == ["/200000"]


def test_people_are_named_and_who_left_has_a_uid(many):
    said = ctl("log", "--input", many, check=OK).stdout
    assert re.search(r" mleng1 +open-write", said)
    assert re.search(r" gone\(4242\) +rename +ok +/models/x -> /models/production/y", said)
    assert re.search(r"\(guard\) +gap .* 12 operations refused \(no.auditd\), 2025-11-23 12:13:20 "
                     r"to 2025-11-23 12:13:22", said)


def test_a_name_service_that_hangs_is_waited_for_a_while(many, tmp_path):
    """A FIFO that nobody writes to, in place of /etc/passwd, hangs whoever asks for a name."""
    fifo = tmp_path / "passwd"
    os.mkfifo(fifo)
    shell = f"mount --bind '{fifo}' /etc/passwd && exec '{CTL}' log --input '{many}'"
    begin = time.monotonic()
    said = subprocess.run(["unshare", "--mount", "sh", "-c", shell], capture_output=True,
                          check=False, timeout=60, text=True, stdin=subprocess.DEVNULL)
    assert said.returncode == OK and time.monotonic() - begin < 30
    assert said.stderr.count("the name service does not answer within 5 seconds") == 1
    assert re.search(r" mleng1 +open-write", said.stdout) and len(said.stdout.splitlines()) == 7


def test_a_record_may_stand_for_many_denials(trail, tmp_path):
    trail.denied("unlink", "/a").put("unlink", "/a", ok=False, note="repeated", count=41,
                                     since=BEGIN, until=BEGIN + 1, zone="production",
                                     rule="policy.ini:31", errno=13, reason="not granted")
    path = trail.write(tmp_path / "log")
    assert "41 times, repeated" in ctl("log", "--input", path, check=OK).stdout
    document = json.loads(ctl("log", "--summary", "--json", "--input", path, check=OK).stdout)
    assert [row["denied"] for row in document["zones"] + document["denials"]] == [42, 42]


def test_a_summary_adds_up(many):
    said = ctl("log", "--summary", "--input", many, check=OK)
    assert "7 events" in said.stdout
    assert re.search(r"policy.ini:31 +not.granted +sci1 +1\n", said.stdout)
    document = json.loads(ctl("log", "--summary", "--json", "--input", many, check=OK).stdout)
    assert document["events"] == 7
    (sci1,) = [row for row in document["zones"] if row["acct"] == "sci1"]
    assert (sci1["zone"], sci1["reads"], sci1["denied"]) == ("production", 1, 1)
    (denial,) = document["denials"]
    assert (denial["rule"], denial["acct"], denial["denied"]) == ("policy.ini:31", "sci1", 1)


# Following


class Follower:
    def __init__(self, path, *arguments):
        self.process = subprocess.Popen(
            [CTL, "log", "--json", "--follow", "--input", str(path), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=world.die_with_parent)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = b""

    def paths(self):
        self.said += self.process.stdout.read() or b""
        whole = self.said[:self.said.rfind(b"\n") + 1]
        return [json.loads(line)["path"] for line in whole.splitlines()]

    def expect(self, paths):
        wait_for(lambda: self.paths() == paths, 10, f"{paths}")

    def stop(self):
        self.process.terminate()
        self.process.communicate()


@pytest.fixture
def follow():
    followers = []

    def start(*arguments):
        followers.append(Follower(*arguments))
        return followers[-1]

    yield start
    for follower in followers:
        follower.stop()


def test_follow_goes_on_across_a_rotation(follow, tmp_path):
    trail = Trail()
    for number in range(6):
        trail.put("open-read", f"/{number}")
    current = tmp_path / "audit.log"
    current.write_bytes(trail.lines[0])
    follower = follow(tmp_path)
    follower.expect(["/0"])
    with open(current, "ab", buffering=0) as file:
        file.write(trail.lines[1][:100])
        time.sleep(0.05)
        file.write(trail.lines[1][100:])
        follower.expect(["/0", "/1"])
        os.rename(current, tmp_path / "audit.log.1")
        file.write(trail.lines[2])  # auditd still writes to what it has open
    current.write_bytes(trail.lines[3])
    follower.expect([f"/{number}" for number in range(4)])
    # Twice at once.
    os.rename(tmp_path / "audit.log.1", tmp_path / "audit.log.3")
    os.rename(current, tmp_path / "audit.log.2")
    (tmp_path / "audit.log.1").write_bytes(trail.lines[4])
    current.write_bytes(trail.lines[5])
    follower.expect([f"/{number}" for number in range(6)])


def test_follow_of_a_file_that_is_copied_and_truncated(follow, tmp_path):
    trail = Trail(json_line).put("open-read", "/" + "a" * 300).put("open-read", "/b")
    path = tmp_path / "log"
    path.write_bytes(trail.lines[0])
    follower = follow(path)
    follower.expect(["/" + "a" * 300])
    os.truncate(path, 0)
    time.sleep(1.2)
    with open(path, "ab") as file:
        file.write(trail.lines[1])
    follower.expect(["/" + "a" * 300, "/b"])


# History


def history(path, model, *arguments, check=OK):
    said = ctl("history", model, "--json", "--input", path, *arguments, check=check)
    return [json.loads(line) for line in said.stdout.splitlines()]


def numbers(events):
    return [event["seqno"] for event in events]


def test_history_follows_renames_both_ways(trail, tmp_path):
    trail.put("create", "/m/new.tmp")  # 1
    trail.put("write", "/m/new.tmp", off=0, len=1)  # 2
    trail.put("rename", "/m/new.tmp", name="/m/model")  # 3
    trail.put("open-read", "/m/other")  # 4: no
    trail.denied("unlink", "/m/model")  # 5
    trail.put("rename", "/m/model", name="/m/model.old")  # 6
    trail.put("create", "/m/new.tmp")  # 7
    trail.put("rename", "/m/new.tmp", name="/m/model")  # 8
    trail.put("open-read", "/m/model.old")  # 9
    trail.put("create", "/m/new.tmp")  # 10: no, it never becomes the model
    trail.put("unlink", "/m/model.old")  # 11
    trail.put("create", "/m/model.old")  # 12: no, another one
    trail.put("open-read", "/m/model2")  # 13: no
    path = trail.write(tmp_path / "log")
    assert numbers(history(path, "/m/model")) == [1, 2, 3, 5, 6, 7, 8, 9, 11]
    assert numbers(history(path, "/m/other/")) == [4]
    assert history(path, "/m/mod", check=NO) == []
    said = ctl("history", "/m/model", "--input", path, check=OK)
    assert "/m/model -> /m/model.old" in said.stdout


def test_history_follows_directories_links_and_exchanges(trail, tmp_path):
    trail.put("create", "/m/v1/w")  # 1
    trail.put("rename", "/m/v1", name="/m/v2")  # 2
    trail.put("open-read", "/m/v2/w")  # 3
    trail.put("create", "/m/v1/w")  # 4: no
    trail.put("link", "/m/v2/w", name="/m/same")  # 5
    trail.put("open-write", "/m/same")  # 6
    trail.put("open-read", "/m/v2/x")  # 7: no
    trail.put("create", "/m/z")  # 8
    trail.put("rename", "/m/z", name="/m/same", note="exchange")  # 9
    trail.put("open-read", "/m/z")  # 10
    path = trail.write(tmp_path / "log")
    assert numbers(history(path, "/m/v2/w")) == [1, 2, 3, 5, 6, 9, 10]
    assert numbers(history(path, "/m/z")) == [1, 2, 3, 5, 6, 8, 9, 10]


def test_history_knows_what_did_not_happen(trail, tmp_path):
    trail.put("rename", "/m/a", name="/m/b")  # 1
    trail.put("rename", "/m/a", name="/m/b", ok=False, note="effect-failed", seqno=1, errno=5,
              reason="allowed, but it failed")
    trail.put("open-read", "/m/b")  # 2: no
    trail.denied("rename", "/m/a", name="/m/c").put("open-read", "/m/c")  # 3; 4: no
    trail.put("open-read", "/m/a")  # 5
    assert numbers(history(trail.write(tmp_path / "log"), "/m/a")) == [1, 1, 3, 5]


@pytest.mark.parametrize("arguments", [[], ["relative"], ["/a", "/b"], ["/a", "--html", "x"]])
def test_history_takes_one_path(arguments):
    ctl("history", *arguments, check=USAGE)


def test_history_of_ten_thousand_saves_is_quick(tmp_path):
    trail = Trail()
    for _ in range(10_000):
        trail.put("create", "/m/model.tmp").put("rename", "/m/model.tmp", name="/m/model")
    begin = time.monotonic()
    assert len(history(trail.write(tmp_path / "log"), "/m/model")) == 20_000
    assert time.monotonic() - begin < 20


# Progress, and speed


@pytest.mark.parametrize("pager, lines", [("sed s/^/paged:/", 2000), ("head -n 1", 1)])
def test_a_terminal_gets_a_pager_which_may_be_left(tmp_path, pager, lines):
    path = tmp_path / "log"
    path.write_bytes(b"".join(list(Week(2000, audit_line).lines())[:2000]))
    master, slave = pty.openpty()
    process = subprocess.Popen([CTL, "log", "--input", path], stdout=slave, stderr=slave,
                               env={**os.environ, "PAGER": pager, "TERM": "xterm"})
    os.close(slave)
    said = b""
    try:
        while chunk := os.read(master, 1 << 16):
            said += chunk
    except OSError:
        pass  # the other side is closed
    os.close(master)
    assert process.wait() == OK
    assert said.count(b"\n") == lines and b"\x1b[1;3" in said
    assert said.count(b"paged:") == (lines if "paged" in pager else 0)


def test_progress_is_shown_on_a_terminal_only(tmp_path):
    path = tmp_path / "log"
    with open(path, "wb") as file:
        for line in Week(150_000, audit_line).lines():
            file.write(line)
    assert ctl("log", "--summary", "--input", path, check=OK).stderr == ""
    master, slave = pty.openpty()
    with open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen([CTL, "log", "--summary", "--input", path], stdout=out,
                                   stderr=slave)
    os.close(slave)
    said = b""
    try:
        while chunk := os.read(master, 1 << 16):
            said += chunk
    except OSError:
        pass  # the other side is closed
    os.close(master)
    assert process.wait() == OK
    assert re.search(rb"\r *\d+%  \d+ records ", said) and said.endswith(b"\r\x1b[K")


@pytest.mark.parametrize("line", [audit_line, json_line], ids=["auditd", "json"])
def test_a_hundred_thousand_records_take_less_than_a_second(line, tmp_path):
    """A tenth of a million, so a million take less than ten. Processor time, and twice as much
    of it, since others may share the core; many times as much with sanitizers."""
    path = tmp_path / "log"
    with open(path, "wb") as file:
        for text in Week(100_000, line).lines():
            file.write(text)
    slow = 20 if "asan" in os.environ.get("MODELGUARD_BUILD", "") else 2
    for arguments in (["log"], ["log", "--summary"], ["history", "/models/production/team1/m-1"]):
        before = os.times()
        ctl(*arguments, "--input", path)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user \
            - before.children_system
        assert used < slow, f"{arguments} took {used:.2f} s"


# Real records


def _save(directory):
    temporary = os.path.join(directory, "model.tmp")
    with open(temporary, "wb") as file:
        file.write(b"x" * 1000)
    os.rename(temporary, os.path.join(directory, "model"))


def _read(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_a_real_trail_is_read_back(make_guard, tmp_path, audit):
    guard = make_guard(audit=audit, start=False)
    since = guard.mark()
    guard.start()
    directory = guard.put_directory("staging/m", owner="mleng1")
    assert guard.call_as("mleng1", _save, directory).errno == 0
    model = os.path.join(directory, "model")
    hostile = os.fsencode(guard.put_directory("production/d")) + b"/\xffx,res=success'\n"
    with open(os.fsencode(guard.source("production/d")) + b"/\xffx,res=success'\n", "wb"):
        pass
    assert guard.call_as("sci1", _read, model).errno != 0
    assert guard.call_as("sci1", os.truncate, hostile, 0).errno != 0
    assert guard.stop() == 0
    wanted = guard.records(since, kind=None)
    source = guard.auditd.log if audit == "auditd" else guard.audit_file
    with open(source, "rb") as file:
        file.seek(since)
        (tmp_path / "log").write_bytes(file.read())
    events, _ = log(tmp_path / "log")
    events = [event for event in events if event["op"] != "wake"]
    wanted = [record for record in wanted if record["op"] != "wake"]
    assert [event["op"] for event in events] == [record["op"] for record in wanted]
    for event, record in zip(events, wanted):
        assert event["seqno"] == int(record["seqno"])
        assert event["res"] == record["res"]
        told = event.get("path") or os.fsdecode(bytes.fromhex(event["path_hex"]))
        assert told == record["path"]
        for name in ("acct", "zone", "rule", "name", "grole", "reason", "mode", "oflag", "dev"):
            assert event.get(name) == record.get(name), (event, record)
    denied, _ = log(tmp_path / "log", "--denied", "--user", "sci1")
    assert [event["op"] for event in denied][-1] == "truncate"
    story = history(tmp_path / "log", model)
    assert {"create", "write", "rename"} <= {event["op"] for event in story}
    assert story[0]["path"] == os.path.join(directory, "model.tmp")


def test_an_exchange_of_names_is_told_from_a_rename(file_guard):
    """Else nobody could follow a model through it."""
    guard = file_guard
    one, other = guard.put("one", owner="mleng1"), guard.put("other", owner="mleng1")
    since = guard.mark()
    guard.call_as("mleng1", syscalls.renameat2, one, other, syscalls.RENAME_EXCHANGE)
    guard.call_as("mleng1", os.rename, one, one + ".old")
    assert [(r["op"], r.get("note")) for r in guard.records(since)] == [
        ("rename", "exchange"), ("rename", None)]
    events = history(guard.audit_file, other)
    assert [event["name"] for event in events] == [other, one + ".old"]


def test_what_an_outage_leaves_is_read_once(guard, own_auditd, tmp_path):
    """auditd is killed while records are written: copies are merged, the gap is told."""
    path = guard.put("model")
    since = guard.mark()
    for _ in range(20):
        guard.call_as("mleng1", _read, path)
    own_auditd.kill(signal.SIGKILL)
    guard.call_as("mleng1", _read, path)
    own_auditd.start()
    wait_for(lambda: guard.call_as("mleng1", _read, path).errno == 0, 10, "no recovery")
    guard.mark()
    with open(own_auditd.log, "rb") as file:
        file.seek(since)
        (tmp_path / "log").write_bytes(file.read())
    events, _ = log(tmp_path / "log")
    seen = [(event["seqno"], event.get("note")) for event in events if event["op"] == "open-read"]
    assert len(seen) == len(set(seen)) >= 21
    assert [event for event in events if event["op"] == "gap"]
