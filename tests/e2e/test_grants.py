# SPDX-License-Identifier: Apache-2.0
"""Grants that end: who holds a role for a time, that it ends to the second, and what is on
record of it."""

import contextlib
import datetime
import errno
import fcntl
import glob
import json
import os
import re
import signal
import subprocess
import time

import pytest

import world
from auditd import wait_for
from guard import CTL, DEFAULT_POLICY
from test_control import status_of
from test_ctl import ctl
from test_ctl_people import directory_service, with_directory  # noqa: F401 (a fixture)

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
GRANTS = DEFAULT_POLICY.replace(
    "groups-from = process\n",
    "groups-from = process\nmax-grant = 2h\ngrantable = ml-engineer, model-admin\n")
REASON = "mend the upload, ticket #7"
ENGINEER = ("outsider", "ml-engineer")


@pytest.fixture
def shares(make_guard):
    """Makes guards that record in files, and waits until they can be asked."""
    def make(policy=GRANTS, **options):
        guard = make_guard(policy=policy, audit="file", **options)
        wait_until_it_answers(guard)
        return guard
    return make


@pytest.fixture
def share(shares):
    return shares()


@pytest.fixture
def closed(make_guard):
    """The same, not mounted: for what the tool alone does."""
    def make(policy=GRANTS):
        return make_guard(policy=policy, audit="file", start=False)
    return make


def wait_until_it_answers(guard):
    wait_for(lambda: ctl("status", "--json", guard.mountpoint).returncode == OK, 10,
             "the guard does not answer")


def grant(guard, *arguments, time_="1h", reason=REASON):
    return ctl("grant", "-p", guard.policy_file, "--for", time_, "--reason", reason,
               *(arguments or ENGINEER))


def granted(guard, *arguments, **options):
    said = grant(guard, *arguments, **options)
    assert said.returncode == OK, said.stdout + said.stderr
    return grants_of(guard)[-1]


def revoke(guard, *arguments):
    return ctl("revoke", "-p", guard.policy_file, *arguments)


def reload(guard):
    return ctl("reload", guard.mountpoint)


def seconds_of(text):
    """A time of the trail in JSON."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def grants_of(guard):
    said = ctl("grants", "--json", "-p", guard.policy_file)
    assert said.returncode == OK, said.stderr
    return json.loads(said.stdout)["grants"]


def grants_file(guard):
    return guard.policy_file + ".grants"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def put_grants(guard, text, mode=0o644):
    with open(grants_file(guard), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(grants_file(guard), mode)


def boot_seconds():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def section(number=1, user="outsider", role="ml-engineer", begin=0, end=3600, boot=0):
    """As modelguardctl writes it; times are from now on."""
    now = int(time.time())
    text = f"[grant {number}]\nuser = {user} {world.uid_of(user)}\nrole = {role}\n" \
        f"from = {now + begin}\nuntil = {now + end}\n"
    text += f"uptime = {max(boot_seconds() + boot, 0)}\n"
    return text + f"by = root 0\nreason = {REASON}\n"


def write_once(path):
    fd = os.open(path, os.O_WRONLY)
    try:
        return os.write(fd, b"x")
    finally:
        os.close(fd)


def may_write(guard, user, path):
    outcome = guard.call_as(user, write_once, path)
    assert outcome.errno in (0, errno.EACCES, errno.EPERM), outcome
    return outcome.errno == 0


def config_records(guard, since, *ops):
    return [record for record in guard.records(since, "USYS_CONFIG")
            if record["op"] in (ops or ("grant", "grant-end", "grant-revoke"))]


def wait_for_record(guard, since, op, seconds=5):
    wait_for(lambda: config_records(guard, since, op), seconds, f"there is no record of {op}")
    return config_records(guard, since, op)


# Made


def test_a_grant_lends_a_role_and_is_on_record(share):
    path = share.put("model")
    since = share.mark()
    assert not may_write(share, "outsider", path)
    said = grant(share)
    assert said.returncode == OK, said.stderr
    assert re.match(r"outsider has ml-engineer until .*, by \w+: " + REASON, said.stdout)
    assert "loaded as generation 2" in said.stdout
    assert may_write(share, "outsider", path)
    assert not may_write(share, "sci1", path)  # another's
    assert share.call_as("outsider", write_once,
                         share.put("production/model")).errno == errno.EACCES  # another zone
    (one,) = grants_of(share)
    (record,) = config_records(share, since)
    assert one["until"] - one["from"] == 3600 and one["state"] == "in-force"
    assert (record["op"], record["grantee"], record["grole"], record["res"]) == \
        ("grant", "outsider", "ml-engineer", "success")
    assert record["acct"] == one["by"] and record["path"] == grants_file(share)
    assert seconds_of(record["until"]) == one["until"] and record["gen"] == "2"
    assert "ticket" in record["reason"]
    order = [record["op"] for record in share.records(since, None)
             if record["op"] in ("grant", "open-write") and record["res"] == "success"]
    assert order[0] == "grant"  # before it has any effect
    assert os.stat(grants_file(share)).st_mode & 0o7777 == 0o644


def test_a_grant_is_shown_with_its_end(share):
    one = granted(share)
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["until"]))
    policy = ("-p", share.policy_file)
    who = ctl("who", *policy, "/")
    assert f"(ml-engineer granted until {until})" in who.stdout
    people = json.loads(ctl("who", "--json", *policy, "/").stdout)["people"]
    found = {person["name"]: person["grants"] for person in people if person["kind"] == "user"}
    assert [grant["until"] for grant in found.pop("outsider")] == [one["until"]]
    assert set(map(len, found.values())) == {0}
    for said in (ctl("user", *policy, "outsider"), ctl("explain", *policy, "outsider", "write",
                                                       "/model")):
        assert said.returncode == OK
        assert f"granted by {one['by']} until {until} ({REASON})" in said.stdout
    held = json.loads(ctl("explain", "--json", *policy, "outsider", "write", "/x").stdout)["role"]
    assert (held["by"], held["until"], held["reason"]) == ("grant", one["until"], REASON)
    assert ctl("explain", *policy, "outsider", "write", "/production/x").returncode == NO
    (shown,) = status_of(share)["grants"]
    assert (shown["user"], shown["state"], shown["until"]) == \
        ("outsider", "in-force", one["until"])
    assert f"outsider has ml-engineer until {until}" in ctl("status", share.mountpoint).stdout


def test_what_would_be_enough_says_what_can_be_granted(share):
    said = ctl("explain", "-p", share.policy_file, "outsider", "write", "/x")
    assert said.returncode == NO
    assert re.search(r"ml-engineer .*; or for a time by 'modelguardctl grant'", said.stdout)
    said = ctl("explain", "-p", share.policy_file, "outsider", "write", "/production/x")
    assert said.returncode == NO and "modelguardctl grant" not in said.stdout


def test_a_grant_without_a_guard_counts_from_the_next_start(share):
    path = share.put("model")
    assert share.stop() == 0
    said = grant(share)
    assert said.returncode == OK and "No guard runs by it" in said.stdout
    since = share.mark()
    share.start()
    (record,) = config_records(share, since)
    assert (record["op"], record["grantee"]) == ("grant", "outsider")
    assert may_write(share, "outsider", path) and not may_write(share, "sci1", path)


def test_a_grant_that_ended_while_no_guard_ran_is_none(share):
    path = share.put("model")
    assert share.stop() == 0
    assert grant(share, time_="1s").returncode == OK
    time.sleep(1.2)
    since = share.mark()
    share.start()
    assert not config_records(share, since)
    assert not may_write(share, "outsider", path)


def test_the_same_policy_of_two_guards(shares):
    one = shares()
    other = shares()
    other_file = os.path.join(other.directory, "policy", "policy.ini")
    assert other_file == other.policy_file
    paths = [guard.put("model") for guard in (one, other)]
    assert grant(one).returncode == OK
    assert may_write(one, "outsider", paths[0]) and not may_write(other, "outsider", paths[1])


# Used up


def write_until_denied(path, seconds):
    """What became of each write of an open file: (began, ended, errno)."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    done = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.time()
        try:
            os.write(fd, b"x")
            error = 0
        except OSError as exception:
            error = exception.errno
        done.append((began, time.time(), error))
        if error:
            break
        time.sleep(0.001)
    return done


def test_a_grant_ends_to_the_second_in_the_middle_of_a_write(share):
    path, theirs = share.put("model"), share.put("engineers-model")
    since = share.mark()
    until = granted(share, time_="2s")["until"]
    neighbour = world.start_as("mleng1", write_until_denied, theirs, 3)
    done = share.call_as("outsider", write_until_denied, path, 5).value
    assert len(done) > 10 and done[-1][2] in (errno.EACCES, errno.EPERM)
    assert all(began < until for began, _, error in done if not error)
    assert until <= done[-1][1] and done[-1][0] < until + 0.5
    (end,) = wait_for_record(share, since, "grant-end")
    assert (end["note"], end["grantee"], end["grole"]) == ("used-up", "outsider", "ml-engineer")
    assert seconds_of(end["until"]) == until and "acct" not in end and "ticket" in end["reason"]
    (denied,) = [record for record in share.failures(since) if record["op"] == "write"]
    assert denied["acct"] == "outsider" and denied["path"] == path
    assert not may_write(share, "outsider", path)
    assert all(not error for _, _, error in world.finish_call(neighbour).value)
    assert [one["state"] for one in grants_of(share)] == ["ended"]


def test_the_end_does_not_wait_for_a_request(share):
    """The kernel forgets what it kept, by a generation of its own at the time of the end."""
    since = share.mark()
    until = granted(share, time_="2s")["until"]
    assert status_of(share)["policy"]["generation"] == 2
    in_force = status_of(share)["policy"]["since"]
    wait_for(lambda: status_of(share)["policy"]["generation"] == 3, 5, "it does not end")
    assert until <= time.time() < until + 1
    (end,) = wait_for_record(share, since, "grant-end")
    assert end["gen"] == "3"
    assert status_of(share)["policy"]["since"] == in_force  # the policy is the same


def test_an_end_does_not_wait_for_a_reload_that_hangs(shares, directory_service, monkeypatch):
    """Whoever decides looks at the clock; nothing else has to be in time."""
    monkeypatch.setenv("LD_LIBRARY_PATH", directory_service["LD_LIBRARY_PATH"])
    with world.changed("/etc/nsswitch.conf", with_directory):
        share = shares()
        path, theirs = share.put("model"), share.put("engineers-model")
        until = granted(share, time_="3s")["until"]
        put_grants(share, read(grants_file(share)) + section(number=2).replace(
            f"outsider {world.uid_of('outsider')}", "hang 4242"))
        hanging = subprocess.Popen([CTL, "reload", share.mountpoint], stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        assert hanging.poll() is None
        done = share.call_as("outsider", write_until_denied, path, 6).value
        assert done[-1][2] in (errno.EACCES, errno.EPERM)
        assert all(began < until for began, _, error in done if not error)
        assert until <= done[-1][1] and done[-1][0] < until + 0.5
        assert may_write(share, "mleng1", theirs) and hanging.poll() is None
        share.kill()  # it waits for the name service, for ever
        hanging.wait(10)


def test_names_that_the_kernel_kept_are_gone_with_the_grant(share):
    share.put_directory("deep/er")
    path = share.put("deep/er/model")
    until = granted(share, time_="2s")["until"]

    def look_until_denied():
        os.chdir(os.path.dirname(path))
        os.stat("model")
        while time.time() < until + 0.3:
            time.sleep(0.05)
        found = []
        for look in (os.stat, os.open):
            try:
                look("model", *([os.O_RDONLY] if look is os.open else []))
                found.append(0)
            except OSError as error:
                found.append(error.errno)
        return found

    assert share.call_as("outsider", look_until_denied).value == [errno.EACCES, errno.EACCES]
    assert share.call_as("mleng1", os.stat, path).errno == 0


def test_a_later_grant_goes_on_where_the_first_ends(share):
    path = share.put("model")
    first = granted(share, time_="1s")
    second = granted(share, time_="30s")
    wait_for(lambda: time.time() > first["until"] + 0.1, 5, "time stands still")
    assert may_write(share, "outsider", path)
    assert second["until"] > time.time()


# Revoked


def test_a_revoked_writer_is_cut_off(share):
    path = share.put("model")
    granted(share)
    granted(share, "outsider", "model-admin")
    writer = world.start_as("outsider", write_until_denied, path, 20)
    time.sleep(0.3)
    since = share.mark()
    said = revoke(share, *ENGINEER)
    assert said.returncode == OK and "revoked by" in said.stdout
    assert may_write(share, "outsider", path)  # model-admin includes it
    said = revoke(share, "outsider")
    assert said.returncode == OK and "model-admin" in said.stdout
    assert "ml-engineer" not in said.stdout
    assert world.finish_call(writer).value[-1][2] in (errno.EACCES, errno.EPERM)
    assert not may_write(share, "outsider", path)
    records = config_records(share, since)
    assert [(r["op"], r["grole"]) for r in records] == [("grant-revoke", "ml-engineer"),
                                                      ("grant-revoke", "model-admin")]
    assert all(r["acct"] == grants_of(share)[0]["by"] for r in records)
    assert [one["state"] for one in grants_of(share)] == ["revoked", "revoked"]
    said = revoke(share, "outsider")
    assert said.returncode == NO and "no such grant" in said.stderr


def test_others_keep_what_one_loses(share):
    path = share.put("model")
    granted(share)
    granted(share, "sci1", "ml-engineer")
    assert revoke(share, "sci1").returncode == OK
    assert may_write(share, "outsider", path) and not may_write(share, "sci1", path)


def test_a_grant_that_is_gone_from_the_file_is_gone(share):
    path = share.put("model")
    granted(share)
    since = share.mark()
    os.unlink(grants_file(share))
    assert status_of(share)["policy"]["on_disk"] == "differs"
    assert may_write(share, "outsider", path)
    assert reload(share).returncode == OK
    assert not may_write(share, "outsider", path)
    (end,) = config_records(share, since)
    assert (end["op"], end["note"]) == ("grant-end", "not-in-file")


# Refused


@pytest.mark.parametrize("arguments, time_, status, words", (
    (("outsider", "ml-engineer"), "2h", OK, "has ml-engineer"),
    (("outsider", "ml-engineer"), "121m", NO, "max-grant in .* is 2h"),
    (("outsider", "data-scientist"), "1h", NO, "cannot be granted: .*ml-engineer, model-admin"),
    (("outsider", "everyone"), "1h", NO, "no role 'everyone'"),
    (("outsider", "ml-enginer"), "1h", NO, "no role 'ml-enginer'"),
    (("nobody-here", "ml-engineer"), "1h", NO_USER, "no such user"),
    (("4242424", "ml-engineer"), "1h", NO_USER, "no such user"),
    (("outsider",), "1h", USAGE, "takes a user and a role"),
    (("outsider", "ml-engineer"), "0s", USAGE, "from 1s to 366d"),
    (("outsider", "ml-engineer"), "367d", USAGE, "from 1s to 366d"),
    (("outsider", "ml-engineer"), "4", USAGE, "a number and s, m, h, d or w"),
    (("outsider", "ml-engineer"), "-4h", USAGE, "a number and s, m, h, d or w"),
    (("outsider", "ml-engineer"), "99999999999999999999w", USAGE, "from 1s to 366d"),
))
def test_what_may_be_granted(closed, arguments, time_, status, words):
    share = closed()
    said = grant(share, *arguments, time_=time_)
    assert said.returncode == status, said.stdout + said.stderr
    assert re.search(words, said.stdout + said.stderr)
    assert os.path.exists(grants_file(share)) == (status == OK)


@pytest.mark.parametrize("reason", ("", " a", "a\n[grant 9]", "a ;b", "\x1b[2J", "x" * 151))
def test_a_reason_that_the_file_cannot_hold(closed, reason):
    share = closed()
    said = grant(share, reason=reason)
    assert said.returncode == USAGE and "a reason has 1 to 150 bytes" in said.stderr
    assert "\x1b" not in said.stderr and not os.path.exists(grants_file(share))
    assert ctl("grant", *ENGINEER, "--for", "1h").returncode == USAGE
    assert ctl("grant", *ENGINEER, "--reason", "x").returncode == USAGE


def test_a_policy_that_names_no_role_lets_none_be_granted(closed):
    share = closed(DEFAULT_POLICY.replace("[guard]\n", "[guard]\nmax-grant = 8h\n"))
    said = grant(share)
    assert said.returncode == NO and "names none" in said.stderr
    put_grants(share, section())  # nor is what is written by hand
    (one,) = grants_of(share)
    assert (one["state"], one["why"]) == \
        ("void", "the policy does not name the role in 'grantable'")


@pytest.mark.parametrize("reason", ("it's \"quoted\" res=success op=start", "ä: \\x41 = [b] #c"))
def test_a_reason_forges_nothing(shares, reason):
    share = shares()
    since = share.mark()
    assert granted(share, reason=reason)["reason"] == reason
    (record,) = config_records(share, since)
    assert (record["op"], record["res"]) == ("grant", "success")
    said = ctl("grants", "-p", share.policy_file)
    assert said.stdout.isascii()


FORGERIES = {
    "writable by the group": lambda share: os.chmod(grants_file(share), 0o664),
    "writable by all": lambda share: os.chmod(grants_file(share), 0o666),
    "somebody else's": lambda share: os.chown(grants_file(share), world.uid_of("outsider"), 0),
    "a link": lambda share: (os.rename(grants_file(share), grants_file(share) + ".real"),
                             os.symlink(grants_file(share) + ".real", grants_file(share))),
    "a FIFO": lambda share: (os.unlink(grants_file(share)), os.mkfifo(grants_file(share))),
    "a directory": lambda share: (os.unlink(grants_file(share)), os.mkdir(grants_file(share))),
    "half a line": lambda share: os.truncate(grants_file(share),
                                             os.path.getsize(grants_file(share)) - 40),
    "another section": lambda share: put_grants(share, section() + "[zone x]\npath = /\n"),
    "another key": lambda share: put_grants(share, section() + "groups = 0\n"),
    "a number twice": lambda share: put_grants(share, section() + section(user="sci2")),
    "an overlong line": lambda share: put_grants(share, section() + "; " + "x" * 300 + "\n"),
    "a control byte": lambda share: put_grants(share, section() + "; \x07\n"),
    "its directory open to all": lambda share: os.chmod(os.path.dirname(share.policy_file),
                                                        0o777),
}


@pytest.mark.parametrize("defect", FORGERIES)
def test_a_forged_or_damaged_file_is_refused_whole(share, defect):
    path = share.put("model")
    granted(share)
    since = share.mark()
    # What is forged would give somebody else a role.
    put_grants(share, read(grants_file(share)) + section(number=2, user="sci1"))
    FORGERIES[defect](share)
    said = reload(share)
    assert said.returncode == NO, said.stdout
    assert "refused, keeping generation 2" in said.stderr
    assert may_write(share, "outsider", path) and not may_write(share, "sci1", path)
    assert not config_records(share, since)
    assert [r["res"] for r in config_records(share, since, "policy-reload")] == ["failed"]
    for verb in (("grants",), ("who", "/"), ("user", "sci1"), ("explain", "sci1", "write", "/x"),
                 ("grant", "--for", "1h", "--reason", "x", *ENGINEER), ("revoke", "sci1")):
        said = ctl(verb[0], "-p", share.policy_file, *verb[1:])
        assert said.returncode == POLICY, (verb, said.stdout, said.stderr)
    assert share.stop() == 0
    with pytest.raises(RuntimeError):
        share.start()
    share.process = None
    os.chmod(os.path.dirname(share.policy_file), 0o755)


def test_a_sound_file_beside_the_defects(share):
    """The neighbour of the table above: the same two grants, and nothing wrong."""
    path = share.put("model")
    granted(share)
    put_grants(share, read(grants_file(share)) + section(number=2, user="sci1"))
    assert reload(share).returncode == OK
    assert may_write(share, "outsider", path) and may_write(share, "sci1", path)


# Void


def test_a_policy_that_takes_the_role_back_voids_the_grant(share):
    path = share.put("model")
    one = granted(share)
    since = share.mark()
    share.write_policy(GRANTS.replace("grantable = ml-engineer, ", "grantable = "))
    said = reload(share)
    assert said.returncode == OK
    assert "void: the grant of ml-engineer to outsider" in said.stdout
    assert not may_write(share, "outsider", path)
    assert "(void: the policy does not name the role" in ctl("grants", "-p",
                                                             share.policy_file).stdout
    (end,) = config_records(share, since)
    assert (end["op"], end["note"]) == ("grant-end", "void")
    share.write_policy(GRANTS)
    said = reload(share)
    assert "void" not in said.stdout
    assert may_write(share, "outsider", path)
    assert grants_of(share) == [one]


@pytest.mark.parametrize("change, why", (
    (lambda text: re.sub(r"ml-engineer(?!s)", "ml-expert", text), "the policy has no such role"),
    (lambda text: text.replace("max-grant = 2h", "max-grant = 59m"),
     "it is for longer than the policy's 'max-grant'"),
))
def test_other_changes_that_void_a_grant(share, change, why):
    path = share.put("model")
    granted(share)
    share.write_policy(change(GRANTS))
    assert reload(share).returncode == OK
    assert [(one["state"], one["why"]) for one in grants_of(share)] == [("void", why)]
    assert not may_write(share, "outsider", path)


def without(user):
    return lambda text: "".join(line for line in text.splitlines(True)
                                if not line.startswith(user + ":"))


def test_a_user_who_left_the_name_service(share):
    path = share.put("model")
    uid = world.uid_of("outsider")
    granted(share)
    granted(share, "sci1", "ml-engineer")
    with world.changed("/etc/passwd", without("outsider")):
        assert grants_of(share)[0]["why"] == "the name service does not know the user"
        said = reload(share)
        assert said.returncode == OK and "void: the grant of ml-engineer to outsider" in \
            said.stdout
        assert may_write(share, "sci1", path)  # the others stay

        def write_as_the_uid():
            os.setresuid(uid, uid, uid)
            return write_once(path)

        assert share.call_as(None, write_as_the_uid).errno == errno.EACCES
        assert grant(share).returncode == NO_USER
        said = revoke(share, "outsider")
        assert said.returncode == OK and "revoked by" in said.stdout
    assert reload(share).returncode == OK
    assert not may_write(share, "outsider", path) and may_write(share, "sci1", path)


def test_a_name_that_is_another_uid_by_now(share):
    path = share.put("model")
    granted(share)
    uid = world.uid_of("outsider")
    with world.changed("/etc/passwd", lambda text: text.replace(f":{uid}:", ":64990:")):
        assert reload(share).returncode == OK
        assert grants_of(share)[0]["why"] == "the user's name belongs to another uid now"
        assert not may_write(share, "outsider", path)
    assert reload(share).returncode == OK
    assert may_write(share, "outsider", path)


# Clocks


def test_a_clock_that_was_set_back_does_not_lengthen_a_grant(share):
    """As if the clock had been set back by a minute since: by the time that has passed, it ends
    in three seconds; by the clock, in a minute."""
    path = share.put("model")
    since = share.mark()
    put_grants(share, section(end=60, boot=2 - 60) +
               section(number=2, user="sci1", end=60))
    assert reload(share).returncode == OK
    assert may_write(share, "outsider", path)
    done = share.call_as("outsider", write_until_denied, path, 6).value
    assert done[-1][2] in (errno.EACCES, errno.EPERM)
    (end,) = wait_for_record(share, since, "grant-end")
    assert (end["note"], end["grantee"]) == ("used-up", "outsider")
    assert may_write(share, "sci1", path)
    assert {one["user"]: one["state"] for one in grants_of(share)} == \
        {"outsider": "ended", "sci1": "in-force"}


def test_a_grant_that_has_not_begun_by_the_clock(share):
    """Made before the clock was set back: it counts from when it was made, and not before."""
    path = share.put("model")
    since = share.mark()
    put_grants(share, section(begin=2, end=3600))
    assert reload(share).returncode == OK
    assert [one["state"] for one in grants_of(share)] == ["not-begun"]
    assert not may_write(share, "outsider", path) and not config_records(share, since)
    (made,) = wait_for_record(share, since, "grant")
    wait_for(lambda: status_of(share)["policy"]["generation"] == 3, 5, "it does not begin")
    assert seconds_of(made["since"]) <= time.time()
    assert may_write(share, "outsider", path)


# Two at once, full disks


def test_many_admins_at_once(share):
    users = ("outsider", "sci1", "sci2", "mleng1", "mleng2", "madmin")
    running = [subprocess.Popen([CTL, "grant", "-p", share.policy_file, "--for", "1h", "--reason",
                                 "x", user, "model-admin"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for user in users]
    done = {user: (process.communicate(timeout=30), process.returncode)
            for user, process in zip(users, running)}
    for (_, errors), status in done.values():
        assert status == OK or (status == FAILED and "is being edited by" in errors), errors
    lucky = [user for user in users if done[user][1] == OK]
    assert lucky and sorted(one["user"] for one in grants_of(share)) == sorted(lucky)
    assert len({one["id"] for one in grants_of(share)}) == len(lucky)
    assert sorted(os.listdir(os.path.dirname(share.policy_file))) == ["policy.ini",
                                                                      "policy.ini.grants"]
    for user in users:
        if user not in lucky:
            granted(share, user, "model-admin")
    assert len(grants_of(share)) == len(users)


def test_an_edit_does_not_keep_others_from_granting(share):
    """One whose editor is open for hours."""
    with open(os.path.join(os.path.dirname(share.policy_file), ".policy.ini.lock"), "w",
              encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert grant(share).returncode == OK


@contextlib.contextmanager
def full_disk(directory):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", directory],
                   check=True)
    try:
        yield os.path.join(directory, "filler")
    finally:
        subprocess.run(["umount", directory], check=True)


def test_a_full_disk_changes_nothing(closed):
    share = closed()
    with full_disk(os.path.dirname(share.policy_file)) as filler:
        share.write_policy(GRANTS)
        one = granted(share)
        before = read(grants_file(share))
        # The lock has its name in the directory and its first page then.
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        os.truncate(filler, os.path.getsize(filler) - 4096)
        said = grant(share, "sci1", "ml-engineer")
        assert said.returncode == FAILED, said.stdout + said.stderr
        assert "cannot install" in said.stderr and "nothing is changed" in said.stderr
        assert read(grants_file(share)) == before and grants_of(share) == [one]
        assert not glob.glob(os.path.join(os.path.dirname(share.policy_file), ".policy*"))
        os.unlink(filler)
        granted(share, "sci1", "ml-engineer")


def test_who_may_not_write_there_grants_nothing(share):
    said = share.run_as("outsider", CTL, "grant", "-p", share.policy_file, "--for", "1h",
                        "--reason", "x", *ENGINEER)
    assert said.returncode == FAILED and "cannot lock" in said.stderr
    assert not os.path.exists(grants_file(share))
    granted(share)
    said = share.run_as("outsider", CTL, "grants", "-p", share.policy_file)
    assert said.returncode == OK and "outsider has ml-engineer" in said.stdout


def test_what_has_ended_is_dropped_from_the_file(share):
    granted(share, time_="1s")
    time.sleep(1.1)
    granted(share, "sci1", "ml-engineer")
    assert [one["user"] for one in grants_of(share)] == ["sci1"]
    assert "outsider" not in read(grants_file(share))


def test_a_comparison_of_policies_is_not_about_grants(share):
    granted(share)
    other = os.path.join(os.path.dirname(share.policy_file), "other.ini")
    with open(other, "w", encoding="ascii") as file:
        file.write(GRANTS)
    said = ctl("diff", "--fail-on", "widen", share.policy_file, other)
    assert said.returncode == OK, said.stdout
    with open(other, "w", encoding="ascii") as file:
        file.write(GRANTS.replace("grantable = ", "grantable = release-pipeline, ")
                   .replace("2h", "3h"))
    said = ctl("diff", "--fail-on", "widen", share.policy_file, other)
    assert said.returncode == NO
    assert "~ max-grant: 2h -> 3h (weaker)" in said.stdout
    assert "~ grantable: ml-engineer, model-admin -> " in said.stdout


# With auditd


def test_the_records_are_auditd_s(make_guard):
    guard = make_guard(policy=GRANTS)
    wait_until_it_answers(guard)
    since = guard.mark()
    granted(guard, reason="a' res=success op=x")
    assert revoke(guard, "outsider").returncode == OK
    made, revoked = config_records(guard, since)
    assert (made["op"], made["grantee"], made["grole"], made["res"]) == \
        ("grant", "outsider", "ml-engineer", "success")
    assert (revoked["op"], revoked["acct"]) == ("grant-revoke", made["acct"])
    log = ctl("log", "--op", "grant*", "--input", guard.auditd.log)
    assert log.returncode == OK
    assert re.search(r" grant .* outsider, ml-engineer until 20", log.stdout)
    page = os.path.join(guard.directory, "page.html")
    assert ctl("report", "--html", page, "--input", guard.auditd.log).returncode == OK
    assert "<h2>Grants that end</h2>" in read(page) and "<code>outsider</code>" in read(page)


def test_what_cannot_be_recorded_does_not_begin_and_still_ends(make_guard):
    guard = make_guard(policy=GRANTS)
    if not guard.auditd.is_ours:
        pytest.skip("the machine's own auditd is not stopped")
    wait_until_it_answers(guard)
    path = guard.put("model")
    since = guard.mark()
    until = granted(guard, time_="3s")["until"]
    reader = world.start_as("outsider", write_until_denied, path, 1)
    assert not world.finish_call(reader).value[-1][2]
    guard.auditd.stop()
    wait_for(lambda: status_of(guard)["audit"]["state"] != "recording", 10, "it records")
    said = grant(guard, "sci1", "ml-engineer")
    assert said.returncode == NO and "cannot be recorded" in said.stderr
    wait_for(lambda: time.time() > until + 0.3, 10, "time stands still")
    generation = status_of(guard)["policy"]["generation"]
    guard.auditd.ensure()
    wait_for(lambda: status_of(guard)["audit"]["state"] == "recording", 10, "it does not record")
    assert not may_write(guard, "outsider", path) and not may_write(guard, "sci1", path)
    (end,) = wait_for_record(guard, since, "grant-end")
    assert (end["note"], end["grantee"]) == ("used-up", "outsider")
    assert int(end["gen"]) >= generation == 3
    assert reload(guard).returncode == OK
    assert may_write(guard, "sci1", path)
