# SPDX-License-Identifier: Apache-2.0
"""A slow, obvious decider for the default policy, written from the documented semantics and not
from the program: the tests compare what the mount does with what this says."""

import errno

import guard as guards
import world

# ROLE: the roles whose grants it holds, itself included.
_ENGINEER = ("ml-engineer", "data-scientist")
ROLES = {
    "mleng1": _ENGINEER,
    "mleng2": _ENGINEER,
    "both": _ENGINEER,
    "sci1": ("data-scientist",),
    "sci2": ("data-scientist",),
    "primary": ("data-scientist",),
    "madmin": ("model-admin",) + _ENGINEER,
    "ci-release": ("release-pipeline",),
    "outsider": (),
    "root": (),
}


class Zone:
    def __init__(self, name, path, line):
        self.name = name
        self.path = path
        self.line = line
        self.grants = []  # (role, verbs, line)


def read_zones(policy):
    """The zones of a policy text; only as much of the language as the default policy needs."""
    zones = {}
    zone = None
    for number, line in enumerate(policy.splitlines(), 1):
        if line.startswith("["):
            zone = None
            if line.startswith("[zone "):
                zone = Zone(line[6:-1], None, number)
        elif zone is not None and "=" in line:
            key, value = (part.strip() for part in line.split("=", 1))
            if key == "path":
                zone.path = value
                zones[value] = zone
            elif key.startswith("allow "):
                verbs = {verb.strip() for verb in value.split(",")}
                zone.grants.append((key[6:], verbs, number))
    return zones


ZONES = read_zones(guards.DEFAULT_POLICY)


def zone_of(path):
    """The deepest zone over a path of the share ("/a/b")."""
    while path not in ZONES:
        path = path.rsplit("/", 1)[0] or "/"
    return ZONES[path]


def verbs_of(user, zone):
    verbs = set()
    for role, granted, _ in zone.grants:
        if role in ROLES[user]:
            verbs |= granted
    return verbs


def may_list(user, path):
    return bool(verbs_of(user, zone_of(path)))


def leads_to_listed(user, path):
    prefix = path.rstrip("/") + "/"
    return any(
        zone.path != path and zone.path.startswith(prefix) and verbs_of(user, zone)
        for zone in ZONES.values()
    )


def may_see(user, path):
    return may_list(user, path) or leads_to_listed(user, path)


def can(user, path, verb, owns):
    verbs = verbs_of(user, zone_of(path))
    return verb in verbs or (owns and f"{verb}-own" in verbs)


def rules(user, path):
    """The policy lines that a record about a path may name as the deciding one."""
    zone = zone_of(path)
    lines = {line for role, _, line in zone.grants if role in ROLES[user]}
    return {f"policy.ini:{line}" for line in lines | {zone.line}}


class Step:
    """One thing that is decided on the way: allowed or not, and what is recorded."""

    def __init__(self, op, path, allowed, error=errno.EACCES, recorded=True):
        self.ops = {op} if isinstance(op, str) else set(op)
        self.path = path
        self.allowed = allowed
        self.error = error
        self.recorded = recorded  # True: exactly one if allowed; None: none or some


def walk(user, path):
    """The steps of resolving a path below the share, its last component included."""
    names = path.strip("/").split("/")
    steps = []
    for i in range(1, len(names) + 1):
        prefix = "/" + "/".join(names[:i])
        steps.append(Step("lookup", prefix, may_see(user, prefix), recorded=None))
    return steps
