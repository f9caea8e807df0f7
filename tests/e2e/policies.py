# SPDX-License-Identifier: Apache-2.0
"""Policies by chance, and a slow, obvious reading of them, written from policy.ini(5) and not
from the program. A policy may not be changed once it was asked something."""

import functools
import grp
import itertools
import pwd

import world

VERBS = ("list", "read", "create", "write", "delete", "write-own", "delete-own", "admin")
GROUPS = ("ml-engineers", "data-scientists", "model-admins", "outsider", "primary")
USERS = ("ci-release", "outsider", "sci1", "root")
NAMES = ("a", "b", "c")
DEPTH = 3


class Policy:
    """Roles are (name, groups, users, includes), zones (path, {role: verbs}). In the zones of
    `owner_modes`, which are paths, the source's modes decide as well; of that the reading here
    knows nothing."""

    def __init__(self, roles, zones, owner_modes=()):
        self.roles = roles
        self.zones = zones
        self.owner_modes = set(owner_modes)

    @staticmethod
    def generate(random, modes=False):
        roles = []
        for number in range(random.randint(1, 4)):
            roles.append((f"role{number}",
                          random.sample(GROUPS, random.randint(0, 2)),
                          random.sample(USERS, random.choice((0, 0, 1))),
                          [name for name, *_ in roles if random.random() < 0.3]))
        names = [name for name, *_ in roles] + ["everyone"]
        paths = {"/"} if random.random() < 0.7 else set()
        while len(paths) < random.randint(2, 7):
            depth = random.randint(1, DEPTH)
            paths.add("/" + "/".join(random.choice(NAMES + ("*",)) for _ in range(depth)))
        zones = []
        for path in sorted(paths):
            grants = {}
            for name in names:
                if random.random() < (0.15 if name == "everyone" else 0.5):
                    grants[name] = set(random.sample(VERBS, random.randint(1, 7)))
            zones.append((path, grants))
        owner_modes = [path for path in sorted(paths) if path != "/" and random.random() < 0.2]
        return Policy(roles, zones, owner_modes if modes else ())

    def changed(self, random):
        """Nearly the same: another generated one takes over some of its roles and zones."""
        other = Policy.generate(random)
        names = {name for name, *_ in self.roles} | {"everyone"}
        zones = dict(self.zones)
        for path, grants in random.sample(other.zones, random.randint(1, len(other.zones))):
            zones[path] = {role: verbs for role, verbs in grants.items() if role in names}
        if len(zones) > 2 and random.random() < 0.5:
            del zones[random.choice(list(zones))]
        roles = list(self.roles)
        if random.random() < 0.3:
            name, _, users, includes = roles[0]
            roles[0] = (name, random.sample(GROUPS, random.randint(0, 2)), users, includes)
        modes = {path for path in self.owner_modes if path in zones and random.random() < 0.7}
        return Policy(roles, list(zones.items()), modes)

    def text(self):
        lines = []
        for name, groups, users, includes in self.roles:
            lines.append(f"[role {name}]")
            for key, values in (("groups", groups), ("users", users), ("include", includes)):
                if values:
                    lines.append(f"{key} = {', '.join(values)}")
            if not groups + users + includes:
                lines.append("groups = 64999")  # an empty one
        for number, (path, grants) in enumerate(self.zones):
            lines += [f"[zone z{number}]", f"path = {path}"]
            lines += ["modes = owner"] if path in self.owner_modes else []
            lines += [f"allow {role} = {', '.join(sorted(verbs))}"
                      for role, verbs in grants.items()]
        return "\n".join(lines) + "\n"

    @functools.lru_cache(maxsize=None)
    def roles_of(self, user):
        """`everyone`, what the user holds directly, and what that includes."""
        groups = {grp.getgrgid(gid).gr_name for gid in world.groups_of(user)}
        held = {"everyone"}
        held |= {name for name, in_groups, users, _ in self.roles
                 if groups & set(in_groups) or user in users}
        while True:
            more = {included for name, _, _, includes in self.roles if name in held
                    for included in includes}
            if more <= held:
                return held
            held |= more

    @functools.lru_cache(maxsize=None)
    def zone_of(self, path):
        """The index of the deepest zone that matches; of equally deep ones the one with the
        first literal where they differ. None: no zone."""
        names = path.strip("/").split("/") if path != "/" else []
        best = None
        for number, (zone_path, _) in enumerate(self.zones):
            pattern = zone_path.strip("/").split("/") if zone_path != "/" else []
            if len(pattern) > len(names) or any(
                    part not in ("*", name) for part, name in zip(pattern, names)):
                continue
            rank = (len(pattern), [part != "*" for part in pattern])
            if best is None or rank > best[0]:
                best = (rank, number)
        return None if best is None else best[1]

    def verbs_in(self, user, zone):
        """What the user may do in a zone, by its index; `write` does for what is one's own."""
        verbs = set()
        if zone is not None:
            roles = self.roles_of(user)
            for role, granted in self.zones[zone][1].items():
                if role in roles:
                    verbs |= granted | {"list"}
        for verb in ("write", "delete"):
            if verb in verbs:
                verbs.add(verb + "-own")
        return verbs

    def leads(self, user, path):
        """Whether anything below a path belongs to a zone where the user may do something."""
        top = "" if path == "/" else path
        return any(
            self.verbs_in(user, self.zone_of(top + "/" + "/".join(rest)))
            for depth in range(1, DEPTH + 1)
            for rest in itertools.product(NAMES + ("other",), repeat=depth))

    def verbs_at(self, user, path):
        verbs = self.verbs_in(user, self.zone_of(path))
        return verbs or ({"list"} if self.leads(user, path) else set())


def shown(verbs):
    """Without the -own forms that the plain ones include."""
    return {verb for verb in verbs
            if not (verb.endswith("-own") and verb[:-len("-own")] in verbs)}


def all_paths():
    for depth in range(DEPTH + 1):
        for names in itertools.product(NAMES + ("other",), repeat=depth):
            yield "/" + "/".join(names)


def users():
    """Everybody of the tests, and one system user."""
    return [entry.pw_name for entry in pwd.getpwall()
            if entry.pw_uid in range(64100, 64200)] + ["root", "daemon"]
