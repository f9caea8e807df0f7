# SPDX-License-Identifier: Apache-2.0
"""Sources on file systems of their own: in a loop device's file, in memory, in layers. They are
in the run's private mount namespace, and loop devices end with their mounts."""

import os
import subprocess

from guard import ZONES

MAKERS = {
    "ext4": ["mkfs.ext4", "-q", "-m", "0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


def kernel_has(name):
    with open("/proc/filesystems", encoding="ascii") as file:
        return any(line.split()[-1] == name for line in file)


def image_of(guard):
    return os.path.join(guard.directory, "image")


def _mount(kind, guard, options, what):
    subprocess.run(["mount", "-t", kind, "-o", ",".join(options), what, guard.source_directory],
                   check=True, capture_output=True)


def _in_image(guard, kind, size, mkfs_options, mount_options):
    with open(image_of(guard), "wb") as image:
        image.truncate(size)
    subprocess.run([*MAKERS[kind], *mkfs_options, image_of(guard)], check=True,
                   capture_output=True)
    _mount(kind, guard, ["loop", *mount_options], image_of(guard))


def _in_layers(guard):
    layers = [os.path.join(guard.directory, name) for name in ("lower", "upper", "work")]
    for layer in layers:
        os.mkdir(layer)
    _mount("overlay", guard, [f"lowerdir={layers[0]}", f"upperdir={layers[1]}",
                              f"workdir={layers[2]}"], "overlay")


def put_source_on(guard, kind, size=320 << 20, mkfs_options=(), mount_options=()):
    """For a guard that is not started yet. Zones are made anew."""
    if kind in MAKERS:
        _in_image(guard, kind, size, mkfs_options, mount_options)
    elif kind == "overlay":
        _in_layers(guard)
    else:
        _mount(kind, guard, mount_options or ["mode=700"], kind)
    os.chmod(guard.source_directory, 0o700)
    for zone in ZONES:
        os.mkdir(guard.source(zone))
