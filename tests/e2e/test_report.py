# SPDX-License-Identifier: Apache-2.0
"""modelguardctl report: the auditor's page, as text and in a real browser."""

import os
import re
import shutil
import subprocess

import pytest

import world
from make_trail import Week, audit_line
from test_trail import BEGIN, FAILED, OK, USAGE, Trail, ctl

HOSTILE_MARKUP = b"<script>alert(1)</script>&'\"><img src=x onerror=alert(2)>"


@pytest.fixture
def some(tmp_path):
    """Two people, one denial and a gap."""
    trail = Trail().start().put("open-read", "/models/production/a", zone="production")
    trail.put("open-write", "/models/b", acct="mleng1", uid=64101, zone="share")
    trail.denied("unlink", "/models/production/c")
    trail.put("gap", acct=None, kind="TRUSTED_APP", ok=False, note="refused", count=12,
              since=BEGIN, until=BEGIN + 2.5, reason="no auditd")
    return trail.write(tmp_path / "some")


def test_a_report_of_nothing_says_so(tmp_path):
    (tmp_path / "log").write_bytes(b"")
    ctl("report", "--html", tmp_path / "page", "--input", tmp_path / "log", check=OK)
    assert "Nothing was recorded" in (tmp_path / "page").read_text()


def test_a_report_is_one_page_that_markup_cannot_get_into(tmp_path):
    trail = Trail().start()
    hostile = HOSTILE_MARKUP.decode()
    trail.put("open-read", "/m/" + hostile, acct=hostile, zone=hostile)
    trail.put("unlink", "/m/x", ok=False, acct=hostile, zone=hostile, rule=hostile + ":7",
              errno=13, reason="not<b>granted")
    trail.put("policy-reload", "/etc/" + hostile, acct=None, kind="USYS_CONFIG", hash=hostile,
              old_hash="00", gen=2)
    trail.put("end", "/m/" + hostile, acct=None, kind="TRUSTED_APP", reason="the<i>end")
    trail.put("gap", acct=None, kind="TRUSTED_APP", ok=False, note="unrecorded", count=3,
              since=BEGIN, until=BEGIN + 2, reason="no<u>auditd")
    # Nor can bytes that are no text, or that turn the text around them.
    trail.put("open-read", "/m/y", zone=b"\xff\xe2\x80\xaegnp.\x1b[2J")
    page = tmp_path / "page.html"
    ctl("report", "--html", page, "--input", trail.write(tmp_path / "log"), check=OK)
    text = page.read_text(encoding="ascii")
    assert r"\xff\xe2\x80\xaegnp.\x1b[2J" in text
    assert "<script" not in text and "<img" not in text
    for tag in ("<b>granted", "<i>end", "<u>auditd"):
        assert tag not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;&quot;&gt;&lt;img") >= 5
    assert not re.search(r"<[^>]*(?:src|href)\s*=|url\(|https?:|@import", text), "needs a network"
    assert "default-src 'none'" in text
    assert page.stat().st_mode & 0o777 == 0o600
    assert "1 gap" in text and "3 operations without a record" in text


def test_a_report_tells_what_was_removed_from_the_log(tmp_path):
    page = tmp_path / "page.html"

    def says(trail):
        ctl("report", "--html", page, "--input", trail.write(tmp_path / "log"), check=OK)
        return re.search(r"<p class='verdict.*", page.read_text())[0]

    trail = Trail().start()
    for number in range(6):
        trail.put("open-read", f"/{number}")
    trail.put("open-read", "/0", seqno=3, resent="yes").start()
    assert "The trail has no gap" in says(trail)
    removed = trail.lines.pop(4)
    assert "1 record missing that no gap accounts for" in says(trail)
    trail.put("gap", acct=None, kind="TRUSTED_APP", ok=False, note="refused", count=1,
              since=BEGIN, until=BEGIN + 1, reason="no auditd")
    assert "missing" not in says(trail)
    # The oldest files are gone: the numbers before the first are not missing.
    trail.lines[4:4] = [removed]
    trail.lines = trail.lines[3:-1]
    assert "The trail has no gap" in says(trail)


def test_a_report_covers_the_period_that_was_asked_for(some, tmp_path):
    page = tmp_path / "page.html"
    ctl("report", "--html", page, "--input", some, "--since", "2025-11-23 12:13:25", "--until",
        "2025-11-23 12:13:25", check=OK)
    text = page.read_text()
    assert "2025-11-23 12:13:25 to 2025-11-23 12:13:25" in text
    assert "1 denied" in text and "mleng1" not in text


def test_a_report_that_cannot_be_written_leaves_the_old_one(some, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("the old one")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", small], check=True)
    try:
        ctl("report", "--html", small / "page.html", "--input", some, check=FAILED)
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)
    said = ctl("report", "--html", tmp_path / "no" / "page.html", "--input", some, check=FAILED)
    assert "No such file" in said.stderr
    ctl("report", "--html", page, "--input", tmp_path / "nothing", check=FAILED)
    assert page.read_text() == "the old one"
    ctl("report", "--html", page, "--input", some, check=OK)
    assert "the old one" not in page.read_text()
    assert [name for name in os.listdir(tmp_path) if "page" in name] == ["page.html"]
    ctl("report", "--input", some, check=USAGE)


def _work(directory, number):
    for i in range(40):
        name = os.path.join(directory, f"{number}-{i}")
        with open(name, "wb") as file:
            file.write(b"x")
        os.rename(name, name + ".done")
        try:
            os.chown(name + ".done", 0, 0)
        except PermissionError:
            pass


@pytest.mark.parametrize("audit", ["auditd", "file"])
def test_a_real_trail_misses_no_number(make_guard, tmp_path, audit):
    """Several users at once, allowed, denied and failing, to the end of the guard."""
    guard = make_guard(audit=audit, start=False)
    since = guard.mark()
    guard.start()
    directory = guard.put_directory("staging/m", owner="mleng1", mode=0o777)
    pending = [world.start_as(user, _work, directory, number)
               for number, user in enumerate(("mleng1", "mleng2", "sci1", "both"))]
    for call in pending:
        world.finish_call(call)
    assert guard.stop() == 0
    guard.mark()
    with open(guard.auditd.log if audit == "auditd" else guard.audit_file, "rb") as file:
        file.seek(since)
        (tmp_path / "log").write_bytes(file.read())
    page = tmp_path / "page.html"
    ctl("report", "--html", page, "--input", tmp_path / "log", check=OK)
    assert "mleng2" in page.read_text()
    assert "no number of a record is missing" in page.read_text() or audit == "auditd", \
        re.search("<p class='verdict.*", page.read_text())[0]
    # auditd's log has the marker of the tests, which is no record of a guard.
    assert "missing that no gap" not in page.read_text()


CHROMIUM = shutil.which("chromium")


def _browse(directory, page, *options):
    profile = directory / "profile"
    shutil.rmtree(profile, ignore_errors=True)
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", *options,
         f"file://{page}"], capture_output=True, check=True, timeout=90, text=True,
        env={**os.environ, "HOME": str(directory)})


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_the_report(tmp_path):
    """As a browser sees it: every section, nothing that runs, nothing that was left open."""
    lines = list(Week(2000, audit_line).lines())
    trail = Trail().denied("unlink", b"/models/production/" + HOSTILE_MARKUP,
                           acct=HOSTILE_MARKUP.decode())
    path = tmp_path / "log"
    path.write_bytes(b"".join(lines + trail.lines))
    page = tmp_path / "page.html"
    ctl("report", "--html", page, "--input", path, check=OK)
    dom = _browse(tmp_path, page, "--dump-dom").stdout
    for title in ("Timeline", "People and zones", "Denials by rule", "Policy",
                  "Starts and ends of the guard", "Gaps in the trail", "What could not be read"):
        assert f"<h2>{title}</h2>" in dom, title
    assert dom.count("<svg") == dom.count("</svg>") == 1 and dom.count("<rect") > 50
    assert "<script" not in dom and "<img" not in dom
    # Sections are siblings: nothing in a cell has swallowed what follows it.
    assert dom.count("<section>") == 7 and re.search(r"</footer>\s*</main>\s*</body>", dom)
    shot = tmp_path / "page.png"
    _browse(tmp_path, page, "--window-size=1200,2400", f"--screenshot={shot}")
    assert shot.stat().st_size > 100_000, "an empty page is smaller"


def test_a_report_of_a_hundred_thousand_records_takes_less_than_a_second(tmp_path):
    """As of the other verbs; see test_trail.py."""
    path = tmp_path / "log"
    with open(path, "wb") as file:
        for line in Week(100_000, audit_line).lines():
            file.write(line)
    slow = 20 if "asan" in os.environ.get("MODELGUARD_BUILD", "") else 2
    before = os.times()
    ctl("report", "--html", tmp_path / "page", "--input", path, check=OK)
    after = os.times()
    assert after.children_user - before.children_user < slow
