import os, time
def test_s(auditd):
    assert auditd.is_ours
    open("/tmp/killtest/up", "w").write(f"{os.getpid()} {auditd.pid}")
    time.sleep(25)
