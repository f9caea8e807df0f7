# SPDX-License-Identifier: Apache-2.0
"""An admin's afternoon, in one terminal: a role is added, the file broken and mended, the people
affected are seen, a denial is explained from its record, a grant ends during a write, and the
report is looked at in a browser."""

import errno
import os
import re
import shutil
import subprocess
import time

import pytest

import world
from guard import BUILD, DEFAULT_POLICY
from terminal import Terminal

PROMPT = "admin# "
CHROMIUM = shutil.which("chromium")
GRANT_SECONDS = 8  # an admin would say 2m
POLICY = DEFAULT_POLICY.replace("[role data-scientist]", "grantable = release-pipeline\n"
                                "max-grant = 1h\n\n[role data-scientist]")
ROLE = "[role reviewer]\nusers = outsider\n\n[zone share]"
ADDED = POLICY.replace("[zone share]", ROLE).replace(
    "path = /production\n", "path = /production\nallow reviewer = read\n")
BROKEN = ADDED.replace("allow reviewer = read", "allow reviewer = raed")


class Desk:
    """A shell in a terminal, with modelguardctl in its path and an editor that was told what to
    save, round by round."""

    def __init__(self, directory, *rounds):
        os.makedirs(directory)
        editor = os.path.join(directory, "editor")
        for number, text in enumerate(rounds):
            with open(f"{editor}.{number}", "w", encoding="utf-8") as file:
                file.write(text)
        with open(editor, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nn=$(ls {editor}.done.* 2>/dev/null | wc -l)\n'
                       f'cat {editor}.$n >"$1" && : >{editor}.done.$n\n')
        os.chmod(editor, 0o755)
        path = os.path.join(BUILD, "fuse") + ":/usr/sbin:/usr/bin:/sbin:/bin"
        self.terminal = Terminal("bash", "--norc", "--noprofile", size=(60, 160),
                                 env={"PS1": PROMPT, "EDITOR": editor, "VISUAL": "", "PATH": path,
                                      "PAGER": "cat", "NO_COLOR": "1"})
        self.terminal.expect(PROMPT)

    def run(self, command, seconds=30):
        """What a command says until the next prompt; its exit status is the last line."""
        self.begin(command + "; echo status=$?")
        said = self.terminal.expect(PROMPT, seconds)
        status = re.findall(r"status=(\d+)\n", said)
        return said, int(status[-1])

    def begin(self, command):
        self.terminal.type(command + "\n")
        self.terminal.expect("\n")  # the echo


@pytest.fixture
def make_desk(scratch):
    made = []

    def make(*rounds):
        made.append(Desk(os.path.join(scratch, "afternoon"), *rounds))
        return made[-1]

    yield make
    for desk in made:
        desk.terminal.close()
    shutil.rmtree(os.path.join(scratch, "afternoon"), ignore_errors=True)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _write_until_refused(path, seconds):
    """Writes ten times a second. Returns (writes, errno, when it ended)."""
    n = 0
    with open(path, "ab", buffering=0) as file:
        end = time.time() + seconds
        while time.time() < end:
            try:
                file.write(b"more\n")
            except OSError as error:
                return n, error.errno, time.time()
            n += 1
            time.sleep(0.1)
    return n, 0, time.time()


def test_an_admins_afternoon(make_guard, make_desk, tmp_path):
    guard = make_guard(policy=POLICY)
    model = guard.put("production/model.safetensors")
    trail = f"--input {guard.auditd.log}"
    since = guard.mark()
    desk = make_desk(BROKEN, ADDED)

    # As it is.
    said, status = desk.run(f"modelguardctl status {guard.mountpoint}")
    assert status == 0 and "generation 1" in said
    assert guard.call_as("outsider", _read, model).errno == errno.EACCES

    # A role is added; the file is broken, and mended; who is affected is seen before it is so.
    desk.begin(f"modelguardctl edit {guard.policy_file}; echo status=$?")
    said = desk.terminal.expect("It would be refused.")
    assert "unknown verb 'raed'" in said
    desk.terminal.type("e\n")
    said = desk.terminal.expect("Install it?")
    assert "+ list, read /production: 1 person" in said and "outsider" in said
    assert guard.call_as("outsider", _read, model).errno == errno.EACCES
    desk.terminal.type("y\n")
    said = desk.terminal.expect(PROMPT)
    assert "status=0" in said and "generation 2" in said

    # It has taken effect, and status says so.
    said, status = desk.run(f"modelguardctl status {guard.mountpoint}")
    assert status == 0 and "generation 2" in said
    assert guard.call_as("outsider", _read, model).value == b"a model\n"

    # A user's denied open, explained from its record.
    assert guard.call_as("outsider", _write_until_refused, model, 1).errno == errno.EACCES
    (denied,) = [r for r in guard.failures(since) if r["acct"] == "outsider"
                 and r["op"] == "open-write"]
    said, status = desk.run(f"modelguardctl log --denied --user outsider {trail}")
    assert status == 0 and "production/model.safetensors" in said
    said, status = desk.run(f"modelguardctl explain -p {guard.policy_file} "
                            f"--record {denied['seqno']} {trail}")
    assert status == 1 and "DENIED  outsider: open-write" in said
    assert "release-pipeline" in said, "what would be needed"

    # A grant that ends during a write.
    said, status = desk.run(f"modelguardctl grant -p {guard.policy_file} outsider "
                            f"release-pipeline --for {GRANT_SECONDS}s --reason 'ticket 4711'")
    granted = time.time()
    assert status == 0, said
    writer = world.start_as("outsider", _write_until_refused, model, 3 * GRANT_SECONDS)
    said, status = desk.run(f"modelguardctl who -p {guard.policy_file} /production")
    assert status == 0 and "outsider" in said and "until" in said
    n_writes, error, ended = world.finish_call(writer).value
    assert error == errno.EACCES and n_writes > 10
    assert abs(ended - granted - GRANT_SECONDS) < 1.5
    assert _read(guard.source("production/model.safetensors")).count(b"more\n") == n_writes
    ops = {r["op"] for r in guard.records(since, kind="USYS_CONFIG")}
    assert {"policy-reload", "grant", "grant-end"} <= ops

    # The report, looked at.
    page = tmp_path / "report.html"
    said, status = desk.run(f"modelguardctl report --html={page} {trail}")
    assert status == 0, said
    text = page.read_text()
    for what in ("outsider", "release-pipeline", "granted", "ended", "Denials by rule"):
        assert what in text
    if CHROMIUM:
        shot = tmp_path / "report.png"
        subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
                        f"--user-data-dir={tmp_path}/profile", "--window-size=1200,2400",
                        f"--screenshot={shot}", f"file://{page}"],
                       capture_output=True, check=True, timeout=90,
                       env={**os.environ, "HOME": str(tmp_path)})
        assert shot.stat().st_size > 50_000, "an empty page is smaller"
    desk.terminal.type("exit\n")
    assert desk.terminal.end() == 0
