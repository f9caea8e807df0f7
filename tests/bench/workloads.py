# SPDX-License-Identifier: Apache-2.0
"""What is run: the table of workloads, and the files that they need."""

import os

USER = "mleng1"
MIB = 1 << 20


class Sizes:
    """How much of everything; the seconds bound one run of a workload."""

    def __init__(self, quick, available_memory, n_systems):
        self.model = 256 * MIB if quick else 2048 * MIB
        # Every FUSE peer has a page cache of its own of the same file.
        while self.model > 64 * MIB and self.model * (n_systems + 1) > available_memory:
            self.model //= 2
        self.touches = 20_000 if quick else 100_000
        self.seconds = 0.15 if quick else 0.6
        # One pass over the big file, and how long at least there are passes.
        self.most = 0.25 if quick else 1.5
        self.least = 0.1 if quick else 0.4
        self.small_files = 1_000 if quick else 5_000
        self.images = 400 if quick else 4_000
        self.created = 200 if quick else 4_000
        self.tree = (50, 100) if quick else (2_000, 100)
        # What memory is measured over.
        self.many = (100, 200) if quick else (2_000, 500)
        self.walk_seconds = 1.0 if quick else 4.0
        self.save_seconds = 1.0 if quick else 4.0
        self.write_region = 64 * MIB
        self.most_written = 256 * MIB if quick else 4096 * MIB

    @property
    def tree_files(self):
        return self.tree[0] * self.tree[1]


EVERYTHING = 1 << 40
MODEL = os.path.join("model", "model.safetensors")


def big_file(verb, *second):
    """With "second": while another process holds the file open and mapped."""

    def run(bench, system):
        sizes = bench.sizes
        count = sizes.touches if verb == "touch" else 0
        return bench.work(verb, system.path(MODEL), count, sizes.least, sizes.most, *second)

    return run


# With "inside" a program has entered its directory, as a loader enters its data set: its names
# pass no gate. Without, every name is a whole path, and the guard is asked for its gate, too.


def open_read_close(threads, *inside):
    def run(bench, system):
        sizes = bench.sizes
        return bench.work("open-read-close", system.path("small"), sizes.small_files, threads,
                          sizes.seconds, *inside)

    return run


def loader(bench, system):
    return bench.work("loader", system.path("images"), bench.sizes.images, 8)


def _fresh_file(bench, system, *arguments):
    """Runs a workload that makes a file, and removes that through the same system."""
    path = bench.fresh_name(system)
    os.sync()
    return bench.work(arguments[0], path, *arguments[1:]), ("rm", "-f", path)


def write(block):
    def run(bench, system):
        sizes = bench.sizes
        return _fresh_file(
            bench, system, "write", block, sizes.write_region, sizes.seconds, sizes.most_written
        )

    return run


def save(bench, system):
    return _fresh_file(bench, system, "save", bench.sizes.model, bench.sizes.save_seconds)


def create(bench, system):
    path = bench.fresh_name(system)
    bench.as_user("mkdir", path)
    return bench.work("create", path, bench.sizes.created), ("rm", "-rf", path)


def unlink(bench, system):
    path = bench.fresh_name(system)
    bench.as_user("mkdir", path)
    bench.work("create", path, bench.sizes.created)
    bench.count_from_here()
    return bench.work("unlink", path, bench.sizes.created), ("rmdir", path)


def stat(*inside):
    def run(bench, system):
        sizes = bench.sizes
        return bench.work("stat", system.path("small"), sizes.small_files, sizes.seconds, *inside)

    return run


def readdir(bench, system):
    return bench.work("readdir", system.path("small"), bench.sizes.seconds)


# A tree is walked from inside, for some seconds at most; what counts is entries a second. So that a warm
# run meets only what the cold run before it has warmed, it goes as far and no further.


def find(bench, system):
    return _walk(bench, system, "run", ("find", "."))


def ls(bench, system):
    return _walk(bench, system, "run", ("ls", "-lR", "."))


def read_all(bench, system):
    return _walk(bench, system, "read-all", ())


def _walk(bench, system, verb, program):
    most = bench.walked.get((system.name, verb, program), EVERYTHING)
    result = bench.work(verb, system.path("tree"), bench.sizes.walk_seconds, most, *program)
    bench.walked[system.name, verb, program] = int(result["work"])
    return result


class Workload:
    """run(bench, system) returns what the C program printed, as a dictionary, and perhaps the
    command that cleans up. Its rate is work a second, in `unit`. `cost` weighs it when rounds
    are given out."""

    def __init__(self, name, title, unit, run, needs, cost=1, cold=False):
        self.name = name
        self.title = title
        self.unit = unit
        self.run = run
        self.needs = needs
        self.cost = cost
        self.cold = cold


def _tree(name, title, unit, run, cost):
    """First with everything forgotten, then at once again: in one round of one system."""
    return [
        Workload(f"{name}-cold", f"{title}, cold", unit, run, "tree", cost, cold=True),
        Workload(name, f"{title}, warm", unit, run, "tree", cost),
    ]


def _big_file(name, title, unit, verb):
    second = f"{name}-second"
    return [
        Workload(name, title, unit, big_file(verb), "model", 3),
        Workload(second, "the same, a second reader", unit, big_file(verb, "second"), "model", 3),
    ]


WORKLOADS = [
    *_big_file("read", "1 MiB reads of one big file", "MiB/s", "read"),
    *_big_file("mmap", "random page touches, mmap", "/s", "touch"),
    *_big_file("load", "safetensors load", "MiB/s", "load"),
    Workload("open1", "open-read-close, 1 thread", "/s", open_read_close(1, "inside"), "small", 3),
    Workload("open1-path", "the same by whole paths", "/s", open_read_close(1), "small", 3),
    Workload("open8", "open-read-close, 8 threads", "/s", open_read_close(8, "inside"), "small", 3),
    Workload("open8-path", "the same by whole paths", "/s", open_read_close(8), "small", 3),
    Workload("loader", "shuffled loader, 8 processes", "files/s", loader, "images", 2),
    Workload("write1m", "1 MiB writes", "MiB/s", write(MIB), "work", 3),
    Workload("write4k", "4 KiB writes", "MiB/s", write(4096), "work", 3),
    Workload("save", "checkpoint save with fsync", "MiB/s", save, "work", 12),
    Workload("create", "create", "files/s", create, "work", 2),
    Workload("unlink", "unlink", "files/s", unlink, "work", 2),
    Workload("stat", "stat of cached names", "/s", stat("inside"), "small", 2),
    Workload("stat-path", "the same by whole paths", "/s", stat(), "small", 2),
    Workload("readdir", "readdir of one directory", "names/s", readdir, "small", 2),
    *_tree("find", "find", "names/s", find, 3),
    *_tree("ls", "ls -lR", "names/s", ls, 10),
    *_tree("read-all", "read every file", "files/s", read_all, 10),
]

# The names of the data sets, and how long they take to make matters: only what is needed.
DATA = ("model", "small", "images", "tree")


def make_data(bench, source, needs):
    """Makes the files, natively, as the user who owns them."""
    sizes = bench.sizes
    for name in sorted(set(needs) & set(DATA)):
        bench.own_directory(os.path.join(source, name))
    if "model" in needs:
        bench.make("make-model", os.path.join(source, MODEL), sizes.model, 200)
    if "small" in needs:
        bench.make("make-files", os.path.join(source, "small"), sizes.small_files, 100)
    if "images" in needs:
        bench.make("make-files", os.path.join(source, "images"), sizes.images, 65536)
    if "tree" in needs:
        bench.make("make-tree", os.path.join(source, "tree"), *sizes.tree, 1024)
