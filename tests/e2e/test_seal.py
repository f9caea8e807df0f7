# SPDX-License-Identifier: Apache-2.0
"""No way around the guard, and no mount after a bad command line: one line, and nothing changed."""

import errno
import os
import shutil
import subprocess

import pytest

import world
from guard import CTL, DAEMON, DEFAULT_POLICY, mount_entry, mounts_below, snapshot

SECONDS = 30


def _run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=SECONDS, check=False, stdin=subprocess.DEVNULL, cwd="/",
                          **options)


def _state(guard):
    """All of the share and its policy; the trail may have grown."""
    state = snapshot(guard.directory)
    state.pop(guard.audit_file, None)
    state.pop(guard.directory)
    return state


def _refused(guard, command=None, *needles, **options):
    """One clear line that names the thing, a non-zero status, nothing mounted, nothing changed."""
    mounts = mounts_below("/")
    before = _state(guard)
    result = _run(command or guard.command(), **options)
    assert result.returncode > 0, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("modelguard: "), lines
    for needle in needles:
        assert needle in lines[0], f"{needle!r} is not in {lines[0]!r}"
    assert result.stdout == ""
    assert mounts_below("/") == mounts
    assert _state(guard) == before
    return lines[0]


@pytest.fixture
def idle(make_guard):
    """A share that is not mounted yet; nobody needs to record."""
    guard = make_guard(audit="file", start=False)
    open(guard.audit_file, "w", encoding="ascii").close()
    os.chmod(guard.audit_file, 0o600)
    return guard


# Sealing


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o701])
def test_a_source_that_all_can_reach_is_refused(idle, mode):
    os.chmod(idle.source_directory, mode)
    _refused(idle, None, idle.source_directory, "chmod")


@pytest.mark.parametrize("mode", [0o750, 0o710])
def test_a_source_that_a_group_can_reach_is_refused_by_its_name(idle, mode):
    os.chown(idle.source_directory, 0, 64152)
    os.chmod(idle.source_directory, mode)
    _refused(idle, None, idle.source_directory, "data-scientists")


def test_a_source_that_its_owner_can_reach_is_refused_by_name(idle):
    os.chown(idle.source_directory, world.uid_of("mleng1"), 0)
    _refused(idle, None, idle.source_directory, "mleng1")


@pytest.mark.parametrize("entry, who", [("u:sci1:rx", "sci1"), ("g:ml-engineers:x", "ml-engineers")])
def test_a_source_that_an_acl_opens_is_refused(idle, entry, who):
    subprocess.run(["setfacl", "-m", entry, idle.source_directory], check=True)
    _refused(idle, None, idle.source_directory, who)


def test_an_acl_that_its_mask_closes_is_no_way(idle):
    subprocess.run(["setfacl", "-m", "u:sci1:x,m::-", idle.source_directory], check=True)
    idle.start()


def test_reading_without_searching_is_no_way(idle):
    os.chmod(idle.source_directory, 0o744)
    idle.start()


def test_a_closed_ancestor_closes_the_source(idle):
    """Nobody gets to an open directory below a closed one."""
    inner = os.path.join(idle.source_directory, "inner")
    os.mkdir(inner, 0o755)
    idle.source_directory = inner
    os.chmod(inner, 0o755)
    idle.start()


def test_unsealed_mounts_all_the_same(idle):
    os.chmod(idle.source_directory, 0o755)
    idle.options.append("unsealed")
    idle.start()
    assert idle.call_as("sci1", os.listdir, idle.path()).errno == 0


def test_the_mount_may_lie_over_its_source(make_guard):
    """SOURCE = MOUNTPOINT: whoever may go there goes through the guard, modes do not matter."""
    guard = make_guard(audit="file", start=False, over_source=True)
    guard.put("model", owner="mleng2", mode=0o666)
    guard.put("production/model", owner="mleng2", mode=0o666)
    os.chmod(guard.source_directory, 0o755)
    guard.start()
    assert guard.call_as("sci1", lambda: open(guard.path("model"), "rb").read()).value
    assert guard.call_as("sci1", os.truncate, guard.path("model"), 0).errno == errno.EACCES
    assert guard.call_as("mleng1", os.truncate, guard.path("model"), 2).errno == 0
    assert guard.call_as("mleng1", os.truncate, guard.path("production/model"), 2).errno \
        == errno.EACCES
    assert guard.call_as("root", os.listdir, guard.path()).errno == errno.EACCES
    assert guard.stop() == 0
    with open(guard.path("model"), "rb") as file:
        assert file.read() == b"a "


def test_the_mount_is_what_mount_shows(file_guard):
    source, kind, options = mount_entry(file_guard.mountpoint)
    assert source == file_guard.source_directory
    assert kind == "fuse.modelguard"
    assert {"nosuid", "nodev", "noexec"} <= options
    assert "default_permissions" not in options


def test_the_daemons_descriptors_are_no_way(file_guard):
    """Nobody but root gets at the source through /proc."""
    pid = file_guard.process.pid

    def peek():
        found = []
        for name in ("fd", "root", "cwd", "task"):
            try:
                path = f"/proc/{pid}/{name}"
                if name == "task":
                    path += f"/{pid}/fd"
                found += [os.listdir(path)]
            except PermissionError:
                pass
        return found

    assert file_guard.call_as("sci1", peek).value == []


# Starting


def test_without_f_it_goes_to_the_background(idle):
    result = _run(idle.command(foreground=False))
    try:
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        # Mounted when it returns, not some time later.
        assert idle.is_mounted()
        path = idle.put("model")
        assert idle.call_as("sci1", os.stat, path).errno == 0
    finally:
        subprocess.run(["umount", idle.mountpoint], check=False)
    from auditd import wait_for  # the daemon is nobody's child now

    wait_for(lambda: idle.audit_file and b'"end"' in open(idle.audit_file, "rb").read(), 20,
             "no record of the end")


def test_a_source_with_odd_bytes_in_its_name(idle):
    """Spaces, quotes and a backslash; a comma is the option list's."""
    for attribute in ("source_directory", "mountpoint"):
        old = getattr(idle, attribute)
        new = os.path.join(idle.directory, f"odd '{attribute}' \\ name")
        os.rename(old, new)
        setattr(idle, attribute, new)
    idle.start()
    path = idle.put("model")
    assert idle.call_as("sci1", os.stat, path).errno == 0
    assert mount_entry(idle.mountpoint)[0] == idle.source_directory


# Bad input


def test_an_unknown_option_is_refused(idle):
    idle.options.append("frobnicate")
    _refused(idle, None, "frobnicate")


def test_an_unknown_switch_is_refused(idle):
    _refused(idle, [DAEMON, "--frobnicate", idle.source_directory, idle.mountpoint], "frobnicate")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_arguments_is_refused(idle, count):
    names = [idle.source_directory, idle.mountpoint, "/tmp"][:count]
    _refused(idle, [DAEMON, "-f", "-o", f"policy={idle.policy_file}", *names])


def test_a_missing_source_is_refused(idle):
    name = idle.source_directory + "-none"
    _refused(idle, idle.command()[:-2] + [name, idle.mountpoint], name, "No such file")


def test_a_source_that_is_a_file_is_refused(idle):
    _refused(idle, idle.command()[:-2] + [idle.policy_file, idle.mountpoint], idle.policy_file,
             "irectory")


def test_a_missing_mount_point_is_refused(idle):
    name = idle.mountpoint + "-none"
    _refused(idle, idle.command()[:-1] + [name], name, "No such file")


def test_a_mount_point_that_is_a_file_is_refused(idle):
    _refused(idle, idle.command()[:-1] + [idle.policy_file], idle.policy_file, "irectory")


def test_a_source_inside_the_mount_point_is_refused(idle):
    """It would hide itself: every lookup of the source would come back to the guard."""
    inner = os.path.join(idle.mountpoint, "inner")
    os.mkdir(inner, 0o700)
    _refused(idle, idle.command()[:-2] + [inner, idle.mountpoint], inner, idle.mountpoint)
    os.rmdir(inner)


def test_a_busy_mount_point_is_refused(idle, make_guard):
    """A second guard on the same mount point: the first one serves on."""
    idle.start()
    path = idle.put("model")
    other = make_guard(audit="file", start=False)
    other_command = other.command()[:-1] + [idle.mountpoint]
    result = _run(other_command)
    assert result.returncode > 0
    assert len(result.stderr.splitlines()) == 1 and idle.mountpoint in result.stderr
    assert mounts_below(idle.mountpoint) == [idle.mountpoint]
    assert idle.call_as("sci1", os.stat, path).errno == 0


def test_an_unknown_audit_sink_is_refused(idle):
    idle.audit_file = None
    idle.audit = "file"
    command = [DAEMON, "-f", "-o", f"policy={idle.policy_file},audit=syslog",
               idle.source_directory, idle.mountpoint]
    _refused(idle, command, "audit=", "syslog")


def test_a_file_of_records_that_cannot_be_made_is_refused(idle):
    missing = os.path.join(idle.directory, "none", "audit.json")
    command = [DAEMON, "-f", "-o", f"policy={idle.policy_file},audit=file:{missing}",
               idle.source_directory, idle.mountpoint]
    _refused(idle, command, missing)


def test_a_missing_policy_is_refused(idle):
    os.unlink(idle.policy_file)
    _refused(idle, None, idle.policy_file)


def test_a_bad_policy_is_refused_with_its_line(idle):
    idle.write_policy(DEFAULT_POLICY + "[zone x]\npath = /x\nallow nobody-such = read\n")
    line = DEFAULT_POLICY.count("\n") + 3
    _refused(idle, None, f"{idle.policy_file}:{line}:")


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_policy_that_others_may_write_is_refused(idle, mode):
    os.chmod(idle.policy_file, mode)
    _refused(idle, None, idle.policy_file)


def test_a_policy_of_somebody_else_is_refused(idle):
    os.chown(idle.policy_file, world.uid_of("mleng1"), -1)
    _refused(idle, None, idle.policy_file)


def test_a_policy_in_a_directory_that_others_may_write_is_refused(idle):
    os.chmod(os.path.dirname(idle.policy_file), 0o777)
    _refused(idle, None, os.path.dirname(idle.policy_file))


def test_a_policy_that_is_a_symbolic_link_is_refused(idle):
    os.rename(idle.policy_file, idle.policy_file + ".real")
    os.symlink(idle.policy_file + ".real", idle.policy_file)
    _refused(idle, None, idle.policy_file)


def test_what_cannot_be_enforced_yet_is_refused(idle):
    """Never silently ignored."""
    granted = "allow release-pipeline = read, create, write, delete"
    line = "check = /bin/true"
    idle.write_policy(DEFAULT_POLICY.replace(
        granted, f"allow release-pipeline = promote\npromote-from = /staging\n{line}"))
    message = _refused(idle, None, "check")
    assert f"{idle.policy_file}:{idle.policy_line(line)}:" in message


def test_without_the_privilege_to_mount_it_is_refused(idle):
    _refused(idle, ["capsh", "--drop=cap_sys_admin", "--", "-c",
                    'exec "$0" "$@"', *idle.command()], "sys_admin")


def test_as_an_ordinary_user_it_is_refused(idle):
    # The checkout may lie where only root comes to, such as /root.
    program = os.path.join(idle.directory, "modelguard")
    shutil.copy(DAEMON, program)
    result = idle.run_as("mleng1", program, *idle.command()[1:])
    assert result.returncode > 0
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("modelguard: ")
    assert not idle.is_mounted()


def test_without_dev_fuse_it_is_refused(idle):
    script = 'mount -t tmpfs tmpfs /dev && exec "$0" "$@"'
    _refused(idle, ["unshare", "--mount", "sh", "-c", script, *idle.command()], "/dev/fuse")


def test_errors_come_before_going_to_the_background(idle):
    os.chmod(idle.source_directory, 0o755)
    _refused(idle, idle.command(foreground=False), idle.source_directory)


def test_a_policy_read_by_the_guard_passes_the_check(idle):
    assert _run([CTL, "check", idle.policy_file]).returncode == 0
    assert shutil.which("capsh"), "libcap2-bin is needed by these tests"
