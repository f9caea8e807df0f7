# SPDX-License-Identifier: Apache-2.0
"""The gates of a promotion: who wrote it, who approved it, what it is. Each refusal stands beside
the neighbour that passes, with what it says; and what modelguardctl says of it."""

import errno
import json
import os
import pickle
import struct
import subprocess
import time
import zipfile

import pytest

import world
from guard import CTL, snapshot
from test_promote import PIPELINE, POLICY, acting_as, only, promote, put_model, refusal


def gated(*lines):
    return POLICY.replace("allow release-pipeline = promote\n",
                          "allow release-pipeline = promote\n" + "\n".join(lines) + "\n")


SEPARATE = gated("separation-of-duties = yes", "allow ml-engineer = promote")
APPROVED = gated("approvals = 2", "allow data-scientist = read, approve").replace(
    "allow data-scientist = read\nallow release-pipeline = promote",
    "allow release-pipeline = promote").replace(
    "path = /staging\n", "path = /staging\nallow data-scientist = read\n")


def ctl(share, user, *arguments):
    result = share.run_as(user, CTL, *arguments)
    return result.returncode, result.stdout + result.stderr


def approve(share, user, path, note="looked at it"):
    return ctl(share, user, "approve", "--note", note, path)


# Separation of duties

def _append(path):
    with open(path, "ab") as file:
        file.write(b"x")


def _read_write(path):
    os.close(os.open(path, os.O_RDWR))


def _open_truncate(path):
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))


WRITES = {"append": _append, "open for both": _read_write, "O_TRUNC": _open_truncate,
          "truncate": lambda p: os.truncate(p, 3)}


@pytest.fixture
def separate(make_guard):
    return make_guard(SEPARATE, audit="file")


@pytest.mark.parametrize("how", WRITES)
def test_who_wrote_a_file_does_not_promote_it(separate, how):
    source, target = put_model(separate), separate.path("production/m")
    path = f"{source}/tokenizer/vocab.txt"
    assert separate.call_as("mleng2", WRITES[how], path).errno == 0
    error, reason = refusal(separate, source, target, "mleng2")
    assert error == "EPERM" and reason.startswith("separation-of-duties: ")
    assert "'tokenizer/vocab.txt'" in reason and "somebody else" in reason
    assert promote(separate, source, target, PIPELINE).errno == 0


def test_who_owns_a_file_does_not_promote_it(separate):
    source, target = put_model(separate, owner="mleng2"), separate.path("production/m")
    assert refusal(separate, source, target, "mleng2")[0] == "EPERM"
    assert promote(separate, source, target, "mleng1").errno == 0


def test_who_only_read_it_does(separate):
    source = put_model(separate)
    assert separate.call_as("mleng2", os.listdir, source).errno == 0
    assert separate.call_as("mleng2", lambda: os.close(
        os.open(f"{source}/model.bin", os.O_RDONLY))).errno == 0
    assert promote(separate, source, separate.path("production/m"), "mleng2").errno == 0


def test_a_file_that_was_given_away_is_still_its_maker_s(make_guard):
    share = make_guard(SEPARATE.replace("allow model-admin = admin\nallow release-pipeline = read",
                                        "allow model-admin = admin\nallow release-pipeline = read"),
                       audit="file")
    source, target = share.path("staging/one"), share.path("production/one")

    def make():
        with open(source, "wb") as file:
            file.write(b"mine")

    assert share.call_as("mleng2", make).errno == 0
    assert share.call_as("madmin", os.chown, source, world.uid_of("sci1"), -1).errno == 0
    assert refusal(share, source, target, "mleng2")[0] == "EPERM"
    assert promote(share, source, target, PIPELINE).errno == 0


def test_a_write_elsewhere_counts_when_the_file_is_moved_to_staging(separate):
    path = separate.put("work", owner="mleng1")
    assert separate.call_as("mleng2", _append, path).errno == 0
    source, target = separate.path("staging/work"), separate.path("production/work")
    assert separate.call_as("mleng1", os.rename, path, source).errno == 0
    assert refusal(separate, source, target, "mleng2")[0] == "EPERM"
    assert promote(separate, source, target, PIPELINE).errno == 0


def test_too_many_writers_are_everybody(separate):
    source, target = put_model(separate), separate.path("production/m")
    name = separate.source("staging/m/model.bin")
    os.setxattr(name, "trusted.modelguard.writers",
                b"".join(b" %d" % (100000 + number) for number in range(64)))
    assert separate.call_as("mleng2", _append, f"{source}/model.bin").errno == 0
    assert os.getxattr(name, "trusted.modelguard.writers") == b" *"
    assert refusal(separate, source, target)[0] == "EPERM"


def test_one_uid_is_not_taken_for_another(separate):
    source, target = put_model(separate), separate.path("production/m")
    uid = world.uid_of(PIPELINE)
    os.setxattr(separate.source("staging/m/model.bin"), "trusted.modelguard.writers",
                b" 1%d %d1" % (uid, uid))
    assert promote(separate, source, target).errno == 0


def test_without_such_a_zone_nothing_is_put_down(make_guard):
    share = make_guard(POLICY, audit="file")
    source = put_model(share)
    assert share.call_as("mleng2", _append, f"{source}/model.bin").errno == 0
    assert os.listxattr(share.source("staging/m/model.bin")) == []


# Approvals

@pytest.fixture
def approved(make_guard):
    return make_guard(APPROVED, audit="file")


def test_two_people_approve_and_it_is_promoted(approved):
    source, target = put_model(approved), approved.path("production/m")
    error, reason = refusal(approved, source, target)
    assert error == "EPERM" and reason.startswith("approvals: 0 of 2")
    since = approved.mark()
    status, text = approve(approved, "sci1", source)
    assert status == 0 and "approved, sha256" in text
    record = only(approved.records(since), "approve")
    assert record["zone"] == "production" and record["reason"] == "looked at it"
    assert record["digest"] in text
    assert refusal(approved, source, target)[1].startswith("approvals: 1 of 2")
    assert approve(approved, "sci2", source)[0] == 0
    since = approved.mark()
    assert promote(approved, source, target).errno == 0
    promoted = only(approved.records(since))
    assert promoted["approvals"] == "sci1 sci2" and promoted["digest"] == record["digest"]


def test_one_person_counts_once(approved):
    source, target = put_model(approved), approved.path("production/m")
    for note in ("first", "second"):
        assert approve(approved, "sci1", source, note)[0] == 0
    assert refusal(approved, source, target)[1].startswith("approvals: 1 of 2")
    assert approve(approved, "sci2", source)[0] == 0
    assert promote(approved, source, target).errno == 0


def _rename(source):
    os.rename(f"{source}/tokenizer/vocab.txt", f"{source}/tokenizer/words.txt")


CHANGES = {
    "a byte": lambda s: _append(f"{s}/model.bin"),
    "a name": _rename,
    "a file more": lambda s: open(f"{s}/more", "wb").close(),
    "a file less": lambda s: os.unlink(f"{s}/tokenizer/vocab.txt"),
    "a link's target": lambda s: (os.unlink(f"{s}/vocab"), os.symlink("model.bin", f"{s}/vocab")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_approval_is_void_when_anything_changes(approved, what):
    source, target = put_model(approved), approved.path("production/m")
    for user in ("sci1", "sci2"):
        assert approve(approved, user, source)[0] == 0
    assert approved.call_as("mleng1", CHANGES[what], source).errno == 0
    error, reason = refusal(approved, source, target)
    assert error == "EPERM" and reason.startswith("approvals: 0 of 2") and "(2 more" in reason
    status, text = ctl(approved, "sci1", "approvals", source)
    assert status == 0 and text.count("void") == 2
    for user in ("sci1", "sci2"):
        assert approve(approved, user, source)[0] == 0
    assert promote(approved, source, target).errno == 0


def test_a_byte_that_is_put_back_is_the_same(approved):
    """Bound to the bytes, not to the time."""
    source = put_model(approved)
    for user in ("sci1", "sci2"):
        assert approve(approved, user, source)[0] == 0
    path = approved.source("staging/m/model.bin")
    with open(path, "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(first)
    assert promote(approved, source, approved.path("production/m")).errno == 0


def test_authors_and_the_promoter_do_not_count(make_guard):
    share = make_guard(APPROVED.replace("allow data-scientist = read, approve",
                                        "allow data-scientist = read, approve\n"
                                        "allow release-pipeline = promote, approve").replace(
        "allow release-pipeline = promote\n", ""), audit="file")
    source, target = put_model(share), share.path("production/m")
    assert share.call_as("mleng2", _append, f"{source}/model.bin").errno == 0
    for user in ("mleng1", "mleng2", PIPELINE, "sci1"):
        assert approve(share, user, source)[0] == 0
    assert refusal(share, source, target)[1].startswith("approvals: 1 of 2")
    assert approve(share, "sci2", source)[0] == 0
    assert promote(share, source, target).errno == 0


def test_who_may_not_approve_does_not(approved):
    source = put_model(approved)
    status, text = approve(approved, PIPELINE, source)
    assert status == 1 and "'approve' in the zone" in text
    assert approve(approved, "outsider", source)[0] != 0
    assert os.listxattr(approved.source("staging/m")) == []


def test_a_digest_of_other_bytes_is_not_approved(approved):
    source = put_model(approved)
    for value, error in ((b"0" * 64 + b" note", errno.ESTALE), (b"0" * 63 + b" note", errno.EINVAL),
                         (b"0" * 64, errno.EINVAL), (b"0" * 64 + b" " + b"n" * 101, errno.EINVAL),
                         (b"0" * 64 + b" a\nb", errno.EINVAL), (b"", errno.EINVAL)):
        assert approved.call_as("sci1", os.setxattr, source, "user.modelguard.approve",
                                value).errno == error
    assert os.listxattr(approved.source("staging/m")) == []


def test_what_is_promoted_to_nowhere_is_not_approved(approved):
    path = approved.put("experiments/x", owner="sci1")
    status, text = approve(approved, "sci2", path)
    assert status == 1 and "you may not" in text
    assert os.listxattr(approved.source("experiments/x")) == []


def test_an_approval_is_taken_back(approved):
    source, target = put_model(approved), approved.path("production/m")
    for user in ("sci1", "sci2"):
        assert approve(approved, user, source)[0] == 0
    since = approved.mark()
    assert ctl(approved, "sci2", "unapprove", "--note", "found a flaw", source)[0] == 0
    assert only(approved.records(since), "unapprove")["reason"] == "found a flaw"
    assert refusal(approved, source, target)[1].startswith("approvals: 1 of 2")
    status, text = ctl(approved, "sci2", "unapprove", source)
    assert status == 1 and "no approval of yours" in text


def test_nobody_forges_an_approval(approved):
    source = put_model(approved)
    for user in ("madmin", "mleng1", "root"):
        assert approved.call_as(user, os.setxattr, source, "trusted.modelguard.approvals",
                                b"x").errno in (errno.EPERM, errno.EACCES)
        assert approved.call_as(user, os.setxattr, source, "user.modelguard.approvals",
                                b"x").errno in (errno.EPERM, errno.EACCES)
    assert os.listxattr(approved.source("staging/m")) == []


def test_approvals_are_shown(approved):
    source = put_model(approved)
    assert approve(approved, "sci1", source, 'sound, \x1b[31m"x"'.replace("\x1b", "e"))[0] == 0
    status, text = ctl(approved, "mleng1", "approvals", "--json", source)
    (item,) = json.loads(text)["approvals"]
    assert status == 0 and item["name"] == "sci1" and item["zone"] == "production"
    assert item["digest"] == json.loads(text)["digest"]
    assert abs(item["time"] - time.time()) < 60


# Formats

def _safetensors(spoil=b""):
    header = json.dumps({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0\1\2\3" + spoil


def _gguf():
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


def _zip(*members):
    import io
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


PICKLE = pickle.dumps({"weights": [1, 2, 3]}, 2)
FILES = {
    # contents: (refused by default, with formats = safetensors, with formats and pickle = allow)
    "safetensors": (_safetensors(), None, None, None),
    "broken safetensors": (_safetensors(b"x"), None, "not sound", "not sound"),
    "gguf": (_gguf(), None, "gguf, which is not listed", "gguf, which is not listed"),
    "text": ("ä tokenizer\n".encode(), None, None, None),
    "binary": (b"\xff\xfe\0\1" * 100, None, "neither text", "neither text"),
    "pickle": (PICKLE, "pickle: ", "pickle: ", None),
    "pickle called safetensors": (pickle.dumps([1]), "pickle: ", "pickle: ", None),
    "zip with a pickle": (_zip(("archive/data.pkl", PICKLE)), "pickle: ", "pickle: ", None),
    "gzip": (subprocess.run(["gzip", "-c"], input=PICKLE, stdout=subprocess.PIPE,
                            check=True).stdout, "pickle: ", "pickle: ", None),
}


@pytest.mark.parametrize("policy", range(3))
@pytest.mark.parametrize("name", FILES)
def test_what_it_is_decides_and_not_what_it_is_called(make_guard, name, policy):
    lines = [[], ["formats = safetensors"], ["formats = safetensors", "pickle = allow"]][policy]
    share = make_guard(gated(*lines), audit="file")
    content, said = FILES[name][0], FILES[name][1 + policy]
    source, target = put_model(share), share.path("production/m")
    share.put("staging/m/part.safetensors", content, "mleng1")
    share.put("staging/m/model.bin", _safetensors(), "mleng1")
    if said is None:
        assert promote(share, source, target).errno == 0
        return
    error, reason = refusal(share, source, target)
    assert error == "EPERM" and said in reason and "'part.safetensors'" in reason


def test_a_sparse_giant_costs_little(make_guard):
    share = make_guard(gated("formats = safetensors"), audit="file")
    source = put_model(share)
    share.put("staging/m/model.bin", _safetensors(), "mleng1")
    os.truncate(share.put("staging/m/giant", b"", "mleng1").replace("/share/", "/source/"), 1 << 40)
    begun = time.monotonic()
    outcome = promote(share, source, share.path("production/m"))
    assert outcome.errno == errno.EPERM and time.monotonic() - begun < 15


# modelguardctl promote

def test_modelguardctl_promotes_and_says_the_digest(approved):
    source, target = put_model(approved), approved.path("production/m")
    status, text = ctl(approved, PIPELINE, "promote", source, target)
    assert status == 1 and "refused: approvals: 0 of 2" in text
    for user in ("sci1", "sci2"):
        assert approve(approved, user, source)[0] == 0
    since = approved.mark()
    status, text = ctl(approved, PIPELINE, "promote", source, target)
    digest = only(approved.records(since))["digest"]
    assert status == 0 and text == f"{target}: promoted, sha256 {digest}\n"


def _busy(share, source, target):
    with acting_as("mleng1", os.open, f"{source}/model.bin", os.O_WRONLY):
        return ctl(share, PIPELINE, "promote", source, target)


ANSWERS = {
    "busy": (_busy, 1, "held open for writing by 'mleng1'"),
    "denied": (lambda g, s, t: ctl(g, "mleng1", "promote", s, t), 1, "'promote' in the zone"),
    "taken": (lambda g, s, t: ctl(g, PIPELINE, "promote", s, g.put_directory("production/x")), 1,
              "taken"),
    "elsewhere": (lambda g, s, t: ctl(g, "mleng1", "promote", s, g.path("m")), 1,
                  "no promotion"),
    "missing": (lambda g, s, t: ctl(g, PIPELINE, "promote", s + "x", t), 5, "No such file"),
    "one path": (lambda g, s, t: ctl(g, PIPELINE, "promote", s), 2, "NEWPATH"),
    "no share": (lambda g, s, t: ctl(g, PIPELINE, "promote", "/var/tmp", "/var/tmp2"), 1,
                 "no guarded share"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_modelguardctl_says_what_is_in_the_way(make_guard, what):
    share = make_guard(POLICY, audit="file")
    act, status, text = ANSWERS[what]
    source, target = put_model(share), share.path("production/m")
    got, said = act(share, source, target)
    assert got == status and text in said, said
    assert os.path.isdir(share.source("staging/m"))


def test_a_digest_that_is_known_is_not_computed_again(make_guard):
    """A file of 300 MB: approvals come after modelguardctl has had it computed."""
    share = make_guard(APPROVED, audit="file")
    source, target = put_model(share), share.path("production/m")
    with open(share.source("staging/m/large"), "wb") as file:
        for _ in range(40):
            file.write(os.urandom(1 << 20))
    for user in ("sci1", "sci2"):
        assert approve(share, user, source)[0] == 0
    begun = time.monotonic()
    assert promote(share, source, target).errno == 0
    assert time.monotonic() - begun < 1


def test_a_plain_mv_of_what_takes_long_says_so(make_guard):
    share = make_guard(APPROVED, audit="file")
    source, target = put_model(share), share.path("production/m")
    path = share.put("staging/m/giant", b"x", "mleng1").replace("/share/", "/source/")
    os.truncate(path, 1 << 40)
    since = share.mark()
    assert promote(share, source, target).errno == errno.EAGAIN
    assert "'modelguardctl promote'" in only(share.records(since))["reason"]


# --keep

KEEPER = POLICY.replace("allow release-pipeline = read, delete",
                        "allow release-pipeline = read, create, delete")


def _tree(path):
    return {name: meta[-1] for name, meta in
            ((os.path.relpath(name, path), meta) for name, meta in snapshot(path).items())
            if name != "."}


def test_keep_leaves_a_copy(make_guard):
    share = make_guard(KEEPER, audit="file")
    source, target = put_model(share), share.path("production/m")
    os.chmod(share.source("staging/m/model.bin"), 0o755)
    before = _tree(share.source("staging/m"))
    status, text = ctl(share, PIPELINE, "promote", "--keep", source + "/", target)
    assert status == 0, text
    assert os.listdir(share.source("staging")) == ["m"]
    for place in ("staging/m", "production/m"):
        after = _tree(share.source(place))
        assert {n: d for n, d in after.items() if os.path.isfile(share.source(place, n))} == {
            n: d for n, d in before.items() if os.path.isfile(share.source(place, n))}
    assert os.stat(share.source("staging/m/model.bin")).st_mode & 0o111
    assert os.stat(share.source("staging/m/model.bin")).st_uid == world.uid_of(PIPELINE)


def test_keep_leaves_nothing_of_what_is_refused(make_guard):
    share = make_guard(KEEPER, audit="file")
    source, target = put_model(share), share.put_directory("production/m")
    status, text = ctl(share, PIPELINE, "promote", "--keep", source, target)
    assert status == 1 and "taken" in text
    assert os.listdir(share.source("staging")) == ["m"]


def test_keep_takes_create(make_guard):
    share = make_guard(POLICY, audit="file")
    source, target = put_model(share), share.path("production/m")
    status, text = ctl(share, PIPELINE, "promote", "--keep", source, target)
    assert status == 1 and "'create'" in text
    assert os.listdir(share.source("production")) == []


def test_keep_on_a_full_disk_leaves_nothing(make_guard):
    share = make_guard(KEEPER, audit="file", tmpfs=True)
    subprocess.run(["mount", "-o", "remount,size=4m", share.source_directory], check=True)
    source, target = put_model(share), share.path("production/m")
    share.put("staging/m/large", b"x" * (3 << 20), "mleng1")
    before = snapshot(share.source_directory)
    status, text = ctl(share, PIPELINE, "promote", "--keep", source, target)
    assert status == 5 and "no room" in text, text
    after = snapshot(share.source_directory)
    assert after.keys() == before.keys()
    assert os.listdir(share.source("production")) == []
