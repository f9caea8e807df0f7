# SPDX-License-Identifier: Apache-2.0
"""Records of the trail, from auditd's log or from JSON lines, as plain dictionaries.

Every value is text (undecodable bytes as surrogates); numbers stay decimal text in both
forms. A record's own type is under "type", the fields that the kernel and libaudit add to
it under "kernel" and "sender"."""

import json
import re

# Fields whose values come from users and may therefore be encoded as hex.
_ENCODED = {
    "acct", "comm", "exe", "path", "name", "xattr", "grole", "zone", "rule", "reason",
    "hash", "old-hash", "io", "note", "grantee",
}
_TYPES = {b"DAC_CHECK", b"USYS_CONFIG", b"TRUSTED_APP"}
_JSON_TYPES = {
    "decision": "DAC_CHECK",
    "config": "USYS_CONFIG",
    "lifecycle": "TRUSTED_APP",
}
_HEADER = re.compile(rb"type=(\S+) msg=audit\((\d+)\.(\d+):(\d+)\): (.*)", re.DOTALL)
_TOKEN = re.compile(rb'([A-Za-z0-9_-]+)=("[^"]*"|[^" ]*)(?: |$)')
_HEX = re.compile(rb"(?:[0-9A-F]{2})+\Z")
# What libaudit appends to a user message, in this order.
_APPENDED = ("exe", "hostname", "addr", "terminal", "res")


class MalformedRecord(AssertionError):
    pass


def _decode(name, raw):
    if raw.startswith(b'"'):
        raw = raw[1:-1]
    elif name in _ENCODED and raw not in (b"?", b"(null)"):
        if not _HEX.match(raw):
            raise MalformedRecord(f"{name}={raw!r} is neither quoted nor hex")
        raw = bytes.fromhex(raw.decode())
    return raw.decode(errors="surrogateescape")


def parse_fields(text):
    """The fields of a message, in order, as (name, value) pairs; every byte must belong to one."""
    fields = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise MalformedRecord(f"not a field: {text[position:]!r} in {text!r}")
        fields.append((token[1].decode(), token[2]))
        position = token.end()
    return fields


def parse_line(line):
    """One line of auditd's log; None if it is not of a type that the guard writes."""
    header = _HEADER.match(line)
    if header is None or header[1] not in _TYPES:
        return None
    body = header[5].split(b"\x1d")[0]
    start = body.find(b"msg='")
    if start < 0 or not body.endswith(b"'"):
        raise MalformedRecord(f"no message in {line!r}")
    text = body[start + 5:-1]
    # Nobody's act: the marks of the tests, and the guard trying whether records arrive.
    if text.startswith((b"op=test-marker", b"op=wake ")):
        return None
    if b"'" in text:
        raise MalformedRecord(f"a quote inside the message: {line!r}")
    fields = parse_fields(text)
    if tuple(name for name, _ in fields[-len(_APPENDED):]) != _APPENDED:
        raise MalformedRecord(f"libaudit's fields are not the last ones: {text!r}")
    record = {"type": header[1].decode(), "text": text.decode(errors="surrogateescape")}
    record["kernel"] = {
        name: _decode("", value) for name, value in parse_fields(body[:start].strip())
    }
    record["sender"] = {
        name: _decode(name, value) for name, value in fields[-len(_APPENDED):-1]
    }
    for name, value in fields[:-len(_APPENDED)] + fields[-1:]:
        if name in record:
            raise MalformedRecord(f"{name} twice in {text!r}")
        record[name] = _decode(name, value)
    record["time"] = float(header[2] + b"." + header[3])
    record["serial"] = int(header[4])
    return record


def _bytes(text):
    return text.encode(errors="surrogateescape")


def join_parts(records):
    """Records that were too long come in parts with the same seqno: joined to one."""
    joined = []
    open_parts = {}
    for record in records:
        if "part" not in record:
            joined.append(record)
            continue
        key = record["seqno"]
        number, total = record["part"].split("/")
        if key in open_parts:
            whole = open_parts[key]
            for name, value in record.items():
                if name not in whole:
                    whole[name] = value
                elif name in _ENCODED:
                    # A long value goes on where the part before ended, maybe inside a character.
                    whole[name] = _bytes(whole[name] + value).decode(errors="surrogateescape")
        else:
            whole = open_parts[key] = dict(record)
            joined.append(whole)
        if number == total:
            whole.pop("part")
            del open_parts[key]
    if open_parts:
        raise MalformedRecord(f"parts are missing: {list(open_parts.values())}")
    return joined


def parse_audit_log(data):
    records = []
    for line in data.split(b"\n"):
        if line:
            record = parse_line(line)
            if record is not None:
                records.append(record)
    return join_parts(records)


def _plain(value):
    if value is None:
        return "?"
    return value if isinstance(value, str) else str(value)


def parse_json_log(data):
    records = []
    for line in data.split(b"\n"):
        if not line:
            continue
        raw = json.loads(line)
        record = {"text": line.decode()}
        raw["type"] = _JSON_TYPES[raw["type"]]
        for name, value in raw.items():
            if name.endswith("_hex"):
                name = name[:-4]
                value = bytes.fromhex(value).decode(errors="surrogateescape")
            record[name] = _plain(value)
        records.append(record)
    return records


def brief(record):
    """One line for the message of a failed test."""
    shown = ("type", "op", "acct", "fsuid", "path", "name", "zone", "grole", "rule",
             "errno", "reason", "note", "off", "len", "count", "res")
    return " ".join(f"{name}={record[name]!r}" for name in shown if name in record)


def brief_all(records):
    return "\n".join("  " + brief(record) for record in records) or "  (none)"
