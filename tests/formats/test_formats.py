# SPDX-License-Identifier: Apache-2.0
"""modelguardctl inspect, on the tables of make.py and on hostile files: test_formats.py CTL.

Where python3-safetensors is installed, its verdict must be the same."""

import json
import os
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time

import make

MEMORY = 160 << 20  # of address space: 128 MiB, and the program with its libraries
SECONDS = 20        # of the processor, for one hostile file; most take less than one
PATIENCE = 200      # on the clock, on a busy machine
ADDRESS_SANITIZER = "--sanitized" in sys.argv  # which reserves terabytes of address space

# Where this checker is stricter than the reference, as the format's description or issue says.
STRICTER = {"padded-newline", "name-twice", "name-twice-escaped", "key-twice-unknown",
            "metadata-twice", "metadata-key-twice", "metadata-null", "metadata-string-long",
            "entry-list", "entry-long", "too-deep"}


def limits():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def inspect(ctl, *paths):
    """(exit status, verdicts, seconds)"""
    begin = time.monotonic()
    said = subprocess.run([ctl, "inspect", "--json", *paths], capture_output=True, check=False,
                          timeout=PATIENCE, text=True,
                          preexec_fn=None if ADDRESS_SANITIZER else limits)
    assert not said.stderr, said.stderr
    answer = json.loads(said.stdout)
    assert answer["sound"] == (said.returncode == 0)
    return said.returncode, answer["files"], time.monotonic() - begin


def check_rows(ctl, directory):
    rows = list(make.rows())
    paths = []
    for name, data, *_ in rows:
        paths.append(os.path.join(directory, name.replace("/", "-")))
        with open(paths[-1], "wb") as file:
            file.write(data)
    assert len(set(paths)) == len(rows)
    _, verdicts, _ = inspect(ctl, *paths)
    wrong = 0
    for (name, _, kind, sound, reason), verdict in zip(rows, verdicts, strict=True):
        if ((verdict["format"], verdict["sound"]) != (kind, sound)
                or not re.search(reason, verdict["reason"])
                or sound != (verdict["reason"] == "") or not verdict["reason"].isascii()):
            wrong += 1
            print(f"FAILED {name}: {verdict}, not {kind}, {sound}, {reason!r}")
    for path, (_, _, _, sound, _) in zip(paths, rows):
        os.unlink(path) if not sound else None
    print(f"{len(rows)} files, {wrong} wrong")
    status, verdicts, _ = inspect(ctl, *[path for path in paths if os.path.exists(path)])
    assert status == 0 and all(verdict["sound"] for verdict in verdicts)
    return wrong


def check_reference():
    try:
        from safetensors import deserialize
    except ImportError:
        print("python3-safetensors is not installed: not compared")
        return 0
    wrong = 0
    for name, data, _, sound, _ in make.safetensors():
        try:
            deserialize(data)
            theirs = True
        except Exception:  # its own class
            theirs = False
        if theirs != sound and name.split("/")[1] not in STRICTER:
            wrong += 1
            print(f"FAILED {name}: the reference says {theirs}")
    return wrong


def headers():
    """Headers of 100 MB, as pieces that are repeated."""
    n = 100000000
    yield "brackets", b'{"a":', b"[", b"", n
    yield "braces", b"", b'{"a":', b"", n
    yield "blanks", b"{", b" ", b"}", n
    yield "padding", b"{}", b" ", b"", n
    yield "name-without-end", b'{"', b"a", b"", n
    yield "string-without-end", b'{"__metadata__":{"a":"', b"a", b"", n
    yield "backslashes", b'{"', b"\\", b"", n


def numbered(piece, n):
    return b",".join(piece % i for i in range(n))


def hostile(directory):
    def write(name, *pieces, size=None):
        path = os.path.join(directory, name)
        with open(path, "wb") as file:
            for piece in pieces:
                file.write(piece)
            if size is not None:
                file.truncate(size)
        return path

    for name, first, piece, last, n in headers():
        middle = piece * ((n - len(first) - len(last)) // len(piece))
        length = struct.pack("<Q", len(first) + len(middle) + len(last))
        yield write("safetensors-" + name, length, first, middle, last)
    small = b'"%d":{"dtype":"U8","shape":[],"data_offsets":[%%d,%%d]}'
    for n in (1000000, 1000001):
        header = b"{" + b",".join(small % i % (i, i + 1) for i in range(n)) + b"}"
        yield write(f"safetensors-tensors-{n}", struct.pack("<Q", len(header)), header, bytes(n))
    header = b'{"__metadata__":{' + numbered(b'"%d":""', 7600000) + b"}}"
    yield write("safetensors-metadata", struct.pack("<Q", len(header)), header)
    header = b'{"__metadata__":{' + numbered(b'"%d":""', 1000000) + b"}}"
    yield write("safetensors-metadata-most", struct.pack("<Q", len(header)), header)
    entry = b'{"dtype":"U8","shape":[' + b"0," * 30000 + b'0],"data_offsets":[0,0]}'
    header = b"{" + b",".join(b'"%d":%s' % (i, entry) for i in range(1500)) + b"}"
    yield write("safetensors-shapes", struct.pack("<Q", len(header)), header)
    giant = 1 << 42
    yield write("safetensors-sparse", make.raw(make.GOOD), size=giant)
    yield write("safetensors-zeros", struct.pack("<Q", 100000000), b"{", size=giant)
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + make.text("k")
    yield write("gguf-strings", head, make.u32(9), struct.pack("<IQ", 8, 1 << 60), size=giant)
    yield write("gguf-arrays", head, make.u32(9), struct.pack("<IQ", 9, 1 << 60), size=giant)
    yield write("gguf-keys", b"GGUF" + struct.pack("<IQQ", 3, 0, 1000000), size=giant)
    yield write("gguf-tensors", b"GGUF" + struct.pack("<IQQ", 3, 1000000, 0), size=giant)
    yield write("onnx-fields", b"\x08\x08\x3a", make.varint(200000000), b"\x0a\x00" * 100000000)
    yield write("onnx-giant", make.onnx(), size=giant)
    yield write("pickle-line", b"V", b"a" * 50000000)
    yield write("pickle-opcodes", b"N" * 50000000)
    yield write("pickle-sparse", b"X" + make.u32(1 << 31), size=1 << 33)
    yield write("zip-ends", b"PK\5\6" * 30000)
    yield write("zip-many", make.archive({str(i): b"P" for i in range(20001)}))
    yield write("zip-lines", make.archive({str(i): b"V" + b"a" * 9000 for i in range(5000)}))
    yield write("zeros", size=giant)


SOUND = {"safetensors-blanks", "safetensors-padding", "safetensors-tensors-1000000",
         "safetensors-metadata-most", "safetensors-shapes"}


def check_hostile(ctl, directory):
    wrong = 0
    for path in hostile(directory):
        name = os.path.basename(path)
        status, (verdict,), seconds = inspect(ctl, path)
        if (status, verdict["sound"]) != ((0, True) if name in SOUND else (1, False)):
            wrong += 1
            print("FAILED", end=" ")
        print(f"{name}: {seconds:.1f} s: {verdict['reason'][:90]}")
        os.unlink(path)
    return wrong


def main():
    ctl = sys.argv[1]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        wrong = check_rows(ctl, directory) + check_reference()
        if not ADDRESS_SANITIZER:
            wrong += check_hostile(ctl, directory)
    sys.exit(1 if wrong else 0)


main()
