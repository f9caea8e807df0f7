# SPDX-License-Identifier: Apache-2.0
"""modelguardctl edit, in a terminal: what is refused, who is told, and what is never lost."""

import glob
import hashlib
import os
import re
import signal
import stat
import subprocess
import threading

import pytest

import world
from guard import CTL, DEFAULT_POLICY
from terminal import Terminal
from test_ctl_people import directory_service, with_directory  # noqa: F401 (a fixture)

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
ENGINEERS = "allow ml-engineer = read, create, write, delete"
WIDER = DEFAULT_POLICY.replace("path = /production\nallow data-scientist = read",
                               "path = /production\nallow data-scientist = read, write")
BROKEN = DEFAULT_POLICY.replace(ENGINEERS, "allow ml-enginer = read")
INSTALL, REFUSED = "Install it?", "It would be refused."


class Desk:
    """An admin's directory: a policy, and an editor that does what it was told, round by round."""

    def __init__(self, directory):
        self.directory = directory
        self.place = os.path.join(directory, "etc")
        self.policy = os.path.join(self.place, "policy.ini")
        self.editor = os.path.join(directory, "editor")
        self.terminals = []
        os.makedirs(self.place)
        os.chmod(directory, 0o755)
        os.chmod(self.place, 0o755)
        self.put(DEFAULT_POLICY)

    def put(self, text):
        with open(self.policy, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.policy, 0o644)

    def text(self):
        with open(self.policy, encoding="utf-8") as file:
            return file.read()

    def plan(self, *rounds):
        """Each round is the text to save, or a piece of sh(1) where $1 is the copy."""
        script = ["#!/bin/sh", f"n=$(cat {self.editor}.n)", f"echo $((n + 1)) >{self.editor}.n"]
        script.append("case $n in")
        for number, what in enumerate(rounds):
            if what.startswith("["):
                with open(f"{self.editor}.{number}", "w", encoding="utf-8") as file:
                    file.write(what)
                what = f'cat {self.editor}.{number} >"$1"'
            script.append(f"{number})\n{what}\n;;")
        script.append("*) exit 99 ;;\nesac")
        with open(self.editor, "w", encoding="ascii") as file:
            file.write("\n".join(script) + "\n")
        os.chmod(self.editor, 0o755)
        with open(self.editor + ".n", "w", encoding="ascii") as file:
            file.write("0\n")

    def edit(self, env=None):
        terminal = Terminal(CTL, "edit", self.policy,
                            env={"VISUAL": "", "EDITOR": self.editor, "PAGER": "cat",
                                 "NO_COLOR": "1", **(env or {})})
        self.terminals.append(terminal)
        return terminal

    def left(self):
        """What is in the directory beside the policy."""
        return sorted(set(os.listdir(self.place)) - {"policy.ini"})

    def kept(self, terminal):
        """The path of the copy that is said to be kept."""
        (path,) = re.findall(r"nothing is changed; the edited copy is kept: (\S+)",
                             terminal.output)
        return path


@pytest.fixture
def desk(tmp_path_factory, scratch):
    directory = os.path.join(scratch, "desk")
    made = Desk(directory)
    yield made
    for terminal in made.terminals:
        terminal.close()
    subprocess.run(["umount", "-q", made.place], check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


def test_a_change_is_checked_shown_and_installed(desk):
    desk.plan(BROKEN, WIDER)
    session = desk.edit()
    said = session.expect(REFUSED)
    line = next(n for n, text in enumerate(BROKEN.splitlines(), 1) if "ml-enginer" in text)
    assert f"{desk.policy}:{line}: unknown role 'ml-enginer'" in said
    assert desk.text() == DEFAULT_POLICY
    session.type("e\n")
    said = session.expect(INSTALL)
    assert "+ write /production: 7 people" in said and "data-scientist (policy.ini:" in said
    assert "both, madmin, mleng1, mleng2, primary, sci1, sci2" in said
    assert desk.text() == DEFAULT_POLICY
    session.type("y\n")
    assert session.end() == OK
    assert f"installed (sha256 {hashlib.sha256(WIDER.encode()).hexdigest()[:12]})" \
        in session.output
    assert desk.text() == WIDER and desk.left() == []


def test_what_is_unchanged_is_said_to_be(desk):
    before = os.stat(desk.policy)
    desk.plan("true")
    session = desk.edit()
    assert session.end() == OK and "policy.ini: unchanged" in session.output
    assert os.stat(desk.policy) == before and desk.left() == []


@pytest.mark.parametrize("text, question", [(BROKEN, REFUSED), (WIDER, INSTALL)])
def test_what_is_discarded_changes_nothing(desk, text, question):
    desk.plan(text)
    session = desk.edit()
    session.expect(question)
    session.type("what\n")
    session.expect(question)
    session.type("d\n")
    assert session.end() == NO and "discarded" in session.output
    assert desk.text() == DEFAULT_POLICY and desk.left() == []


def test_a_broken_policy_cannot_be_installed(desk):
    desk.plan(BROKEN)
    session = desk.edit()
    session.expect(REFUSED)
    session.type("y\n")
    session.expect(REFUSED)
    session.type("d\n")
    assert session.end() == NO and desk.text() == DEFAULT_POLICY


def test_what_cannot_be_enforced_is_refused(desk):
    desk.plan(DEFAULT_POLICY + "[zone w]\npath = /w\npromote-from = /staging\n"
              "allow everyone = promote\ncheck = /bin/true\n")
    session = desk.edit()
    assert "not yet enforced" in session.expect(REFUSED)


def test_a_policy_that_is_broken_already_can_be_mended(desk):
    desk.put(BROKEN)
    desk.plan(DEFAULT_POLICY)
    session = desk.edit()
    assert "The policy as it was is refused" in session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == OK and desk.text() == DEFAULT_POLICY


def test_a_policy_that_names_a_user_who_left_can_be_mended(desk):
    mended = DEFAULT_POLICY.replace("users = ci-release", "groups = model-admins")
    with world.changed("/etc/passwd", lambda text: text.replace("ci-release:", "hired-since:")):
        desk.plan(DEFAULT_POLICY + "; still\n", mended)
        session = desk.edit()
        assert "ci-release" in session.expect(REFUSED)
        session.type("e\n")
        session.expect(INSTALL)
        session.type("y\n")
        assert session.end() == OK and desk.text() == mended


def test_a_name_service_that_hangs_loses_nothing(desk, directory_service):  # noqa: F811
    hanging = DEFAULT_POLICY.replace("users = ci-release", "users = hang")
    desk.plan(hanging)
    with world.changed("/etc/nsswitch.conf", with_directory):
        session = desk.edit(env=directory_service)
        assert session.end(seconds=40) == FAILED
    assert "the name service has not answered for 15 s" in session.output
    with open(desk.kept(session), encoding="utf-8") as copy:
        assert copy.read() == hanging
    assert desk.text() == DEFAULT_POLICY


def test_a_place_where_guards_refuse_it_is_told(desk):
    os.chmod(desk.place, 0o777)
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == NO and desk.text() == WIDER
    assert "writable by others" in session.output and "guards refuse it" in session.output


def test_owner_mode_and_attributes_are_kept(desk):
    os.chown(desk.policy, 0, world.gid_of("madmin"))
    os.chmod(desk.policy, 0o640)
    subprocess.run(["setfacl", "-m", "u:sci1:r", desk.policy], check=True)
    attributes = {"user.note": b"kept", "security.selinux": b"system_u:object_r:etc_t:s0\0"}
    for name, value in attributes.items():
        os.setxattr(desk.policy, name, value)
    before = os.stat(desk.policy)
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == OK
    after = os.stat(desk.policy)
    assert after.st_ino != before.st_ino, "not replaced, but written over"
    assert (after.st_uid, after.st_gid, after.st_mode) == \
        (before.st_uid, before.st_gid, before.st_mode)
    for name, value in attributes.items():
        assert os.getxattr(desk.policy, name) == value
    acl = subprocess.run(["getfacl", "-cp", desk.policy], check=True, capture_output=True,
                         text=True).stdout
    assert "user:sci1:r--" in acl


def test_a_policy_that_others_could_write_is_closed(desk):
    os.chmod(desk.policy, 0o666)
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == OK
    assert stat.S_IMODE(os.stat(desk.policy).st_mode) == 0o644


def test_the_copy_is_closed_to_others(desk):
    desk.plan('stat -c "mode %a" "$1" "${1%/*}"; basename "$1"')
    session = desk.edit()
    assert session.end() == OK
    assert "mode 600\nmode 700\npolicy.ini\n" in session.output


def test_two_admins_at_once(desk):
    desk.plan(f"echo ready; cat {desk.editor}.fifo; cp {desk.editor}.text $1")
    os.mkfifo(desk.editor + ".fifo")
    with open(desk.editor + ".text", "w", encoding="utf-8") as file:
        file.write(WIDER)
    first = desk.edit()
    first.expect("ready")
    second = desk.edit()
    assert second.end() == FAILED
    assert re.search(rf"is being edited by '\S+ \(pid {first.process.pid}\)'", second.output)
    with open(desk.editor + ".fifo", "w", encoding="ascii"):
        pass
    first.expect(INSTALL)
    first.type("y\n")
    assert first.end() == OK and desk.text() == WIDER and desk.left() == []


def test_a_lock_whose_holder_died_does_not_hold(desk):
    desk.plan("echo ready; sleep 60")
    first = desk.edit()
    first.expect("ready")
    os.kill(first.process.pid, signal.SIGKILL)
    first.close()
    desk.plan("true")
    assert desk.edit().end() == OK


def test_nobody_else_can_hold_the_lock(desk):
    desk.plan("echo ready; sleep 2")
    session = desk.edit()
    session.expect("ready")
    lock = os.path.join(desk.place, ".policy.ini.lock")
    assert stat.S_IMODE(os.stat(lock).st_mode) == 0o600
    assert world.call_as("outsider", os.open, lock, os.O_RDONLY).error_name == "EACCES"
    assert session.end() == OK


@pytest.mark.parametrize("how, said", [("exit 3", "the editor failed: exit status 3"),
                                       ("kill -SEGV $$", "the editor was ended by signal 11")])
@pytest.mark.parametrize("saved", [False, True])
def test_an_editor_that_fails_loses_nothing(desk, how, said, saved):
    desk.plan(("echo '; a note' >>\"$1\"; " if saved else "") + how)
    session = desk.edit()
    assert session.end() == FAILED and said in session.output
    assert desk.text() == DEFAULT_POLICY
    if saved:
        with open(desk.kept(session), encoding="utf-8") as copy:
            assert copy.read() == DEFAULT_POLICY + "; a note\n"
    else:
        assert desk.left() == []


def test_an_editor_that_is_not_there(desk):
    session = desk.edit(env={"EDITOR": "/nonexistent/editor"})
    assert session.end() == FAILED and "set EDITOR to one that can" in session.output
    assert desk.left() == []


def test_visual_goes_before_editor_and_may_have_arguments(desk):
    desk.plan("exit 7")
    session = desk.edit(env={"VISUAL": "printf '<%s>' with arguments"})
    assert session.end() == OK and "<with><arguments><" in session.output


def test_an_editor_that_removes_the_copy(desk):
    desk.plan('rm "$1"')
    session = desk.edit()
    assert session.end() == FAILED and "cannot read what was edited" in session.output
    assert desk.text() == DEFAULT_POLICY


def test_a_full_disk_loses_nothing(desk):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=755", "tmpfs", desk.place],
                   check=True)
    desk.put(DEFAULT_POLICY)
    desk.plan(f'cp {desk.editor}.text "$1"; cat /dev/zero >"${{1%/*}}/../filler" 2>/dev/null; '
              "true")
    with open(desk.editor + ".text", "w", encoding="utf-8") as file:
        file.write(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == FAILED
    assert "cannot install" in session.output and "No space left" in session.output
    assert "nothing is changed" in session.output
    assert desk.text() == DEFAULT_POLICY
    with open(desk.kept(session), encoding="utf-8") as copy:
        assert copy.read() == WIDER
    assert not glob.glob(os.path.join(desk.place, ".policy.ini.new-*"))


def test_a_policy_that_somebody_else_changed_is_not_overwritten(desk):
    other = DEFAULT_POLICY + "; by hand\n"
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    desk.put(other)
    session.type("y\n")
    assert session.end() == FAILED and "was changed by somebody else" in session.output
    assert desk.text() == other
    with open(desk.kept(session), encoding="utf-8") as copy:
        assert copy.read() == WIDER


@pytest.mark.parametrize("how", ["interrupt", "hang-up", "end-of-input"])
def test_whoever_leaves_at_the_question_finds_the_copy(desk, how):
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    if how == "interrupt":
        session.type("\x03")
        assert session.end() == 128 + signal.SIGINT
    elif how == "end-of-input":
        session.type("\x04")
        assert session.end() == NO
    else:
        session.close()
    if how == "hang-up":
        (name,) = glob.glob(os.path.join(desk.place, ".policy.ini.edit-*", "policy.ini"))
    else:
        name = desk.kept(session)
    with open(name, encoding="utf-8") as copy:
        assert copy.read() == WIDER
    assert desk.text() == DEFAULT_POLICY
    desk.plan("true")
    assert desk.edit().end() == OK, "the lock is left"


def test_an_interrupt_in_the_editor_is_the_editor_s(desk):
    desk.plan("trap 'echo caught; exit 0' INT; echo ready; sleep 20 & wait")
    session = desk.edit()
    session.expect("ready")
    session.type("\x03")
    session.expect("caught")
    assert session.end() == OK and "unchanged" in session.output


def test_no_permission_is_said_clearly(desk):
    said = world.run_as("sci1", CTL, "edit", desk.policy, env={"EDITOR": "true"})
    assert said.returncode == FAILED and "Permission denied" in said.stderr
    assert desk.left() == []


def test_what_is_no_file_is_not_edited(desk):
    desk.plan("true")
    os.unlink(desk.policy)
    session = desk.edit()
    assert session.end() == FAILED and "copy a first policy there" in session.output
    os.symlink("/etc/passwd", desk.policy)
    session = desk.edit()
    assert session.end() == FAILED and "name the file that the link points to" in session.output
    os.unlink(desk.policy)
    assert desk.left() == []


def test_a_reader_sees_the_old_policy_or_the_new_one(desk):
    texts = [DEFAULT_POLICY + "; " + "x" * 190 + "\n" * count for count in (1, 20000)]
    desk.put(texts[0])
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(desk.text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(6):
            desk.plan(f'cp {desk.editor}.text "$1"')
            with open(desk.editor + ".text", "w", encoding="utf-8") as file:
                file.write(texts[(number + 1) % 2])
            session = desk.edit()
            session.expect(INSTALL)
            session.type("y\n")
            assert session.end() == OK
    finally:
        stop.set()
        reader.join()
    assert seen == set(texts)


def test_the_guards_that_run_by_it_are_reloaded(desk, make_guard, file_guard):
    guard = make_guard(audit="file", start=False)
    guard.policy_file = desk.policy
    guard.start()
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == OK
    digest = hashlib.sha256(WIDER.encode()).hexdigest()
    assert f"{guard.mountpoint}: loaded as generation 2 (sha256 {digest[:12]})" in session.output
    assert file_guard.mountpoint not in session.output, "it has another policy"
    assert "in force" not in file_guard.stderr()


def test_that_no_guard_runs_by_it_is_told(desk, file_guard):
    desk.plan(WIDER)
    session = desk.edit()
    session.expect(INSTALL)
    session.type("y\n")
    assert session.end() == OK and "No guard runs by it here" in session.output
    assert file_guard.mountpoint not in session.output


# The terminal itself

@pytest.fixture
def terminal(desk):
    def start(*command, env=None):
        made = Terminal(CTL, *command, env=env)
        desk.terminals.append(made)
        return made
    return start


def test_a_terminal_gets_colours_and_a_pager(desk, terminal):
    session = terminal("who", "-p", desk.policy, "/", env={"PAGER": "sed s/^/paged:/"})
    assert session.end() == OK
    assert "paged:  mleng1" in session.output.replace("\x1b[0m", "")
    assert "\x1b[1;32m" in session.output
    session = terminal("who", "-p", desk.policy, "/", env={"PAGER": "cat", "NO_COLOR": "1"})
    assert session.end() == OK and "\x1b" not in session.output
    piped = subprocess.run([CTL, "who", "-p", desk.policy, "/"], check=True, text=True,
                           capture_output=True, env=dict(os.environ, PAGER="false"))
    assert "mleng1" in piped.stdout and "\x1b" not in piped.stdout


def test_whoever_leaves_the_pager_has_read_enough(desk, terminal):
    session = terminal("user", "-p", desk.policy, "mleng1", env={"PAGER": "true"})
    assert session.end() == OK


def test_a_pager_that_is_not_there_is_a_failure(desk, terminal):
    session = terminal("diff", desk.policy, desk.policy, env={"PAGER": "/nonexistent/pager"})
    assert session.end() == FAILED and "set PAGER" in session.output


def test_json_needs_no_pager(desk, terminal):
    session = terminal("who", "--json", "-p", desk.policy, "/", env={"PAGER": "false"})
    assert session.end() == OK and '"people"' in session.output


def test_names_are_shown_safely_on_a_terminal(desk, terminal):
    session = terminal("who", "-p", desk.policy, "/\x1b]0;title\x07",
                       env={"PAGER": "cat", "NO_COLOR": "1"})
    assert session.end() == OK
    assert "\x1b" not in session.output and "\\x1b]0;title\\x07" in session.output
