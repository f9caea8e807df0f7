# SPDX-License-Identifier: Apache-2.0
"""The documents and the shape of the tree: what drifts apart fails here."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from guard import CTL, DAEMON

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TOP_LEVEL = {"fuse", "config", "scripts", "tests", "man", "meson.build", "README.md", "LICENSE"}
# The files that speak FUSE; nothing else may include its headers.
FUSE_SPEAKERS = {"channel.c", "channel.h", "fs.c", "fs-cache.c", "fs.h", "loop.c", "loop.h",
                 "main.c", "op.h", "options.c"}


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def sources(*patterns):
    found = []
    for pattern in patterns:
        found += glob.glob(os.path.join(ROOT, pattern), recursive=True)
    return sorted(os.path.relpath(path, ROOT) for path in found)


def includes(path):
    return re.findall(r'^\s*#\s*include\s*([<"][^>"]+)[>"]', read(path), re.MULTILINE)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60,
                          stdin=subprocess.DEVNULL)


def test_the_top_level_has_the_allowed_names_only():
    ignored = re.compile(r"^(\..*|build.*)$")
    assert {name for name in os.listdir(ROOT) if not ignored.match(name)} == TOP_LEVEL


def test_every_source_has_its_licence():
    files = sources("fuse/**/*.[ch]", "config/**/*.[ch]", "tests/**/*.[ch]", "tests/**/*.py",
                    "scripts/*", ".ci/*", "tests/e2e/run", "meson.build", "**/meson.build",
                    "man/*.[1-9]", "config/*.ini")
    assert len(files) > 50
    for path in files:
        if path.startswith("build") or os.path.isdir(os.path.join(ROOT, path)):
            continue
        head = "\n".join(read(path).splitlines()[:5])
        assert "SPDX-License-Identifier: Apache-2.0" in head, path
    assert "Apache License" in read("LICENSE") and "Version 2.0" in read("LICENSE")


def test_config_does_not_know_fuse():
    for path in sources("config/*.[ch]"):
        for name in includes(path):
            assert not name.startswith('"fuse/'), f"{path} includes {name}"
            assert "fuse" not in name, f"{path} includes {name}"
            assert name not in ("<pthread.h", "<syslog.h"), f"{path} includes {name}"


def test_fuse_headers_are_for_those_who_speak_fuse():
    for path in sources("fuse/*.[ch]"):
        spoken = [name for name in includes(path)
                  if name.startswith(("<fuse", "<linux/fuse"))]
        if spoken:
            name = os.path.basename(path)
            assert name in FUSE_SPEAKERS or name.startswith("op-"), f"{path} includes {spoken}"


def test_callbacks_ask_the_gate_and_nobody_else():
    files = sources("fuse/op-*.c", "fuse/op.c", "fuse/op.h")
    assert files
    forbidden = {'"config/policy.h', '"config/policy-load.h', '"config/decide.h', '"fuse/audit.h',
                 '"fuse/record.h', '"fuse/policy-store.h', '"fuse/guard-internal.h',
                 '"fuse/tally.h', '"fuse/status.h', '"fuse/control.h'}
    for path in files:
        assert not forbidden & set(includes(path)), path
    assert any("guard_rename(" in read(path) for path in files)


def test_the_control_socket_only_carries_what_others_say():
    for path in sources("fuse/control.c", "fuse/control-socket.c", "fuse/control-request.c",
                        "fuse/control-answer.c"):
        for name in includes(path):
            assert not name.startswith('"') or name.startswith('"config/text') or \
                name.startswith(('"fuse/control', '"fuse/log', '"fuse/util')), f"{path}: {name}"


def test_each_header_compiles_alone(tmp_path):
    flags = run("pkg-config", "--cflags", "fuse3", "jansson", "libcap-ng").stdout.split()
    for path in sources("fuse/*.h", "config/*.h"):
        alone = tmp_path / "alone.c"
        alone.write_text(f'#include "{path}"\n', encoding="ascii")
        result = run("cc", "-std=gnu11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64",
                     "-DFUSE_USE_VERSION=312", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                     "-I", ROOT, *flags, str(alone))
        assert result.returncode == 0, f"{path}:\n{result.stderr}"


def test_files_and_functions_have_one_responsibility():
    """Rarely over 500 lines; a file that has to be longer needs its reason here."""
    for path in sources("fuse/*.c", "config/*.c"):
        assert read(path).count("\n") <= 600, path


def _long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def _manual(name):
    """A manual page as text."""
    page = os.path.join(ROOT, "man", name)
    result = run("mandoc", "-T", "utf8", page)
    assert result.returncode == 0, result.stderr
    return re.sub(".\b", "", result.stdout)


@pytest.mark.parametrize("page", ["modelguard.8", "modelguard-attacks.7", "modelguard-audit.7",
                                  "modelguardctl.8", "policy.ini.5"])
def test_the_manual_pages_are_sound(page):
    assert os.path.exists(os.path.join(ROOT, "man", page)), page
    result = run("mandoc", "-T", "lint", "-W", "warning", os.path.join(ROOT, "man", page))
    assert result.returncode == 0, result.stdout


def test_the_options_of_the_daemon_are_those_of_its_manual_page():
    said = run(DAEMON, "--help")
    assert said.returncode == 0
    manual = _manual("modelguard.8")
    for option in _long_options(said.stdout):
        assert option in manual, f"{option} is not in modelguard(8)"
    for option in _long_options(manual):
        assert option in said.stdout, f"{option} of modelguard(8) is not in --help"
    for word in ("policy=", "audit=", "mount-namespace=", "unsealed", "-f"):
        assert word in said.stdout and word in manual, word


def test_the_verbs_and_options_of_the_tool_are_those_of_its_manual_page():
    manual = _manual("modelguardctl.8")
    verbs = re.findall(r"^  ([a-z]+) ", run(CTL, "--help").stdout, re.MULTILINE)
    assert {"check", "explain"} <= set(verbs)
    said = run(CTL, "--help").stdout
    for verb in verbs:
        assert verb in manual
        said += run(CTL, verb, "--help").stdout
    for option in _long_options(said):
        assert option in manual, f"{option} is not in modelguardctl(8)"
    for option in _long_options(re.sub(r"^ +\$ cosign .*$", "", manual, flags=re.MULTILINE)):
        assert option in said, f"{option} of modelguardctl(8) is not in --help"


def _completions(*words):
    """What bash offers for the last word."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _modelguardctl; ' \
        'printf "%s\\n" "${COMPREPLY[@]}"'
    said = run("bash", "-c", script, "bash", os.path.join(ROOT, "config", "modelguardctl.bash"),
               "modelguardctl", *words)
    assert said.returncode == 0 and said.stderr == "", said.stderr
    return set(said.stdout.split())


def test_the_completion_knows_the_verbs_and_options_of_the_tool():
    verbs = set(re.findall(r"^  ([a-z]+) ", run(CTL, "--help").stdout, re.MULTILINE))
    assert _completions("") - {"--help", "--version"} == verbs | {"help"}
    for verb in verbs:
        options = set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)",
                                 run(CTL, verb, "--help").stdout, re.MULTILINE))
        assert "--help" in options
        assert _completions(verb, "-") == options, verb


def test_every_field_of_a_record_is_in_the_manual():
    (page,) = [name for name in os.listdir(os.path.join(ROOT, "man"))
               if name.startswith("modelguard-audit.")]
    manual = _manual(page)
    table = read("fuse", "record-encode.c")
    fields = re.findall(r'^\t(?:MEMBER|OF_ACTOR)\("([a-z-]+)"', table, re.MULTILINE)
    assert len(fields) > 20
    for field in fields:
        assert re.search(rf"\b{field}\b", manual), f"{field}= is not in {page}"


def test_every_operation_is_in_the_manual():
    pages = sorted(name for name in os.listdir(os.path.join(ROOT, "man")))
    manuals = "".join(_manual(page) for page in pages)
    table = read("config", "operation.c")
    names = re.findall(r'= (?:ROW\w*\(|\{ )"([a-z-]+)"', table)
    assert len(names) > 30
    for name in names:
        if name != "none":
            assert re.search(rf"(?<![\w-]){name}(?![\w-])", manuals), f"op={name}"


def test_every_key_and_verb_of_the_policy_is_in_its_manual():
    manual = _manual("policy.ini.5")
    for word in ("audit-failure", "audit-writes", "groups-from", "groups", "users", "include",
                 "path", "allow", "promote-from", "write-once", "retain", "separation-of-duties",
                 "approvals", "formats", "pickle", "check", "modes", "mapped-writes", "list",
                 "read", "create", "write", "delete", "write-own", "delete-own", "promote",
                 "approve", "admin", "everyone", "grantable", "max-grant"):
        assert re.search(rf"(?<![\w-]){word}(?![\w-])", manual), word


def test_the_shipped_policy_passes_the_check(scratch):
    copy = os.path.join(scratch, "shipped-policy.ini")
    shutil.copy(os.path.join(ROOT, "config", "policy.ini"), copy)
    os.chmod(copy, 0o644)
    said = run(CTL, "check", copy)
    os.unlink(copy)
    assert said.returncode == 0, said.stderr


def _readme_commands():
    """The commands in the README's sections that tell what to type."""
    commands = []
    for section in re.split(r"^## ", read("README.md"), flags=re.MULTILINE)[1:]:
        if not section.startswith(("Two commands", "Install", "Quick start")):
            continue
        text = re.sub(r"\\\n", " ", section)
        for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE):
            if re.match(r"\[|[a-z -]+ *= ", line):
                continue  # a piece of a policy
            commands += re.sub(r"\s#.*", "", line).split(";")
    return [command.split() for command in commands if not command.isspace()]


def test_the_commands_of_the_readme_exist():
    commands = _readme_commands()
    assert ["scripts/demo"] in commands and ["scripts/test"] in commands
    known = {"modelguard": DAEMON, "modelguardctl": CTL}
    for program, *arguments in commands:
        if program.startswith("scripts/"):
            program = os.path.join(ROOT, program)
        assert shutil.which(known.get(program, program)), program
        if program == "modelguardctl":
            assert run(CTL, arguments[0], "--help").returncode == 0, arguments
        for argument in arguments:
            if argument.startswith(("config/", "scripts/", "tests/", "man/")):
                assert os.path.exists(os.path.join(ROOT, argument)), argument


def test_the_packages_of_the_readme_are_those_that_the_scripts_install():
    (install,) = [command for command in _readme_commands() if command[0] == "apt-get"]
    needed = re.search(r"BUILD_PACKAGES=\(([^)]*)\)", read("scripts", "lib.sh"))[1].split()
    assert set(needed) <= set(install)


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", read("README.md")):
        assert os.path.exists(os.path.join(ROOT, target)), target


def test_no_path_of_a_developer_s_machine_is_written_down():
    word = re.compile("/(?:root|home)/[a-z]+/|/work" + "/")
    for path in sources("fuse/**/*", "config/**/*", "scripts/*", "tests/**/*", "man/*",
                        "meson.build", "README.md", ".ci/*"):
        full = os.path.join(ROOT, path)
        if os.path.isfile(full) and "__pycache__" not in path:
            with open(full, encoding="utf-8", errors="replace") as file:
                match = word.search(file.read())
            assert not match, f"{path}: {match[0]}"


def test_the_ci_calls_the_tests():
    assert "scripts/test" in read(".ci", "run")
    for script in ("scripts/test", "scripts/demo", "scripts/fuzz", "tests/e2e/run", ".ci/run"):
        assert os.access(os.path.join(ROOT, script), os.X_OK), script
        assert run("bash", "-n", os.path.join(ROOT, script)).returncode == 0
