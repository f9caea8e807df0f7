# SPDX-License-Identifier: Apache-2.0
"""The real auditd, with a private configuration; or the one that already runs."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import time

from trail import parse_audit_log
from world import die_with_parent

LOCK_FILE = "/tmp/auditd.lock"
LIB = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "lib.sh")

_NETLINK_AUDIT = 9
_AUDIT_GET = 1000
_AUDIT_SET = 1001
_AUDIT_STATUS_ENABLED = 1
_AUDIT_TRUSTED_APP = 1121
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_NLMSG_ERROR = 2


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.005)


class Kernel:
    """The kernel's audit, over netlink."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_AUDIT)
        self._socket.settimeout(30)
        self._sequence = 0

    def _request(self, kind, flags, payload):
        self._sequence += 1
        length = 16 + len(payload)
        header = struct.pack("=IHHII", length, kind, _NLM_F_REQUEST | flags, self._sequence, 0)
        self._socket.sendto(header + payload, (0, 0))

    def status(self):
        self._request(_AUDIT_GET, 0, b"")
        while True:
            data = self._socket.recv(9000)
            _, kind, _, sequence, _ = struct.unpack_from("=IHHII", data)
            if kind == _AUDIT_GET and sequence == self._sequence:
                break
        fields = struct.unpack_from("=11I", data + b"\0" * 44, 16)
        names = ("mask", "enabled", "failure", "pid", "rate_limit", "backlog_limit", "lost")
        return dict(zip(names + ("backlog",), fields))

    def write(self, text):
        """Writes a user record and waits for the kernel's acknowledgement."""
        self._request(_AUDIT_TRUSTED_APP, _NLM_F_ACK, text.encode() + b"\0")
        self._acknowledged()

    def enable(self, on):
        """In less time than it takes to run auditctl."""
        status = struct.pack("=10I", _AUDIT_STATUS_ENABLED, int(on), *[0] * 8)
        self._request(_AUDIT_SET, _NLM_F_ACK, status)
        self._acknowledged()

    def _acknowledged(self):
        while True:
            data = self._socket.recv(9000)
            _, kind, _, sequence, _ = struct.unpack_from("=IHHII", data)
            if kind == _NLMSG_ERROR and sequence == self._sequence:
                break
        error = struct.unpack_from("=i", data, 16)[0]
        if error:
            raise OSError(-error, os.strerror(-error), "audit netlink")


class Auditd:
    """Started on entry unless one runs; everything is put back at the end."""

    def __init__(self, scratch):
        self.directory = os.path.join(scratch, "auditd")
        self.log = os.path.join(self.directory, "log", "audit.log")
        self.settings = os.path.join(scratch, "audit-settings")
        self.is_ours = False
        self._process = None
        self._lock = None
        self._kernel = None
        self._markers = 0

    @property
    def kernel(self):
        if self._kernel is None:
            self._kernel = Kernel()
        return self._kernel

    def _shell(self, command, *args):
        script = f'. "{LIB}"; {command} "$@"'
        subprocess.run(["bash", "-c", script, "bash", *args], check=True)

    def begin(self):
        # Nobody else's: /tmp is anybody's, and two audit daemons exclude each other.
        self._lock = os.open(LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.is_ours = not self._runs()
        if self.is_ours:
            self._shell("audit_settings_save", self.settings)
            self.configure()
            self.start()
        else:
            self.log = self._configured_log()

    def end(self):
        if self.is_ours:
            self.stop()
            self._shell("audit_settings_restore", self.settings)
        os.close(self._lock)

    def configure(self, **settings):
        """The configuration of the tests, with some settings changed; for the next start."""
        self._shell("write_auditd_config", self.directory)
        name = os.path.join(self.directory, "config", "auditd.conf")
        with open(name, encoding="utf-8") as config:
            text = config.read()
        for setting, value in settings.items():
            text, n = re.subn(f"(?m)^{setting} = .*$", f"{setting} = {value}", text)
            assert n == 1, setting
        with open(name, "w", encoding="utf-8") as config:
            config.write(text)

    def _runs(self):
        """The kernel goes on naming a daemon that was killed, until a record cannot be sent."""
        try:
            program = os.readlink(f"/proc/{self.kernel.status()['pid']}/exe")
            return os.path.basename(program) == "auditd"
        except FileNotFoundError:
            return False

    @staticmethod
    def _configured_log():
        with open("/etc/audit/auditd.conf", encoding="utf-8") as config:
            for line in config:
                key, _, value = line.partition("=")
                if key.strip() == "log_file":
                    return value.strip()
        return "/var/log/audit/audit.log"

    @property
    def pid(self):
        return self._process.pid if self._process else 0

    def start(self):
        assert self.is_ours and self._process is None
        self._process = subprocess.Popen(
            ["auditd", "-n", "-c", os.path.join(self.directory, "config")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        pid = self._process.pid
        wait_for(lambda: self._registered(pid), 10, "auditd does not register")
        subprocess.run(["auditctl", "-b", "8192"], check=True, stdout=subprocess.DEVNULL)

    def _registered(self, pid):
        if self._process.poll() is not None:
            raise RuntimeError(f"auditd ended with status {self._process.returncode}")
        status = self.kernel.status()
        return status["pid"] == pid and status["enabled"]

    def kill(self, number=signal.SIGKILL):
        """Ends it as a crash would."""
        assert self.is_ours
        self._process.send_signal(number)
        self._process.wait()
        self._process = None

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def ensure(self):
        """Back to a recording auditd, whatever a test did."""
        if self.is_ours:
            if self._process is not None and self._process.poll() is not None:
                self._process = None
            if self._process is None:
                self.start()
            subprocess.run(["auditctl", "-b", "8192"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["auditctl", "-D"], check=True, stdout=subprocess.DEVNULL)
            if not self.kernel.status()["enabled"]:
                self.enable(True)

    def enable(self, on):
        value = "1" if on else "0"
        subprocess.run(["auditctl", "-e", value], check=True, stdout=subprocess.DEVNULL)

    def position(self):
        """The log's length after everything recorded so far has arrived in it."""
        self._markers += 1
        marker = f"op=test-marker seqno={os.getpid()}-{self._markers}-"
        start = os.path.getsize(self.log)
        self.kernel.write(marker)
        found = marker.encode()
        deadline = time.monotonic() + 30
        with open(self.log, "rb") as log:
            log.seek(start)
            seen = b""
            while found not in seen:
                chunk = log.read()
                if chunk:
                    # The marker comes late in what was read; an overlap finds a split one.
                    seen = seen[-len(found):] + chunk
                elif time.monotonic() > deadline:
                    raise TimeoutError("a record written to audit does not arrive in the log")
                else:
                    time.sleep(0.0005)
        return os.path.getsize(self.log)

    def read(self, start, end):
        with open(self.log, "rb") as log:
            log.seek(start)
            return parse_audit_log(log.read(end - start))
