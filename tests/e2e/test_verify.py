# SPDX-License-Identifier: Apache-2.0
"""modelguardctl verify: what is no longer what it was is found, named and recorded."""

import base64
import hashlib
import json
import os
import re
import socket
import subprocess

import pytest

from auditd import wait_for
from guard import CTL
from terminal import Terminal
from test_ctl import ctl

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
PROMOTED = "trusted.modelguard.promoted"
MANIFEST = "trusted.modelguard.manifest"
STORE = "/var/lib/modelguard/manifests"
FILES = {"weights/a.bin": b"A" * 70000, "weights/b.bin": b"B" * 5, "config.json": b"{}"}


def ready(guard):
    wait_for(lambda: ctl("status", "--json", guard.mountpoint).returncode == OK, 10,
             "the guard does not answer")
    return guard


@pytest.fixture
def share(make_guard):
    return ready(make_guard(audit="file"))


def put_model(guard, name="production/m", files=FILES):
    for path, content in files.items():
        guard.put(f"{name}/{path}", content)
    os.makedirs(guard.source(name, "empty"), exist_ok=True)
    os.symlink("weights/a.bin", guard.source(name, "latest"))
    return guard.path(name)


@pytest.fixture
def model(share):
    path = put_model(share)
    said = ctl("verify", "--keep", path)
    assert said.returncode == OK, said.stderr
    return path


def tree_digest(top):
    """As modelguardctl(8) describes it, by other means."""
    lines = []
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            shown = os.path.relpath(path, top).encode()
            if os.path.islink(path):
                target = os.readlink(path).encode()
                lines.append((shown, b"l", len(target), hashlib.sha256(target).hexdigest()))
            elif os.path.isdir(path):
                lines.append((shown, b"d", 0, "-"))
            else:
                with open(path, "rb") as file:
                    content = file.read()
                lines.append((shown, b"f", len(content), hashlib.sha256(content).hexdigest()))
    text = b"modelguard-tree 1\0"
    for shown, kind, size, digest in sorted(lines):
        text += b"%s %d %s %s\0" % (kind, size, digest.encode(), shown)
    return hashlib.sha256(text).hexdigest()


def verify_json(*arguments):
    said = ctl("verify", "--json", *arguments)
    return said.returncode, json.loads(said.stdout)


def findings(path):
    status, answer = verify_json(path)
    (one,) = answer["promoted"]
    assert one["verified"] == (status == OK)
    return [(finding["difference"], finding["path"]) for finding in one["findings"]]


def rewrite(path, content):
    with open(path, "r+b") as file:
        file.write(content)


def test_what_was_kept_is_found_as_it_was(share, model):
    said = ctl("verify", model)
    assert said.returncode == OK, said.stderr
    assert "as it was" in said.stdout and "NOT" not in said.stdout and model in said.stdout
    status, answer = verify_json(model)
    (one,) = answer["promoted"]
    assert status == OK and answer["verified"] and one["path"] == model
    assert one["sha256"] == tree_digest(share.source("production/m"))
    assert one["files"] == 3 and one["bytes"] == sum(map(len, FILES.values()))


# Each is done in the source, behind the guard.
TAMPERED = [
    ("a byte", lambda top: rewrite(f"{top}/weights/a.bin", b"X"), [("changed", "weights/a.bin")]),
    ("its length", lambda top: os.truncate(f"{top}/weights/a.bin", 3),
     [("changed", "weights/a.bin")]),
    ("a file is gone", lambda top: os.unlink(f"{top}/weights/b.bin"),
     [("missing", "weights/b.bin")]),
    ("a directory is gone", lambda top: os.rmdir(f"{top}/empty"), [("missing", "empty")]),
    ("a file came", lambda top: os.mkdir(f"{top}/weights/new"), [("extra", "weights/new")]),
    ("a fifo came", lambda top: os.mkfifo(f"{top}/pipe"), [("extra", "pipe")]),
    ("a socket came", lambda top: socket.socket(socket.AF_UNIX).bind(f"{top}/s"),
     [("extra", "s")]),
    ("it was renamed", lambda top: os.rename(f"{top}/config.json", f"{top}/config.jsn"),
     [("extra", "config.jsn"), ("missing", "config.json")]),
    ("a file for a link to the same bytes",
     lambda top: (os.rename(f"{top}/config.json", f"{top}/../c"),
                  os.symlink("../c", f"{top}/config.json")), [("changed", "config.json")]),
    ("the target of a link",
     lambda top: (os.unlink(f"{top}/latest"), os.symlink("weights/b.bin", f"{top}/latest")),
     [("changed", "latest")]),
]
SAME = [
    ("mtime", lambda top: os.utime(f"{top}/weights/a.bin", (1, 1))),
    ("the same bytes again", lambda top: rewrite(f"{top}/weights/b.bin", b"BBBBB")),
    ("a mode", lambda top: os.chmod(f"{top}/config.json", 0o600)),
    ("another model", lambda top: os.mkdir(f"{top}/../other")),
]


@pytest.mark.parametrize("tamper, found", [row[1:] for row in TAMPERED],
                         ids=[row[0] for row in TAMPERED])
def test_each_difference_is_found_and_named(share, model, tamper, found):
    top = share.source("production/m")
    tamper(top)
    assert findings(model) == found
    said = ctl("verify", model)
    assert said.returncode == NO and "NOT as it was" in said.stdout
    for difference, path in found:
        assert re.search(rf"^  {difference} +{re.escape(path)}$", said.stdout, re.MULTILINE)


@pytest.mark.parametrize("touch", [row[1] for row in SAME], ids=[row[0] for row in SAME])
def test_what_is_no_byte_and_no_name_is_no_difference(share, model, touch):
    touch(share.source("production/m"))
    assert findings(model) == []


def test_a_byte_that_is_changed_with_its_times_set_back_is_found(share, model):
    path = share.source("production/m/weights/a.bin")
    st = os.stat(path)
    rewrite(path, b"X")
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    assert findings(model) == [("changed", "weights/a.bin")]


def test_a_single_file_is_verified_by_its_own_digest(share):
    path = share.put("production/model.bin", b"abc")
    assert ctl("verify", "--keep", path).returncode == OK
    status, answer = verify_json(path)
    assert status == OK
    assert answer["promoted"][0]["sha256"] == hashlib.sha256(b"abc").hexdigest()
    share.put("production/model.bin", b"abd")
    assert findings(path) == [("changed", "")]


def test_a_path_within_verifies_the_whole_model(share, model):
    os.unlink(share.source("production/m/weights/b.bin"))
    status, answer = verify_json(f"{model}/weights/b.bin")
    assert status == NO and answer["promoted"][0]["path"] == model


def test_all_finds_what_was_kept_wherever_it_is(share, model):
    other = put_model(share, "experiments/deep/er/n", {"x": b"x"})
    single = share.put("top.bin")
    for path in (other, single):
        assert ctl("verify", "--keep", path).returncode == OK
    status, answer = verify_json("--all")
    ours = {one["path"]: one["verified"] for one in answer["promoted"]
            if one["path"].startswith(share.mountpoint)}
    assert ours == {model: True, other: True, single: True}
    rewrite(share.source("top.bin"), b"X")
    status, answer = verify_json("--all")  # FAILED if another's guard does not answer
    assert status in (NO, FAILED)
    assert single in [one["path"] for one in answer["promoted"] if not one["verified"]]


def test_a_directory_verifies_what_is_below(share, model):
    status, answer = verify_json(share.path("production"))
    assert status == OK and [one["path"] for one in answer["promoted"]] == [model]


def test_what_was_not_promoted_is_an_error_and_not_a_success(share):
    path = share.put("production/never.bin")
    said = ctl("verify", path)
    assert said.returncode == FAILED and "nothing was promoted" in said.stderr
    assert ctl("verify", share.path("production/none")).returncode == FAILED


def test_a_long_manifest_lies_beside_and_is_believed_by_its_digest_only(share):
    files = {f"part-{number:05}": b"%d" % number for number in range(300)}
    path = put_model(share, "production/many", files)
    assert ctl("verify", "--keep", path).returncode == OK
    digest = tree_digest(share.source("production/many"))
    kept = f"{STORE}/{digest}"
    try:
        assert os.stat(STORE).st_mode & 0o077 == 0
        assert MANIFEST not in os.listxattr(share.source("production/many"))
        os.unlink(share.source("production/many/part-00007"))
        assert findings(path) == [("missing", "part-00007")]
        os.chmod(kept, 0o600)
        rewrite(kept, b"X")
        status, answer = verify_json(path)
        (one,) = answer["promoted"]
        assert status == NO and one["list-lost"] and not one["findings"]
        os.unlink(kept)
        assert verify_json(path)[0] == NO
        share.put("production/many/part-00007", b"7")
        status, answer = verify_json(path)
        assert status == OK and not answer["promoted"][0]["list-lost"]
    finally:
        if os.path.exists(kept):
            os.unlink(kept)


def test_an_interrupted_run_goes_on_where_it_was(share, model):
    state = os.path.join(share.directory, "state")
    large = {"1": b"1" * 100, "2": b"2" * 100}
    broken = put_model(share, "production/z", large)
    assert ctl("verify", "--keep", broken).returncode == OK
    os.setxattr(share.source("production/z"), PROMOTED, b"nonsense")
    assert ctl("verify", "--state", state, share.path("production")).returncode == FAILED
    with open(state, encoding="ascii") as file:
        assert len(file.read().splitlines()) == len(FILES)
    assert ctl("verify", "--state", state, model).returncode == OK
    assert not os.path.exists(state)
    os.chmod(share.directory, 0o755)
    with open(state, "w", encoding="ascii") as file:
        file.write("")
    os.chmod(state, 0o666)
    said = ctl("verify", "--state", state, model)
    assert said.returncode == FAILED and "only root" in said.stderr


def test_the_state_names_a_file_only_while_it_does_not_change(share, model):
    state = os.path.join(share.directory, "state")
    path = share.source("production/m/weights/a.bin")
    rewrite(path, b"X")
    st = os.stat(path)
    right = hashlib.sha256(FILES["weights/a.bin"]).hexdigest()

    def times(ns):
        return f"{ns // 10**9}.{ns % 10**9:09}"

    line = (f"{right} {st.st_dev:x}:{st.st_ino} {st.st_size} {times(st.st_mtime_ns)} "
            f"{times(st.st_ctime_ns)}\n")
    for text, status in ((line, OK), (line.replace(times(st.st_ctime_ns), times(0)), NO),
                         (line[:-9], NO)):
        with open(state, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(state, 0o600)
        assert ctl("verify", "--state", state, model).returncode == status


def test_only_root_verifies_and_the_share_is_left_alone(share, model):
    before = share.mark()
    said = share.run_as("mleng1", CTL, "verify", model)
    assert said.returncode == FAILED and "root" in said.stderr
    assert ctl("verify", model).returncode == OK
    assert not share.records(before)  # nobody had to be granted anything


@pytest.mark.parametrize("arguments", [(), ("--all", "/x"), ("--keep",), ("--keep", "--all")])
def test_a_wrong_command_line_is_refused(arguments):
    assert ctl("verify", *arguments).returncode == USAGE


def test_a_path_that_only_the_file_system_could_follow_is_refused(share, model):
    assert ctl("verify", f"{share.mountpoint}/../share/production/m").returncode == USAGE
    assert ctl("verify", f"{share.mountpoint}//production/./m/").returncode == OK
    assert ctl("verify", "/etc/passwd").returncode == NO


def test_names_cannot_steer_the_terminal(share):
    path = put_model(share, "production/evil", {"\x1b[31mred": b"x"})
    assert ctl("verify", "--keep", path).returncode == OK
    os.unlink(share.source("production/evil/\x1b[31mred"))
    share.put("production/evil/new\nline", b"")
    said = ctl("verify", path)
    assert "\x1b" not in said.stdout and r"\x1b[31mred" in said.stdout
    assert r"new\x0aline" in said.stdout


def test_progress_shows_on_a_terminal(share):
    path = share.put("production/big", b"")
    os.truncate(share.source("production/big"), 1 << 30)
    assert ctl("verify", "--keep", path).returncode == OK
    terminal = Terminal(CTL, "verify", path)
    assert terminal.end() == OK
    terminal.close()
    assert "as it was" in terminal.output
    assert re.search(r"verifying \[#*\.+\] .* of 1\.1 GB, .*/s", terminal.output)


def test_the_outcome_is_on_record_with_auditd(make_guard, auditd):
    guard = ready(make_guard())
    path = put_model(guard, "production/rec'ord,res=success")
    assert ctl("verify", "--keep", path).returncode == OK
    assert ctl("verify", path).returncode == OK
    os.unlink(guard.source("production/rec'ord,res=success/config.json"))
    assert ctl("verify", path).returncode == NO
    digest = re.escape(os.getxattr(guard.source("production/rec'ord,res=success"), PROMOTED)
                       .decode().split()[2])
    auditd.position()
    said = ctl("log", "--op", "verify,keep", "--json", "--input", auditd.log)
    events = [json.loads(line) for line in said.stdout.splitlines()]
    events = [event for event in events if event["path"] == path]
    assert [(one["op"], one["type"], one["res"]) for one in events] == [
        ("keep", "lifecycle", "success"), ("verify", "lifecycle", "success"),
        ("verify", "integrity", "failed")], said.stderr
    assert re.fullmatch(digest, events[2]["hash"]) and "1-missing" in events[2]["reason"]
    assert events[2]["acct"] == "root"
    searched = subprocess.run(["ausearch", "-m", "ANOM_RBAC_INTEGRITY_FAIL", "-ts", "recent",
                               "--success", "no", "-if", auditd.log],
                              capture_output=True, check=False)
    assert b"op=verify" in searched.stdout


def manifest(*arguments):
    said = ctl("manifest", *arguments)
    assert said.returncode == OK, said.stderr
    return said.stdout


def test_the_statement_names_every_file_with_its_digest(share, model):
    text = manifest(model)
    assert text == manifest(model)  # the same bytes can be signed later
    statement = json.loads(text)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:x-modelguard:promotion:v1"
    assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    predicate = statement["predicate"]
    assert predicate["digest"]["sha256"] == tree_digest(share.source("production/m"))
    assert predicate["directories"] == ["empty", "weights"]
    assert [one["name"] for one in predicate["links"]] == ["latest"]
    single = share.put("production/one.bin", b"abc")
    assert ctl("verify", "--keep", single).returncode == OK
    assert json.loads(manifest(single))["subject"] == [
        {"name": "one.bin", "digest": {"sha256": hashlib.sha256(b"abc").hexdigest()}}]


def test_a_signature_over_the_statement_verifies_with_openssl(share, model, tmp_path):
    def openssl(*arguments):
        return subprocess.run(["openssl", *arguments], cwd=tmp_path, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
    openssl("ec", "-in", "key.pem", "-pubout", "-out", "pub.pem")
    (tmp_path / "m.pae").write_text(manifest("--pae", model))
    openssl("dgst", "-sha256", "-sign", "key.pem", "-out", "m.sig", "m.pae")
    envelope = json.loads(manifest("--signature", tmp_path / "m.sig", model))
    payload = base64.b64decode(envelope["payload"])
    assert payload.decode() + "\n" == manifest(model)
    kind = envelope["payloadType"]
    assert kind == "application/vnd.in-toto+json"
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    for body, status in ((payload, 0), (payload.replace(b"f", b"e", 1), 1)):
        (tmp_path / "pae").write_bytes(
            b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body))
        assert openssl("dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig",
                       "pae").returncode == status
    assert json.loads(manifest("--envelope", model))["signatures"] == []


def test_without_a_promotion_there_is_no_statement(share, model, tmp_path):
    said = ctl("manifest", share.put("production/never.bin"))
    assert said.returncode == FAILED and "not promoted" in said.stderr
    os.setxattr(share.source("production/m"), MANIFEST, b"modelguard-tree 1\0")
    said = ctl("manifest", model)
    assert said.returncode == FAILED and "was changed" in said.stderr
    (tmp_path / "empty").write_bytes(b"")
    assert ctl("manifest", "--signature", tmp_path / "empty", model).returncode == FAILED
    for arguments in ((), ("--pae", "--envelope", model), (model, model)):
        assert ctl("manifest", *arguments).returncode == USAGE


def test_hashing_is_as_fast_as_openssl(share):
    """Of the processor's time, since others use the machine too."""
    path = share.put("production/rate", b"")
    os.truncate(share.source("production/rate"), 1 << 30)
    assert ctl("verify", "--keep", path).returncode == OK

    def seconds(*command):
        best = float("inf")
        for _ in range(3):
            before = os.times()
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            after = os.times()
            best = min(best, after.children_user + after.children_system
                       - before.children_user - before.children_system)
        return best

    ours = seconds(CTL, "verify", path)
    theirs = seconds("openssl", "dgst", "-sha256", share.source("production/rate"))
    assert theirs / ours >= 0.9, (ours, theirs)
