# SPDX-License-Identifier: Apache-2.0
"""The control socket: what root is told of a guard that runs, and what nobody else can do."""

import contextlib
import errno
import hashlib
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import world
from auditd import wait_for
from guard import CTL, DEFAULT_POLICY, OWNER_POLICY
from terminal import Terminal
from test_ctl import ctl

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
PLACE = "/run/modelguard"
STATUS = b'{"version": 1, "verb": "status"}'
# A data scientist loses the share, and keeps the experiments.
NARROWER = DEFAULT_POLICY.replace("path = /\nallow data-scientist = read\n", "path = /\n")
BROKEN = DEFAULT_POLICY.replace("allow ml-engineer", "allow ml-enginer", 1) + "[zone x]\npath = x\n"
CLIENTS, CLIENT_SECONDS = 8, 5  # as in control.c


def socket_path(guard):
    device = os.stat(guard.mountpoint).st_dev
    return f"{PLACE}/{os.major(device)}:{os.minor(device)}"


@pytest.fixture
def shares(make_guard):
    """Makes guards that record in files, and waits until they can be asked."""
    def make(**options):
        guard = make_guard(audit="file", **options)
        wait_for(lambda: ctl("status", "--json", guard.mountpoint).returncode == OK, 10,
                 "the guard does not answer")
        return guard
    return make


@pytest.fixture
def share(shares):
    return shares()


@contextlib.contextmanager
def connected_at(path, seconds=30):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with client:
        client.connect(path)  # waits while the queue is full; with a timeout it would not
        client.settimeout(seconds)
        yield client


def connected(guard):
    return connected_at(socket_path(guard))


def read_answer(client):
    """All datagrams until the end of the answer, or of the connection."""
    parts = []
    while not (parts and parts[-1].get("end")):
        data = client.recv(1 << 20)
        if not data:
            break
        assert len(data) <= 131072
        assert all(0x20 <= byte < 0x7f for byte in data)
        parts.append(json.loads(data))
        assert parts[-1]["version"] == 1
    return parts


def ask_at(path, request):
    with connected_at(path) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(request)
        return read_answer(client)


def ask(guard, request):
    return ask_at(socket_path(guard), request)


def status_of(guard):
    said = ctl("status", "--json", guard.mountpoint)
    assert said.returncode == OK, said.stderr
    (answer,) = json.loads(said.stdout)["guards"]
    assert answer["mountpoint"] == guard.mountpoint
    return answer


@contextlib.contextmanager
def holding(user, path, how="<"):
    """A process of the user's that has the file open. Yields its pid."""
    process = subprocess.Popen(
        ["sh", "-c", f'exec 3{how}"$1"; echo open; exec sleep 100', "sh", path],
        user=world.uid_of(user), group=world.gid_of(user), extra_groups=world.groups_of(user),
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd="/",
        preexec_fn=world.die_with_parent)
    try:
        assert process.stdout.readline() == b"open\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def person(answer, name):
    found = [one for one in answer["people"] if one["name"] == name]
    return found[0] if found else None


def rule(answer, line):
    (found,) = [one for one in answer["rules"] if one["line"] == line]
    return found


# status


def test_status_tells_the_state_as_it_is(share):
    before = status_of(share)
    model = share.put("model", owner="mleng1")
    with holding("sci1", model), holding("mleng1", share.path("new"), ">>"):
        for _ in range(3):
            assert share.call_as("sci1", os.unlink, model).errno == errno.EACCES
        answer = status_of(share)
    assert answer["source"] == share.source_directory and answer["pid"] == share.process.pid
    assert abs(answer["since"] - time.time()) < 60
    policy = answer["policy"]
    assert policy["file"] == share.policy_file and policy["generation"] == 1
    assert policy["sha256"] == hashlib.sha256(DEFAULT_POLICY.encode()).hexdigest()
    assert policy["on_disk"] == "same" and policy["since"] <= answer["since"]
    audit = answer["audit"]
    assert audit["state"] == "recording" and audit["sink"] == f"file:{share.audit_file}"
    assert audit["seqno"] == max(int(r["seqno"]) for r in share.records(0, kind=None))
    assert [audit[name] for name in ("waiting", "gaps", "lost", "refused")] == [0] * 4

    assert person(answer, "sci1") == {
        "uid": world.uid_of("sci1"), "name": "sci1", "roles": ["data-scientist"],
        "reading": 1, "writing": 0, "directories": 0}
    engineer = person(answer, "mleng1")
    assert engineer["roles"] == ["data-scientist", "ml-engineer"]
    assert (engineer["reading"], engineer["writing"]) == (0, 1)
    assert {"name": "data-scientist", "handles": 2} in answer["roles"]
    assert {"name": "ml-engineer", "handles": 1} in answer["roles"]
    assert answer["handles"]["reading"] == 1 and answer["handles"]["writing"] == 1
    assert answer["handles"]["passthrough"] == int(answer["passthrough"]["available"])
    assert answer["passthrough"]["refused"] == 0 and answer["unreachable"] == []

    assert answer["denials"]["total"] == 3 and answer["denials"]["per_second"] > 0
    assert answer["requests"]["total"] > before["requests"]["total"]
    assert answer["nodes"] >= 3 and answer["memory"] > 1 << 20

    after = status_of(share)
    assert after["people"] == [] and after["roles"] == []
    assert after["handles"] == {"reading": 0, "writing": 0, "directories": 0, "passthrough": 0}


def test_each_rule_tells_how_often_it_decided(share):
    share.put("production/m")
    line = {text: share.policy_line(text) for text in ("[zone share]", "[zone staging]")}
    reads = share.policy_line("[zone production]") + 2
    for _ in range(5):
        assert share.call_as("sci1", os.open, share.path("production/m"),
                             os.O_RDONLY).errno == 0
    for _ in range(4):
        assert share.call_as("sci1", os.open, share.path("production/m"),
                             os.O_WRONLY).errno == errno.EACCES
    for _ in range(2):
        assert share.call_as("sci1", os.listdir, share.path("staging")).errno == errno.EACCES
    answer = status_of(share)
    assert rule(answer, reads)["allowed"] >= 5 and rule(answer, reads)["denied"] == 4
    assert rule(answer, reads)["text"] == "allow data-scientist = read"
    assert rule(answer, reads)["zone"] == "production"
    # No grant of that zone is for a scientist: the section is what decides.
    assert rule(answer, line["[zone staging]"])["denied"] >= 2
    assert rule(answer, line["[zone staging]"])["role"] is None
    writers = share.policy_line("allow release-pipeline")
    assert rule(answer, writers)["allowed"] == 0 == rule(answer, writers)["denied"]
    never = [one for one in answer["rules"] if one["role"] and one["allowed"] == 0]
    assert answer["n_never_hit"] == len(never) > 3
    said = ctl("status", share.mountpoint).stdout
    hit, _, never_hit = said.partition("Rules never hit")
    assert re.search(rf"\d +4  policy.ini:{reads} in production: allow data-scientist = read", hit)
    assert f"policy.ini:{writers} in production: allow release-pipeline" in never_hit
    assert f"policy.ini:{reads} " not in never_hit

    share.write_policy(DEFAULT_POLICY)
    assert ctl("reload", share.mountpoint).returncode == OK
    assert rule(status_of(share), reads)["denied"] == 0, "counted since it is in force"


def test_a_reader_out_of_reach_is_named_until_it_closes(share):
    if not status_of(share)["passthrough"]["available"]:
        pytest.skip("the kernel has no passthrough")
    name = "m\x1b]0;title\x07\x9b2J"  # a C1 control, too
    model = share.put(name, b"weights" * 10000)
    with holding("sci1", model) as scientist, holding("mleng1", model) as engineer:
        assert status_of(share)["unreachable"] == []
        share.write_policy(NARROWER)
        assert ctl("reload").returncode == OK
        assert share.call_as("sci1", os.open, model, os.O_RDONLY).errno == errno.EACCES
        answer = status_of(share)
        assert answer["unreachable"] == [{"uid": world.uid_of("sci1"), "name": "sci1",
                                          "pid": scientist.pid, "path": model}]
        assert ask(share, STATUS)[-1].get("end")  # of printable bytes only
        assert answer["n_unreachable"] == 1 and answer["handles"]["passthrough"] == 2
        said = ctl("status").stdout
        assert "Denied by now" in said and said.isascii() and "\x1b" not in said
        assert f"sci1 (pid {scientist.pid}): {share.path('m')}\\x1b]0;title\\x07\\xc2\\x9b2J" \
            in said
        assert f"(pid {engineer.pid})" not in said
        scientist.kill()
        scientist.wait()
        wait_for(lambda: status_of(share)["unreachable"] == [], 5, "still named")


def test_a_file_that_differs_is_told(share):
    share.write_policy(NARROWER)
    assert status_of(share)["policy"]["on_disk"] == "differs"
    assert "the file differs: 'modelguardctl check' it" in ctl("status").stdout
    os.unlink(share.policy_file)
    assert status_of(share)["policy"]["on_disk"] == "unreadable"
    share.write_policy(DEFAULT_POLICY)
    assert status_of(share)["policy"]["on_disk"] == "same"


def test_status_tells_that_nothing_is_recorded(make_guard, own_auditd):
    guard = make_guard()
    path = guard.put("model")
    wait_for(lambda: ctl("status", guard.mountpoint).returncode == OK, 10, "no answer")
    assert status_of(guard)["audit"]["state"] == "recording"
    own_auditd.stop()
    wait_for(lambda: status_of(guard)["audit"]["state"] == "no-auditd", 5, "not noticed")
    assert guard.call_as("mleng1", os.open, path, os.O_RDONLY).errno == errno.EIO
    audit = status_of(guard)["audit"]
    assert audit["refused"] >= 1 and audit["gaps"] == 1 and audit["failure"] == "deny"
    assert abs(audit["gap_since"] - time.time()) < 60
    assert "what would be recorded does not happen" in ctl("status", guard.mountpoint).stdout
    own_auditd.ensure()
    wait_for(lambda: status_of(guard)["audit"]["state"] == "recording", 5, "not noticed")
    audit = status_of(guard)["audit"]
    assert audit["refused"] >= 1 and audit["gaps"] == 1 and audit["gap_since"] is None


def test_a_terminal_gets_colours_and_a_pipe_does_not(share):
    terminal = Terminal(CTL, "status", share.mountpoint, env={"PAGER": "cat"})
    try:
        assert terminal.end() == OK and f"\x1b[1m{share.mountpoint}\x1b[0m" in terminal.output
    finally:
        terminal.close()
    assert "\x1b" not in ctl("status", share.mountpoint).stdout


def test_no_guard_is_told(make_guard):
    guard = make_guard(start=False, audit="file")
    for verb in ("status", "reload"):
        said = ctl(verb)
        assert said.returncode == NO and "no guard is running" in said.stderr
        said = ctl(verb, guard.mountpoint)
        assert said.returncode == NO and "is in no guarded share" in said.stderr
        said = ctl(verb, guard.path("none"))
        assert said.returncode == FAILED and "No such file" in said.stderr


def test_a_path_in_the_share_names_its_guard(shares):
    guard, other = shares(), shares()
    guard.put("model")
    assert len(json.loads(ctl("status", "--json").stdout)["guards"]) == 2
    assert status_of(guard)["pid"] == guard.process.pid
    said = ctl("status", other.source_directory)
    assert said.returncode == NO, "the source is not the share"


def test_what_modes_deny_is_a_denial(shares):
    """modes = owner: the source denies it, after the policy has allowed it."""
    guard = shares(policy=OWNER_POLICY)
    os.chmod(guard.source("experiments"), 0o755)
    path = guard.put("experiments/hers", owner="mleng1", mode=0o600)
    assert guard.call_as("mleng2", os.open, path, os.O_RDONLY).errno == errno.EACCES
    assert guard.call_as("mleng1", os.open, path, os.O_RDONLY).errno == 0
    assert status_of(guard)["denials"]["total"] == 1


# reload


def test_a_good_policy_is_loaded_and_told(share):
    share.write_policy(NARROWER)
    said = ctl("reload", share.mountpoint)
    digest = hashlib.sha256(NARROWER.encode()).hexdigest()
    assert (said.returncode, said.stderr) == (OK, "")
    assert said.stdout == f"{share.mountpoint}: loaded as generation 2 (sha256 {digest[:12]})\n"
    policy = status_of(share)["policy"]
    assert policy["sha256"] == digest and policy["generation"] == 2
    loaded = [r for r in share.records(0, kind="USYS_CONFIG") if r["op"] == "policy-reload"]
    assert [r["hash"] for r in loaded] == [digest]


def test_a_bad_policy_is_refused_with_all_its_errors(share):
    share.write_policy(BROKEN)
    checked = ctl("check", share.policy_file)
    assert checked.returncode == NO
    *complaints, _ = checked.stderr.splitlines()
    assert len(complaints) >= 2 and all(line.startswith(share.policy_file) for line in complaints)
    said = ctl("reload")
    assert said.returncode == NO and said.stdout == ""
    digest = hashlib.sha256(DEFAULT_POLICY.encode()).hexdigest()
    assert said.stderr.splitlines() == complaints + [
        f"{share.mountpoint}: refused, keeping generation 1 (sha256 {digest[:12]})"]
    policy = status_of(share)["policy"]
    assert policy["generation"] == 1 and policy["on_disk"] == "differs"
    os.unlink(share.policy_file)
    said = ctl("reload")
    assert said.returncode == NO and f"{share.policy_file}: cannot open it: No such" in said.stderr


def test_the_outcome_of_a_reload_as_json(share):
    share.write_policy(NARROWER)
    said = ctl("reload", "--json", share.mountpoint)
    assert (said.returncode, said.stderr) == (OK, "")
    (guard,) = json.loads(said.stdout)["guards"]
    assert guard["loaded"] and guard["complaints"] == []
    assert guard["mountpoint"] == share.mountpoint and guard["policy"]["generation"] == 2
    share.write_policy(BROKEN)
    said = ctl("reload", "--json", share.mountpoint)
    assert (said.returncode, said.stderr) == (NO, "")
    (guard,) = json.loads(said.stdout)["guards"]
    assert not guard["loaded"] and guard["policy"]["generation"] == 2
    lines = [complaint["line"] for complaint in guard["complaints"]]
    assert len(lines) >= 2 and all(lines)


def test_a_thousand_errors_come_through(share):
    share.write_policy("".join(f"rubbish {n}{'x' * 150}\n" for n in range(3000)))
    said = ctl("reload")
    assert said.returncode == NO
    assert len(said.stderr.splitlines()) == 1002
    assert "more than 1000 complaints" in said.stderr


def test_reloads_and_signals_at_once_come_one_by_one(share):
    """While requests run: no request fails, and each reload is a generation of its own."""
    model = share.put("model")

    def read_on():
        for _ in range(400):
            with open(model, "rb") as file:
                assert file.read() == b"a model\n"

    readers = [world.start_as(user, read_on) for user in ("sci1", "mleng1")]
    answers = []

    def reload():
        for _ in range(10):
            answers.append(ask(share, b'{"version": 1, "verb": "reload"}')[0])

    threads = [threading.Thread(target=reload) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        share.process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    for reader in readers:
        assert world.finish_call(reader).errno == 0
    assert all(answer["loaded"] for answer in answers)
    assert len({answer["policy"]["generation"] for answer in answers}) == 60
    generation = status_of(share)["policy"]["generation"]
    records = [r for r in share.records(0, kind="USYS_CONFIG") if r["op"] == "policy-reload"]
    assert [int(r["gen"]) for r in records] == list(range(2, generation + 1))


def test_of_two_guards_one_is_reloaded(shares):
    guard, other = shares(), shares()
    assert ctl("reload", guard.mountpoint).returncode == OK
    assert status_of(guard)["policy"]["generation"] == 2
    assert status_of(other)["policy"]["generation"] == 1
    other.write_policy(BROKEN)
    said = ctl("reload")
    assert said.returncode == NO
    assert said.stdout.startswith(f"{guard.mountpoint}: loaded as generation 3")
    assert f"{other.mountpoint}: refused" in said.stderr


# What comes over the socket

REFUSED = {
    "garbage": (b"\xff\x00\x01\x02", "request"),
    "half": (b'{"version": 1, "verb": "stat', "request"),
    "two": (STATUS + STATUS, "request"),
    "empty object": (b"{}", "version"),
    "no object": (b'["status"]', "request"),
    "deep": (b"[" * 1000, "request"),
    "oversize": (STATUS + b" " * 1024, "size"),
    "huge": (b"[" * 200000, "size"),
    "next version": (b'{"version": 2, "verb": "status", "more": 1}', "version"),
    "no verb": (b'{"version": 1}', "verb"),
    "unknown verb": (b'{"version": 1, "verb": "stop"}', "verb"),
    "further member": (b'{"version": 1, "verb": "status", "as": "root"}', "request"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_request_is_refused_and_nothing_else(share, case):
    request, reason = REFUSED[case]
    head, end = ask(share, request)
    assert head["reason"] == reason and end == {"version": 1, "end": True}
    assert not {"pid", "policy"} & set(head)
    if case == "next version":
        assert "speaks version 1" in head["refused"] and "not 2" in head["refused"]
    assert status_of(share)["policy"]["generation"] == 1


def test_whoever_says_nothing_is_let_go(share):
    with connected(share) as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(10) == b""
    begun = time.monotonic()
    with connected(share) as client:
        assert client.recv(10) == b""
    assert CLIENT_SECONDS - 1 < time.monotonic() - begun < CLIENT_SECONDS + 3


def test_an_answer_comes_in_bounded_pieces(shares):
    """Many rules: the lists are cut into datagrams, and then to so many items."""
    zones = "".join(f"[zone z{n}]\npath = /z{n}\n" + "".join(
        f"allow {role} = read\n" for role in ("data-scientist", "ml-engineer", "model-admin"))
        for n in range(4000))
    guard = shares(policy=DEFAULT_POLICY + zones)
    answer = status_of(guard)
    assert answer["n_rules"] > 12000 and len(answer["rules"]) == 10000
    more = answer["n_rules"] - len(answer["rules"])
    assert f"and {more} more\n" in ctl("status", guard.mountpoint).stdout
    # Who never reads holds up neither another one nor the mount.
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(guard)) for _ in range(CLIENTS - 1)]
        for client in silent:
            client.send(STATUS)
        assert status_of(guard)["n_rules"] == answer["n_rules"]
        model = guard.put("model")
        begun = time.monotonic()
        assert guard.call_as("mleng1", os.open, model, os.O_RDONLY).errno == 0
        assert time.monotonic() - begun < 2
        stack.enter_context(connected(guard)).send(STATUS)
        begun = time.monotonic()
        assert status_of(guard)["n_rules"] == answer["n_rules"], "all places were taken"
        assert time.monotonic() - begun < 2 * CLIENT_SECONDS + 5
        whole = [read_answer(client)[-1].get("end") for client in silent]
        assert not all(whole), "who gave its place up was left in the middle"


def test_a_hundred_clients_are_all_answered(share):
    answers = []

    def one():
        answers.append(ask(share, STATUS)[-1])

    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"version": 1, "end": True}] * 100
    names = os.listdir(f"/proc/{share.process.pid}/task")
    assert len(names) < 40


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_a_client_waits_and_nothing_spins(share):
    pid, path = share.process.pid, socket_path(share)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
    with contextlib.ExitStack() as stack:
        stack.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, before)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
        # What is free below the highest is used up by clients that say nothing.
        clients = [stack.enter_context(connected_at(path)) for _ in range(CLIENTS)]
        begun = _cpu_seconds(pid)
        time.sleep(1)
        assert _cpu_seconds(pid) - begun < 0.3
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        clients[-1].send(STATUS)
        assert read_answer(clients[-1])[-1].get("end")


# Who may


def test_the_socket_is_for_root_only(share):
    path = socket_path(share)
    directory = os.stat(PLACE)
    assert (directory.st_uid, stat.S_IMODE(directory.st_mode)) == (0, 0o700)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for user in ("mleng1", "madmin", "outsider"):
        assert share.call_as(user, ask, share, STATUS).errno == errno.EACCES
        for verb in ("status", "reload"):
            said = share.run_as(user, CTL, verb)
            assert said.returncode == FAILED and "root only: run it as root" in said.stderr


@pytest.mark.parametrize("verb", ["status", "policy", "reload"])
def test_whoever_gets_to_the_socket_must_be_root(share, verb):
    path = socket_path(share)
    request = json.dumps({"version": 1, "verb": verb}).encode()
    os.chmod(PLACE, 0o755)
    os.chmod(path, 0o666)
    try:
        refused = share.call_as("madmin", ask_at, path, request)
        assert refused.errno == 0, refused
        assert [part.get("reason") for part in refused.value] == ["peer", None]
        assert "only root may ask" in refused.value[0]["refused"]
        assert share.call_as("root", ask_at, path, request).value[0]["pid"] == share.process.pid
    finally:
        os.chmod(PLACE, 0o700)
    assert share.stderr().count("without root's rights") == 1
    assert status_of(share)["policy"]["generation"] == (2 if verb == "reload" else 1)


def test_in_a_directory_of_others_there_is_no_control(make_guard):
    os.makedirs(PLACE, mode=0o700, exist_ok=True)
    os.chmod(PLACE, 0o755)
    try:
        guard = make_guard(audit="file")
        assert guard.call_as("mleng1", os.listdir, guard.mountpoint).errno == 0
        assert os.listdir(PLACE) == []
        assert "is open to others than root: 'chown root" in guard.stderr()
    finally:
        os.chmod(PLACE, 0o700)


def test_without_a_writable_run_it_serves_without_control(make_guard):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=755", "tmpfs", "/run"], check=True)
    try:
        guard = make_guard(audit="file")
        assert guard.call_as("mleng1", os.listdir, guard.mountpoint).errno == 0
        warnings = [line for line in guard.stderr().splitlines() if "without control" in line]
        assert len(warnings) == 1 and "Read-only file system" in warnings[0]
        said = ctl("status")
        assert said.returncode == FAILED
        assert f"{guard.mountpoint}: it serves without control" in said.stderr
        (answer,) = json.loads(ctl("status", "--json").stdout)["guards"]
        assert answer == {"mountpoint": guard.mountpoint, "source": guard.source_directory,
                          "pid": None}
        guard.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "generation 2 is in force" in guard.stderr(), 10, "no reload")
    finally:
        subprocess.run(["umount", "-l", "/run"], check=True)


# From its beginning to its end


@pytest.mark.parametrize("end", ["SIGTERM", "umount"])
def test_the_end_removes_the_socket(share, end):
    path = socket_path(share)
    assert os.path.exists(path)
    if end == "umount":
        subprocess.run(["umount", share.mountpoint], check=True)
        assert share.wait() == 0
    else:
        assert share.stop() == 0
    assert not os.path.exists(path) and os.listdir(PLACE) == []


def test_the_end_leaves_the_socket_of_a_successor(share):
    """The device number is free for another mount as soon as this one is unmounted."""
    path = socket_path(share)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as successor:
        successor.bind(path)
        assert share.stop() == 0
        assert os.path.exists(path)
    os.unlink(path)


def test_what_a_killed_guard_left_is_replaced(shares):
    guard = shares()
    left = socket_path(guard)
    guard.process.kill()
    guard.process.wait()
    guard.process = None
    assert os.path.exists(left)
    said = ctl("status")
    assert said.returncode == FAILED and f"{guard.mountpoint}: it has ended" in said.stderr
    other = shares()
    assert os.listdir(PLACE) == [os.path.basename(socket_path(other))], "swept up"
    subprocess.run(["umount", "-l", guard.mountpoint], check=True)
    guard.start()
    wait_for(lambda: ctl("status", guard.mountpoint).returncode == OK, 10, "no answer")
    assert status_of(guard)["pid"] == guard.process.pid
    assert sorted(os.listdir(PLACE)) == sorted(
        os.path.basename(socket_path(one)) for one in (guard, other))


def test_a_guard_mounted_elsewhere_is_found_by_its_socket(shares):
    """One in another mount namespace."""
    guard = shares()
    script = 'umount -l "$1" && exec "$2" status --json'
    said = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                           "sh", guard.mountpoint, CTL], capture_output=True, text=True,
                          timeout=30, check=False)
    assert said.returncode == OK, said.stderr
    (answer,) = json.loads(said.stdout)["guards"]
    assert answer["pid"] == guard.process.pid and answer["mountpoint"] == guard.mountpoint


def test_the_end_comes_although_clients_hang(shares):
    guard = shares()
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS + 4):
            stack.enter_context(connected(guard))
        begun = time.monotonic()
        assert guard.stop() == 0
        assert time.monotonic() - begun < CLIENT_SECONDS - 1
