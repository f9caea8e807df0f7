# SPDX-License-Identifier: Apache-2.0
"""modelguard-attacks(7) and the tests name each other."""

import glob
import os
import re

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_HERE))


def _read(*names):
    with open(os.path.join(_ROOT, *names), encoding="utf-8") as file:
        return file.read()


def _tests(directory):
    """All tests of a directory but this one's own."""
    found = set()
    for path in glob.glob(os.path.join(_ROOT, "tests", directory, "test_*.py")):
        if not os.path.samefile(path, __file__):
            found |= set(re.findall(r"^def (test_\w+)\(", _read(path), re.MULTILINE))
    return found


def _rows():
    """Each attack of the table with the tests that it names."""
    table = _read("man", "modelguard-attacks.7").split(".Sh ATTACKS\n")[1].split("\n.Sh ")[0]
    rows = {}
    for row in table.split("\n.It ")[1:]:
        attack, _, text = row.partition("\n")
        rows[attack] = re.findall(r"^\.Ic (test_\w+)", text, re.MULTILINE)
    return rows


def test_each_attack_of_the_table_has_tests_that_exist():
    rows = _rows()
    assert len(rows) > 30
    known = _tests("attacks") | _tests("e2e")
    for attack, tests in rows.items():
        assert tests, attack
        assert set(tests) <= known, (attack, set(tests) - known)


def test_each_test_of_an_attack_is_in_the_table():
    named = {test for tests in _rows().values() for test in tests}
    assert len(_tests("attacks")) > 30
    assert not _tests("attacks") - named


def test_each_test_of_an_attack_says_how_it_was_seen_to_fail():
    for path in glob.glob(os.path.join(_HERE, "test_*.py")):
        if os.path.samefile(path, __file__):
            continue
        for name, words in re.findall(r'^def (test_\w+)\([^)]*\):\n    """(.*?)"""', _read(path),
                                      re.MULTILINE | re.DOTALL):
            assert "Seen to fail" in " ".join(words.split()), name
