# SPDX-License-Identifier: Apache-2.0
"""modelguardctl who, user and diff: they name the people, and agree with explain and with a slow
reading of the policy."""

import json
import os
import random
import subprocess
import time

import pytest

import policies
from guard import CTL, DEFAULT_POLICY
from policies import Policy, shown
from world import changed

OK, NO, USAGE, POLICY, NO_USER, FAILED = range(6)
HERE = os.path.dirname(__file__)
QUESTIONS = 500
ENGINEERS = "allow ml-engineer = read, create, write, delete"


def ctl(*arguments, env=None, **options):
    return subprocess.run([CTL, *arguments], capture_output=True, text=True, errors="replace",
                          check=False, timeout=60, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **(env or {})), **options)


def answer(*arguments, status=OK, env=None):
    said = ctl(*arguments, env=env)
    assert said.returncode == status, said.stdout + said.stderr
    return json.loads(said.stdout)


@pytest.fixture
def write(scratch):
    """Writes a policy file and returns its name."""
    made = []

    def write_policy(text, name="policy.ini"):
        directory = os.path.join(scratch, f"people{len(made)}")
        os.mkdir(directory, 0o755)
        made.append(os.path.join(directory, name))
        with open(made[-1], "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(made[-1], 0o644)
        return made[-1]

    yield write_policy
    for name in made:
        os.unlink(name)
        os.rmdir(os.path.dirname(name))


def members_added(group, names):
    """group(5) with more members of one group."""
    def change(text):
        lines = [line + ("," if not line.endswith(":") else "") + ",".join(names)
                 if line.startswith(group + ":") else line for line in text.splitlines()]
        return "\n".join(lines) + "\n"
    return change


def people_of(document):
    """By name; groups as @name."""
    return {("@" if person["kind"] == "group" else "") + person["name"]: person
            for person in document["people"]}


def line_of(text, beginning):
    return next(number for number, line in enumerate(text.splitlines(), 1)
                if line.startswith(beginning))


# Agreement

# Operations on what somebody else owns: the verbs that they take (policy.ini(5)).
OPERATIONS = {
    "open-read-write": {"read", "write"}, "truncate": {"write"}, "mkdir": {"create"},
    "unlink": {"delete"}, "move-out": {"read", "delete"}, "setxattr": {"admin"},
    "rename-exchange": {"write", "delete"}, "rename-over-dir": {"create", "delete"},
}


def verbs_by_who(document, user):
    """What the table says of somebody: their own row, or everyone's."""
    people = people_of(document)
    return set(people.get(user, people.get("everyone", {})).get("verbs", {}))


def test_who_and_user_agree_with_explain_and_the_reference(write):
    rng = random.Random(6)
    users = policies.users()
    asked = allowed = 0
    while asked < QUESTIONS:
        policy = Policy.generate(rng)
        file = write(policy.text())
        tables, zones = {}, {}
        for _ in range(25):
            user = rng.choice(users)
            word = rng.choice(policies.VERBS + tuple(OPERATIONS))
            needed = OPERATIONS.get(word, {word})
            path = rng.choice(list(policies.all_paths()))
            expected = needed <= policy.verbs_at(user, path)
            what = (policy.text(), user, word, path)
            assert (ctl("explain", "-p", file, user, word, path).returncode == OK) == expected, \
                what
            if path not in tables:
                tables[path] = answer("who", "--json", "-p", file, path)
            assert verbs_by_who(tables[path], user) == policy.verbs_at(user, path), what
            if user not in zones:
                zones[user] = answer("user", "--json", "-p", file, user)["zones"]
            zone = policy.zone_of(path)
            if zone is not None:
                held = zones[user][zone]
                assert held["path"] == policy.zones[zone][0]
                if held["leads_to"] is None:
                    assert set(held["verbs"]) == policy.verbs_in(user, zone), what
            asked += 1
            allowed += expected
    assert QUESTIONS / 10 < allowed < QUESTIONS * 9 / 10, "the questions are too one-sided to tell anything"


def test_who_can_names_the_same_people_as_the_table(write):
    rng = random.Random(7)
    for _ in range(20):
        policy = Policy.generate(rng)
        file = write(policy.text())
        path, verb = rng.choice(list(policies.all_paths())), rng.choice(policies.VERBS)
        table = people_of(answer("who", "--json", "-p", file, path))
        said = ctl("who", "--json", "--can", verb, "-p", file, path)
        able = people_of(json.loads(said.stdout))
        assert set(able) == {name for name in table if verb in table[name]["verbs"]}
        assert said.returncode == (OK if able else NO)


def changes_of(document, user, pair, holds_a_role):
    """(gained, lost) of somebody where the old and the new policy have a pair of zones."""
    name = user if holds_a_role else "everyone"
    result = {"gained": set(), "lost": set()}
    for change in document["changes"]:
        zones = tuple(zone and zone["path"] for zone in (change["old_zone"], change["new_zone"]))
        if zones == pair and name in people_of(change):
            result[change["change"]] |= set(change["verbs"])
    return result["gained"], result["lost"]


def test_diff_agrees_with_the_reference_everywhere(write):
    rng = random.Random(8)
    compared = differing = 0
    for _ in range(12):
        old, new = Policy.generate(rng), Policy.generate(rng)
        if rng.random() < 0.5:
            new.zones += [zone for zone in old.zones
                          if zone[0] not in {path for path, _ in new.zones}]
            new.roles = old.roles
            new.zones = [(path, {role: verbs for role, verbs in grants.items()
                                 if role in {name for name, *_ in new.roles} | {"everyone"}})
                         for path, grants in new.zones]
        document = answer("diff", "--json", write(old.text()), write(new.text()))
        gains = False
        for user in policies.users():
            holds_a_role = old.roles_of(user) | new.roles_of(user) != {"everyone"}
            for path in policies.all_paths():
                zones = old.zone_of(path), new.zone_of(path)
                pair = tuple(None if zone is None else policy.zones[zone][0]
                             for policy, zone in zip((old, new), zones))
                before = old.verbs_in(user, zones[0])
                after = new.verbs_in(user, zones[1])
                said = changes_of(document, user, pair, holds_a_role)
                assert said == (shown(after - before), shown(before - after)), \
                    (old.text(), new.text(), user, path)
                compared += 1
                differing += before != after
                gains = gains or bool(after - before)
        assert document["widened"] or not gains
    assert compared > 5000 and differing > 500


def test_diff_of_a_policy_and_itself_is_nothing(write):
    rng = random.Random(9)
    for _ in range(5):
        file = write(Policy.generate(rng).text())
        said = ctl("diff", "--fail-on=widen", file, file)
        assert said.returncode == OK and "No effect" in said.stdout


# who

def test_who_shows_everybody_with_role_and_line(write):
    file = write(DEFAULT_POLICY)
    said = ctl("who", "-p", file, "/production/model")
    assert said.returncode == OK and said.stderr == ""
    assert "zone production, /production (policy.ini:" in said.stdout
    read = line_of(DEFAULT_POLICY, "path = /production") + 1
    rows = {line.split()[0]: line for line in said.stdout.splitlines() if line.startswith("  ")}
    for user in ("sci1", "sci2", "both", "primary", "mleng1", "madmin"):
        assert rows[user].split()[1:6] == ["yes", "yes", "-", "-", "-"]
        assert f"data-scientist policy.ini:{read}" in rows[user]
    assert rows["ci-release"].split()[1:6] == ["yes"] * 5
    assert f"release-pipeline policy.ini:{read + 1}" in rows["ci-release"]
    for nobody in ("outsider", "root", "everyone", "daemon"):
        assert nobody not in rows
    assert "root has no privilege of its own here" in said.stdout


def test_who_tells_own_from_all_and_the_way_from_the_place(write):
    file = write("[role r]\ngroups = data-scientists\n[zone x]\npath = /x\n"
                 "allow r = write-own, delete-own\n[zone y]\npath = /y/z\nallow r = read\n")
    said = ctl("who", "-p", file, "/x")
    assert "own: only what they own" in said.stdout
    (row,) = [line for line in said.stdout.splitlines() if line.split()[:1] == ["sci1"]]
    assert row.split()[1:6] == ["yes", "-", "-", "own", "own"]
    assert ctl("who", "-p", file, "--can=write", "/x").returncode == NO
    assert ctl("who", "-p", file, "--can=write-own", "/x").returncode == OK
    said = ctl("who", "-p", file, "/y")
    (row,) = [line for line in said.stdout.splitlines() if line.split()[:1] == ["sci1"]]
    assert row.split()[1:3] == ["way", "-"]
    said = ctl("who", "-p", file, "/q")
    assert said.returncode == OK and "in no zone" in said.stdout and "Nobody" in said.stdout


def test_who_can(write):
    file = write(DEFAULT_POLICY)
    said = ctl("who", "--can", "write", "-p", file, "/production/x")
    assert said.returncode == OK and "ci-release" in said.stdout and "sci1" not in said.stdout
    said = ctl("who", "--can", "admin", "-p", file, "/production/x")
    assert said.returncode == NO and "Nobody may admin here" in said.stdout
    assert ctl("who", "--can", "fly", "-p", file, "/x").returncode == USAGE


def test_everyone_is_shown_as_everyone(write):
    file = write("[role r]\ngroups = ml-engineers\n[zone x]\npath = /\nallow r = write\n"
                 "allow everyone = read\n")
    people = people_of(answer("who", "--json", "-p", file, "/"))
    assert people["everyone"]["kind"] == "everyone"
    assert set(people["everyone"]["verbs"]) == {"list", "read"}
    assert "write" in people["mleng1"]["verbs"] and "outsider" not in people
    assert people["mleng1"]["verbs"]["read"] == {"role": "everyone", "line": 6}


def test_a_group_that_is_too_large_is_named_as_a_group(write):
    file = write(DEFAULT_POLICY)
    names = [f"extra{number}" for number in range(1200)]
    with changed("/etc/group", members_added("data-scientists", names)):
        document = answer("who", "--json", "-p", file, "/production")
        people = people_of(document)
        assert people["@data-scientists"]["kind"] == "group"
        assert people["@data-scientists"]["listing"] == "large"
        assert people["@data-scientists"]["members"] >= 1200
        assert "sci1" not in people and "extra7" not in people
        # Who is in another role's group is listed all the same, with all of their roles.
        assert set(people["both"]["verbs"]) == {"list", "read"}
        assert "1204 members, too many to list" in ctl("who", "-p", file, "/production").stdout
        text = DEFAULT_POLICY.replace("path = /production\nallow data-scientist = read",
                                      "path = /production\nallow data-scientist = read, write")
        said = ctl("diff", "--fail-on", "widen", file, write(text))
        assert said.returncode == NO and "the group data-scientists" in said.stdout
    assert "sci1" in people_of(answer("who", "--json", "-p", file, "/production"))


def test_a_group_that_lists_nobody_is_named_as_a_group(write):
    with changed("/etc/group", lambda text: text + "empty-team:x:64160:\n"):
        file = write("[role r]\ngroups = empty-team\n[zone x]\npath = /\nallow r = read\n")
        people = people_of(answer("who", "--json", "-p", file, "/"))
        assert people["@empty-team"]["listing"] == "empty" and len(people) == 1
        wider = write("[role r]\ngroups = empty-team\n[zone x]\npath = /\nallow r = write\n")
        said = ctl("diff", "--fail-on=widen", file, wider)
        assert said.returncode == NO and "the group empty-team" in said.stdout


def test_a_member_whom_nobody_knows_is_told(write):
    file = write(DEFAULT_POLICY)
    with changed("/etc/group", members_added("ml-engineers", ["gone"])):
        document = answer("who", "--json", "-p", file, "/")
        assert document["unknown_members"] == ["gone"] and "gone" not in people_of(document)
        said = ctl("who", "-p", file, "/")
        assert "Unknown to the name service" in said.stdout and "gone" in said.stdout


def test_a_user_who_left_is_shown_by_number(write):
    file = write("[role r]\nusers = 64777\n[zone x]\npath = /\nallow r = read\n")
    people = people_of(answer("who", "--json", "-p", file, "/"))
    assert people["64777"]["known"] is False and "read" in people["64777"]["verbs"]
    assert "unknown to the name service" in ctl("who", "-p", file, "/").stdout


@pytest.fixture(scope="module")
def directory_service(scratch):
    """The environment in which `directory` may be named in nsswitch.conf(5)."""
    place = os.path.join(scratch, "nss")
    os.makedirs(place, exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o",
                    os.path.join(place, "libnss_directory.so.2"),
                    os.path.join(HERE, "nss_directory.c")], check=True)
    return {"LD_LIBRARY_PATH": place}


def with_directory(text):
    return text.replace("passwd: files", "passwd: files directory").replace(
        "group: files", "group: files directory")


def test_a_directory_that_does_not_list_its_users_is_told(write, directory_service):
    file = write("[role r]\ngroups = remote-team, ml-engineers\n[zone x]\npath = /\n"
                 "allow r = read\n")
    with changed("/etc/nsswitch.conf", with_directory):
        document = answer("who", "--json", "-p", file, "/", env=directory_service)
        assert document["not_listing"] == "directory"
        people = people_of(document)
        assert people["@remote-team"]["listing"] == "directory"
        assert people["mleng1"]["kind"] == "user"
        assert people["@ml-engineers"]["kind"] == "group"
        said = ctl("who", "-p", file, "/", env=directory_service)
        assert "directory need not list all of its users" in said.stdout
        held = answer("user", "--json", "-p", file, "remote", env=directory_service)
        assert held["groups"] == ["remote-team"] and "read" in held["zones"][0]["verbs"]


def test_a_name_service_that_hangs_is_not_waited_for_for_ever(write, directory_service):
    file = write("[role r]\nusers = hang\n[zone x]\npath = /\nallow r = read\n")
    with changed("/etc/nsswitch.conf", with_directory):
        begun = time.monotonic()
        said = ctl("who", "-p", file, "/", env=directory_service)
        assert said.returncode == FAILED and "has not answered for 15 s" in said.stderr
        assert 10 < time.monotonic() - begun < 40


# user

def test_user_shows_zones_roles_and_lines(write):
    file = write(DEFAULT_POLICY)
    said = ctl("user", "-p", file, "mleng1")
    assert said.returncode == OK and said.stderr == ""
    line = line_of(DEFAULT_POLICY, ENGINEERS)
    assert f"list, read, create, write, delete, by ml-engineer policy.ini:{line}" in said.stdout \
        or f"create, write, delete, by ml-engineer policy.ini:{line}" in said.stdout
    assert "through the group ml-engineers" in said.stdout
    assert "included by ml-engineer" in said.stdout
    assert "/production (zone production, policy.ini:" in said.stdout
    nothing = ctl("user", "-p", file, "outsider").stdout
    assert nothing.count("nothing") == 4 and "ml-engineer" not in nothing
    assert "root has no privilege" in ctl("user", "-p", file, "root").stdout


def test_user_knows_no_such_user(write):
    said = ctl("user", "-p", write(DEFAULT_POLICY), "nobody-such")
    assert said.returncode == NO_USER and "nobody-such" in said.stderr and said.stdout == ""


# diff

def edited(old, new):
    assert old in DEFAULT_POLICY
    return DEFAULT_POLICY.replace(old, new)


PRODUCTION = "path = /production\nallow data-scientist = read\n"


def test_diff_names_who_gains_and_loses(write):
    old = write(DEFAULT_POLICY)
    new = write(edited(PRODUCTION, "path = /production\nallow ml-engineer = read, write\n"))
    said = ctl("diff", old, new)
    assert said.returncode == OK and said.stderr == ""
    assert "+ write /production: 4 people\n    ml-engineer (policy.ini:" in said.stdout
    assert "      both, madmin, mleng1, mleng2\n" in said.stdout
    assert "- list, read /production: 3 people\n" in said.stdout
    assert "      primary, sci1, sci2\n" in said.stdout
    assert "Wider" in said.stdout
    assert ctl("diff", "--fail-on", "widen", old, new).returncode == NO
    assert ctl("diff", "--fail-on", "widen", "--json", old, new).returncode == NO


def test_diff_of_a_narrowing_does_not_fail(write):
    old = write(DEFAULT_POLICY)
    new = write(edited(ENGINEERS, "allow ml-engineer = read, create"))
    said = ctl("diff", "--fail-on=widen", old, new)
    assert said.returncode == OK and "- write, delete /: 4 people" in said.stdout
    assert "Not wider" in said.stdout and "\n+" not in said.stdout
    assert ctl("diff", "--fail-on=widen", new, old).returncode == NO


def test_diff_finds_a_zone_that_only_one_has(write):
    old = write(DEFAULT_POLICY)
    new = write(DEFAULT_POLICY + "[zone p]\npath = /teams/*/private\nallow model-admin = read\n")
    document = answer("diff", "--json", old, new)
    assert {change["path"] for change in document["changes"]} == {"/teams/*/private"}
    assert not document["widened"]
    said = ctl("diff", "--fail-on=widen", new, old)
    assert said.returncode == NO and "+ list, read /teams/*/private: " in said.stdout


def test_diff_finds_where_stars_cross(write):
    roles = "[role r]\ngroups = ml-engineers\n"
    old = write(roles + "[zone s]\npath = /a/*\nallow r = read\n")
    new = write(roles + "[zone s]\npath = /*/x\nallow r = write\n")
    changes = answer("diff", "--json", old, new)["changes"]
    found = {(change["path"], change["change"], tuple(change["verbs"])) for change in changes}
    assert found == {("/*/x", "gained", ("list", "write")), ("/a/*", "lost", ("list", "read")),
                     ("/a/x", "gained", ("write",)), ("/a/x", "lost", ("read",))}


def test_a_weaker_setting_is_a_widening(write):
    old = write(DEFAULT_POLICY)
    new = write(edited("audit-failure = deny", "audit-failure = allow"))
    said = ctl("diff", "--fail-on=widen", old, new)
    assert said.returncode == NO
    assert "~ audit-failure: deny -> allow (weaker)" in said.stdout
    said = ctl("diff", "--fail-on=widen", new, old)
    assert said.returncode == OK and "~ audit-failure: allow -> deny\n" in said.stdout
    new = write(edited(PRODUCTION, PRODUCTION + "mapped-writes = refuse\n"))
    assert ctl("diff", "--fail-on=widen", old, new).returncode == OK
    said = ctl("diff", "--fail-on=widen", new, old)
    assert said.returncode == NO and "~ mapped-writes /production: refuse -> allow (weaker)" \
        in said.stdout


def test_diff_refuses_what_it_cannot_compare(write):
    good = write(DEFAULT_POLICY)
    bad = write("[zone x]\npath = relative\n")
    said = ctl("diff", good, bad)
    assert said.returncode == POLICY and f"{bad}:2: " in said.stderr and said.stdout == ""
    assert ctl("diff", bad, good).returncode == POLICY
    assert ctl("diff", good, "/nonexistent").returncode == FAILED
    assert ctl("diff", good).returncode == USAGE
    assert ctl("diff", "--fail-on=narrow", good, good).returncode == USAGE


def test_diff_says_when_there_is_too_much_to_compare(write):
    many = "[role r]\ngroups = ml-engineers\n"
    for number in range(24):
        names = ["*"] * 24
        names[number] = "n"
        many += f"[zone z{number}]\npath = /{'/'.join(names)}\nallow r = read\n"
    said = ctl("diff", write(DEFAULT_POLICY), write(many))
    assert said.returncode == FAILED and "use fewer" in said.stderr and said.stdout == ""


@pytest.mark.parametrize("verb", ["who", "user", "diff"])
def test_words_with_escapes_do_not_reach_the_terminal(write, verb):
    file = write(DEFAULT_POLICY, name="p\x1b[31m.ini")
    other = write(edited(ENGINEERS, ""), name="q\x1b.ini")
    arguments = {"who": ["-p", file, "/\x1b[31mred"], "user": ["-p", file, "\x1b[31m"],
                 "diff": [file, other]}[verb]
    said = ctl(verb, *arguments)
    assert "\x1b" not in said.stdout + said.stderr
    assert said.returncode in (OK, NO_USER)
    said = ctl(verb, *arguments, "--json")
    assert "\x1b" not in said.stdout + said.stderr
