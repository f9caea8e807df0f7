# SPDX-License-Identifier: Apache-2.0
"""who, explain, diff and replay say what the mounted guard really does: generated policies one
after the other in one mount, real users, and what came of it by its records. It was seen to fail
by itself: explain denied getxattr on the way to a zone, and after a reload a denied look could be
without a record."""

import collections
import json
import os
import random
import shutil
import stat
import subprocess

import pytest

import doers
import policies
import world
from guard import CTL
from policies import Policy
from trail import parse_json_log

PARTS = 5
PAIRS = 50  # of policies, in each part
CASES = 24  # for each policy
EXPLAINED = 4
SHOWN = 2
USERS = ("mleng1", "sci1", "madmin", "ci-release", "outsider", "root")
BY_MODES = "mode bits or ACL"

# Of each operation the verbs that it takes; on an own object also the others; where it is tried.
TAKES = {
    "lookup": ({"list"}, None, "any"), "readdir": ({"list"}, None, "dir"),
    "chdir": ({"list"}, None, "dir"), "getxattr": ({"list"}, None, "any"),
    "access-read": ({"read"}, None, "file"), "access-write": ({"write"}, None, "file"),
    "access-change-dir": (None, None, "dir"), "open-read": ({"read"}, None, "file"),
    "open-write": ({"write"}, None, "file"), "open-read-write": ({"read", "write"}, None, "file"),
    "truncate": ({"write"}, None, "file"), "create": ({"create"}, None, "new"),
    "mkdir": ({"create"}, None, "new"), "mknod": ({"create"}, None, "new"),
    "symlink": ({"create"}, None, "new"), "unlink": ({"delete"}, None, "file"),
    "rmdir": ({"delete"}, None, "hollow"), "chmod": ({"admin"}, {"write"}, "file"),
    "chown": ({"admin"}, None, "file"), "touch": ({"write"}, None, "file"),
    "utimes": ({"admin"}, {"write"}, "file"), "setxattr": ({"admin"}, None, "file"),
    "link": (None, None, "file new"), "rename": (None, None, "any two"),
    "exchange": (None, None, "any two"), "make": (None, None, "new"),
    "edit": (None, None, "file"),
}
# Recorded only when it is denied.
LOOKS = {"lookup", "readdir", "chdir", "getxattr", "access-read", "access-write",
         "access-change-dir"}
WALKS = {"lookup", "readdir", "chdir", "getxattr"}

Question = collections.namedtuple("Question", "user word path owns")


def takes(verbs, word, owns):
    """Whether the verbs are enough for one operation (policy.ini(5))."""
    if owns:
        verbs = verbs | {verb[:-len("-own")] for verb in verbs if verb.endswith("-own")}
    if word == "access-change-dir":
        return bool(verbs & {"create", "delete", "delete-own"})
    needed, of_owner, _ = TAKES[word]
    return needed <= verbs or (owns and of_owner is not None and of_owner <= verbs)


class Tree:
    """Directories two levels deep, files of all kinds of people in each; put back after use."""

    def __init__(self, guard):
        self.guard = guard
        self.dirs = [path for path in policies.all_paths() if path.count("/") < 3]
        self.entries = {}  # by path: owner and mode
        rng = random.Random(3)
        owners = [world.uid_of(user) for user in USERS]
        for path in policies.all_paths():
            if path in self.dirs:
                self._enter(path, stat.S_IFDIR, rng.choice(owners), rng.choice((0o777, 0o755)))
                self._enter(os.path.join(path, "hollow"), stat.S_IFDIR, rng.choice(owners), 0o777)
                self._enter(os.path.join(path, "plain"), stat.S_IFREG, rng.choice(owners), 0o666)
            else:
                self._enter(path, stat.S_IFREG, rng.choice(owners), rng.choice((0o666, 0o640)))
        self.entries["/"] = (0, stat.S_IFDIR | 0o700)
        self.files = [path for path, (_, mode) in self.entries.items() if stat.S_ISREG(mode)]
        self.hollows = [path for path in self.entries if path.endswith("/hollow")]

    def _enter(self, path, kind, owner, mode):
        self.entries[path] = (owner, kind | mode)

    def owner(self, path):
        return self.entries[path][0] if path in self.entries else None

    def _source(self, path):
        return self.guard.source_directory + path.rstrip("/")

    def restore(self):
        for path in self.dirs + self.hollows:
            directory = self._source(path)
            if not os.path.isdir(directory) or os.path.islink(directory):
                continue
            for name in os.listdir(directory):
                if os.path.join(path, name) not in self.entries:
                    self._remove(os.path.join(directory, name))
        for path, (owner, mode) in self.entries.items():
            self._put(self._source(path), owner, mode)

    @staticmethod
    def _remove(path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def _put(self, path, owner, mode):
        if os.path.lexists(path) and stat.S_IFMT(os.lstat(path).st_mode) != stat.S_IFMT(mode):
            self._remove(path)
        if not os.path.lexists(path):
            if stat.S_ISDIR(mode):
                os.mkdir(path)
            else:
                with open(path, "wb") as file:
                    file.write(b"a model")
        st = os.lstat(path)
        if st.st_nlink > 1 and stat.S_ISREG(mode):
            os.unlink(path)
            self._put(path, owner, mode)
        elif (st.st_uid, st.st_mode) != (owner, mode):
            os.chown(path, owner, 0)
            os.chmod(path, stat.S_IMODE(mode))


Case = collections.namedtuple("Case", "user word paths")


def choose_cases(rng, tree):
    """No user does two things at one path, so that rows of a replay tell which it was."""
    cases, used = [], set()
    while len(cases) < CASES:
        user, word = rng.choice(USERS), rng.choice(list(TAKES))
        new = os.path.join(rng.choice(tree.dirs), f"new{len(cases)}")
        path = rng.choice({"dir": tree.dirs, "file": tree.files, "hollow": tree.hollows}.get(
            TAKES[word][2].split()[0], list(tree.entries)))
        paths = {"new": (new,), "file new": (path, new)}.get(TAKES[word][2], (path,))
        if TAKES[word][2] == "any two":
            other = rng.choice(list(tree.entries))
            paths = (path, new if word == "rename" and rng.random() < 0.5 else other)
        # What is renamed takes what is below along: the first level stays.
        if len(paths) == 2 and word != "link" and (
                any(p.count("/") < 2 and p in tree.dirs for p in paths)
                or paths[0].startswith(paths[1] + "/") or paths[1].startswith(paths[0] + "/")):
            continue
        if any((user, p) in used for p in paths):
            continue
        used |= {(user, p) for p in paths}
        cases.append(Case(user, word, paths))
    return cases


class Done:
    """What came of a case: its error number and its records."""

    def __init__(self, case, error, records, mountpoint):
        self.case = case
        self.error = error
        self.records = []
        for record in records:
            record = dict(record, path=record["path"][len(mountpoint):] or "/")
            if record.get("note") in ("effect-failed", "short"):
                self.records[-1].update(reason=record.get("reason"), res=record["res"])
            elif not self._is_second_look(record):
                self.records.append(record)

    def _is_second_look(self, record):
        """The kernel may ask twice (modelguard-audit(7))."""
        return bool(self.records) and record["op"] == "lookup" and all(
            record[key] == self.records[-1].get(key) for key in ("op", "path", "reason"))

    def denied(self):
        """The record that ended it, or None."""
        ended = [r for r in self.records if r["res"] == "failed"]
        assert len(ended) <= 1, (self.case, [(r["op"], r["path"], r["reason"]) for r in ended])
        return ended[0] if ended else None

    def by_policy(self):
        denied = self.denied()
        return denied is not None and denied["reason"] in (
            "in no zone", "no role here", "not granted", "only what you own")


class Share:
    def __init__(self, guard):
        self.guard = guard
        self.tree = Tree(guard)
        self.tree.restore()
        self.users = {user: doers.Doer(user) for user in USERS}
        self.head = b"".join(self.trail(0).splitlines(keepends=True)[:2])
        self.compared = collections.Counter()

    def end(self):
        for doer in self.users.values():
            doer.end()

    def trail(self, since):
        with open(self.guard.audit_file, "rb") as file:
            file.seek(since)
            return file.read()

    def load(self, policy):
        self.guard.write_policy(policy.text())
        said = ctl("reload", self.guard.mountpoint)
        assert said.returncode == 0, said.stderr

    def run(self, policy, cases):
        """Does all cases under a policy. Returns what came of each, and the trail of it."""
        self.tree.restore()
        begin = self.guard.mark()
        self.load(policy)
        results = []
        for case in cases:
            mark = self.guard.mark()
            error = self.users[case.user].do(
                case.word, *(self.guard.mountpoint + path for path in case.paths))
            results.append(Done(case, error, parse_json_log(self.trail(mark)),
                                self.guard.mountpoint))
        return results, self.head + self.trail(begin)


def ctl(*arguments, **options):
    return subprocess.run([CTL, *arguments], capture_output=True, text=True, check=False,
                          timeout=60, **options)


def answer(*arguments, **options):
    said = ctl(*arguments, **options)
    assert said.returncode in (0, 1), said.stderr
    return json.loads(said.stdout)


def questions_of(done, tree):
    """What the guard was really asked in a case, each with its verdict by the policy."""
    case = done.case

    def question(word, path):
        return Question(case.user, word, path, tree.owner(path) == world.uid_of(case.user))

    denied = done.denied()
    word = case.word if denied is None else denied["op"]
    if word not in TAKES or (TAKES[word][0] is None and word != "access-change-dir"):
        return  # of two paths, or of several operations
    if denied is None:
        if done.error == 0:
            yield question(word, case.paths[0]), True
    elif done.by_policy() or denied["reason"] == BY_MODES:
        yield question(word, denied["path"]), not done.by_policy()


def check_explain(share, file, asked):
    for question, allowed in asked:
        owner = ("--owner", question.user) if question.owns else ()
        said = ctl("explain", "-p", file, *owner, question.user, question.word, question.path)
        assert said.returncode == (0 if allowed else 1), (question, said.stdout, said.stderr)
        share.compared["explain"] += 1


def check_who(share, file, asked):
    for path in sorted({question.path for question, _ in asked})[:SHOWN]:
        table = answer("who", "--json", "-p", file, path)["people"]
        verbs = {person["name"]: set(person["verbs"]) for person in table
                 if person["kind"] != "group"}
        for question, allowed in asked:
            if question.path != path or (path == "/" and question.word == "lookup"):
                continue
            held = verbs.get(question.user, verbs.get("everyone", set()))
            assert takes(held, question.word, question.owns) == allowed, (question, table)
            share.compared["who"] += 1


def check_reference(share, policy, asked):
    for question, allowed in asked:
        held = policy.verbs_in(question.user, policy.zone_of(question.path))
        expected = takes(held, question.word, question.owns)
        if question.word in WALKS:
            expected = expected or policy.leads(question.user, question.path) or (
                question.word == "lookup" and question.path == "/")
        assert allowed == expected, (policy.text(), question)
        share.compared["reference"] += 1


def check_diff(share, pair, files, asked):
    """What was held before, and what diff says of it, is what may be done after."""
    document = answer("diff", "--json", *files)
    old, new = pair
    before, after = dict(asked[0]), dict(asked[1])
    for question in before.keys() & after.keys():
        zones = [policy.zone_of(question.path) for policy in pair]
        names = [None if zone is None else f"z{zone}" for zone in zones]
        if question.word in WALKS and any(
                not policy.verbs_in(question.user, zone) and (
                    question.path == "/" or policy.leads(question.user, question.path))
                for policy, zone in zip(pair, zones)):
            continue  # a way is not in the table
        holds_a_role = old.roles_of(question.user) | new.roles_of(question.user) != {"everyone"}
        name = question.user if holds_a_role else "everyone"
        change = {"gained": set(), "lost": set()}
        for item in document["changes"]:
            at = [zone and zone["name"] for zone in (item["old_zone"], item["new_zone"])]
            if at == names and name in {person["name"] for person in item["people"]
                                        if person["kind"] != "group"}:
                change[item["change"]] |= set(item["verbs"])
        if (question.owns or question.word == "access-change-dir") and (
                change["lost"] & {"write", "delete"}):
            continue  # it does not say whether the -own form is left
        held = (old.verbs_in(question.user, zones[0]) - change["lost"]) | change["gained"]
        assert takes(held, question.word, question.owns) == after[question], (
            question, old.text(), new.text(), document)
        share.compared["diff"] += 1


def was_reached(record, done):
    """Whether the same was asked in another run of the case: None, or whether it was done."""
    for other in done.records:
        if (other["op"], other["path"], other.get("name")) == (
                record["op"], record["path"], record.get("name")):
            return other["res"] == "success"
    if record["op"] not in LOOKS:
        return None
    denied = done.denied()
    if denied is None or denied["op"] not in LOOKS:
        return True
    # A look is on the way to what lies below it, and comes before other looks at the same.
    return True if denied["path"].startswith(record["path"].rstrip("/") + "/") else None


def explained(*parts):
    """For a failure: pytest would cut it."""
    for part in parts:
        print(*part.records, sep="\n") if isinstance(part, Done) else None
        print((part.case, part.error) if isinstance(part, Done) else part)
    return "see what was printed"


def check_replay(share, results, trail, old_file, file, others):
    """Decided again by another policy: as it then came in the other run."""
    document = answer("replay", "--json", "--old", old_file, "--input", "-", file,
                      input=trail.decode())
    rows = collections.defaultdict(dict)
    prefix = len(share.guard.mountpoint)
    for row in document["changes"]:
        key = row["acct"], row["path"][prefix:] or "/", row.get("name")
        for word in row["operations"]:
            rows[key][word] = row
    for done, other in zip(results, others):
        for record in done.records:
            name = record.get("name") if record["op"] != "symlink" else None
            row = rows[(record["acct"], record["path"], name)].get(record["op"], {"change": "same"})
            now = was_reached(record, other)
            if row["change"] == "untold":
                share.compared["not told: " + row["reason"]] += 1
            elif now is not None:
                before = record["res"] == "success"
                real = "same" if before == now else "allowed" if now else "denied"
                assert row["change"] == real, explained(done, other, record, row)
                share.compared["replay"] += 1
    share.compared["replayed"] += document["decisions"]
    share.compared["changed"] += document["denied"] + document["allowed"]


@pytest.fixture(scope="module")
def share(request):
    make, finish = request.getfixturevalue("module_maker")
    guard = make(policy="[zone z]\npath = /\nallow everyone = list\n", audit="file")
    share = Share(guard)
    yield share
    share.end()
    print(", ".join(f"{n} {what}" for what, n in sorted(share.compared.items())))
    finish()


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_said_is_what_happens(share, scratch, part):
    rng = random.Random(600 + part)
    files = [os.path.join(scratch, name) for name in ("agreement-old.ini", "agreement-new.ini")]
    for _ in range(PAIRS):
        old = Policy.generate(rng, modes=True)
        pair = old, old.changed(rng) if rng.random() < 0.7 else Policy.generate(rng, modes=True)
        cases = choose_cases(rng, share.tree)
        results, trails, asked = [], [], []
        for policy, file in zip(pair, files):
            with open(file, "w", encoding="ascii") as text:
                text.write(policy.text())
            result, trail = share.run(policy, cases)
            results.append(result)
            trails.append(trail)
            asked.append([item for done in result for item in questions_of(done, share.tree)])
            check_reference(share, policy, asked[-1])
            check_explain(share, file, rng.sample(asked[-1], min(EXPLAINED, len(asked[-1]))))
            check_who(share, file, asked[-1])
        check_diff(share, pair, files, asked)
        check_replay(share, results[0], trails[0], files[0], files[1], results[1])
        check_replay(share, results[1], trails[1], files[1], files[0], results[0])
    for file in files:
        os.unlink(file)
    untold = sum(n for what, n in share.compared.items() if what.startswith("not told"))
    assert untold < share.compared["replay"] / 20 and share.compared["changed"] > 100
