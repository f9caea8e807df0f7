# SPDX-License-Identifier: Apache-2.0
"""The goals that modelguard has set itself, and whether a benchmark shows that they are met."""

import report
from systems import PEERS

GUARD = "modelguard"

# workload, compared with (a system, or the fastest peer), at least
RATIOS = [
    ("read", "native", 0.95),
    ("read-second", "native", 0.95),
    ("mmap", "native", 0.95),
    ("mmap-second", "native", 0.95),
    ("load", "native", 0.95),
    ("load-second", "native", 0.95),
    ("open1", "watch", 1.0),
    ("open8", "watch", 1.5),
    ("open1-path", "watch", 1.0),
    ("open8-path", "watch", 1.5),
    ("open1", "bindfs", 1.0),
    ("open8", "bindfs", 1.0),
    ("write1m", "best peer", 1.0),
    ("write4k", "mergerfs", 1.0),
    ("stat", "native", 0.75),
    ("find-cold", "best peer", 1.0),
    ("find", "best peer", 1.0),
    ("ls-cold", "best peer", 1.0),
    ("ls", "best peer", 1.0),
    ("read-all-cold", "best peer", 1.0),
    ("read-all", "best peer", 1.0),
]

# of the memory measurement: what, at most, in words
LIMITS = [
    ("bytes_per_file", 250, "bytes of daemon memory a file"),
    ("descriptors", 1000, "descriptors more, open"),
]


def _verdict(text, measured, met):
    word = "not measured" if met is None else "met" if met else "MISSED"
    return {"text": text, "measured": measured, "verdict": word}


def _ratio(bench, name, base, least):
    result = bench.results.get(name)
    words = {"watch": "native with auditd's watch", "best peer": "the best peer"}
    text = f"{report.whole_title(name)}: at least {least} of {words.get(base, base)}"
    if result is None:
        return _verdict(text, "-", None)
    other = result.best(PEERS) if base == "best peer" else base
    ratio = result.ratio(GUARD, other) if other else None
    if ratio is None:
        return _verdict(text, "-", None)
    named = f" ({other})" if base == "best peer" else ""
    return _verdict(text, report.short(ratio) + named, ratio >= least)


def _memory(bench):
    measured = bench.memory.get(GUARD)
    verdicts = []
    for key, most, words in LIMITS:
        value = measured and measured[key]
        text = f"memory: at most {most} {words}"
        verdicts.append(_verdict(text, f"{value:.0f}" if measured else "-",
                                 value <= most if measured else None))
    grown = measured and measured["after"] - measured["before"]
    left = measured and measured["forgotten"] - measured["before"]
    verdicts.append(_verdict("memory: given back when the kernel forgets, all but a quarter",
                             f"{left / max(grown, 1):.2f} left" if measured else "-",
                             left <= grown / 4 if measured else None))
    return verdicts


def judge(bench):
    return [_ratio(bench, *row) for row in RATIOS] + _memory(bench)
