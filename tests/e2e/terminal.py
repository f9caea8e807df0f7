# SPDX-License-Identifier: Apache-2.0
"""A program in a terminal of its own, and someone who reads and types."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time

import world


class Terminal:
    """Starts a program as the leader of a session whose terminal is ours."""

    def __init__(self, *command, env=None, size=(24, 100)):
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.output = ""
        self._read = 0  # how much of it has been waited for

        def prepare():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            world.die_with_parent()

        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                                        env=dict(os.environ, TERM="xterm", **(env or {})),
                                        start_new_session=True, preexec_fn=prepare, cwd="/")
        os.close(theirs)

    def _more(self, seconds):
        """Reads what there is. Returns whether there may be more later."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self.output += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    def expect(self, text, seconds=20):
        """Waits until a text appears after what was waited for last. Returns what came before."""
        deadline = time.monotonic() + seconds
        while text not in self.output[self._read:]:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.output}"
            if not self._more(0.2):
                assert text in self.output[self._read:], f"no {text!r} in:\n{self.output}"
        at = self.output.index(text, self._read)
        before = self.output[self._read:at]
        self._read = at + len(text)
        return before

    def type(self, text):
        os.write(self._ours, text.encode())

    def end(self, seconds=20):
        """Waits for the end. Returns the exit status."""
        deadline = time.monotonic() + seconds
        while self._more(0.2):
            assert time.monotonic() < deadline, f"it does not end:\n{self.output}"
        return self.process.wait(seconds)

    def close(self):
        """Hangs up; kills what is left."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
