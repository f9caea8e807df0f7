#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trails made by hand: lines of auditd's log and of a JSON file; as a program, a busy week of
any length: make_trail.py RECORDS [--json] [--foreign] > FILE"""

import argparse
import json
import random
import sys
import time

PLAIN = set(range(0x21, 0x7F)) - set(b"\"'=")
TEXTS = ("acct", "comm", "exe", "path", "name", "grole", "zone", "rule", "note", "hash",
         "old-hash", "opener", "grantee", "xattr", "io")
KINDS = {"DAC_CHECK": "decision", "USYS_CONFIG": "config", "TRUSTED_APP": "lifecycle"}


def encode(value):
    """As the guard writes a string."""
    raw = value if isinstance(value, bytes) else str(value).encode()
    if raw and all(byte in PLAIN for byte in raw):
        return '"' + raw.decode() + '"'
    return raw.hex().upper()


def actor(acct, uid, comm="python3", exe="/usr/bin/python3.11"):
    return {"acct": acct, "fsuid": uid, "fsgid": uid, "spid": 4711, "sauid": uid, "comm": comm,
            "exe": exe}


def fields_text(op, fields):
    words = [f"op={op}"]
    for name, value in fields.items():
        name = name.replace("_", "-")
        if name == "reason":
            value = '"' + str(value).replace(" ", "-") + '"'
        elif name in TEXTS:
            value = encode(value)
        elif name in ("since", "until"):
            value = f"{value:.6f}"
        words.append(f"{name}={value}")
    return " ".join(words)


def audit_line(when, serial, op, ok=True, kind="DAC_CHECK", pid=812, node=None, **fields):
    """One line of auditd's enriched log. `fields` in the order of writing."""
    head = f"node={node} " if node else ""
    return (
        f"{head}type={kind} msg=audit({when:.3f}:{serial}): pid={pid} uid=0 auid=4294967295 "
        f"ses=4294967295 msg='{fields_text(op, fields)} exe=\"/usr/sbin/modelguard\" hostname=? "
        f"addr=? terminal=? res={'success' if ok else 'failed'}'"
        '\x1dUID="root" AUID="unset"\n').encode()


def json_line(when, _serial, op, ok=True, kind="DAC_CHECK", pid=0, **fields):
    """The same in the file of audit=file:PATH."""
    del pid
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    record = {"time": f"{seconds}.{int(when % 1 * 1e6):06d}Z", "type": KINDS[kind],
              "res": "success" if ok else "failed", "op": op}
    for name, value in fields.items():
        name = name.replace("_", "-")
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError:
                name, value = name + "_hex", value.hex().upper()
        if name in ("since", "until"):
            whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(value))
            value = f"{whole}.{int(value % 1 * 1e6):06d}Z"
        record[name] = value
    return (json.dumps(record, separators=(",", ":")) + "\n").encode()


FOREIGN = (
    b'type=SYSCALL msg=audit(1763900000.000:77): arch=c000003e syscall=59 success=yes exit=0 '
    b'items=2 ppid=1 pid=2 auid=1000 uid=0 comm="sh" exe="/bin/dash" key=(null)\n'
    b'type=PATH msg=audit(1763900000.000:77): item=0 name="/bin/sh" inode=1 dev=08:01\n'
    b"type=USER_AUTH msg=audit(1763900000.000:78): pid=3 uid=0 auid=1000 ses=1 msg='op=PAM acct="
    b'"root" exe="/usr/bin/su" hostname=? addr=? terminal=pts/0 res=success\'\n')

PEOPLE = (("mleng1", 1002, "ml-engineer"), ("mleng2", 1003, "ml-engineer"),
          ("sci1", 1004, "data-scientist"), ("sci2", 1005, "data-scientist"),
          ("ci-release", 990, "release-pipeline"), ("madmin", 1006, "model-admin"))
ZONES = ("experiments", "production", "staging")
# What people do in a zone, and how often; who may not is denied.
HABITS = (("open-read", 4, 40), ("open-write", 2, 8), ("write", 2, 34), ("create", 2, 8),
          ("rename", 2, 4), ("unlink", 2, 3), ("chmod", 8, 3))


def _is_allowed(role, zone, op):
    if op == "open-read":
        return True
    if zone == "production":
        return role == "release-pipeline"
    if zone == "experiments":
        return True
    return role != "data-scientist"


class Week:
    """A week of a share: busy by day, a policy change, two gaps, a restart."""

    def __init__(self, n, line, begin=1763251200.0, seed=1):
        self.n, self.line, self.begin = n, line, begin
        self.random = random.Random(seed)
        self.serial = self.seqno = 0
        self.pid = 812

    def _put(self, when, op, **fields):
        self.serial += 1
        self.seqno += 1
        gen = {} if fields.get("kind") == "TRUSTED_APP" else {"gen": self.gen}
        return self.line(when, self.serial, op, pid=self.pid, **fields, **gen, seqno=self.seqno)

    def _start(self, when):
        self.seqno, self.gen = 0, 1
        self.pid += 100
        yield self._put(when, "policy-load", kind="USYS_CONFIG",
                        path="/etc/modelguard/policy.ini", hash="3f5a" * 16)
        yield self._put(when, "start", kind="TRUSTED_APP", path="/models")

    def _gap(self, when, note, count):
        yield self._put(when, "gap", ok=False, kind="TRUSTED_APP", note=note, count=count,
                        since=when - 5400, until=when)

    def _reload(self, when):
        self.gen += 1
        yield self._put(when, "policy-reload", kind="USYS_CONFIG",
                        path="/etc/modelguard/policy.ini", hash="9bc1" * 16, old_hash="3f5a" * 16)

    def _act(self, when):
        choose = self.random
        acct, uid, role = choose.choices(PEOPLE, (30, 25, 20, 15, 8, 2))[0]
        zone = choose.choices(ZONES, (50, 30, 20))[0]
        op, perm, _ = choose.choices(HABITS, [habit[2] for habit in HABITS])[0]
        path = f"/models/{zone}/team{choose.randrange(20)}/m-{choose.randrange(3000)}.safetensors"
        more = {}
        if op == "write":
            more = {"off": 0, "len": choose.choice((4096, 65536, 1 << 20))}
        if op == "rename":
            more = {"name": path + ".old"}
        ok = _is_allowed(role, zone, op)
        rule = {"production": 44, "experiments": 39, "staging": 49}[zone]
        denial = {} if ok else {"errno": 13, "reason": "not granted"}
        order = actor(acct, uid)
        return self._put(when, op, ok=ok, **order, perm=perm, path=path,
                         **({"name": more.pop("name")} if "name" in more else {}), ino=123456,
                         dev="fd:01", **more, grole=role, zone=zone,
                         rule=f"policy.ini:{rule}", **denial)

    def lines(self):
        events = {int(self.n * 0.3): lambda t: self._reload(t),
                  int(self.n * 0.55): lambda t: self._gap(t, "refused", 12),
                  int(self.n * 0.7): lambda t: self._start(t),
                  int(self.n * 0.85): lambda t: self._gap(t, "unrecorded", 3)}
        step = 6.4 * 86400 / max(self.n, 1)
        when = self.begin
        yield from self._start(when)
        for number in range(self.n):
            when += step * 0.1
            while not 7 <= (when % 86400) / 3600 < 20 and self.random.random() < 0.97:
                when += 300  # few work at night
            when += step * 0.8 * self.random.random()
            if number in events:
                yield from events[number](when)
            yield self._act(when)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("records", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--foreign", action="store_true", help="other programs' records, too")
    parser.add_argument("--begin", type=float, default=1763251200.0)
    arguments = parser.parse_args()
    week = Week(arguments.records, json_line if arguments.json else audit_line, arguments.begin)
    for number, line in enumerate(week.lines()):
        sys.stdout.buffer.write(line)
        if arguments.foreign and number % 2 == 0:
            sys.stdout.buffer.write(FOREIGN)


if __name__ == "__main__":
    main()
