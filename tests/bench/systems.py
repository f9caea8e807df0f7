# SPDX-License-Identifier: Apache-2.0
"""What is compared: the bare directory, the kernel's own audit watch, the FUSE peers, and
modelguard; all on one source directory."""

import os
import shutil
import subprocess

import guard as guards
import world
from auditd import Auditd, wait_for

WATCH_KEY = "modelguard-bench"

# The share zone holds all that is measured; the others are there as they would be.
POLICY = """\
[role data-scientist]
groups = data-scientists

[role ml-engineer]
groups = ml-engineers
include = data-scientist

[role model-admin]
groups = model-admins
include = ml-engineer

[zone share]
path = /
allow data-scientist = read
allow ml-engineer = read, create, write, delete
allow model-admin = admin

[zone experiments]
path = /experiments
allow data-scientist = read, create, write-own, delete-own

[zone production]
path = /production
allow data-scientist = read
allow model-admin = create, write, delete
"""

# Everything is logged, as a guard would; names of processes would cost it a look-up more.
LOGGEDFS_CONFIG = """\
<?xml version="1.0" encoding="UTF-8"?>
<loggedFS logEnabled="true" printProcessName="false">
  <includes><include extension=".*" uid="*" action=".*" retname=".*"/></includes>
  <excludes></excludes>
</loggedFS>
"""


class BenchAuditd(Auditd):
    """Writes its log as Debian's configuration does, not as fast as it can."""

    def start(self):
        config = os.path.join(self.directory, "config", "auditd.conf")
        with open(config, encoding="ascii") as file:
            text = file.read()
        text = text.replace("flush = NONE", "flush = INCREMENTAL_ASYNC")
        with open(config, "w", encoding="ascii") as file:
            file.write(text.replace("freq = 0", "freq = 50"))
        super().start()


class System:
    """One of the things compared. path() is where the user finds it."""

    is_fuse = False
    is_guard = False
    options = ""

    def __init__(self, name, label):
        self.name = name
        self.label = label
        self.directory = None

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def start(self):
        pass

    def stop(self):
        pass

    def begin_run(self):
        """Called before each run, outside of what is timed; end_run() after it."""

    def end_run(self):
        pass

    def trouble(self):
        """Why it cannot go on, or None."""
        return None


class Native(System):
    def __init__(self, source):
        super().__init__("native", "native")
        self.directory = source


class Watch(System):
    """The bare directory while auditd watches it."""

    options = f"auditctl -w SOURCE -p rwa -k {WATCH_KEY}"

    def __init__(self, source):
        super().__init__("watch", "auditd watch")
        self.directory = source

    def _rule(self, add):
        command = ["auditctl", "-w" if add else "-W", self.directory, "-p", "rwa"]
        subprocess.run(command + ["-k", WATCH_KEY], check=True, capture_output=True)

    def begin_run(self):
        self._rule(True)

    def end_run(self):
        self._rule(False)


class Fuse(System):
    """A FUSE file system in the foreground, that dies with the benchmark."""

    is_fuse = True

    def __init__(self, name, label, directory, command, options):
        super().__init__(name, label)
        self.directory = directory
        self.command = command
        self.options = options
        self.process = None
        self.messages = directory + ".messages"

    def start(self):
        with open(self.messages, "ab") as messages:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                preexec_fn=world.die_with_parent,
                cwd="/",
            )
        wait_for(self._is_up, 20, f"{self.name} does not mount")

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with status {self.process.returncode}")
        entry = guards.mount_entry(self.directory)
        return entry is not None and entry[1].startswith("fuse")

    def stop(self):
        if self.process is None:
            return
        subprocess.run(["umount", self.directory], check=False, capture_output=True)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        guards.unmount_all(self.directory)

    def trouble(self):
        if self.process is None or self.process.poll() is None:
            return None
        return f"its daemon ended with status {self.process.returncode}"

    def pids(self):
        """The daemon and the processes it has started."""
        found = [self.process.pid]
        for pid in found:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
        return found

    def memory(self):
        """Resident bytes of the daemon."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
                for line in status:
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) * 1024
        return total

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())


class Loggedfs(Fuse):
    """It mounts over the directory that it logs: here over a bind mount of the source."""

    def __init__(self, source, directory):
        self.source = source
        self.log = directory + ".log"
        config = directory + ".xml"
        with open(config, "w", encoding="ascii") as file:
            file.write(LOGGEDFS_CONFIG)
        command = ["loggedfs", "-f", "-p", "-c", config, "-l", self.log, directory]
        super().__init__("loggedfs", "loggedfs", directory, command, "-p, all logged to a file")

    def start(self):
        subprocess.run(["mount", "--bind", self.source, self.directory], check=True)
        super().start()

    def stop(self):
        super().stop()
        if os.path.exists(self.log):
            os.truncate(self.log, 0)


class Modelguard(Fuse):
    is_guard = True

    def __init__(self, guard):
        command = guard.command()
        super().__init__("modelguard", "modelguard", guard.mountpoint, command, "")
        self.options = ",".join(["audit=auditd", *guard.options])
        self.guard = guard

    def start(self):
        self.guard.start()
        self.process = self.guard.process

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.guard.stop(seconds=60)
        self.process = None
        guards.unmount_all(self.directory)


def open_way_to(guard, scratch):
    """The guard's source is sealed, as it should be; all else reaches it by a bind mount."""
    private = os.path.join(guard.directory, "private")
    os.mkdir(private, 0o700)
    os.rename(guard.source_directory, os.path.join(private, "source"))
    guard.source_directory = os.path.join(private, "source")
    os.chmod(guard.source_directory, 0o755)
    way = os.path.join(scratch, "source")
    os.mkdir(way)
    bind(guard.source_directory, way)
    return way


def bind(directory, way):
    subprocess.run(["mount", "--bind", directory, way], check=True)


def make_systems(scratch, auditd, names):
    """The sealed source, the way to it, the systems, none of them started; and what is skipped,
    why."""
    guard = guards.Guard(scratch, auditd, policy=POLICY)
    source = open_way_to(guard, scratch)

    def mountpoint(name):
        path = os.path.join(scratch, "mounts", name)
        os.makedirs(path)
        return path

    def fuse(name, options, *rest):
        directory = mountpoint(name)
        command = [name, "-f", *options, *rest, directory]
        return Fuse(name, name, directory, command, " ".join(options))

    def overlay():
        parts = {}
        for part in ("lower", "work"):
            parts[part] = os.path.join(scratch, "overlay", part)
            os.makedirs(parts[part])
        system = fuse("fuse-overlayfs", ["-o", f"allow_other,lowerdir={parts['lower']},"
                                         f"upperdir={source},workdir={parts['work']}"])
        system.options = "-o allow_other,lowerdir=EMPTY,upperdir=SOURCE,workdir=WORK"
        return system

    makers = {
        "native": lambda: Native(source),
        "watch": lambda: Watch(source),
        "bindfs": lambda: fuse("bindfs", ["--multithreaded", "-o", "auto_cache"], source),
        "mergerfs": lambda: fuse(
            "mergerfs",
            ["-o", "allow_other,cache.files=auto-full,cache.readdir=true,"
             "security_capability=false,category.create=mfs"], source),
        "fuse-overlayfs": overlay,
        "loggedfs": lambda: Loggedfs(source, mountpoint("loggedfs")),
        "modelguard": lambda: Modelguard(guard),
    }
    systems, skipped = [], {}
    for name in ALL_SYSTEMS:
        if name not in names:
            continue
        if name in PEERS and shutil.which(name) is None:
            skipped[name] = "not installed, and could not be"
            continue
        systems.append(makers[name]())
    return guard.source_directory, source, systems, skipped


PEERS = ("bindfs", "mergerfs", "fuse-overlayfs", "loggedfs")
ALL_SYSTEMS = ("native", "watch") + PEERS + ("modelguard",)
QUICK_SYSTEMS = ("native", "watch", "bindfs", "mergerfs", "modelguard")
