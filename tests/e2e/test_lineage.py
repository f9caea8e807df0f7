# SPDX-License-Identifier: Apache-2.0
"""modelguardctl lineage: where a model comes from and who has used it, from the trail."""

import errno
import json
import os
import re
import stat
import xml.etree.ElementTree as xml

import pytest

from make_trail import actor, audit_line, json_line
from test_trail import Trail, ctl

OK, NO, USAGE, _, _, FAILED = range(6)
PYTHON = "/usr/bin/python3.11"
MODEL = "/models/staging/m"


class Story(Trail):
    def by(self, acct, uid, op, path, spid=100, exe=PYTHON, **fields):
        who = dict(actor(acct, uid, exe=exe), spid=spid)
        self.now += 1
        self.serial += 1
        self.seqno += 1
        self.lines.append(self.line(self.now, self.serial, op, **{"pid": self.pid, **who}, path=path,
                                    **fields, seqno=self.seqno))
        return self

    def trainer(self, op, path, **fields):
        return self.by("mleng1", 64101, op, path, **fields)

    def later(self, seconds):
        self.now += seconds
        return self


@pytest.fixture(params=[audit_line, json_line], ids=["auditd", "json"])
def story(request):
    return Story(request.param)


def lineage(story, tmp_path, path=MODEL, *arguments, check=OK):
    said = ctl("lineage", "--json", "--input", story.write(tmp_path / "log"), path, *arguments,
               check=check)
    return json.loads(said.stdout)


def read_by(answer):
    return [(one["pid"], file["path"], file["same_process"])
            for one in answer["writers"] for file in one["read"]]


def test_what_the_writing_process_read_is_named(story, tmp_path):
    (story.trainer("open-read", "/models/data/train.csv").trainer("create", f"{MODEL}")
     .trainer("write", MODEL).trainer("open-read", "/models/base.bin").trainer("write", MODEL)
     .trainer("open-read", "/models/after.txt"))
    answer = lineage(story, tmp_path)
    assert [one["acct"] for one in answer["writers"]] == ["mleng1"]
    assert answer["writers"][0]["exe"] == PYTHON
    assert read_by(answer) == [(100, "/models/data/train.csv", True), (100, "/models/base.bin", True)]


# Reads that are not the writer's, or not its before it wrote: (keyword arguments, seconds later).
OTHERS = {
    "another user": ({"acct": "sci1", "uid": 64103}, 0),
    "another program": ({"exe": "/usr/bin/cat"}, 0),
    "another process long before": ({"spid": 99}, 100),
    "the number a day before": ({}, 90000),
}


@pytest.mark.parametrize("who, later", OTHERS.values(), ids=OTHERS)
def test_what_others_read_is_not(story, tmp_path, who, later):
    who = {"acct": "mleng1", "uid": 64101, **who}
    story.by(who.pop("acct"), who.pop("uid"), "open-read", "/models/other.csv", **who).later(later)
    story.trainer("create", MODEL).trainer("write", MODEL)
    assert read_by(lineage(story, tmp_path)) == []


def test_a_helper_of_the_same_program_is_marked(story, tmp_path):
    (story.trainer("open-read", "/models/config").trainer("open-read", "/models/data/1", spid=101)
     .trainer("create", MODEL))
    assert read_by(lineage(story, tmp_path)) == [(100, "/models/config", True),
                                                 (100, "/models/data/1", False)]


def test_what_was_denied_was_not_read(story, tmp_path):
    story.trainer("open-read", "/models/secret", ok=False, errno=13, reason="not granted")
    story.trainer("create", MODEL)
    assert read_by(lineage(story, tmp_path)) == []


def test_the_steps_follow_the_renames(story, tmp_path):
    final = "/models/production/m"
    (story.trainer("mkdir", MODEL).trainer("create", f"{MODEL}/1").trainer("create", f"{MODEL}/2")
     .by("ci-release", 64110, "rename", MODEL, name=final)
     .by("sci1", 64103, "open-read", f"{final}/1").by("sci1", 64103, "open-read", f"{final}/1")
     .by("out", 64109, "open-write", f"{final}/1", ok=False, errno=13, reason="not granted"))
    for path in (MODEL, final, f"{final}/1"):
        answer = lineage(story, tmp_path, path)
        ops = [(one["op"], one["acct"]) for one in answer["steps"]]
        assert ("create", "mleng1") in ops and ("rename", "ci-release") in ops
        assert [(one["acct"], one["opens"]) for one in answer["readers"]] == [("sci1", 2)]
        assert answer["denied"] == 1
    steps = lineage(story, tmp_path, final)["steps"]
    assert [(one["op"], one["times"]) for one in steps] == [("mkdir", 1), ("create", 2), ("rename", 1)]
    assert steps[2]["name"] == final


def test_readers_are_those_since_the_promotion(story, tmp_path):
    final = "/models/production/m"
    (story.trainer("create", MODEL).by("sci1", 64103, "open-read", MODEL)
     .by("ci-release", 64110, "promote", MODEL, name=final)
     .by("sci2", 64104, "open-read", final))
    answer = lineage(story, tmp_path, MODEL)
    promoted = [one for one in answer["steps"] if one["op"] == "promote"]
    assert [one["acct"] for one in promoted] == ["ci-release"]
    assert "sci1" not in [one["acct"] for one in answer["readers"]]


def test_of_another_file_there_is_nothing(story, tmp_path):
    story.trainer("create", MODEL)
    lineage(story, tmp_path, "/models/staging/mm", check=NO)


@pytest.mark.parametrize("arguments", [(), ("relative",), ("/a", "/b"), ("--svg", "/x")])
def test_a_wrong_command_line_is_refused(arguments):
    ctl("lineage", *arguments, check=USAGE)


HOSTILE = '/models/<script>alert(1)</script>&"\'\x1b[31m\n'


def test_the_picture_is_whole_and_shows_text_as_text(story, tmp_path):
    story.trainer("open-read", HOSTILE).trainer("create", MODEL)
    story.by("sci1", 64103, "open-read", MODEL, exe=HOSTILE)
    for number in range(40):
        story.trainer("open-read", f"/models/data/{number}").trainer("write", MODEL)
    picture = tmp_path / "m.svg"
    picture.write_text("old")
    lineage(story, tmp_path, MODEL, "--svg", picture)
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    tree = xml.parse(picture).getroot()
    texts = ["".join(one.itertext()) for one in tree.iter() if one.tag.endswith("text")]
    assert any("script" in text for text in texts) and "and 27 more" in texts
    assert {one.tag.split("}")[1] for one in tree.iter()} <= {
        "svg", "title", "style", "rect", "text", "tspan", "g", "path"}
    text = picture.read_text()
    assert "\x1b" not in text and not re.search(r"(href|url\(|@import|<script)", text)


def test_the_text_cannot_steer_the_terminal(story, tmp_path):
    story.trainer("open-read", HOSTILE).trainer("create", MODEL)
    said = ctl("lineage", "--input", story.write(tmp_path / "log"), MODEL, check=OK)
    assert "\x1b" not in said.stdout and r"\x1b[31m" in said.stdout
    assert "Written by:" in said.stdout and "which read" in said.stdout


def test_a_real_run_is_traced_to_what_it_read(make_guard):
    guard = make_guard(audit="file")
    data = guard.put("data.csv", b"1,2\n", owner="mleng1")
    guard.put("untouched.csv", b"3,4\n", owner="mleng1")
    model = guard.path("staging/model.bin")
    program = (f"data = open({data!r}, 'rb').read()\n"
               f"open({model!r}, 'wb').write(data * 2)\n")
    assert guard.run_as("mleng1", "/usr/bin/python3", "-c", program).returncode == 0
    moved = guard.path("staging/final.bin")
    assert guard.call_as("mleng1", os.rename, model, moved).errno == 0
    assert guard.call_as("ci-release", os.truncate, moved, 0).errno == errno.EACCES
    said = ctl("lineage", "--json", "--input", guard.audit_file, moved, check=OK)
    answer = json.loads(said.stdout)
    (writer,) = answer["writers"]
    assert writer["acct"] == "mleng1" and "python3" in writer["exe"]
    assert [(one["path"], one["same_process"]) for one in writer["read"]] == [(data, True)]
    assert [one["op"] for one in answer["steps"]] == ["create", "rename"]
    assert answer["denied"] == 1 and answer["readers"] == []
