# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the session's auditd, shares under guard, and what is checked after each test."""

import os
import subprocess

import pytest

import auditd as audit_daemon
import guard as guards
import world

TEST_SECONDS = 150


def pytest_configure(config):
    if "MODELGUARD_E2E" not in os.environ:
        raise pytest.UsageError("run these tests with tests/e2e/run")


@pytest.fixture(scope="session")
def scratch():
    return os.environ["MODELGUARD_E2E"]


@pytest.fixture(scope="session")
def auditd(scratch):
    daemon = audit_daemon.Auditd(scratch)
    daemon.begin()
    yield daemon
    daemon.end()


@pytest.fixture(scope="session")
def watchdog():
    thread = guards.Watchdog()
    thread.start()
    return thread


@pytest.fixture(scope="session")
def _living():
    """All guards that have not been finished."""
    return set()


@pytest.fixture(autouse=True)
def _every_test(watchdog, _living):
    """Bounds the test's time, and looks at every daemon that runs when it is over."""
    watchdog.arm(TEST_SECONDS)
    yield
    watchdog.arm(0)
    for guard in list(_living):
        guard.check()


def _maker(request, scratch, watchdog, living):
    made = []

    def make(policy=guards.DEFAULT_POLICY, audit="auditd", start=True, tmpfs=False, **options):
        auditd = request.getfixturevalue("auditd") if audit == "auditd" else None
        if auditd is not None:
            auditd.ensure()
        guard = guards.Guard(scratch, auditd, policy=policy, audit=audit, **options)
        made.append(guard)
        living.add(guard)
        watchdog.watch(guard)
        if tmpfs:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", guard.source_directory],
                check=True,
            )
            for zone in guards.ZONES:
                os.mkdir(guard.source(zone))
        return guard.start() if start else guard

    def finish():
        errors = []
        for guard in reversed(made):
            living.discard(guard)
            watchdog.forget(guard)
            try:
                if guard.source_directory in guards.mounts_below(guard.source_directory):
                    # A tmpfs source goes with its share.
                    if guard.process is not None:
                        guard.check()
                        guard.stop()
                    guards.unmount_all(guard.source_directory)
                guard.finish()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    return make, finish


@pytest.fixture
def make_guard(request, scratch, watchdog, _living):
    """A function that makes guards; they end with the test."""
    make, finish = _maker(request, scratch, watchdog, _living)
    yield make
    finish()


@pytest.fixture
def guard(make_guard):
    """The default share, recorded by auditd."""
    return make_guard()


@pytest.fixture
def file_guard(make_guard):
    """The default share, recorded in a file of JSON lines."""
    return make_guard(audit="file")


@pytest.fixture(scope="module")
def module_guard(request, scratch, watchdog, _living):
    """The default share, one for all tests of a file."""
    make, finish = _maker(request, scratch, watchdog, _living)
    yield make()
    finish()


@pytest.fixture(scope="module")
def module_file_guard(request, scratch, watchdog, _living):
    """The default share, recorded in a file of JSON lines, one for all tests of a file."""
    make, finish = _maker(request, scratch, watchdog, _living)
    yield make(audit="file")
    finish()


@pytest.fixture(scope="module")
def module_maker(request, scratch, watchdog, _living):
    """What makes guards that stay for all tests of a file, and what ends them."""
    return _maker(request, scratch, watchdog, _living)


@pytest.fixture(scope="module")
def open_guard(request, scratch, watchdog, _living):
    """A share where ml-engineers may do everything, one for all tests of a file."""
    make, finish = _maker(request, scratch, watchdog, _living)
    yield make(policy=guards.OPEN_POLICY, audit="file")
    finish()


@pytest.fixture(scope="module")
def owned_guard(request, scratch, watchdog, _living):
    """A share whose directory experiments is open to all, by modes and by role."""
    make, finish = _maker(request, scratch, watchdog, _living)
    guard = make(policy=guards.OWNER_POLICY, audit="file", options=["exec"])
    os.chmod(guard.source("experiments"), 0o777)
    yield guard
    finish()


@pytest.fixture
def own_auditd(auditd):
    """An auditd that the test may kill; it runs again afterwards."""
    if not auditd.is_ours:
        pytest.skip("the machine's own auditd runs and is not to be killed")
    auditd.ensure()
    yield auditd
    auditd.ensure()


@pytest.fixture
def call_as():
    return world.call_as


@pytest.fixture
def run_as():
    return world.run_as
