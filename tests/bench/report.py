# SPDX-License-Identifier: Apache-2.0
"""What the benchmark prints, and the numbers behind it."""

import statistics

from workloads import WORKLOADS


class Result:
    """The rounds of one workload: in each, a rate of every system that has one."""

    def __init__(self, workload):
        self.workload = workload
        self.rounds = []
        self.void = []
        self.given_up = set()

    def rates(self, system):
        return [r[system] for r in self.rounds if r.get(system)]

    def ratios(self, system, base="native"):
        """Round by round, so that what slows a whole round down cancels out."""
        return [r[system] / r[base] for r in self.rounds if r.get(system) and r.get(base)]

    def ratio(self, system, base="native"):
        ratios = self.ratios(system, base)
        return statistics.median(ratios) if ratios else None

    def best(self, systems):
        """The name and median rate of the fastest of some systems."""
        medians = [(statistics.median(self.rates(name)), name)
                   for name in systems if self.rates(name)]
        return max(medians)[1] if medians else None

    def as_json(self):
        names = sorted({name for one_round in self.rounds for name in one_round})
        ratios = {name: self.ratios(name) for name in names}
        return {
            "title": self.workload.title,
            "unit": self.workload.unit,
            "rates": {name: self.rates(name) for name in names},
            "ratio_to_native": {
                name: {"median": statistics.median(r), "min": min(r), "max": max(r)}
                for name, r in ratios.items() if r
            },
            "void": self.void,
        }


def short(value):
    """Two digits that matter."""
    if value >= 0.1:
        return f"{value:.2f}"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"


def native_text(result):
    rates = result.rates("native")
    if not rates:
        return "-"
    rate = statistics.median(rates)
    unit = result.workload.unit
    if rate >= 1_000_000:
        return f"{rate / 1e6:.1f} M{unit if unit.startswith('/') else ' ' + unit}"
    return f"{rate:,.0f}{unit if unit.startswith('/') else ' ' + unit}"


def whole_title(name):
    """A workload's title where it does not stand below the one that it is like."""
    titles = {w.name: w.title for w in WORKLOADS}
    if titles[name].startswith("the same"):
        return titles[name.rsplit("-", 1)[0]] + titles[name].removeprefix("the same")
    return titles[name]


class Rows:
    """The table of ratios, a row as soon as it is known."""

    TITLE = 29
    NATIVE = 18
    COLUMN = 15

    def __init__(self, systems):
        self._systems = [s for s in systems if s.name != "native"]

    def header(self):
        print("\nRatios to native, higher is better: the median, and how far the rounds spread.")
        line = f"{'':{self.TITLE}}{'native':>{self.NATIVE}}"
        print(line + "".join(f"{s.label:>{self.COLUMN}}" for s in self._systems))

    def row(self, result):
        workload = result.workload
        line = f"{workload.title:{self.TITLE}}{native_text(result):>{self.NATIVE}}"
        for system in self._systems:
            ratios = result.ratios(system.name)
            text = "-"
            if ratios:
                text = short(statistics.median(ratios))
                if len(ratios) > 1:
                    text += f" ±{short((max(ratios) - min(ratios)) / 2)}"
            line += f"{text:>{self.COLUMN}}"
        print(f"{line}   {len(result.rounds)} round{'s' if len(result.rounds) > 1 else ''}",
              flush=True)


def introduction(bench, machine):
    sizes = bench.sizes
    print(f"Linux {machine['kernel']}, {machine['cpus']} cores, "
          f"{machine['memory'] / 2**30:.0f} GiB; a model of {sizes.model >> 20} MiB, "
          f"{sizes.small_files:,} small files, {sizes.tree_files:,} files in "
          f"{sizes.tree[0]:,} directories. auditd runs all the time; its log is flushed as "
          "Debian's configuration has it.")
    print("All is run by a user who holds a role, not by root. Mounted as:")
    for system in bench.systems:
        if system.options:
            print(f"  {system.label:15} {system.options}")


def memory_header():
    print("\nMemory of the daemon after find -ls over many files, on a tmpfs.")
    print(f"{'':17}{'files':>11}{'bytes a file':>14}{'grew by':>12}{'after forget':>14}"
          f"{'descriptors':>13}{'took':>9}")


def memory_row(system, memory):
    grown = memory["after"] - memory["before"]
    left = memory["forgotten"] - memory["before"]
    print(f"{system.label:17}{memory['files']:>11,}{memory['bytes_per_file']:>14.0f}"
          f"{grown / 2**20:>8.0f} MiB{left / 2**20:>10.0f} MiB"
          f"{memory['descriptors']:>13,}{memory['seconds']:>7.1f} s",
          flush=True)


def closing(bench, verdicts):
    print("\nTargets (issue 3)")
    for verdict in verdicts:
        print(f"  {verdict['verdict']:12} {verdict['text']}: {verdict['measured']}")
    void = sum(len(result.void) for result in bench.results.values())
    records = f"{bench.trail.total:,} records of modelguard counted in auditd's log"
    print(f"\n{records}, " + (f"{void} runs void" if void else "no run void"))
    for note in bench.notes:
        print(f"  ! {note}")
