# SPDX-License-Identifier: Apache-2.0
"""Model files, good ones and their broken neighbours, as tables of rows:

    (name, bytes, format, sound, what the reason says)

Each broken file is a good one with one property changed. Standard library only."""

import io
import json
import pickle
import struct
import zipfile


# safetensors: huggingface/safetensors, README.md and src/tensor.rs

def entry(dtype="U8", shape=(4,), begin=0, end=4, **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def raw(header, data=b"\0\0\0\0", length=None):
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def st(members, data=4):
    return raw(json.dumps(members), bytes(data))


GOOD = '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8,
        "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16,
        "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
        "U64": 64}


def two(a, b, data=8):
    return st({"a": entry(begin=a[0], end=a[1], shape=[a[1] - a[0]]),
               "b": entry(begin=b[0], end=b[1], shape=[b[1] - b[0]])}, data)


def good_safetensors():
    yield "one", raw(GOOD)
    yield "nothing", raw("{}", b"")
    yield "padded", raw(GOOD + "   ")
    yield "blanks", raw(GOOD.replace(":", " :\t").replace(",", "\n,\r "))
    yield "metadata", st({"__metadata__": {"format": "pt", "": ""}, "a": entry()})
    yield "metadata-last", st({"a": entry(), "__metadata__": {"format": "pt"}})
    yield "metadata-empty", st({"__metadata__": {}, "a": entry()})
    yield "scalar", st({"a": entry(shape=[], end=1)}, 1)
    yield "no-bytes", st({"a": entry(shape=[0], end=0)}, 0)
    yield "zero-between", two((0, 4), (4, 4), 4)
    yield "two", two((0, 4), (4, 8))
    yield "order-is-free", two((4, 8), (0, 4))
    yield "escapes", raw(GOOD.replace('"a"', '"\\u0061\\"\\\\{}[],:"'))
    yield "unicode", raw(GOOD.replace('"a"', '"é€😀"'))
    yield "unicode-escaped", raw(GOOD.replace('"a"', '"\\ud83d\\ude00"'))
    yield "name-empty", raw(GOOD.replace('"a"', '""'))
    yield "unknown-member", st({"a": entry(note=[1, {"x": None}])})
    yield "deep-enough", st({"a": entry(note=json.loads("[" * 62 + "]" * 62))})
    yield "large-strings", st({"__metadata__": {"x": "y" * 5000000}, "a": entry()})
    yield "many-dimensions", st({"a": entry(shape=[1] * 2000, end=1)}, 1)
    for dtype, bits in BITS.items():
        yield "dtype-" + dtype, st({"a": entry(dtype, [4], 0, bits // 2)}, bits // 2)


def bad_safetensors():
    yield "cut-in-data", raw(GOOD)[:-1], "but 3 follow"
    yield "cut-in-header", raw(GOOD)[:-5], "but only"
    yield "byte-behind", raw(GOOD) + b"\0", "but 5 follow"
    yield "length-one-short", raw(GOOD, length=len(GOOD) - 1), "ends within a value|not JSON"
    yield "length-one-long", raw(GOOD, length=len(GOOD) + 1), "goes on behind"
    yield "length-zero", raw(GOOD, length=0), "not JSON"
    yield "length-over-100-MB", raw(GOOD, length=100000001), "more than 100000000"
    yield "length-all-ones", raw(GOOD, length=2**64 - 1), "more than 100000000"
    yield "length-sign-bit", raw(GOOD, length=2**63), "more than 100000000"
    yield "padded-newline", raw(GOOD + "\n"), "goes on behind"
    yield "padded-zero", raw(GOOD + "\0"), "goes on behind"
    yield "second-object", raw(GOOD + "{}"), "goes on behind"
    yield "not-closed", raw(GOOD[:-1]), "not JSON"
    yield "comma-last", raw(GOOD[:-1] + ",}"), "no name"
    yield "comma-first", raw("{," + GOOD[1:]), "no name"
    yield "comma-missing", raw(GOOD[:-1] + ' "b":' + GOOD[5:]), "not JSON"
    yield "colon-missing", raw(GOOD.replace('"a":', '"a"')), "not JSON"
    yield "single-quotes", raw(GOOD.replace('"', "'")), "not JSON"
    yield "name-number", raw(GOOD.replace('"a"', "1")), "not JSON"
    yield "name-twice", raw(GOOD[:-1] + "," + GOOD[1:]), "twice"
    yield "name-twice-escaped", raw(GOOD[:-1] + "," + GOOD[1:].replace('"a"', '"\\u0061"')), "twice"
    yield "key-twice", raw(GOOD.replace('"dtype"', '"dtype":"U8","dtype"')), "duplicate"
    yield "key-twice-unknown", raw(GOOD.replace('"dtype"', '"x":1,"x":2,"dtype"')), "duplicate"
    yield "metadata-twice", raw('{"__metadata__":{},"__metadata__":{},' + GOOD[1:]), "twice"
    yield "metadata-key-twice", raw('{"__metadata__":{"x":"","x":""},' + GOOD[1:]), "twice"
    yield "metadata-number", raw('{"__metadata__":{"x":1},' + GOOD[1:]), "not a string"
    yield "metadata-list", raw('{"__metadata__":["x"],' + GOOD[1:]), "not an object"
    yield "metadata-null", raw('{"__metadata__":null,' + GOOD[1:]), "not an object"
    yield "metadata-string-long", st({"__metadata__": {"x": "y" * 9000000}, "a": entry()}), "more than"
    yield "utf8-broken", raw(GOOD.encode().replace(b"a\"", b"\xff\"", 1)), "not JSON"
    yield "utf8-overlong", raw(GOOD.encode().replace(b"a\"", b"\xc0\xaf\"", 1)), "not JSON"
    yield "surrogate-alone", raw(GOOD.replace('"a"', '"\\ud83d"')), "not JSON"
    yield "control-character", raw(GOOD.replace('"a"', '"\x01"')), "not JSON"
    yield "escape-unknown", raw(GOOD.replace('"a"', '"\\x"')), "not JSON"
    yield "entry-list", raw('{"a":["U8",[4],[0,4]]}'), "not described by an object"
    yield "entry-null", raw('{"a":null}'), "not described by an object"
    yield "dtype-unknown", st({"a": entry("U9")}), "dtype"
    yield "dtype-lower", st({"a": entry("u8")}), "dtype"
    yield "dtype-number", st({"a": entry(8)}), "dtype"
    yield "dtype-missing", raw(GOOD.replace('"dtype":"U8",', "")), "dtype"
    yield "shape-missing", raw(GOOD.replace('"shape":[4],', "")), "shape"
    yield "shape-number", raw(GOOD.replace("[4]", "4")), "shape"
    yield "shape-negative", st({"a": entry(shape=[-4])}), "shape"
    yield "shape-two-negatives", st({"a": entry(shape=[-2, -2])}), "shape"
    yield "shape-real", raw(GOOD.replace("[4]", "[4.0]")), "shape"
    yield "shape-string", raw(GOOD.replace("[4]", '["4"]')), "shape"
    yield "shape-true", raw(GOOD.replace("[4]", "[4,true]")), "shape"
    yield "shape-other", st({"a": entry(shape=[5])}), "5 bytes by its shape"
    yield "shape-overflows", st({"a": entry(shape=[2**32, 2**32, 4])}), "overflows"
    yield "shape-overflows-to-4", st({"a": entry(shape=[2**62 + 1, 4])}), "overflows"
    yield "shape-bits-overflow", st({"a": entry("U64", shape=[2**61], end=0)}, 0), "overflows"
    yield "shape-too-big", raw(GOOD.replace("[4]", "[18446744073709551620]")), "not JSON"
    yield "offsets-missing", raw(GOOD.replace(',"data_offsets":[0,4]', "")), "data_offsets"
    yield "offsets-one", raw(GOOD.replace("[0,4]", "[4]")), "data_offsets"
    yield "offsets-three", raw(GOOD.replace("[0,4]", "[0,4,4]")), "data_offsets"
    yield "offsets-reversed", raw(GOOD.replace("[0,4]", "[4,0]")), "data_offsets"
    yield "offsets-negative", raw(GOOD.replace("[0,4]", "[-4,0]")), "data_offsets"
    yield "offsets-real", raw(GOOD.replace("[0,4]", "[0,4e0]")), "data_offsets"
    yield "offsets-behind-the-end", st({"a": entry(shape=[8], end=8)}), "but 4 follow"
    yield "offsets-huge", st({"a": entry(shape=[2**63 - 1], end=2**63 - 1)}), "overflows"
    yield "hole-first", st({"a": entry(begin=1, end=5)}, 5), "a hole"
    yield "hole-between", two((0, 4), (5, 9), 9), "a hole"
    yield "hole-last", two((0, 4), (4, 7)), "but 8 follow"
    yield "overlap", two((0, 4), (3, 7), 7), "they overlap"
    yield "same-bytes", two((0, 4), (0, 4), 4), "they overlap"
    yield "zero-within", two((0, 4), (2, 2), 4), "they overlap"
    yield "half-a-byte", st({"a": entry("F4", [3], 0, 2)}, 2), "end of a byte"
    yield "six-bits", st({"a": entry("F6_E2M3", [3], 0, 3)}, 3), "end of a byte"
    yield "too-deep", st({"a": entry(note=json.loads("[" * 64 + "]" * 64))}), "deeper"
    yield "entry-long", st({"a": entry(note="x" * 70000)}), "more than"


def safetensors():
    for name, data in good_safetensors():
        yield "safetensors/" + name, data, "safetensors", True, ""
    for name, data, reason in bad_safetensors():
        yield "safetensors/" + name, data, "safetensors", False, reason


# GGUF: ggml's docs/gguf.md

def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(value)) + value


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def tensor(name, lengths=(4,), kind=0, offset=0, n_dimensions=None):
    n = len(lengths) if n_dimensions is None else n_dimensions
    return (text(name) + struct.pack("<I", n) + b"".join(struct.pack("<Q", i) for i in lengths)
            + struct.pack("<IQ", kind, offset))


ARCHITECTURE = key("general.architecture", 8, text("llama"))


def gguf(keys=(ARCHITECTURE,), tensors=(tensor("t"),), data=32, version=3, n_tensors=None,
         n_keys=None, alignment=32, magic=b"GGUF"):
    head = magic + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors,
                               len(keys) if n_keys is None else n_keys)
    head += b"".join(keys) + b"".join(tensors)
    if tensors:
        head += bytes(-len(head) % alignment)
    return head + bytes(data)


def array(kind, n, values):
    return struct.pack("<IQ", kind, n) + values


def u32(n):
    return struct.pack("<I", n)


def ggufs():
    two_tensors = (tensor("a"), tensor("b", offset=32))
    rows = [
        ("one", gguf(), ""),
        ("version-2", gguf(version=2), ""),
        ("version-1", gguf(version=1), "another version"),
        ("version-4", gguf(version=4), "another version"),
        ("big-endian", gguf(version=0x03000000), "big-endian"),
        ("no-tensors", gguf(tensors=(), data=0), ""),
        ("no-tensors-but-data", gguf(tensors=(), data=64), "follow the last tensor"),
        ("last-not-padded", gguf(data=16), ""),
        ("last-cut", gguf(data=15), "tensors end at"),
        ("bytes-behind", gguf(data=33), "1 bytes follow"),
        ("two", gguf(tensors=two_tensors, data=64), ""),
        ("two-overlap", gguf(tensors=(tensor("a"), tensor("b")), data=64), "not at 32"),
        ("two-unaligned", gguf(tensors=(tensor("a"), tensor("b", offset=16)), data=64), "not at 32"),
        ("two-hole", gguf(tensors=(tensor("a"), tensor("b", offset=64)), data=96), "not at 32"),
        ("offset-first", gguf(tensors=(tensor("a", offset=32),), data=64), "not at 0"),
        ("offset-huge", gguf(tensors=(tensor("a", offset=2**64 - 32),)), "not at 0"),
        ("tensor-twice", gguf(tensors=(tensor("a"), tensor("a", offset=32)), data=64), "twice"),
        ("key-twice", gguf(keys=(ARCHITECTURE, ARCHITECTURE)), "twice"),
        ("key-empty", gguf(keys=(key("", 8, text("x")),)), "empty"),
        ("key-longest", gguf(keys=(key("k" * 65535, 8, text("x")),)), ""),
        ("key-too-long", gguf(keys=(key("k" * 65536, 8, text("x")),)), "the most is 65535"),
        ("key-lying", gguf(keys=(struct.pack("<Q", 2**63),)), "the most is 65535"),
        ("string-lying", gguf(keys=(key("k", 8, struct.pack("<Q", 2**63)),)), "ends within"),
        ("type-13", gguf(keys=(key("k", 13, b"\0" * 8),)), "no type 13"),
        ("bool", gguf(keys=(key("k", 7, b"\1"),)), ""),
        ("bool-2", gguf(keys=(key("k", 7, b"\2"),)), "truth value"),
        ("scalars", gguf(keys=tuple(key(f"k{i}", i, bytes(n)) for i, n in
                                    ((0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4),
                                     (10, 8), (11, 8), (12, 8)))), ""),
        ("array", gguf(keys=(key("k", 9, array(4, 3, bytes(12))),)), ""),
        ("array-strings", gguf(keys=(key("k", 9, array(8, 2, text("a") + text("b"))),)), ""),
        ("array-lying", gguf(keys=(key("k", 9, array(4, 2**62, bytes(12))),)), "ends within"),
        ("array-strings-lying", gguf(keys=(key("k", 9, array(8, 2**62, text("a"))),)),
         "ends within"),
        ("array-type-13", gguf(keys=(key("k", 9, array(13, 1, bytes(8))),)), "no type 13"),
        ("array-4-deep", gguf(keys=(key("k", 9, array(9, 1, array(9, 1, array(9, 1, array(
            0, 1, b"x"))))),)), ""),
        ("array-5-deep", gguf(keys=(key("k", 9, array(9, 1, array(9, 1, array(9, 1, array(
            9, 1, array(0, 1, b"x")))))),)), "nested deeper"),
        ("n-keys-lying", gguf(n_keys=2**40), "the most is"),
        ("n-keys-more", gguf(n_keys=3), "."),
        ("n-tensors-lying", gguf(n_tensors=2**40), "the most is"),
        ("n-tensors-more", gguf(n_tensors=3), "."),
        ("alignment-64", gguf(keys=(key("general.alignment", 4, u32(64)),), data=64,
                              alignment=64), ""),
        ("alignment-0", gguf(keys=(key("general.alignment", 4, u32(0)),)), "power of two"),
        ("alignment-48", gguf(keys=(key("general.alignment", 4, u32(48)),)), "power of two"),
        ("alignment-of-64-bits", gguf(keys=(key("general.alignment", 10, bytes(8)),)), "of type 10"),
        ("name-64", gguf(tensors=(tensor("n" * 64),)), ""),
        ("name-65", gguf(tensors=(tensor("n" * 65),)), "the most is 64"),
        ("dimensions-4", gguf(tensors=(tensor("t", (2, 2, 1, 1)),)), ""),
        ("dimensions-5", gguf(tensors=(tensor("t", (2, 2, 1, 1, 1)),)), "dimensions"),
        ("dimensions-lying", gguf(tensors=(tensor("t", n_dimensions=2**31),)), "dimensions"),
        ("lengths-overflow", gguf(tensors=(tensor("t", (2**33, 2**33)),)), "overflow"),
        ("bytes-overflow", gguf(tensors=(tensor("t", (2**62, 2)),)), "overflow"),
        ("length-lying", gguf(tensors=(tensor("t", (2**40,)),)), "behind the end"),
        ("type-unknown", gguf(tensors=(tensor("t", kind=99),)), "no type that is known"),
        ("type-removed", gguf(tensors=(tensor("t", kind=4),)), "no type that is known"),
        ("q4-0", gguf(tensors=(tensor("t", (32,), 2),)), ""),
        ("q4-0-half-a-block", gguf(tensors=(tensor("t", (16,), 2),)), "multiple of 32"),
        ("head-cut", gguf()[:20], "ends within"),
        ("magic-only", b"GGUF", "ends within"),
    ]
    for name, data, reason in rows:
        yield "gguf/" + name, data, "gguf", reason == "", reason
    yield "gguf/magic-lower", gguf(magic=b"gguf"), "unknown", False, "begins like no format"


# ONNX: onnx.proto, in protobuf's wire format

def varint(n):
    out = b""
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def message(field, *parts):
    body = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


def external(location, name="location"):
    return message(13, message(1, name), message(2, location)) + number(14, 1)


def onnx(*graph, head=number(1, 8), tail=b""):
    return head + message(2, "pytorch") + message(7, *graph) + message(8, number(2, 17)) + tail


def weight(*parts):
    return message(5, number(1, 4), number(2, 1), message(8, "w"), *parts)


def in_nodes(inner, depth):
    for _ in range(depth):
        inner = message(1, message(5, message(6, inner)))
    return inner


def onnxs():
    node = message(1, message(1, "x"), message(2, "y"), message(4, "Relu"))
    away = "not below the model's directory"
    rows = [
        ("one", onnx(node), ""),
        ("no-graph", number(1, 8) + message(2, "pytorch"), "no graph"),
        ("ir-version-0", onnx(node, head=number(1, 0)), "unknown"),
        ("graph-is-a-number", number(1, 8) + number(7, 1), "wire type 0, not 2"),
        ("cut", onnx(node)[:-1], "longer than what it is in"),
        ("byte-behind", onnx(node) + b"\xff", "no number"),
        ("field-0", onnx(node, tail=b"\x02\x00"), "no field 0"),
        ("group", onnx(node, tail=b"\x4b\x4c"), "wire type 3"),
        ("wire-type-7", onnx(node, tail=b"\x4f"), "wire type 7"),
        ("unknown-field", onnx(node, tail=message(99, "x") + number(98, 1)), ""),
        ("unknown-field-cut", onnx(node, tail=message(99, "x")[:-1]), "longer than"),
        ("number-of-11-bytes", onnx(node, tail=b"\x28" + b"\x80" * 10 + b"\x01"), "no number"),
        ("length-lying", number(1, 8) + b"\x3a" + varint(2**63) + b"x", "longer than"),
        ("length-in-length", onnx(b"\x0a\x7f"), "longer than"),
        ("weight", onnx(weight(message(9, b"\0" * 16))), ""),
        ("weight-data-is-a-number", onnx(weight(number(9, 1))), "wire type 0"),
        ("external", onnx(weight(external("weights.bin"))), ""),
        ("external-below", onnx(weight(external("data/..weights..bin"))), ""),
        ("external-absolute", onnx(weight(external("/etc/passwd"))), away),
        ("external-up", onnx(weight(external("../secret"))), away),
        ("external-up-within", onnx(weight(external("a/../../secret"))), away),
        ("external-up-last", onnx(weight(external("a/.."))), away),
        ("external-backslash", onnx(weight(external("a\\..\\..\\secret"))), away),
        ("external-drive", onnx(weight(external("c:secret"))), away),
        ("external-empty", onnx(weight(external(""))), away),
        ("external-zero-byte", onnx(weight(external("a\0b"))), away),
        ("external-long", onnx(weight(external("a" * 5000))), "too long"),
        ("external-offset", onnx(weight(external("/1", "offset"))), ""),
        ("external-last-value-counts", onnx(weight(message(13, message(2, "a"), message(
            1, "location"), message(2, "/b")))), away),
        ("external-last-key-counts", onnx(weight(message(13, message(1, "offset"), message(
            2, "/b"), message(1, "location")))), away),
        ("external-in-attribute", onnx(message(1, message(5, message(5, external("/a"))))), away),
        ("external-in-attributes", onnx(message(1, message(5, message(10, external("/a"))))), away),
        ("external-in-sparse", onnx(message(15, message(1, external("/a")))), away),
        ("external-in-sparse-indices", onnx(message(15, message(2, external("/a")))), away),
        ("external-in-attribute-sparse", onnx(message(1, message(5, message(22, message(
            1, external("/a")))))), away),
        ("external-in-subgraph", onnx(in_nodes(weight(external("/a")), 3)), away),
        ("external-in-function", onnx(node, tail=message(25, message(7, message(5, message(
            5, external("/a")))))), away),
        ("external-in-training", onnx(node, tail=message(20, message(2, weight(
            external("/a"))))), away),
        ("deep-enough", onnx(in_nodes(node, 20)), ""),
        ("too-deep", onnx(in_nodes(node, 30)), "nested deeper"),
        ("very-deep", onnx(in_nodes(node, 3000)), "nested deeper"),
    ]
    for name, data, reason in rows:
        if reason == "unknown":
            yield "onnx/" + name, data, "unknown", False, "begins like no format"
        else:
            yield "onnx/" + name, data, "onnx", reason == "", reason
    turned = message(7, node) + number(1, 8)
    yield "onnx/any-order", turned, "onnx", True, ""
    yield "onnx/any-order-cut", turned[:-1], "unknown", False, "begins like no format"


# What runs code

class Calls:
    """Unpickled, it would call print()."""

    def __reduce__(self):
        return print, ("called",)


def archive(members, method=zipfile.ZIP_STORED, before=b"", comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
        file.comment = comment
    return before + out.getvalue()


def numpy(descr, version=1):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}"
    header = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return (b"\x93NUMPY" + bytes([version, 0])
            + struct.pack("<H" if version == 1 else "<I", len(header)) + header + bytes(8))


OS_SYSTEM = b"cos\nsystem\n(S'true'\ntR."
# The second byte of the number of tensors is the opcode of a line, which the name ends.
MASKED = b"GGUF" + struct.pack("<IQQ", 3, 0x5600, 0) + text("\nxcos\nsystem\n(S'true'\ntR.")
TORCH = {"archive/data.pkl": pickle.dumps({}), "archive/data/0": bytes(16), "archive/version": b"3\n"}


def pickles():
    runs = "a pickle"
    for protocol in range(6):
        yield f"calls-{protocol}", pickle.dumps(Calls(), protocol), "pickle", runs
        yield f"plain-{protocol}", pickle.dumps([{"a": 1.5}, "x", (None, True)], protocol), "pickle", runs
    yield "os-system", OS_SYSTEM, "pickle", "'os.system'"
    yield "os-system-alone", OS_SYSTEM.replace(b"R", b""), "pickle", runs  # a whole pickle still
    yield "junk-behind", OS_SYSTEM + b"\0junk", "pickle", "'os.system'"
    yield "broken-behind-the-call", OS_SYSTEM[:-1] + b"\0", "pickle", "'os.system'"
    yield "broken-before-the-call", OS_SYSTEM.replace(b"(", b"\0"), "unknown", "no format"
    yield "inst", b"(S'true'\nios\nsystem\n.", "pickle", "'os.system'"
    yield "masked-by-a-line", b"Vharmless text\n0" + OS_SYSTEM, "pickle", "'os.system'"
    yield "masked-by-a-string", b"X" + u32(70000) + bytes(70000) + b"0" + OS_SYSTEM, "pickle", runs
    yield "masked-by-gguf", MASKED.replace(b"xcos", b"cos"), "pickle", "'os.system'"
    yield "masked-by-gguf-not", MASKED, "gguf", "."
    yield "protocol-6", b"\x80\x06" + pickle.dumps([], 2)[2:], "unknown", "no format"
    yield "legacy-torch", pickle.dumps(0x1950a86a20f9469cfc6c, 2) + pickle.dumps(1001, 2), "pickle", runs
    yield "truncated", pickle.dumps([1, 2, 3], 4)[:-3], "pickle", runs
    yield "torch", archive(TORCH), "pickle", "data.pkl"
    yield "torch-behind-bytes", archive(TORCH, before=b"\0" * 100), "pickle", "data.pkl"
    yield "torch-with-comment", archive(TORCH, comment=b"x" * 65535), "pickle", "data.pkl"
    yield "torch-other-name", archive({"weights": pickle.dumps(Calls())}), "pickle", "weights"
    yield "torch-compressed-name", archive(TORCH, zipfile.ZIP_DEFLATED), "pickle", "data.pkl"
    yield "zip-upper-case", archive({"X.PKL": b""}), "pickle", "X.PKL"
    yield "zip-no-pickle", archive({"a.txt": b"hello"}), "unknown", "no format"
    yield "zip-compressed", archive({"a": b"a" * 99}, zipfile.ZIP_DEFLATED), "compressed", "cannot be told"
    yield "zip-esc-in-name", archive({"\x1b[2J.pkl": b""}), "pickle", r"\\x1b\[2J"
    yield "numpy", numpy("'<f4'"), "unknown", "NumPy array, which is not"
    yield "numpy-objects", numpy("'|O'"), "pickle", "of objects"
    yield "numpy-objects-3", numpy("'|O'", 3), "pickle", "of objects"
    yield "numpy-objects-by-name", numpy("'object'"), "pickle", "of objects"
    yield "numpy-objects-escaped", numpy(r"'\x4f'"), "pickle", "of objects"
    yield "numpy-objects-in-fields", numpy("[('a', '<f4'), ('b', '|O')]"), "pickle", "of objects"
    yield "npz", archive({"a.npy": numpy("'<f4'")}), "unknown", "no format"
    yield "npz-objects", archive({"a.npy": numpy("'|O'")}), "pickle", "a.npy"
    yield "joblib-zlib", b"\x78\x9c" + b"\x01" * 20, "compressed", "zlib"
    yield "joblib-gzip", b"\x1f\x8b\x08" + bytes(20), "compressed", "gzip"
    yield "text", b"It is text.\nAnd more.\n", "unknown", "no format"
    yield "text-of-words", b"cat\ndog\nbird\nfish\n", "unknown", "no format"
    yield "text-in-brackets", b"(see below)\n", "unknown", "no format"
    yield "empty", b"", "unknown", "empty"
    yield "one-byte", b"\x80", "unknown", "no format"


def masks():
    """Sound, but an archive with a pickle by their end."""
    tail = archive(TORCH)
    yield "mask/safetensors", raw(GOOD.replace("4", str(len(tail))), tail), "pickle", "data.pkl"
    harmless = archive({"a.txt": b"x"})
    yield "mask/safetensors-not", raw(GOOD.replace("4", str(len(harmless))), harmless), "safetensors", ""
    yield "mask/onnx", onnx(weight(message(9, tail))) , "pickle", "data.pkl"


def rows():
    yield from safetensors()
    yield from ggufs()
    yield from onnxs()
    for name, data, kind, reason in pickles():
        yield "pickle/" + name, data, kind, False, reason
    for name, data, kind, reason in masks():
        yield name, data, kind, reason == "", reason


if __name__ == "__main__":
    import os
    import sys

    for row in rows():
        if len(row[1]) < 4096:
            path = os.path.join(sys.argv[1], row[0].replace("/", "-"))
            with open(path, "wb") as file:
                file.write(row[1])
