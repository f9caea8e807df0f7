# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark; scripts/bench starts it in a private mount namespace."""

import argparse
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import chart  # noqa: E402
import report  # noqa: E402
import systems as systems_module  # noqa: E402
import targets  # noqa: E402
import workloads as workloads_module  # noqa: E402
import world  # noqa: E402

FULL_SECONDS = 470
QUICK_SECONDS = 47
RUN_SECONDS = 240
MEMORY = "memory"
MEMORY_COST = 35


class Trail:
    """auditd's log, read once and in order, and the sequence of the guard's records in it."""

    def __init__(self, auditd):
        self._auditd = auditd
        self._offset = 0
        self._lost = 0
        self._first = self._last = None
        self._count = 0
        self.total = 0

    def take(self):
        """The text that came since the last call; what is recorded until now is included."""
        end = self._auditd.position()
        with open(self._auditd.log, "rb") as log:
            log.seek(self._offset)
            text = log.read(end - self._offset)
        self._offset = end
        numbers = set(map(int, re.findall(rb" seqno=(\d+) ", text)))
        if numbers:
            self._first = min(numbers) if self._first is None else self._first
            self._last = max(numbers) if self._last is None else max(self._last, *numbers)
            self._count += len(numbers)
            self.total += len(numbers)
        return text

    def lost(self):
        """How many records the kernel has lost since the last call."""
        before, self._lost = self._lost, self._auditd.kernel.status()["lost"]
        return self._lost - before

    def missing(self):
        """How many of the guard's sequence numbers never arrived. What it records after a
        program has ended (the release of a file) may come a moment later."""
        for _ in range(10):
            if self._first is None or self._last - self._first + 1 == self._count:
                return 0
            time.sleep(0.05)
            self.take()
        return self._last - self._first + 1 - self._count

    def new_sequence(self):
        """The next record of the guard is not the successor of the last one."""
        self.take()
        self._first = self._last = None
        self._count = 0

    def empty(self):
        """Only between runs: auditd appends."""
        self.take()
        os.truncate(self._auditd.log, 0)
        self._offset = 0


# Which records of the guard each number of the C program stands for.
_RECORDS = {
    "open": (b"op=open-read ", b"op=open-write "),
    "create": (b"op=create ",),
    "write": (b"op=write ",),
    "unlink": (b"op=unlink ",),
}


def guard_complaint(result, text):
    """Whether the guard's records of a run are those of what was done."""
    for kind, words in _RECORDS.items():
        found = sum(text.count(word) for word in words)
        if found != result[kind]:
            return f"{result[kind]} times {kind}, but {found} records"
    return None


class Bench:
    def __init__(self, options, scratch, auditd):
        self.options = options
        self.scratch = scratch
        self.auditd = auditd
        self.trail = Trail(auditd)
        self.sizes = None
        self.systems = []
        self.workloads = []
        self.source = None
        self.started = time.monotonic()
        self.seconds = QUICK_SECONDS if options.quick else FULL_SECONDS
        self.results = {}
        self.memory = {}
        self.notes = []
        self.dropped_guard = False
        self._serial = 0
        self._warmed = set()
        self.walked = {}

    # For the workloads

    def as_user(self, *command):
        done = world.run_as(workloads_module.USER, *command, seconds=RUN_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip()
                               else f"status {done.returncode}")
        return done.stdout

    def work(self, *arguments):
        program = os.path.join(self.scratch, "workload")
        return json.loads(self.as_user(program, *map(str, arguments)))

    def make(self, *arguments):
        self.as_user(os.path.join(self.scratch, "workload"), *map(str, arguments))

    def fresh_name(self, system):
        self._serial += 1
        return system.path("work", system.name, f"run-{self._serial}")

    def count_from_here(self):
        """What a workload has done to prepare is none of its records."""
        self.trail.take()

    def own_directory(self, path):
        os.makedirs(path)
        os.chmod(path, 0o755)
        user = workloads_module.USER
        os.chown(path, world.uid_of(user), world.gid_of(user))

    # Set-up

    def prepare(self):
        options = self.options
        names = options.systems or (systems_module.QUICK_SYSTEMS if options.quick
                                    else systems_module.ALL_SYSTEMS)
        self.sizes = workloads_module.Sizes(options.quick, available_memory(), len(names))
        self.workloads = [w for w in workloads_module.WORKLOADS
                          if not options.only or w.name in options.only]
        self.sealed, self.source, self.systems, skipped = systems_module.make_systems(
            self.scratch, self.auditd, names)
        for name, reason in skipped.items():
            self.note(f"{name}: skipped, {reason}")
        needs = {w.needs for w in self.workloads}
        begin = time.monotonic()
        print("making files ...", end=" ", flush=True)
        workloads_module.make_data(self, self.source, needs)
        for system in self.systems:
            self.own_directory(os.path.join(self.source, "work", system.name))
        os.chmod(os.path.join(self.source, "work"), 0o755)
        os.sync()
        print(f"{time.monotonic() - begin:.0f} s", flush=True)
        for system in list(self.systems):
            self._start(system)

    def measures_memory(self):
        return not self.options.only or MEMORY in self.options.only

    def _start(self, system):
        try:
            system.start()
            self.as_user("ls", system.path("work"))
        except Exception as error:
            self._drop(system, f"could not be started: {error}")

    def _drop(self, system, reason):
        self.note(f"{system.name}: did not survive, {reason}")
        self.systems.remove(system)
        self.dropped_guard |= system.is_guard
        system.stop()

    def note(self, text):
        self.notes.append(text)
        print(f"  ! {text}", flush=True)

    def stop(self):
        for system in self.systems:
            system.stop()

    # Running

    def run(self):
        groups = self._groups()
        rows = report.Rows(self.systems)
        rows.header()
        memory_cost = self._cost([], MEMORY_COST) if self.measures_memory() else 0
        while groups:
            cost = sum(map(self._cost, groups)) + memory_cost
            group = groups.pop(0)
            share = self.time_left() * self._cost(group) / cost
            for result in self._rounds(group, share):
                self.results[result.workload.name] = result
                rows.row(result)
            self.trail.empty()
        if self.measures_memory():
            self._measure_memories()

    def _groups(self):
        """What a cold run has warmed is measured warm at once, before it is forgotten."""
        groups = []
        for workload in self.workloads:
            if groups and groups[-1][-1].name == f"{workload.name}-cold":
                groups[-1].append(workload)
            else:
                groups.append([workload])
        return groups

    def _cost(self, group, more=0):
        """With less of everything, what is long otherwise is hardly longer than the rest."""
        costs = [workload.cost for workload in group] + [more]
        return sum(min(cost, 4) for cost in costs) if self.options.quick else sum(costs)

    def time_left(self):
        return self.seconds - (time.monotonic() - self.started)

    def _rounds(self, group, share):
        """A B C, A B C, ...: as many rounds as asked for, or as fit in a share of the time."""
        results = [report.Result(workload) for workload in group]
        begin = time.monotonic()
        self._warm(group[0])
        slowest = 0
        for _ in range(self.options.repeat):
            round_begin = time.monotonic()
            measured = [{} for _ in group]
            for system in list(self.systems):
                for i, workload in enumerate(group):
                    if system in self.systems:
                        measured[i][system.name] = self._one(workload, system, results[i])
            for result, rates in zip(results, measured):
                result.rounds.append(rates)
            now = time.monotonic()
            slowest = max(slowest, now - round_begin)
            if now - begin + slowest > share:
                break
        return results

    def _warm(self, workload):
        """Before the first round: the page caches, the source's and what a system itself
        keeps; and the memory that a first write takes from the kernel."""
        if workload.cold:
            return
        if workload.needs not in workloads_module.DATA:
            for system in self.systems[:1]:
                self._unmeasured(workload, system)
            return
        for system in self.systems:
            if (system.name, workload.needs) not in self._warmed:
                self._warmed.add((system.name, workload.needs))
                self._read_through(system, workload.needs)

    def _read_through(self, system, name):
        command = 'find "$1" -type f -size +0 -print0 | xargs -0 cat >/dev/null'
        try:
            self.as_user("sh", "-c", command, "sh", system.path(name))
        except (RuntimeError, subprocess.TimeoutExpired):
            pass  # what is measured fails as well, and tells

    def _unmeasured(self, workload, system):
        try:
            measured = workload.run(self, system)
            if isinstance(measured, tuple):
                self.as_user(*measured[1])
        except (RuntimeError, subprocess.TimeoutExpired):
            pass  # as above

    def _one(self, workload, system, result):
        """One run of one system: its rate, or None if it failed or is void."""
        cleaning = None
        if system.name in result.given_up:
            return None
        try:
            system.begin_run()
            self.trail.take()
            self.trail.lost()
            if workload.cold:
                self.walked.clear()
                drop_caches()
            try:
                measured = workload.run(self, system)
                if isinstance(measured, tuple):
                    measured, cleaning = measured
            finally:
                system.end_run()
            complaint = self._complaint(system, measured, self.trail.take())
            if cleaning:
                self.as_user(*cleaning)
            if complaint:
                result.void.append(f"{system.name}: {complaint}")
                self.note(f"{workload.name}, {system.name}: a run is void: {complaint}")
                return None
            return measured["work"] / measured["seconds"]
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            self.note(f"{workload.name}, {system.name}: failed: {error}")
            result.given_up.add(system.name)
            self.trail.new_sequence()
            if system.trouble():
                self._drop(system, system.trouble())
            return None

    def _complaint(self, system, measured, text):
        if system.is_guard:
            missing = self.trail.missing()
            if missing:
                self.trail.new_sequence()
                return f"{missing} records are missing from the sequence"
            return guard_complaint(measured, text)
        if system.name == "watch":
            done = measured["open"] + measured["create"] + measured["unlink"]
            found = text.count(b'key="' + systems_module.WATCH_KEY.encode() + b'"')
            # The kernel's own records are lost silently; then it was not as fast as it seems.
            lost = self.trail.lost()
            if found < done or lost:
                return f"{done} accesses, but {found} records, {lost} lost"
        return None

    def _measure_memories(self):
        """On a tmpfs that covers the source: a disk takes minutes to make and to remove as
        many files."""
        for system in self.systems:
            system.stop()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,nr_inodes=0", "tmpfs",
                        self.sealed], check=True)
        systems_module.bind(self.sealed, self.source)
        for system in self.systems:
            self.own_directory(os.path.join(self.source, "work", system.name))
        self.own_directory(os.path.join(self.source, "many"))
        self.make("make-tree", os.path.join(self.source, "many"), *self.sizes.many, 0)
        report.memory_header()
        for system in [s for s in self.systems if s.is_fuse]:
            self._measure_memory(system)
        subprocess.run(["umount", self.source, self.sealed], check=True)

    def _measure_memory(self, system):
        """What the daemon needs for each file that the kernel knows of."""
        try:
            system.start()
            self.trail.new_sequence()
            self.as_user("ls", system.path("work"))
            drop_caches()
            before, descriptors = system.memory(), system.descriptors()
            begin = time.monotonic()
            # The peers' share of the time is small; what counts is memory for each file.
            most = 200 if system.is_guard else 6
            find = ("find", system.path("many"), "-ls")
            walked = int(self.work("run", "/", most, workloads_module.EVERYTHING, *find)["work"])
            seconds = time.monotonic() - begin
            after, descriptors_after = system.memory(), system.descriptors()
            drop_caches()
            forgotten = settled(system.memory)
            self.trail.take()
            if system.is_guard and self.trail.missing():
                self.note(f"memory, {system.name}: {self.trail.missing()} records are missing")
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            self.note(f"memory, {system.name}: failed: {error}")
            if system.trouble():
                self._drop(system, system.trouble())
            return
        self.memory[system.name] = {
            "files": walked,
            "seconds": seconds,
            "before": before,
            "after": after,
            "bytes_per_file": (after - before) / walked,
            "descriptors": descriptors_after - descriptors,
            "forgotten": forgotten,
        }
        report.memory_row(system, self.memory[system.name])
        system.stop()
        self.trail.empty()


def settled(measure):
    """The last value of something that shrinks, when it has stopped to."""
    last = measure()
    for _ in range(20):
        time.sleep(0.1)
        value = measure()
        if value >= last:
            break
        last = value
    return last


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3\n")


def names_of(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"no such name: {name} (there are {', '.join(known)})")
        return names

    return parse


def parse_options():
    names = [w.name for w in workloads_module.WORKLOADS] + [MEMORY]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compares modelguard with the bare directory, with auditd's own watch on "
        "it, and with the FUSE peers that Debian has.")
    parser.add_argument("--quick", action="store_true", help="less of everything, in a minute")
    parser.add_argument("--only", metavar="WORKLOAD,...", type=names_of(names),
                        help=", ".join(names))
    parser.add_argument("--systems", metavar="SYSTEM,...",
                        type=names_of(systems_module.ALL_SYSTEMS),
                        help=", ".join(systems_module.ALL_SYSTEMS) + "; native always is there")
    parser.add_argument("--repeat", metavar="N", type=int,
                        help="rounds of each workload, if time allows (default: 5, quick: 2)")
    parser.add_argument("--output", metavar="DIR", default="build-bench/results",
                        help="where bench.json and bench.svg go (default: %(default)s)")
    options = parser.parse_args()
    if options.repeat is None:
        options.repeat = 2 if options.quick else 5
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    if options.systems:
        options.systems = sorted({"native", *options.systems},
                                 key=systems_module.ALL_SYSTEMS.index)
    return options


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "kernel": os.uname().release,
        "cpus": os.cpu_count(),
        "memory": memory,
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def save(bench, verdicts, output):
    os.makedirs(output, exist_ok=True)
    document = {
        "machine": machine(),
        "quick": bench.options.quick,
        "sizes": vars(bench.sizes),
        "systems": {s.name: s.options for s in bench.systems},
        "workloads": {name: r.as_json() for name, r in bench.results.items()},
        "memory": bench.memory,
        "records": bench.trail.total,
        "targets": verdicts,
        "notes": bench.notes,
    }
    path = os.path.join(output, "bench.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    picture = os.path.join(output, "bench.svg")
    with open(picture, "w", encoding="utf-8") as file:
        rows = [(report.whole_title(name), report.native_text(result),
                 document["workloads"][name]["ratio_to_native"])
                for name, result in bench.results.items()]
        about = document["machine"]
        file.write(chart.draw(rows, [s.name for s in bench.systems],
                              f"Linux {about['kernel']}, {about['cpus']} cores, {about['when']}; "
                              "every open and every write through modelguard is recorded"))
    print(f"\nwritten: {path} and {picture}")


def main():
    options = parse_options()
    scratch = os.environ["MODELGUARD_BENCH"]
    auditd = systems_module.BenchAuditd(scratch)
    print("waiting for the lock on auditd ...", flush=True)
    auditd.begin()
    bench = Bench(options, scratch, auditd)
    try:
        if not auditd.is_ours:
            sys.exit("scripts/bench: an auditd runs already; its log rotates, and records could "
                     "not be counted. Stop it for the time of the benchmark.")
        bench.prepare()
        report.introduction(bench, machine())
        bench.run()
    finally:
        bench.stop()
        auditd.end()
    verdicts = targets.judge(bench)
    report.closing(bench, verdicts)
    save(bench, verdicts, options.output)
    print(f"{time.monotonic() - bench.started:.0f} s")
    void = any(result.void for result in bench.results.values())
    sys.exit(1 if void or bench.dropped_guard else 0)


if __name__ == "__main__":
    main()
