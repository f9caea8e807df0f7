# SPDX-License-Identifier: Apache-2.0
"""modelguardctl doctor: each condition is planted and found, with its remedy; its sound neighbour
is not. Most are planted in a root directory of their own; what only a kernel or a guard can tell,
in the private world of the tests."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import world
from auditd import wait_for
from guard import CTL, DEFAULT_POLICY, unmount_all

OK, CRITICAL, USAGE, WARNED, UNTOLD = 0, 1, 2, 6, 7
OF_LEVEL = {"critical": CRITICAL, "warning": WARNED, "unknown": UNTOLD, "note": OK}

AUDITD_CONF = """\
local_events = yes
write_logs = yes
log_file = /var/log/audit/audit.log
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8
num_logs = 5
max_log_file_action = ROTATE
space_left = 75
space_left_action = EMAIL
admin_space_left = 50
admin_space_left_action = SINGLE
disk_full_action = HALT
disk_error_action = HALT
"""
MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:22 / /proc rw,relatime - proc proc rw
50 27 0:60 / /srv/models rw,nosuid,nodev - fuse.modelguard /srv/models rw
"""
GUARDED_APART = MOUNTS.replace("/ /srv/models", "/ /models")
LIMITS = "Limit  Soft Limit  Hard Limit  Units\nMax core file size  0  {}  bytes\n"
HOUR = 3600
# Groups by which one is root, or reads the trail: nobody is in them here.
ROOT_GROUPS = ("root", "docker", "sudo", "wheel", "admin", "disk", "lxd", "incus-admin", "microk8s",
               "libvirt", "shadow", "kmem", "staff", "adm")

# What a machine has of its own, whatever the tests do.
OF_THE_MACHINE = {"auditd-keeps-nothing", "auditd-disk-full", "auditd-disk-low", "auditd-format",
                  "auditd-flush", "auditd-rotation", "auditd-log-stops", "trail-compressed",
                  "trail-writable", "auditd-boot", "audit-hold", "audit-rule",
                  "audit-backlog-boot", "audit-lost", "callers-without-name", "clock", "swap",
                  "core-dumps", "passthrough"}


def record(seconds, uid=None):
    """A line of auditd's log, of the kernel's or of a guard's."""
    if uid is None:
        return f"type=SYSCALL msg=audit({seconds}.000:1): arch=c000003e syscall=2\n"
    return (f"type=DAC_CHECK msg=audit({seconds}.000:2): pid=1 uid=0 auid=0 ses=1 msg='op=open-read"
            f' acct="x" fsuid={uid} fsgid={uid} spid=9 sauid={uid} perm=4 path="/models/m"'
            ' zone="share" rule="policy.ini:1" gen=1 seqno=1 exe="/usr/sbin/modelguard" hostname=?'
            " addr=? terminal=? res=success'\n")


class Root:
    """A sound system below a directory: what is not right in it was planted."""

    def __init__(self, directory):
        self.directory = directory
        self.write("etc/modelguard/policy.ini", DEFAULT_POLICY)
        self.write("etc/audit/auditd.conf", AUDITD_CONF)
        self.write("etc/audit/rules.d/10-base.rules", "-D\n-b 8192\n-f 1\n")
        self.link("/usr/lib/systemd/system/auditd.service",
                  "etc/systemd/system/multi-user.target.wants/auditd.service")
        self.write("proc/cmdline", "root=/dev/vda audit=1 quiet\n")
        self.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self.write("proc/sys/kernel/core_pattern", "|/bin/false\n")
        self.write("proc/1/limits", LIMITS.format("unlimited"))
        self.write("proc/self/mountinfo", MOUNTS)
        for process in ("self", "1"):
            self.link("mnt:[1]", f"proc/{process}/ns/mnt")
        self.write("var/log/audit/audit.log", record(1000) + record(1000 + 48 * HOUR))
        self.mkdir("srv/models", 0o700)
        for zone in ("experiments", "production", "staging"):
            self.mkdir(f"srv/models/{zone}", 0o700)

    def path(self, name):
        return os.path.join(self.directory, name)

    def mkdir(self, name, mode=0o755):
        os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path(name), mode)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def link(self, target, name):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.symlink(target, self.path(name))

    def auditd(self, key, value):
        text, n = re.subn(rf"^{key} = .*$", f"{key} = {value}", AUDITD_CONF, flags=re.MULTILINE)
        assert n == 1
        self.write("etc/audit/auditd.conf", text)

    def container(self, mounts, pid="77", comm="python3"):
        self.link(f"mnt:[{pid}]", f"proc/{pid}/ns/mnt")
        self.write(f"proc/{pid}/mountinfo", mounts)
        self.write(f"proc/{pid}/comm", comm + "\n")

    def policy(self, text):
        self.write("etc/modelguard/policy.ini", text)


def doctor(*arguments, env=None):
    return subprocess.run([CTL, "doctor", *arguments], capture_output=True, text=True, check=False,
                          errors="replace", timeout=60, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})})


def examine(*arguments, env=None):
    said = doctor("--json", *arguments, env=env)
    assert said.returncode in (OK, CRITICAL, WARNED, UNTOLD), said.stderr
    document = json.loads(said.stdout)
    worst = next((level for level in ("critical", "warning", "unknown") if document[level]), "note")
    assert said.returncode == OF_LEVEL[worst], said.stdout
    return document


def names(document, level=None):
    return {finding["check"] for finding in document["findings"]
            if level is None or finding["severity"] == level}


@pytest.fixture(scope="module", autouse=True)
def nobody_is_root_by_another_name():
    def empty(text):
        lines = []
        for line in text.splitlines():
            if line.split(":")[0] in ROOT_GROUPS:
                line = line.rpartition(":")[0] + ":"
            lines.append(line + "\n")
        return "".join(lines) + "nobody-yet:x:64191:\n"

    with world.changed("/etc/group", empty):
        yield


@pytest.fixture
def root(scratch):
    directory = os.path.join(scratch, "doctor-root")
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    yield Root(directory)
    shutil.rmtree(directory)


# What is planted, of which check that is a finding, at which level, and a word of its remedy.

def policy_with(old, new):
    assert old in DEFAULT_POLICY
    return DEFAULT_POLICY.replace(old, new)


PROMOTING = DEFAULT_POLICY + """\
[zone release]
path = /release
promote-from = /staging
allow release-pipeline = promote
allow {} = {}
"""


def bind(point, inner="/srv/models", device="254:0"):
    return f"60 27 {device} {inner} {point} rw,relatime - ext4 /dev/vda rw\n"


def open_source(root):
    root.write("proc/self/mountinfo", GUARDED_APART)
    root.mkdir("srv/models", 0o755)


def open_source_by_acl(root):
    root.write("proc/self/mountinfo", GUARDED_APART)
    subprocess.run(["setfacl", "-m", "u:sci1:x", root.path("srv/models")], check=True)


def bound(point, inner="/srv/models"):
    def plant(root):
        root.write("proc/self/mountinfo", MOUNTS + bind(point, inner))
        root.mkdir(point.strip("/"))
    return plant


def contained(mounts):
    return lambda root: root.container(mounts)


def in_service(mounts):
    """A service that sees the source with other modes than those of the root: open."""
    def plant(root):
        root.container(mounts)
        root.mkdir(os.path.join("proc/77/root", "srv/models"))
    return plant


def in_user_namespace(bits):
    """Somebody's own namespaces, in which they have mounted the source; it has this mode."""
    def plant(root):
        root.container(MOUNTS + bind("/data"))
        root.link("user:[1]", "proc/self/ns/user")
        root.link("user:[2]", "proc/77/ns/user")
        root.mkdir("proc/77/root/data", bits)
    return plant


def wrote(name, text):
    return lambda root: root.write(name, text)


def network(kind, options):
    def plant(root):
        root.write("proc/self/mountinfo",
                   f"29 27 0:51 / /srv/models rw - {kind} server:/models {options}\n" + MOUNTS)
    return plant


def hard_link(first, second):
    def plant(root):
        root.write(first, "x")
        os.makedirs(os.path.dirname(root.path(second)), exist_ok=True)
        os.link(root.path(first), root.path(second))
    return plant


def mode(name, bits):
    return lambda root: os.chmod(root.path(name), bits)


def masked(root):
    root.link("/dev/null", "etc/systemd/system/auditd.service")


def not_enabled(root):
    os.unlink(root.path("etc/systemd/system/multi-user.target.wants/auditd.service"))


def full_logs(hours, megabytes):
    """A log that came to so much in so many hours."""
    def plant(root):
        filler = "x" * 1023 + "\n"
        root.write("var/log/audit/audit.log",
                   record(1000) + filler * (megabytes << 10) + record(1000 + hours * HOUR))
    return plant


def sysv(name):
    def plant(root):
        shutil.rmtree(root.path("etc/systemd"))
        root.link("../init.d/auditd", f"etc/rc2.d/{name}")
    return plant


def swapping(uuid, *, kind="partition", device="dm-0"):
    def plant(root):
        root.write("proc/swaps", "Filename Type Size Used Priority\n"
                   f"/dev/{device} {kind} 100 0 -2\n")
        root.write(f"sys/class/block/{device}/dm/uuid", uuid + "\n")
    return plant


def swap_on_lvm(uuid):
    def plant(root):
        swapping("LVM-abc")(root)
        root.write("sys/class/block/dm-0/slaves/dm-1/dm/uuid", uuid)
    return plant


CONDITIONS = [
    (open_source, "source-open", "critical", "chmod 700 /srv/models"),
    (open_source_by_acl, "source-open", "critical", "setfacl -b /srv/models"),
    (mode("srv/models", 0o711), "source-bare", "warning", "chmod 700"),
    (bound("/mnt/other", "/srv/models/production"), "source-elsewhere", "critical",
     "umount /mnt/other"),
    (contained(MOUNTS + bind("/data")), "source-in-namespace", "critical", "mount point"),
    (contained("1 0 0:99 / / rw - overlay o rw\n" + bind("/srv/models")), "source-in-namespace",
     "critical", "restart"),
    (contained("1 0 0:99 / / rw - overlay o rw\n" + bind("/srv", "/srv")), "source-in-namespace",
     "critical", "mount point"),
    (in_user_namespace(0o755), "source-in-namespace", "critical", "mount point"),
    (in_service(MOUNTS.splitlines()[0] + "\n"), "source-in-namespace", "critical", "restart"),
    (wrote("etc/exports", "/srv/models 10.0.0.0/8(ro,sync)\n"), "source-nfs", "critical",
     "exportfs -ra"),
    (wrote("etc/exports", '"/srv" *(rw)\n'), "source-nfs", "critical", "/etc/exports"),
    (wrote("etc/exports.d/a.exports", "/srv/mod\\145ls/staging \\\n\thost(rw)\n"), "source-nfs",
     "critical", "/etc/exports.d/a.exports"),
    (wrote("var/lib/nfs/etab", "/srv/models\thost(rw,no_root_squash)\n"), "source-nfs",
     "critical", "exportfs"),
    (lambda root: (root.write("proc/self/mountinfo", GUARDED_APART), root.write(
        "etc/samba/smb.conf", "[global]\n# x\n[models]\n Path = /srv/models/\n")), "source-samba",
     "critical", "/etc/samba/smb.conf"),
    (lambda root: (root.write("proc/self/mountinfo", GUARDED_APART), root.write(
        "var/lib/samba/usershares/m", "path=/srv/models/production\n")), "source-samba",
     "critical", "mount point"),
    (network("nfs4", "rw,vers=4.2,sec=sys,addr=10.0.0.1"), "source-network", "critical", "krb5p"),
    (network("cifs", "rw,vers=3.1.1,sealed"), "source-network", "critical", "seal"),
    (network("ceph", "rw,ms_mode=crc"), "source-network", "critical", "ms_mode=secure"),
    (network("lustre", "rw"), "source-network", "unknown", None),
    (hard_link("srv/models/production/m", "srv/models/experiments/m"), "link-across-zones",
     "critical", "copy"),
    (hard_link("srv/models/production/m", "home/sci1/m"), "link-outside", "critical", "-inum"),
    (lambda root: root.policy(DEFAULT_POLICY + "[zone x]\npath = relative\n"), "policy-refused",
     "critical", "modelguardctl edit"),
    (lambda root: os.unlink(root.path("etc/modelguard/policy.ini")), "policy-refused", "unknown",
     None),
    (mode("etc/modelguard/policy.ini", 0o664), "policy-writable", "critical", "chmod go-w"),
    (mode("etc", 0o777), "policy-writable", "critical", "chmod go-w /etc"),
    (lambda root: os.chown(root.path("etc/modelguard"), world.uid_of("sci1"), 0),
     "policy-writable", "critical", "chown root"),
    (lambda root: root.policy(policy_with("groups = ml-engineers", "groups = ml-ghosts")),
     "role-group-missing", "critical", "ml-ghosts"),
    (lambda root: root.policy(policy_with("groups = ml-engineers", "groups = 4242424")),
     "role-group-missing", "critical", "4242424"),
    (lambda root: root.policy(policy_with("groups = ml-engineers", "groups = nobody-yet")),
     "role-group-empty", "warning", "nobody-yet"),
    (lambda root: root.policy(PROMOTING.format("ml-engineer", "promote")), "conflict-promote",
     "warning", "mleng1"),
    (lambda root: root.policy(PROMOTING.format("model-admin", "approve")), "conflict-approve",
     "warning", "madmin"),
    (mode("var/log/audit/audit.log", 0o666), "trail-writable", "critical", "chmod go-w"),
    (lambda root: root.auditd("write_logs", "no"), "auditd-keeps-nothing", "critical",
     "write_logs = yes"),
    (lambda root: root.auditd("local_events", "no"), "auditd-keeps-nothing", "critical",
     "local_events"),
    (lambda root: os.unlink(root.path("etc/audit/auditd.conf")), "auditd-keeps-nothing",
     "unknown", None),
    (lambda root: root.auditd("disk_full_action", "suspend"), "auditd-disk-full", "warning",
     "HALT"),
    (lambda root: root.auditd("disk_error_action", "SYSLOG"), "auditd-disk-full", "warning",
     "SINGLE"),
    (lambda root: root.auditd("admin_space_left_action", "SUSPEND"), "auditd-disk-full",
     "warning", "HALT"),
    (lambda root: root.auditd("space_left_action", "IGNORE"), "auditd-disk-low", "warning",
     "EMAIL"),
    (lambda root: root.auditd("log_format", "RAW"), "auditd-format", "warning", "ENRICHED"),
    (lambda root: root.auditd("flush", "NONE"), "auditd-flush", "note", "INCREMENTAL_ASYNC"),
    (lambda root: root.auditd("max_log_file_action", "SUSPEND"), "auditd-log-stops", "critical",
     "KEEP_LOGS"),
    (full_logs(24, 4), "auditd-rotation", "warning", "num_logs"),
    (full_logs(0, 1), "auditd-rotation", "unknown", None),
    (wrote("var/log/audit/audit.log.2.gz", ""), "trail-compressed", "note", "--input"),
    (wrote("var/log/audit/audit.log", record(1000, 64103) + record(1000 + 48 * HOUR, 4242424)),
     "callers-without-name", "warning", "4242424"),
    (not_enabled, "auditd-boot", "critical", "systemctl enable auditd"),
    (masked, "auditd-boot", "critical", "systemctl enable"),
    (sysv("K01auditd"), "auditd-boot", "critical", "sysvinit"),
    (lambda root: shutil.rmtree(root.path("etc/systemd")), "auditd-boot", "unknown", None),
    (wrote("proc/cmdline", "root=/dev/vda quiet\n"), "audit-hold", "warning", "audit=1"),
    (wrote("proc/cmdline", "audit=1 audit=0\n"), "audit-hold", "warning", "audit=1"),
    (wrote("etc/audit/rules.d/20.rules", "-a never,user -F uid=root\n"), "audit-rule", "critical",
     "augenrules"),
    (wrote("etc/audit/rules.d/20.rules", "-a always,exclude -F msgtype=DAC_CHECK\n"), "audit-rule",
     "critical", "msgtype"),
    (wrote("etc/audit/rules.d/20.rules", "-A exclude,never -F msgtype>=1100 -F msgtype<=1199\n"),
     "audit-rule", "critical", "20.rules"),
    (wrote("etc/audit/rules.d/20.rules", "-a never,user -F frobnicate=1\n"), "audit-rule",
     "unknown", None),
    (wrote("etc/audit/rules.d/10-base.rules", "-D\n-b 320\n"), "audit-backlog-boot", "warning",
     "8192"),
    (wrote("etc/audit/rules.d/10-base.rules", "-D\n"), "audit-backlog-boot", "warning", "-b 8192"),
    (wrote("proc/swaps", "Filename\n/dev/vda2 partition 100 0 -2\n"), "swap", "warning",
     "swapoff /dev/vda2"),
    (swapping("LVM-abc"), "swap", "warning", "crypttab"),
    (swap_on_lvm("mpath-x"), "swap", "warning", "zram"),
    (wrote("proc/sys/kernel/core_pattern", "core.%p\n"), "core-dumps", "warning", "core_pattern"),
    (wrote("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n"),
     "core-dumps", "warning", "Storage=none"),
]

# Alike, and nothing to object to.
SOUND = [
    lambda root: root.write("proc/self/mountinfo", GUARDED_APART),
    lambda root: (open_source(root), os.chmod(root.path("srv"), 0o700)),
    lambda root: (bound("/mnt/other")(root), root.mkdir("mnt/other", 0o700)),
    lambda root: (bound("/mnt/other", "/srv/models/production")(root), root.mkdir("mnt", 0o700)),
    bound("/mnt/other", "/srv/models2"),
    contained(MOUNTS),
    in_user_namespace(0o700),
    in_service(MOUNTS),  # the guard lies over it there, too
    contained("1 0 0:99 / / rw - overlay o rw\n" + bind("/data", "/srv/other")),
    contained(MOUNTS.replace("254:0", "254:1") + bind("/data", "/srv/models", "254:1")),
    wrote("etc/exports", "# /srv/models *(ro)\n/srv/models2 *(ro)\n/home host(rw)\n"),
    wrote("etc/exports.d/a.disabled", "/srv/models *(ro)\n"),
    wrote("etc/samba/smb.conf", "[models]\npath = /srv/models\n"),  # through the guard
    lambda root: (root.write("proc/self/mountinfo", GUARDED_APART), root.write(
        "etc/samba/smb.conf", "[models]\npath = /models\n[x]\n; path = /srv/models\n")),
    network("nfs4", "rw,vers=4.2,sec=krb5p,addr=10.0.0.1"),
    network("nfs4", "rw,sec=sys,xprtsec=mtls,addr=10.0.0.1"),
    network("nfs", "rw,sec=sys,addr=127.0.0.1"),
    network("cifs", "rw,vers=3.1.1,seal"),
    hard_link("srv/models/production/a", "srv/models/production/b"),
    mode("etc", 0o1777),
    mode("etc/modelguard/policy.ini", 0o600),
    lambda root: root.policy(PROMOTING.format("data-scientist", "read")),
    lambda root: root.auditd("disk_full_action", "single"),
    lambda root: (root.auditd("num_logs", "50"), full_logs(240, 4)(root)),
    lambda root: (root.auditd("max_log_file_action", "KEEP_LOGS"), full_logs(24, 4)(root)),
    wrote("var/log/audit/audit.log", record(1000, 64103) + record(1000 + 48 * HOUR, 64101)),
    sysv("S01auditd"),
    lambda root: (not_enabled(root), root.link(
        "../auditd.service", "usr/lib/systemd/system/sysinit.target.wants/auditd.service")),
    wrote("proc/cmdline", "audit=0 audit=on\n"),
    wrote("etc/audit/rules.d/20.rules", "-a never,user -F uid=48\n-w /etc/passwd -p wa\n"),
    wrote("etc/audit/rules.d/20.rules", "-a always,exclude -F msgtype=CWD\n"
          "-a always,exit -F arch=b64 -S openat -F success=0\n"),
    wrote("etc/audit/rules.d/20.rules", "-a always,exclude -F msgtype<1100\n"),
    swapping("CRYPT-PLAIN-swap"),
    swap_on_lvm("CRYPT-LUKS2-x"),
    wrote("proc/swaps", "Filename\n/dev/zram0 partition 100 0 100\n"),
    lambda root: (root.write("proc/sys/kernel/core_pattern", "core\n"),
                  root.write("proc/1/limits", LIMITS.format(0))),
    lambda root: (root.write("proc/sys/kernel/core_pattern", "|/lib/systemd/systemd-coredump\n"),
                  root.write("etc/systemd/coredump.conf", "[Coredump]\nStorage=none\n")),
]


def test_a_sound_system_is_silent(root):
    said = doctor("--root", root.directory)
    assert said.returncode == OK, said.stdout
    assert "Nothing to object to." in said.stdout and said.stderr == ""
    document = examine("--root", root.directory)
    assert document["findings"] == []
    assert {"clock", "audit-off", "passthrough"} <= set(document["skipped"])


@pytest.mark.parametrize("number", range(len(CONDITIONS)))
def test_each_condition_is_found_with_its_remedy(root, number):
    plant, check, level, remedy = CONDITIONS[number]
    plant(root)
    document = examine("--root", root.directory)
    found = [finding for finding in document["findings"] if finding["check"] == check]
    assert found, (check, document["findings"])
    assert {finding["severity"] for finding in found} == {level}, found
    assert all(finding["detail"] and finding["what"] for finding in found)
    if remedy:
        assert any(remedy in finding["remedy"] for finding in found), found
    said = doctor("--root", root.directory)
    assert check in said.stdout
    if level != "unknown":
        assert "Remedy:" in said.stdout


@pytest.mark.parametrize("number", range(len(SOUND)))
def test_what_looks_alike_is_sound(root, number):
    SOUND[number](root)
    document = examine("--root", root.directory)
    assert document["findings"] == [], document["findings"]


def test_every_check_is_planted_and_in_the_manual():
    sources = os.path.join(os.path.dirname(__file__), "..", "..", "fuse")
    checks = set()
    for name in os.listdir(sources):
        if re.fullmatch(r"doctor-.*\.c", name):
            with open(os.path.join(sources, name), encoding="utf-8") as file:
                checks |= set(re.findall(r'= \{\s*"([a-z-]+)",\s*DOCTOR_', file.read()))
    planted = {check for _, check, _, _ in CONDITIONS}
    live = {"audit-off", "audit-rule-loaded", "audit-backlog", "audit-rate", "audit-lost", "clock",
            "passthrough", "guard-answers", "policy-other", "root-group", "trail-readers"}
    assert checks == planted | live
    manual = subprocess.run(["mandoc", "-T", "utf8", os.path.join(
        sources, "..", "man", "modelguardctl.8")], capture_output=True, text=True, check=True)
    text = re.sub(".\b", "", manual.stdout)
    for check in checks:
        assert re.search(rf"(?<![\w-]){check}(?![\w-])", text), check


def test_names_from_outside_do_not_reach_the_terminal(root):
    root.write("etc/exports", '"/srv/models/\x1b[31m" *(rw)\n')
    said = doctor("--root", root.directory)
    assert said.returncode == CRITICAL
    assert "\x1b" not in said.stdout and "\\x1b" in said.stdout


def test_a_link_in_the_root_does_not_lead_out_of_it(root):
    os.unlink(root.path("etc/audit/auditd.conf"))
    root.write("elsewhere.conf", AUDITD_CONF.replace("HALT", "IGNORE"))
    root.link("/elsewhere.conf", "etc/audit/auditd.conf")
    assert names(examine("--root", root.directory)) == {"auditd-disk-full"}


def test_a_wrong_command_line(root):
    assert doctor("--root", "relative").returncode == USAGE
    assert doctor("a", "b").returncode == USAGE
    assert doctor("relative").returncode == USAGE
    assert doctor("--root", root.path("none")).returncode == 5


def test_a_source_that_is_not_mounted_is_looked_at_when_named(root):
    root.write("proc/self/mountinfo", MOUNTS.splitlines()[0] + "\n")
    assert names(examine("--root", root.directory), "unknown") == {"source-open"}
    assert names(examine("--root", root.directory, "/srv/models")) == set()
    os.chmod(root.path("srv/models"), 0o755)
    assert names(examine("--root", root.directory, "/srv/models")) == {"source-open"}


@pytest.mark.parametrize("group", ["docker", "sudo", "disk", "shadow", "staff"])
def test_root_by_another_name_is_found(root, group):
    def join(text):
        if not re.search(f"^{group}:", text, re.MULTILINE):
            text += f"{group}:x:64190:\n"
        return re.sub(f"^({group}:.*:)$", r"\1sci1,root", text, flags=re.MULTILINE)

    with world.changed("/etc/group", join):
        document = examine("--root", root.directory)
    (found,) = document["findings"]
    assert (found["check"], found["object"]) == ("root-group", group)
    assert found["detail"].startswith("sci1: ") and "gpasswd" in found["remedy"]


def test_who_can_read_the_trail_is_a_note(root):
    with world.changed("/etc/group", lambda text: re.sub(
            "^(adm:.*:)$", r"\1sci1", text, flags=re.MULTILINE)):
        document = examine("--root", root.directory)
    assert names(document) == {"trail-readers"} and document["note"] == 1


# In the private world, with guards that run.

def of_the_share(document):
    return names(document) - OF_THE_MACHINE


@contextlib.contextmanager
def mounted(*arguments):
    subprocess.run(["mount", *arguments], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", arguments[-1]], check=True)


def test_the_private_world_is_sound(guard):
    document = examine(guard.mountpoint)
    assert of_the_share(document) == set(), document["findings"]
    assert names(document, "unknown") <= OF_THE_MACHINE


def test_a_guard_over_its_source_is_looked_under(make_guard):
    guard = make_guard(over_source=True, start=False)
    for name in ("production/m", "outside"):
        with open(guard.source(name), "w", encoding="ascii"):
            pass
    os.link(guard.source("production/m"), guard.source("staging/m"))
    os.link(guard.source("outside"), os.path.join(guard.directory, "a-way-in"))
    os.chmod(guard.source_directory, 0o755)
    guard.start()
    document = examine(guard.mountpoint)
    # The world outside of the tests' own mounts sees the source as well, and it is open there.
    assert of_the_share(document) == {"source-bare", "link-across-zones", "link-outside",
                                      "source-in-namespace"}
    found = {finding["check"]: finding["object"] for finding in document["findings"]}
    assert found["link-outside"] == "/outside"
    assert guard.is_mounted(), "looking under it did not unmount it"
    assert guard.run_as("sci1", "ls", guard.mountpoint).returncode == 0


def test_another_mount_of_the_source_is_found(make_guard, scratch):
    guard = make_guard(over_source=True)
    os.makedirs(os.path.join(scratch, "other"), exist_ok=True)
    other = os.path.join(scratch, "other")
    assert of_the_share(examine(guard.mountpoint)) == set()
    # A tree that a user may walk, and that was mounted before the guard.
    guard.stop()
    os.chmod(guard.source("production"), 0o755)
    with mounted("--bind", guard.source("production"), other):
        guard.start()
        document = examine(guard.mountpoint)
        assert of_the_share(document) == {"source-elsewhere"}
        (found,) = [one for one in document["findings"] if one["check"] == "source-elsewhere"]
        assert found["object"] == other and found["remedy"].startswith(f"umount {other}")


def test_a_container_with_the_source_is_found(guard, scratch):
    place = os.path.join(scratch, "container")
    os.makedirs(place, exist_ok=True)
    script = f'mount --bind "{guard.source_directory}" "{place}" && echo ready && exec sleep 60'
    for command, expected in ((script, {"source-in-namespace"}),
                              ("echo ready && exec sleep 60", set())):
        with subprocess.Popen(["unshare", "--mount", "sh", "-c", command], stdout=subprocess.PIPE,
                              text=True, preexec_fn=world.die_with_parent) as process:
            try:
                assert process.stdout.readline() == "ready\n"
                document = examine(guard.mountpoint)
                found = [one for one in document["findings"]
                         if one["check"] == "source-in-namespace"]
                assert {one["check"] for one in found} == expected
                for one in found:
                    assert one["object"] == f"process {process.pid}" and place in one["detail"]
            finally:
                process.kill()


def test_the_mounts_of_a_guard_s_own_service_are_passed_over(make_guard):
    """The source is among them, as ReadWritePaths= of the unit has it."""
    guard = make_guard(audit="file", start=False,
                       options=[f"mount-namespace=/proc/{os.getpid()}/ns/mnt"])
    command = guard.command()
    guard.command = lambda: [
        "unshare", "--mount", "--propagation", "slave", "sh", "-c",
        'mount --bind "$1" "$1" && shift && exec "$@"', "sh", guard.source_directory, *command]
    # What is mounted here comes to the service, as under systemd.
    with mounted("--bind", "--make-shared", guard.directory, guard.directory):
        guard.start()
        try:
            wait_for(lambda: "guard-answers" not in names(examine(guard.mountpoint)), 10,
                     "no answer")
            document = examine(guard.mountpoint)
        finally:
            guard.stop()
        assert of_the_share(document) == set(), document["findings"]


def test_another_guard_s_policy_is_pointed_out(make_guard):
    one = make_guard(audit="file")
    two = make_guard(audit="file")
    document = examine()
    found = [finding["object"] for finding in document["findings"]
             if finding["check"] == "policy-other"]
    assert len(found) == 1 and found[0] in (one.policy_file, two.policy_file)
    assert "policy-other" not in names(examine(one.mountpoint))


def test_a_guard_that_does_not_answer_is_a_warning(make_guard):
    guard = make_guard(audit="file")
    assert "guard-answers" not in names(examine(guard.mountpoint))
    os.kill(guard.process.pid, signal.SIGKILL)
    guard.process.wait()
    try:
        assert "guard-answers" in names(examine(guard.mountpoint), "warning")
    finally:
        guard.process = None
        unmount_all(guard.mountpoint)


def auditctl(*arguments):
    subprocess.run(["auditctl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("change, back, check, level", [
    (["-a", "never,user", "-F", "msgtype=DAC_CHECK"],
     ["-d", "never,user", "-F", "msgtype=DAC_CHECK"], "audit-rule-loaded", "critical"),
    (["-b", "320"], ["-b", "8192"], "audit-backlog", "warning"),
    (["-r", "5000"], ["-r", "0"], "audit-rate", "critical"),
    (["-e", "0"], ["-e", "1"], "audit-off", "critical"),
])
def test_what_the_kernel_does_with_records(own_auditd, change, back, check, level):
    assert check not in names(examine())
    auditctl(*change)
    try:
        document = examine()
    finally:
        auditctl(*back)
    assert check in names(document, level), document["findings"]


def test_a_harmless_rule_is_none(own_auditd):
    auditctl("-a", "always,exclude", "-F", "msgtype=CWD")
    try:
        assert "audit-rule-loaded" not in names(examine())
    finally:
        auditctl("-d", "always,exclude", "-F", "msgtype=CWD")


def test_an_auditd_that_does_not_run(own_auditd):
    own_auditd.stop()
    assert "audit-off" in names(examine(), "critical")


def test_lost_records_are_told_of(own_auditd):
    lost = own_auditd.kernel.status()["lost"]
    assert ("audit-lost" in names(examine())) == (lost > 0)


SHIM = """
#include <stdlib.h>
#include <sys/timex.h>
int adjtimex(struct timex *timex)
{
	const char *state = getenv("CLOCK_STATE");
	timex->status = atoi(state) == TIME_ERROR ? STA_UNSYNC : STA_PLL;
	return atoi(state);
}
"""


def test_the_clock(root, tmp_path):
    shim = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(shim)], input=SHIM,
                   text=True, check=True)
    # The sanitizers' own order of libraries is none of ours.
    preload = {"LD_PRELOAD": str(shim), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    found = examine(env={**preload, "CLOCK_STATE": "5"})
    assert "clock" in names(found, "warning")
    assert "clock" not in names(examine(env={**preload, "CLOCK_STATE": "0"}))


def overlay(place, lower):
    """Mounts an overlay over a directory, at PLACE/merged."""
    for name in ("merged", "upper", "work"):
        os.makedirs(os.path.join(place, name), mode=0o700)
    options = f"lowerdir={lower},upperdir={place}/upper,workdir={place}/work"
    if subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", f"{place}/merged"],
                      check=False).returncode:
        pytest.skip("no overlay can be mounted here")
    return os.path.join(place, "merged")


def test_passthrough_and_why_not(make_guard):
    guard = make_guard(audit="file", start=False)
    place = os.path.join(guard.directory, "layers")
    os.mkdir(place)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    plain = guard.source_directory
    try:
        guard.put("m")
        guard.start()
        guard.run_as("mleng1", "cat", guard.path("m"))
        assert "passthrough" not in names(examine(guard.mountpoint))
        guard.stop()
        # The kernel passes through one layer, and not two.
        guard.source_directory = overlay(os.path.join(place, "second"),
                                         overlay(os.path.join(place, "first"), plain))
        guard.start()
        assert guard.run_as("mleng1", "cat", guard.path("m")).stdout == "a model\n"
        document = examine(guard.mountpoint)
        assert "passthrough" in names(document, "note")
        (found,) = [one for one in document["findings"] if one["check"] == "passthrough"]
        assert "1 opens went without" in found["detail"] and "stacked" in found["remedy"]
        guard.stop()
    finally:
        guard.source_directory = plain
        unmount_all(place)


def test_whoever_is_not_root_is_told_what_could_not_be_told(guard):
    said = guard.run_as("sci1", CTL, "doctor", "--json", guard.mountpoint)
    assert said.returncode in (CRITICAL, WARNED, UNTOLD), said.stderr
    told = [finding["detail"] for finding in json.loads(said.stdout)["findings"]
            if finding["severity"] == "unknown"]
    assert any("root" in detail for detail in told), told
