# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out: which requests of a program fail, told through a file that
nth_malloc.c shares with it."""

import mmap
import os
import struct

from guard import BUILD

LIBRARY = os.path.join(BUILD, "tests", "nth-malloc.so")
FOR_EVER = 1 << 62
_FORMAT = "=qqqq"  # calls, first and last that fail, how many have failed


class Faults:
    """Of one program, which is started under `prefix`."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(bytes(struct.calcsize(_FORMAT)))
        with open(path, "r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 0)
        self.environment = {"LD_PRELOAD": LIBRARY, "MALLOC_FAULTS": path}
        self.prefix = ["env"] + [f"{name}={value}" for name, value in self.environment.items()]

    def arm(self, first, count=1):
        """The n-th request from now on fails, and the next count - 1."""
        struct.pack_into("=qq", self._shared, 8, 0, 0)
        struct.pack_into("=q", self._shared, 0, 0)
        struct.pack_into("=q", self._shared, 24, 0)
        struct.pack_into("=qq", self._shared, 8, first, first + count - 1)

    def disarm(self):
        struct.pack_into("=qq", self._shared, 8, 0, 0)

    @property
    def calls(self):
        return struct.unpack_from("=q", self._shared, 0)[0]

    @property
    def failed(self):
        return struct.unpack_from("=q", self._shared, 24)[0]
