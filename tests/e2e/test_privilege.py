# SPDX-License-Identifier: Apache-2.0
"""Least privilege: what the daemon keeps once it serves, how it mounts for others than itself, and
the unit that takes the rest away."""

import errno
import os
import re
import shutil
import signal
import subprocess

import pytest

from auditd import wait_for
from guard import BUILD

UNIT = os.path.join(BUILD, "config", "modelguard@.service")
EXPOSURE_MAX = 3.0

CAPABILITIES = {
    "chown": 0, "dac_override": 1, "dac_read_search": 2, "fowner": 3, "fsetid": 4, "setgid": 6,
    "setuid": 7, "setpcap": 8, "sys_chroot": 18, "sys_ptrace": 19, "sys_admin": 21,
    "audit_write": 29, "audit_control": 30,
}
NEEDED = {"sys_admin", "dac_override", "dac_read_search", "chown", "fowner", "setuid", "setgid",
          "sys_ptrace"}
FOR_AUDITD = {"audit_write", "audit_control"}
# Permitted, in effect only while a thread acts as a caller who has it (modes = owner).
IDLE = {"fsetid"}
FOR_MOUNTING = {"sys_admin", "dac_read_search"}


def _filters_calls():
    """Builds with a sanitizer have no filter."""
    with open(os.path.join(BUILD, "fuse", "modelguard"), "rb") as program:
        return b"libseccomp.so" in program.read()


def _mask(names):
    return sum(1 << CAPABILITIES[name] for name in names)


def _status(path):
    with open(path, encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file)


def _threads(pid):
    return [_status(f"/proc/{pid}/task/{task}/status") for task in os.listdir(f"/proc/{pid}/task")]


def _sets(status):
    return {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh",
                                                     "CapAmb")}


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _write(path, content=b"new\n"):
    with open(path, "wb") as file:
        file.write(content)


def _children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += file.read().split()
    return found


def _check_threads(pid, needed):
    threads = _threads(pid)
    for status in threads:
        sets = _sets(status)
        assert sets["CapEff"] == _mask(needed), hex(sets["CapEff"])
        assert sets["CapPrm"] & ~_mask(IDLE) == _mask(needed), hex(sets["CapPrm"])
        assert sets["CapBnd"] == sets["CapPrm"], hex(sets["CapBnd"])
        assert sets["CapInh"] == sets["CapAmb"] == 0
        assert status["Groups"].split() == []
        assert status["NoNewPrivs"].strip() == "1"
        if _filters_calls():
            assert status["Seccomp"].strip() == "2"
    return threads


@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_every_thread_has_given_up_what_it_does_not_need(make_guard, audit):
    """Seen to fail without each of: setgroups(2), the capabilities, the bounding set, the filter
    (which sets no_new_privs, too)."""
    share = make_guard(audit=audit, start=False)
    plain = share.command()
    # It starts with groups that it must lose.
    share.command = lambda: ["setpriv", "--groups", "4,64151", *plain]
    share.start()
    share.put("model")
    for _ in range(20):
        assert share.call_as("mleng1", _read, share.path("model")).value == b"a model\n"
    needed = NEEDED | (FOR_AUDITD if audit == "auditd" else set())
    assert len(_check_threads(share.process.pid, needed)) > 2


# Mounting in another mount namespace

# What a unit does, made by hand: mounts of its own that no one else sees, all but the source
# read-only, another network, and a /proc of processes only. "$1" is the share's directory.
OWN_NAMESPACES = """
set -e
directory=$1 source=$2
shift 2
mount --bind "$source" "$source"
mount --bind "$directory" "$directory"
mount --bind "$source" "$source"
mount -o remount,bind,ro "$directory"
mount -t proc -o hidepid=invisible,subset=pid proc /proc
exec setpriv --no-new-privs --bounding-set "$BOUNDING" "$@"
"""


def _bounding_set():
    with open(UNIT, encoding="utf-8") as file:
        lines = re.findall(r"^CapabilityBoundingSet=(.*)", file.read(), re.MULTILINE)
    names = {name.lower().removeprefix("cap_") for line in lines for name in line.split()}
    assert names <= set(CAPABILITIES)
    return "-all," + ",".join(f"+{name}" for name in sorted(names))


def _elsewhere(share, namespace=None, propagation="slave", script=OWN_NAMESPACES):
    """The daemon's own mounts and network are others than the test's."""
    namespace = namespace or f"/proc/{os.getpid()}/ns/mnt"
    share.options.append(f"mount-namespace={namespace}")
    plain = share.command
    share.command = lambda *extra, **how: [
        "env", "BOUNDING=" + _bounding_set(),
        "unshare", "--mount", "--propagation", propagation, "--net", "sh", "-c", script, "sh",
        share.directory, share.source_directory, *plain(*extra, **how)]
    return share


def _namespace(pid):
    return os.stat(f"/proc/{pid}/ns/mnt").st_ino


@pytest.mark.parametrize("over_source", [False, True])
@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_it_mounts_where_the_users_are(make_guard, over_source, audit):
    """Seen to fail without SECBIT_NO_SETUID_FIXUP: nothing is made as its caller any more."""
    share = make_guard(start=False, over_source=over_source, audit=audit)
    # The record file is not in the read-only part.
    share.audit_file = os.path.join("/run", os.path.basename(share.directory) + ".json")
    since = share.mark()
    _elsewhere(share).start()
    pid = share.process.pid
    assert _namespace(pid) != _namespace(os.getpid())
    assert share.call_as("mleng1", _write, share.path("model")).errno == 0
    assert share.call_as("sci1", _read, share.path("model")).value == b"new\n"
    assert share.call_as("sci1", _write, share.path("model")).errno == errno.EACCES
    # Programs of others are still seen and named in records: by CAP_SYS_PTRACE.
    denied = share.failures(since)
    assert [r["acct"] for r in denied] == ["sci1"] and "python" in denied[0]["exe"]
    _check_threads(pid, NEEDED | (FOR_AUDITD if audit == "auditd" else set()))
    (helper,) = _children(pid)
    assert share.stop() == 0
    assert not share.is_mounted() and not os.path.exists(f"/proc/{helper}")


def test_the_process_that_mounts_keeps_next_to_nothing(make_guard):
    """Seen to fail when it reduces nothing, and when it closes nothing."""
    share = _elsewhere(make_guard(start=False, audit="file"), script='shift 2; exec "$@"').start()
    (helper,) = _children(share.process.pid)
    (status,) = _threads(helper)
    sets = _sets(status)
    assert sets["CapEff"] == sets["CapPrm"] == sets["CapBnd"] == _mask(FOR_MOUNTING)
    assert status["Groups"].split() == [] and status["NoNewPrivs"].strip() == "1"
    links = [os.readlink(f"/proc/{helper}/fd/{fd}") for fd in os.listdir(f"/proc/{helper}/fd")
             if int(fd) > 2]
    assert len(links) == 1 and links[0].startswith("socket:"), links


def test_a_killed_guard_leaves_a_dead_mount_there_as_it_does_here(make_guard):
    """What is under the mount must not show, and nobody may wait for a daemon that is gone."""
    share = _elsewhere(make_guard(start=False, audit="file"), script='shift 2; exec "$@"').start()
    (helper,) = _children(share.process.pid)
    share.put("model")
    share.process.send_signal(signal.SIGKILL)
    assert share.wait() == -signal.SIGKILL
    wait_for(lambda: not os.path.exists(f"/proc/{helper}"), 10, "a process is left")
    assert share.is_mounted()
    assert share.call_as("mleng1", _read, share.path("model")).errno == errno.ENOTCONN
    # The unit's ExecStartPre= removes it, and nothing that lives.
    assert _start_pre(share.mountpoint) == 0
    assert not share.is_mounted()
    share.start()
    assert _start_pre(share.mountpoint) == 0
    assert share.call_as("mleng1", _read, share.path("model")).value == b"a model\n"


def _start_pre(mountpoint):
    with open(UNIT, encoding="utf-8") as file:
        script = re.search(r"^ExecStartPre=\+/bin/sh -c '(.*)'$", file.read(), re.MULTILINE)[1]
    return subprocess.run(["sh", "-c", script.replace("$$", "$")], check=False, timeout=20,
                          env=dict(os.environ, MOUNTPOINT=mountpoint)).returncode


def test_when_the_user_unmounts_it_all_ends(make_guard):
    share = _elsewhere(make_guard(start=False, audit="file"), script='shift 2; exec "$@"').start()
    (helper,) = _children(share.process.pid)
    subprocess.run(["umount", share.mountpoint], check=True)
    assert share.wait() == 0
    assert not os.path.exists(f"/proc/{helper}")


def _running(mountpoint):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = _read(f"/proc/{pid}/cmdline").rstrip(b"\0").split(b"\0")
        except OSError:
            continue
        if words[-1] == mountpoint.encode() and words[0].endswith(b"modelguard"):
            found.append(int(pid))
    return found


def test_in_the_background_nobody_waits_for_the_process_that_mounts(make_guard):
    """Seen to fail when it keeps the standard streams."""
    share = _elsewhere(make_guard(start=False, audit="file"), script='shift 2; exec "$@"')
    result = subprocess.run(share.command(foreground=False), capture_output=True, timeout=20,
                            check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    assert share.is_mounted() and len(_running(share.mountpoint)) == 2
    # A stop of the whole service sends it to both; only the guard ends by it.
    for pid in _running(share.mountpoint):
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not _running(share.mountpoint), 20, "it does not end")
    assert not share.is_mounted()


def _refusal(share):
    result = subprocess.run(share.command(), check=False, capture_output=True, text=True,
                            timeout=30, stdin=subprocess.DEVNULL)
    assert result.returncode == 1 and not share.is_mounted(), result
    lines = [line for line in result.stderr.splitlines() if line.startswith("modelguard: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_another_directory_of_that_name_is_not_mounted_on(make_guard):
    """Or a source that looks closed here would be open there. Seen to fail when the two are
    not compared."""
    share = make_guard(start=False, audit="file")
    other = 'mount -t tmpfs -o mode=700 tmpfs "$2"; shift 2; exec "$@"'
    _elsewhere(share, script=other)
    assert "is another directory" in _refusal(share)


def test_the_source_must_be_closed_where_the_users_are(make_guard):
    """Seen to fail when only the own namespace is looked at."""
    share = make_guard(start=False, audit="file")
    os.chmod(share.source_directory, 0o755)
    # Here a closed directory lies above it.
    closed = ('mkdir -p "$1/hidden"; mount --rbind "$1" /mnt; mount -t tmpfs -o mode=700 tmpfs "$1";'
              'for d in source share policy; do mkdir "$1/$d"; mount --rbind "/mnt/$d" "$1/$d"; done;'
              'shift 2; exec "$@"')
    _elsewhere(share, script=closed)
    share.audit_file = "/run/closed.json"
    line = _refusal(share)
    assert "can be reached around the guard by" in line and "everyone" in line
    os.chmod(share.source_directory, 0o700)
    share.start()
    assert share.call_as("outsider", os.listdir, share.source_directory).errno == errno.EACCES


@pytest.mark.parametrize("file, reason", [("/nonexistent", "No such file"),
                                          ("/etc/passwd", "Invalid argument")])
def test_what_is_no_mount_namespace_is_refused(make_guard, file, reason):
    share = _elsewhere(make_guard(start=False, audit="file"), namespace=file,
                       script='shift 2; exec "$@"')
    line = _refusal(share)
    assert file in line and reason in line


# The unit

def _analyze(*arguments):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True,
                          text=True, timeout=60, env=dict(os.environ, LC_ALL="C.UTF-8"))


def test_the_exposure_of_the_unit_is_low():
    """Seen to fail with all capabilities."""
    result = _analyze("security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level.*: ([0-9.]+) ", result.stdout)
    assert found, result
    assert float(found[1]) <= EXPOSURE_MAX, result.stdout


def test_the_unit_is_understood(tmp_path):
    """The program is where it will be installed."""
    copy = tmp_path / "modelguard@.service"
    with open(UNIT, encoding="utf-8") as file:
        text = file.read()
    copy.write_text(re.sub(r"(?m)^(ExecStart=)\S+", r"\1/bin/true", text), encoding="utf-8")
    result = _analyze("verify", "--man=no", str(copy))
    assert result.returncode == 0 and not result.stderr.strip(), result.stderr
    copy.write_text(copy.read_text() + "\n[Service]\nNoSuchKey=1\n", encoding="utf-8")
    assert "NoSuchKey" in _analyze("verify", "--man=no", str(copy)).stderr


def test_every_exception_of_the_unit_is_explained():
    """Seen to fail with a line of the explanation taken out."""
    with open(UNIT, encoding="utf-8") as file:
        text = file.read()
    comments = "".join(line for line in text.splitlines(True) if line.startswith("#"))
    result = _analyze("security", "--offline=true", "--no-pager", UNIT)
    for item in re.findall(r"^✗ (\S+)", result.stdout, re.MULTILINE):
        setting, _, value = item.partition("=")
        words = re.findall(r"[A-Z]{2,}[A-Z_]*|@\w+", value) or [setting]
        assert any(word.removeprefix("CAP_") in comments for word in words), item


def test_the_unit_keeps_the_capabilities_that_the_daemon_needs():
    """Seen to fail without CAP_FOWNER."""
    names = {name.lstrip("+") for name in _bounding_set().split(",")[1:]}
    # setpcap and sys_chroot until it serves.
    assert names == NEEDED | FOR_AUDITD | IDLE | {"setpcap", "sys_chroot"}
