# SPDX-License-Identifier: Apache-2.0
"""Roles that take a program or a systemd unit: exe= and unit= in policy.ini(5)."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import tempfile

import pytest

import world
from guard import DEFAULT_POLICY
from test_ctl import ctl

OK, NO = range(2)
USER = "users = ci-release"
TREES = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


def limited(*lines):
    return DEFAULT_POLICY.replace(USER, "\n".join((USER, *lines)))


def cat(guard, program="/usr/bin/cat", path="production/m", user="ci-release", **options):
    return guard.run_as(user, program, guard.path(path), **options).returncode == 0


@pytest.fixture
def copy():
    """The same program by another name, for anybody."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield shutil.copy("/usr/bin/cat", directory)


def only_pipeline(*lines):
    """Nobody else reads production."""
    return limited(*lines).replace("path = /production\nallow data-scientist = read\n",
                                   "path = /production\n")


def test_the_program_decides(make_guard, copy):
    guard = make_guard(audit="file", policy=only_pipeline("exe = /usr/bin/cat"))
    guard.put("production/m")
    assert cat(guard)
    assert not cat(guard, copy) and not cat(guard, "/usr/bin/head")
    assert not cat(guard, user="sci1")  # the program alone is no role


def test_a_program_that_executes_another_loses_the_role_at_once(make_guard):
    guard = make_guard(audit="file", policy=only_pipeline("exe = /usr/bin/dash"))
    guard.put("production/m", b"12345\n")
    path = guard.path("production/m")
    # The shell may read; what it becomes, with the same pid and within the same second, not.
    said = guard.run_as("ci-release", "/usr/bin/dash", "-c",
                        'read -r line < "$1" && echo "$line"; exec /usr/bin/cat "$1"', "dash", path)
    assert said.stdout == "12345\n" and said.returncode != 0


def test_a_name_in_a_namespace_of_ones_own_is_no_program(make_guard, copy):
    guard = make_guard(audit="file", policy=only_pipeline("exe = /usr/bin/cat"))
    guard.put("production/m")
    path = guard.path("production/m")

    # Root makes it, as a user with a user namespace could, and becomes the user then.
    uid, gid = world.uid_of("ci-release"), world.gid_of("ci-release")
    become = f"setpriv --reuid {uid} --regid {gid} --clear-groups"
    script = f'mount --bind {copy} /usr/bin/cat && exec {become} /usr/bin/cat "$1"'
    said = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", path], capture_output=True,
                          check=False)
    assert said.returncode != 0 and b"ermission denied" in said.stderr, said
    said = subprocess.run(["unshare", "-m", "sh", "-c", f'exec {become} /usr/bin/cat "$1"', "sh",
                           path], capture_output=True, check=False)
    assert said.returncode == 0, said


@contextlib.contextmanager
def control_group(name):
    """A control group of systemd's tree, for the calling process's children."""
    tree = next(tree for tree in TREES if os.path.exists(f"{tree}/cgroup.procs"))
    parts = name.split("/")
    made = ["/".join([tree, *parts[:n + 1]]) for n in range(len(parts))]
    for path in made:
        os.makedirs(path, exist_ok=True)
    try:
        yield f"{made[-1]}/cgroup.procs"
    finally:
        for path in reversed(made):
            os.rmdir(path)


UNITS = [
    ("system.slice/mg-runner.service", True),
    ("mg.slice/mg-deep.slice/mg-runner.service", True),
    ("mg-runner.service", True),
    ("mg.slice/mg-runner.service/child", True),
    ("mg.slice/mg-other.service", False),
    ("mg.slice/mg-runner.service.d", False),
    ("mg.slice/xmg-runner.service", False),
    ("mg.slice/user@1000.service/mg-runner.service", False),
    ("mg.slice/user@1000.service/app.slice/mg-runner.service", False),
    ("mg.slice/session-1.scope/mg-runner.service", False),
    ("mg.slice/x:name=systemd:/mg-runner.service", False),
    ("mg.slice", False),
]


@pytest.mark.parametrize("group, allowed", UNITS, ids=[row[0] for row in UNITS])
def test_the_unit_decides(make_guard, group, allowed):
    guard = make_guard(audit="file", policy=only_pipeline("unit = mg-runner.service"))
    guard.put("production/m", b"model")
    assert not cat(guard)  # the user alone
    with control_group(group) as procs:
        script = 'echo $$ > "$1" && exec setpriv --reuid "$2" --regid "$3" --clear-groups cat "$4"'
        said = subprocess.run(
            ["sh", "-c", script, "sh", procs, str(world.uid_of("ci-release")),
             str(world.gid_of("ci-release")), guard.path("production/m")],
            capture_output=True, check=False)
    assert (said.stdout == b"model") == allowed, said
    assert allowed or b"ermission denied" in said.stderr


def test_with_both_it_takes_both(make_guard):
    guard = make_guard(audit="file",
                       policy=only_pipeline("exe = /usr/bin/cat", "unit = mg-runner.service"))
    guard.put("production/m", b"model")
    with control_group("mg.slice/mg-runner.service") as procs:
        for program, allowed in (("/usr/bin/cat", True), ("/usr/bin/head", False)):
            script = f'echo $$ > "$1" && exec setpriv --reuid "$2" --regid "$3" --clear-groups ' \
                f'{program} "$4"'
            said = subprocess.run(
                ["sh", "-c", script, "sh", procs, str(world.uid_of("ci-release")),
                 str(world.gid_of("ci-release")), guard.path("production/m")],
                capture_output=True, check=False)
            assert (said.stdout == b"model") == allowed
    assert not cat(guard)


def test_a_denial_names_who_it_was(make_guard):
    guard = make_guard(audit="file", policy=only_pipeline("exe = /usr/bin/nothing"))
    guard.put("production/m")
    since = guard.mark()
    assert guard.call_as("ci-release", os.open, guard.path("production"),
                         os.O_RDONLY).errno == errno.EACCES
    assert guard.failures(since)[-1]["acct"] == "ci-release"


# What modelguardctl says


@pytest.fixture
def policy_file(tmp_path):
    def write(text, name="policy.ini"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)
    return write


def test_the_limits_are_shown(policy_file):
    path = policy_file(limited("exe = /usr/bin/mv, /usr/bin/cp", "unit = runner.service"))
    limits = "only by /usr/bin/mv or /usr/bin/cp, only in runner.service"
    for arguments in (("user", "-p", path, "ci-release"), ("who", "-p", path, "/production"),
                      ("explain", "-p", path, "ci-release", "read", "/production")):
        said = ctl(*arguments)
        assert said.returncode == OK and limits in said.stdout, said.stdout
    document = json.loads(ctl("user", "-p", path, "--json", "ci-release").stdout)
    (role,) = [role for role in document["roles"] if role["name"] == "release-pipeline"]
    assert role["exe"] == ["/usr/bin/mv", "/usr/bin/cp"] and role["unit"] == ["runner.service"]
    assert "only" not in ctl("user", "-p", path, "mleng1").stdout


ONE, TWO = "exe = /usr/bin/mv", "exe = /usr/bin/mv, /usr/bin/cp"
RENAMED = DEFAULT_POLICY.replace("release-pipeline", "pipeline")
WIDER = [
    ("another program", limited(ONE), limited(TWO), True),
    ("one program less", limited(TWO), limited(ONE), False),
    ("no limit any more", limited(ONE), limited(), True),
    ("a limit", limited(), limited(ONE), False),
    ("the same", limited(ONE), limited(ONE), False),
    ("another unit", limited("unit = a.service"), limited("unit = b.service"), True),
    ("a role without it instead", limited(ONE), RENAMED, True),
]


@pytest.mark.parametrize("old, new, wider", [row[1:] for row in WIDER], ids=[row[0] for row in WIDER])
def test_a_limit_that_goes_is_wider(policy_file, old, new, wider):
    said = ctl("diff", "--fail-on", "widen", policy_file(old, "old.ini"), policy_file(new, "new.ini"))
    assert said.returncode == (NO if wider else OK), said.stdout
    assert ("(weaker)" in said.stdout) == wider
