# SPDX-License-Identifier: Apache-2.0
"""Outside load and random operations, in a zone of roles and in one whose modes count."""

import os
import subprocess

import pytest

import guard as guards
import world
from test_posix_basics import USER, place, share  # noqa: F401: fixtures

FSX = os.path.join(guards.BUILD, "tests", "posix-fsx")


@pytest.fixture
def fsx(share, tmp_path_factory):  # noqa: F811
    """The program, where an ordinary user gets to it: the checkout may be closed to them."""
    path = os.path.join(share.directory, "posix-fsx")
    if not os.path.exists(path):
        subprocess.run(["install", "-m", "755", FSX, path], check=True)
    return path


@pytest.mark.parametrize("arguments", [(), ("-m",)], ids=["plain", "mapped"])
def test_random_operations_on_a_file(place, fsx, arguments):  # noqa: F811
    for seed in ("1", "2"):
        result = world.run_as(USER, fsx, *arguments, "-s", seed, "-t", "3", place + "/f")
        assert result.returncode == 0, result.stderr
        assert int(result.stdout.split()[0]) > 100


def test_random_operations_find_a_difference(place, fsx):  # noqa: F811
    """Else they could not fail: somebody else writes into the file meanwhile."""
    pending = subprocess.Popen([fsx, "-t", "20", place + "/f"], stderr=subprocess.PIPE, text=True,
                               **_as_user())
    try:
        while pending.poll() is None:
            world.call_as(USER, _scribble, place + "/f")
        assert pending.returncode == 1 and "seed 1" in pending.stderr.read()
    finally:
        pending.kill()
        pending.wait()
        pending.stderr.close()


def _as_user():
    uid, gid = world.uid_of(USER), world.gid_of(USER)
    return {"user": uid, "group": gid, "extra_groups": world.groups_of(USER)}


def _scribble(path):
    try:
        with open(path, "r+b") as file:
            for offset in range(0, 256 * 1024, 4096):
                os.pwrite(file.fileno(), b"scribble", offset)
    except FileNotFoundError:
        pass


# stress-ng's stressors of file systems. Where roles decide, modes do not deny, which is what
# `access` and `chown` expect; `chattr`, `inode-flags` and `file-ioctl` take what `admin` grants.
STRESSORS = {
    "names": ("chdir", "dentry", "dir", "dirdeep", "dirmany", "filename", "getdent", "link",
              "mknod", "rename", "symlink", "touch"),
    "attributes": ("chmod", "fstat", "fsize", "open", "utime", "xattr", "dup", "fcntl", "inotify"),
    "contents": ("copy-file", "fallocate", "fiemap", "fpunch", "hdd", "io", "iomix", "readahead",
                 "revio", "seek", "sendfile", "sync-file"),
    "locks": ("flock", "lease", "locka", "lockf", "lockofd"),
}
BY_MODES = ("access", "chown", "chattr", "inode-flags", "file-ioctl")
SIZES = ("--hdd-bytes", "32m", "--fallocate-bytes", "16m", "--iomix-bytes", "16m",
         "--readahead-bytes", "16m", "--revio-bytes", "16m", "--seek-size", "16m",
         "--sync-file-bytes", "16m", "--copy-file-bytes", "128m")


@pytest.mark.parametrize("group", [*STRESSORS, "by-modes"])
def test_stress_ng(share, place, request, group):  # noqa: F811
    by_role = request.node.callspec.params["share"] == "role"
    if group == "by-modes" and by_role:
        pytest.skip("modes do not deny in a zone of roles")
    stressors = BY_MODES if group == "by-modes" else STRESSORS[group]
    if by_role:
        # setxattr takes `admin`, which this role does not hold.
        stressors = [name for name in stressors if name != "xattr"]
    options = [word for name in stressors for word in (f"--{name}", "1")]
    result = world.run_as(USER, "stress-ng", *options, *SIZES, "--timeout", "4", "--verify",
                          "--oomable", "--temp-path", place, seconds=100)
    assert result.returncode == 0, result.stdout + result.stderr
    assert world.call_as(USER, os.listdir, place).errno == 0
