# SPDX-License-Identifier: Apache-2.0
"""The conformance tables: rows of steps, generated from operations, kinds of files, people and
modes. A row is (name, [step, ...]); rows.c says what a step is."""

import itertools

# Who acts. Objects belong to "o" and to the group 70010.
OWNER, GROUP = 70001, 70010
CREDS = {
    "o": (OWNER, 70001, (70001,)),  # the owner, not in the group
    "og": (OWNER, 70001, (70001, GROUP, 70011)),  # the owner, in the group and one more
    "g": (70002, GROUP, (GROUP,)),  # in the group by the primary one
    "s": (70003, 70003, (70003, GROUP)),  # in the group by a supplementary one
    "x": (70004, 70004, (70004,)),  # somebody else
}
CLASSES = ("o", "g", "s", "x", "r")
SHIFT = {"o": 6, "og": 6, "g": 3, "s": 3, "x": 0, "r": 0}
KINDS = ("file", "dir", "fifo", "socket", "link")


def prologue():
    return "".join(
        f"cred {name} {uid} {gid} {','.join(map(str, groups))}\n"
        for name, (uid, gid, groups) in CREDS.items()
    )


def script(rows):
    lines = [prologue()]
    for name, steps in rows:
        lines.append(f"row {name}\n" + "".join(step + "\n" for step in steps))
    return "".join(lines)


def make(kind, name, mode=0o644, owner=OWNER, group=GROUP):
    """The steps that make something of a kind, as root."""
    steps = {
        "file": [f"r open {name} w,creat {mode:o}", f"r write {name} contents"],
        "dir": [f"r mkdir {name} {mode:o}"],
        "full": [f"r mkdir {name} {mode:o}", f"r open {name}/in w,creat 644"],
        "fifo": [f"r mkfifo {name} {mode:o}"],
        "socket": [f"r mknod {name} s {mode:o}"],
        "link": [f"r symlink nowhere {name}"],
        "none": [],
    }[kind]
    if kind == "none":
        return []
    steps.append(f"r lchown {name} {owner} {group}")
    if kind != "link":
        steps.append(f"r chmod {name} {mode:o}")
    return steps


def mode_for(who, bits, others):
    """A mode that gives the class of somebody these bits and everybody else the others."""
    shift = SHIFT[who]
    mode = sum(others << s for s in (0, 3, 6) if s != shift)
    return mode | bits << shift


# Permissions

IN_DIRECTORY = {
    "stat": "stat d/f", "lstat-link": "lstat d/l", "readlink": "readlink d/l", "list": "list d",
    "open-r": "open d/f r", "open-dir": "open d r,dir", "open-path": "open d/f path",
    "absent": "stat d/absent",
    "create": "open d/new w,creat 644", "excl": "open d/new w,creat,excl 644",
    "creat-old": "open d/f w,creat 644", "excl-old": "open d/f w,creat,excl 644",
    "tmpfile": "open d w,tmpfile 644",
    "mkdir": "mkdir d/new 755", "mkfifo": "mkfifo d/new 644", "mknod-s": "mknod d/new s 644",
    "mknod-f": "mknod d/new f 644", "symlink": "symlink t d/new", "link": "link d/f d/new",
    "link-in": "link mine d/new", "unlink": "unlink d/f", "unlink-fifo": "unlink d/p",
    "unlink-link": "unlink d/l", "rmdir": "rmdir d/e", "rename": "rename d/f d/new",
    "rename-over": "rename d/f d/p", "rename-in": "rename mine d/new",
    "rename-in-over": "rename mine d/f", "rename-out": "rename d/f out",
    "rename-dir-out": "rename d/e out", "exchange": "rename d/f d/e exchange",
    "chmod": "chmod d/f 600", "chown": f"chown d/f -1 {GROUP}", "truncate": "truncate d/f 3",
    "utimens": "utimens d/f now now", "chdir": "chdir d", "chdir-in": "chdir d/e",
    "access-d-r": "access d r", "access-d-w": "access d w", "access-d-x": "access d x",
    "access-f": "access d/f f", "getxattr": "getxattr d/f user.none",
    "setxattr": "setxattr d/f user.a b", "getacl": "getacl d/f",
}


def directory_permissions():
    for who, bits, (name, operation) in itertools.product(CLASSES, range(8),
                                                          IN_DIRECTORY.items()):
        if who not in "ox" and bits not in (0, 1, 3, 7):
            continue
        steps = ["r mkdir d 777"]
        steps += make("file", "d/f", 0o666) + make("fifo", "d/p", 0o666)
        steps += make("link", "d/l") + make("dir", "d/e", 0o777)
        if "mine" in operation:
            steps += [f"{who} open mine w,creat 644"]
        steps += [f"r chown d {OWNER} {GROUP}",
                  f"r chmod d {mode_for(who, bits, ~bits & 7):o}",
                  f"{who} {operation}", "r list d", "r lstat d", "r lstat d/f", "r lstat d/new"]
        yield f"directory/{who}/{bits}/{name}", steps


ON_FILE = {
    "open-r": "open f r", "open-w": "open f w", "open-rw": "open f rw",
    "open-r-trunc": "open f r,trunc", "open-w-trunc": "open f w,trunc",
    "open-append": "open f w,append", "open-creat": "open f w,creat 600",
    "open-noatime": "open f r,noatime", "open-path": "open f path", "read": "read f",
    "write": "write f more", "truncate": "truncate f 3", "ftruncate": "ftruncate f 3",
    "fallocate": "fallocate f 0 10000", "times-now": "utimens f now now",
    "times-set": "utimens f 1000000000 1100000000", "times-half": "utimens f now omit",
    "times-none": "utimens f omit omit", "access-f": "access f f", "access-r": "access f r",
    "access-w": "access f w", "access-x": "access f x", "access-rwx": "access f rwx",
    "chmod": "chmod f 604", "fchmod": "fchmod f 604", "chgrp": f"chown f -1 {GROUP}",
    "chown": f"chown f {OWNER} -1", "nochown": "chown f -1 -1", "link": "link f new",
    "setxattr": "setxattr f user.a b", "getxattr": "getxattr f user.set",
    "listxattr": "listxattr f", "removexattr": "removexattr f user.set",
    "setacl": f"setacl f u::rw-,u:70004:r--,g::r--,m::r--,o::---", "getacl": "getacl f",
}
ON_DIRECTORY = {
    "open": "open f r,dir", "list": "list f", "open-w": "open f w", "chdir": "chdir f",
    "access-r": "access f r", "access-w": "access f w", "access-x": "access f x",
    "create": "open f/new w,creat 644", "mkdir": "mkdir f/new 755", "chmod": "chmod f 705",
    "fchmod": "fchmod f 705", "chgrp": f"chown f -1 {GROUP}", "times-now": "utimens f now now",
    "times-set": "utimens f 1000000000 1100000000", "setxattr": "setxattr f user.a b",
    "getxattr": "getxattr f user.set", "rmdir": "rmdir f", "rename": "rename f new",
    "setdefault": f"setdefault f u::rwx,g::r-x,o::r-x", "getdefault": "getdefault f",
}
ON_FIFO = {
    "open-r": "open f r,nonblock", "open-w": "open f w,nonblock", "open-rw": "open f rw,nonblock",
    "open-path": "open f path", "access-r": "access f r", "access-w": "access f w",
    "chmod": "chmod f 604", "chgrp": f"chown f -1 {GROUP}", "times-now": "utimens f now now",
    "truncate": "truncate f 0", "link": "link f new", "setxattr": "setxattr f user.a b",
}
ON_SOCKET = {
    "open-r": "open f r", "connect": "connect f", "access-w": "access f w", "chmod": "chmod f 604",
    "times-now": "utimens f now now", "link": "link f new", "truncate": "truncate f 0",
}


def object_permissions():
    tables = {"file": ON_FILE, "dir": ON_DIRECTORY, "fifo": ON_FIFO, "socket": ON_SOCKET}
    for kind, operations in tables.items():
        for who, bits, (name, operation) in itertools.product(CLASSES, range(8),
                                                              operations.items()):
            steps = make(kind, "f", mode_for(who, bits, ~bits & 7))
            if "user.set" in operation or name == "listxattr":
                steps.append("r setxattr f user.set value")
            steps += [f"{who} {operation}", "r lstat f", "r lstat new"]
            yield f"{kind}/{who}/{bits}/{name}", steps


def programs():
    """Executing takes x; what runs cannot be written to."""
    for who, bits in itertools.product(CLASSES, range(8)):
        yield f"exec/{who}/{bits}/program", [
            "r copy /bin/true f", f"r chown f {OWNER} {GROUP}",
            f"r chmod f {mode_for(who, bits, ~bits & 7):o}", f"{who} exec f"]
    for how in ("open", "truncate"):
        yield f"exec/etxtbsy/{how}", ["r copy /bin/cat f", f"r write-running f {how}"]
    yield "exec/dir", ["r mkdir f 777", "x exec f"]
    yield "exec/text", ["r open f w,creat 755", "r write f text", "x exec f"]


def search_paths():
    """Search permission of each directory on a path, at each depth."""
    for who, at, bits in itertools.product(CLASSES, (1, 2, 3), (0, 1, 4, 6)):
        modes = [0o777, 0o777, 0o777]
        modes[at - 1] = mode_for(who, bits, 7)
        steps = ["r mkdir a 777", "r mkdir a/b 777", "r mkdir a/b/c 777"]
        steps += make("file", "a/b/c/f", 0o666)
        for path, mode in zip(("a/b/c", "a/b", "a"), reversed(modes)):
            steps += [f"r chown {path} {OWNER} {GROUP}", f"r chmod {path} {mode:o}"]
        for operation in ("stat a/b/c/f", "open a/b/c/f r", "read a/b/c/f", "list a/b/c",
                          "access a/b/c/f f", "mkdir a/b/c/n 755", "chdir a/b/c",
                          "rename a/b/c/f a/b/c/g", "unlink a/b/c/f"):
            steps += ["r stat a/b/c/f", f"{who} {operation}"]  # root has just looked at it
        yield f"search/{who}/{at}/{bits}", steps


# Sticky directories


def sticky():
    remove = {"file": "unlink", "dir": "rmdir", "fifo": "unlink", "link": "unlink"}
    uids = {"o": OWNER, "x": 70004, "g": 70002}
    for sticky_bit, dir_owner, owner, kind, who in itertools.product(
            (0, 0o1000), ("o", "x"), ("o", "x"), remove, ("o", "x", "g", "r")):
        operations = {
            "remove": f"{remove[kind]} d/f",
            "rename": "rename d/f d/new",
            "out": "rename d/f out",
            "over": f"rename {'mydir' if kind == 'dir' else 'mine'} d/f",
        }
        for name, operation in operations.items():
            steps = ["r mkdir d 777", *make(kind, "d/f", 0o777, owner=uids[owner])]
            if name == "over":
                steps.append(f"{who} mkdir mydir 777" if kind == "dir"
                             else f"{who} open mine w,creat 644")
            steps += [f"r chown d {uids[dir_owner]} {GROUP}", f"r chmod d {sticky_bit | 0o777:o}",
                      f"{who} {operation}", "r list d", "r lstat d"]
            yield f"sticky/{sticky_bit:o}/{dir_owner}/{owner}/{kind}/{who}/{name}", steps


# Modes and owners

BITS = (0, 0o111, 0o640, 0o777, 0o1777, 0o2755, 0o4755, 0o7777, 0o2644, 0o6770)


def chmod_results():
    for kind, who, mode, group in itertools.product(KINDS, ("o", "og", "x", "r"), BITS,
                                                    (GROUP, 70099)):
        steps = make(kind, "f", 0o600, group=group)
        steps += [f"{who} chmod f {mode:o}", "r lstat f"]
        yield f"chmod/{kind}/{who}/{mode:o}/{group}", steps


def chown_results():
    targets = ((-1, -1), (OWNER, -1), (-1, GROUP), (-1, 70001), (-1, 70011), (-1, 70099),
               (70004, -1), (70004, 70004), (OWNER, 70011), (0, 0))
    for kind, who, (uid, gid), mode, call in itertools.product(
            KINDS, ("o", "og", "x", "r"), targets, (0o755, 0o6777, 0o2745),
            ("chown", "lchown", "fchown")):
        if call == "fchown" and kind in ("socket", "link", "fifo"):
            continue
        if kind == "link" and mode != 0o755:
            continue
        steps = make(kind, "f", mode)
        steps += [f"{who} {call} f {uid} {gid}", "r lstat f"]
        yield f"{call}/{kind}/{who}/{uid}.{gid}/{mode:o}", steps


def suid_clearing():
    """What a change of contents leaves of the set-id bits."""
    changes = {"write": "write f more", "append": "append f more", "truncate": "truncate f 3",
               "ftruncate": "ftruncate f 3", "open-trunc": "open f w,trunc",
               "fallocate": "fallocate f 0 20000", "setxattr": "setxattr f user.a b",
               "utimens": "utimens f now now"}
    for mode, who, (name, change) in itertools.product(
            (0o4777, 0o2777, 0o6777, 0o2767, 0o6766, 0o1777), ("o", "og", "g", "x", "r"),
            changes.items()):
        yield f"suid/{mode:o}/{who}/{name}", [*make("file", "f", mode), f"{who} {change}",
                                              "r stat f"]


def new_objects():
    """Owner, group, mode and ACL of what is made."""
    makers = {"file": "open {} w,creat {:o}", "dir": "mkdir {} {:o}", "fifo": "mkfifo {} {:o}",
              "socket": "mknod {} s {:o}", "regular": "mknod {} f {:o}"}
    parents = {
        "plain": [],
        "setgid": [f"r chown d {OWNER} {GROUP}", "r chmod d 2777"],
        "default-acl": ["r setdefault d u::rwx,u:70004:rw-,g::r-x,m::rwx,o::---"],
        "small-acl": ["r setdefault d u::rwx,g::r--,o::---"],
        "both": [f"r chown d {OWNER} {GROUP}", "r chmod d 2777",
                 "r setdefault d u::rwx,g::rwx,o::rwx"],
    }
    for parent, (kind, maker), mode, umask, who in itertools.product(
            parents, makers.items(), (0o644, 0o777, 0o6755, 0o1777), ("0", "022", "077"),
            ("o", "s", "r")):
        steps = ["r mkdir d 777", *parents[parent], f"umask {umask}",
                 f"{who} {maker.format('d/new', mode)}", "r lstat d/new", "r getacl d/new",
                 "r lstat d"]
        if kind == "dir":
            steps.append("r getdefault d/new")
        yield f"new/{parent}/{kind}/{mode:o}/{umask}/{who}", steps


# ACLs

ACLS = {
    "allow-user": "u::---,u:70004:rw-,g::---,m::rwx,o::---",
    "deny-user": "u::rwx,u:70004:---,g::rwx,m::rwx,o::rwx",
    "masked-user": "u::rwx,u:70004:rwx,g::rwx,m::--x,o::---",
    "allow-group": "u::---,g::---,g:70003:r-x,m::rwx,o::---",
    "deny-group": "u::rwx,g::rwx,g:70003:---,m::rwx,o::rwx",
    "two-groups": "u::rwx,g::-w-,g:70003:r--,m::rwx,o::---",
    "other-only": "u::---,g::---,o::rwx",
}


def acls():
    operations = {"file": ("open f r", "open f w", "open f rw", "access f r", "access f x",
                           "truncate f 1", "utimens f now now", "getacl f", "chmod f 640",
                           "getxattr f user.none"),
                  "dir": ("list f", "open f/new w,creat 644", "chdir f", "stat f/in",
                          "unlink f/in", "access f w", "mkdir f/new 755")}
    for (name, acl), kind, who in itertools.product(ACLS.items(), operations,
                                                    ("o", "g", "s", "x", "r")):
        for operation in operations[kind]:
            steps = make("full" if kind == "dir" else "file", "f", 0o600)
            steps += [f"r setacl f {acl}", f"{who} {operation}", "r lstat f", "r getacl f"]
            yield f"acl/{name}/{kind}/{who}/{operation.replace(' ', '-').replace('/', '.')}", steps


def acl_changes():
    changes = {
        "set": f"setacl f {ACLS['allow-user']}",
        "short": "setacl f u::rwx,g::r-x,o::r--",
        "chmod": "chmod f 751",
        "default": "setdefault f u::rwx,u:70004:rwx,g::r-x,m::rwx,o::r-x",
        "remove": "removexattr f system.posix_acl_access",
    }
    for kind, who, mode, (name, change) in itertools.product(
            ("file", "dir", "fifo", "link"), ("o", "og", "x", "r"), (0o644, 0o2775),
            changes.items()):
        for before in (None, ACLS["allow-user"]):
            if before and kind == "link":
                continue
            steps = make(kind, "f", mode) + ([f"r setacl f {before}"] if before else [])
            steps += [f"{who} {change}", "r lstat f", "r getacl f", "r getdefault f",
                      "x listxattr f"]
            yield f"set-acl/{kind}/{who}/{mode:o}/{name}/{'acl' if before else 'plain'}", steps


# Names


def renames():
    kinds = ("none", "file", "dir", "full", "fifo", "link", "socket")
    for old, new, flag in itertools.product(kinds, kinds, ("", "noreplace", "exchange")):
        steps = ["r mkdir a 777", "r mkdir b 777", *make(old, "a/f"), *make(new, "b/f"),
                 f"r rename a/f b/f {flag}", "r list a", "r list b", "r lstat a/f", "r lstat b/f",
                 "r lstat a", "r lstat b"]
        yield f"rename/{old}/{new}/{flag or 'replace'}", steps
    for old, new in itertools.product(("file", "fifo", "link"), repeat=2):
        yield f"rename/links/{old}/{new}", [
            *make(old, "f"), "r link f f2", *make(new, "g"), "r link g g2", "r rename f g",
            "r lstat g", "r lstat f2", "r lstat g2", "r list ."]
    odd = {
        "same-link": ["r open f w,creat 644", "r link f g", "r rename f g", "r list ."],
        "itself": ["r open f w,creat 644", "r rename f f", "r list ."],
        "into-itself": ["r mkdir d 755", "r mkdir d/e 755", "r rename d d/e/f"],
        "over-its-parent": ["r mkdir d 755", "r mkdir d/e 755", "r rename d/e d"],
        "dot": ["r mkdir d 755", "r rename d/. e", "r rename d/.. e"],
        "parent-of-moved": ["r mkdir a 755", "r mkdir b 755", "r mkdir a/d 755",
                            "r rename a/d b/d", "r lstat a", "r lstat b", "r list b/d"],
        "not-writable-dir": ["o mkdir a 755", "o mkdir b 755", f"r mkdir a/d 555",
                             f"r chown a/d {OWNER} {OWNER}", "o rename a/d b/d", "o list b"],
        "foreign-dir": ["r mkdir a 777", "r mkdir b 777", "r mkdir a/d 755",
                        "x rename a/d b/d", "r list b"],
    }
    for name, steps in odd.items():
        yield f"rename/odd/{name}", steps


ON_NAME = ("stat {}", "lstat {}", "open {} r", "open {} w,creat 644", "mkdir {} 755",
           "mkfifo {} 644", "mknod {} f 644", "symlink t {}", "unlink {}", "rmdir {}",
           "rename {} g", "rename g {}", "link {} g", "link g {}", "chmod {} 600",
           "chown {} -1 -1", "lchown {} -1 -1", "truncate {} 0", "utimens {} now now",
           "readlink {}", "access {} r", "chdir {}", "list {}", "getxattr {} user.a",
           "setxattr {} user.a b")


def bad_names():
    long_name, longer = "n" * 255, "n" * 256
    deep = "/".join(["d" * 200] * 3)
    # With the terminating NUL a path has at most PATH_MAX = 4096 bytes.
    filler = "./" * 2046
    names = {
        "name-max": long_name, "over-name-max": longer, "over-name-max-below": f"{longer}/f",
        "path-max": filler + "abc", "over-path-max": filler + "abcd",
        "absent": "absent", "absent-parent": "absent/f", "under-file": "file/f",
        "under-file-dot": "file/.", "file-slash": "file/", "loop": "loop", "in-loop": "loop/f",
        "dangling": "dangling", "to-file": "to-file", "to-dir": "to-dir", "below-link": "to-dir/f",
        "dir": "dir", "dir-slash": "dir/", "dot": ".", "dir-dot": "dir/.", "dir-dot-dot": "dir/..",
        "full": "full", "fifo": "fifo", "deep": deep, "new-slash": "new/",
    }
    setup = ["r open file w,creat 644", "r open g w,creat 644", "r symlink loop loop",
             "r symlink nowhere dangling", "r symlink file to-file", "r symlink dir to-dir",
             "r mkdir dir 755", "r mkdir full 755", "r mkdir full/in 755", "r mkfifo fifo 644"]
    for (name, path), operation in itertools.product(names.items(), ON_NAME):
        if name == "fifo" and operation.startswith("open"):
            continue  # it would wait for somebody at the other end
        word = operation.replace("{}", "@").replace(" ", "-")
        yield f"name/{name}/{word}", [*setup, "r " + operation.format(path), "r list ."]
    for length in (1, 254, 255, 256):
        yield f"name/length/{length}", ["r open " + "é" * (length // 2) + "x" * (length % 2)
                                        + " w,creat 644", "r list ."]


def open_flags():
    flags = ("r", "w", "rw", "r,dir", "r,nofollow", "w,nofollow", "r,path", "path,nofollow",
             "w,creat", "w,creat,excl", "r,creat", "w,trunc", "r,creat,dir", "rw,creat,trunc",
             "r,noatime", "w,append,trunc", "rw,tmpfile", "r,tmpfile", "w,creat,nofollow")
    for kind, flag, who in itertools.product(
            ("none", "file", "dir", "link", "to-file", "to-dir", "socket"), flags,
            ("o", "x", "r")):
        steps = ["r mkdir d 755", "r open t w,creat 666", "r write t text"]
        if kind.startswith("to-"):
            steps.append(f"r symlink {'t' if kind == 'to-file' else 'd'} f")
        else:
            steps += make(kind, "f")
        steps += [f"{who} open f {flag} 640", "r lstat f", "r stat t", "r list ."]
        yield f"open/{kind}/{flag}/{who}", steps


def links():
    for kind, who, mode in itertools.product(KINDS, ("o", "x", "r"), (0o666, 0o600, 0o4755)):
        steps = make(kind, "f", mode)
        steps += [f"{who} link f g", "r lstat f", "r lstat g", "r unlink f", "r lstat g"]
        yield f"link/{kind}/{who}/{mode:o}", steps
    yield "link/exists", ["r open f w,creat 644", "r open g w,creat 644", "r link f g"]
    yield "link/dir-count", ["r mkdir d 755", "r mkdir d/a 755", "r mkdir d/b 755", "r lstat d",
                             "r rmdir d/a", "r lstat d"]


def devices():
    for kind, who in itertools.product("cb", ("o", "r")):
        yield f"device/{kind}/{who}", [f"{who} mknod f {kind} 644", "r lstat f"]


# Times


def times():
    changes = {
        "read": ("f", "read f"), "write": ("f", "write f more"), "append": ("f", "append f x"),
        "write-nothing": ("f", "truncate f 8"), "truncate": ("f", "truncate f 3"),
        "grow": ("f", "truncate f 100"), "ftruncate-same": ("f", "ftruncate f 8"),
        "open-trunc": ("f", "open f w,trunc"), "fallocate": ("f", "fallocate f 0 10000"),
        "chmod": ("f", "chmod f 600"), "chmod-same": ("f", "chmod f 644"),
        "chown": ("f", "chown f 70004 -1"), "chown-none": ("f", "chown f -1 -1"),
        "link": ("f", "link f g"), "rename": ("f", "rename f g"),
        "setxattr": ("f", "setxattr f user.a b"), "utimens": ("f", "utimens f now omit"),
        "setacl": ("f", f"setacl f {ACLS['allow-user']}"), "stat": ("f", "stat f"),
        "open": ("f", "open f rw"), "access": ("f", "access f r"),
        "create": ("d", "open d/n w,creat 644"), "mkdir": ("d", "mkdir d/n 755"),
        "mkfifo": ("d", "mkfifo d/n 644"), "symlink": ("d", "symlink t d/n"),
        "link-in": ("d", "link f d/n"), "unlink": ("d", "unlink d/in"),
        "rename-in": ("d", "rename f d/n"), "rename-out": ("d", "rename d/in g"),
        "rename-within": ("d", "rename d/in d/n"), "rename-over": ("d", "rename f d/in"),
        "rmdir": ("d", "rmdir d/e"), "list": ("d", "list d"), "failed": ("d", "rmdir d"),
        "lookup": ("d", "stat d/in"), "rename-dir": ("d", "rename d e"),
        "unlink-name": ("f2", "unlink f"), "readlink": ("l", "readlink l"),
        "open-existing": ("d", "open d/in w,creat 644"), "over-link": ("f2", "rename d/in f"),
    }
    for name, (what, change) in changes.items():
        steps = [*make("file", "f"), "r link f f2", *make("full", "d", 0o755),
                 "r mkdir d/e 755", "r symlink f l",
                 f"r utimens d 1000000000 omit", "r utimens f 1000000000 omit", "tick",
                 f"mark {what}", "mark .", f"r {change}", f"r changed {what}", "r changed ."]
        if what == "f":
            steps.append("r stat f2")
        yield f"times/{name}", steps
    for call, a, m in itertools.product(("utimens", "lutimens"),
                                        ("now", "omit", "0", "1000000000", "4000000000"),
                                        ("now", "omit", "1", "1500000000")):
        steps = ["r open f w,creat 644", "r symlink f l", "tick", "mark f", "mark l",
                 f"r {call} l {a} {m}", "r changed f", "r changed l"]
        if "now" not in (a, m) and "omit" not in (a, m):
            steps.append(f"r times {'f' if call == 'utimens' else 'l'}")
        yield f"set-times/{call}/{a}/{m}", steps


def spaces():
    """fallocate(2) and holes. 4096 is the block size."""
    modes = ("allocate", "keep", "punch", "punch-grow", "zero", "zero-keep", "collapse", "insert",
             "unshare")
    ranges = {"blocks": (4096, 8192), "odd": (100, 5000), "beyond": (60000, 70000),
              "nothing": (0, 0), "negative": (-1, 10)}
    full = "r copy /bin/true f"
    for mode, (name, (offset, length)) in itertools.product(modes, ranges.items()):
        yield f"space/{mode}/{name}", [full, f"r space f {mode} {offset} {length}", "r stat f",
                                       "r seek f hole 0", "r seek f data 0"]
    for where, offset in itertools.product(("hole", "data"), (0, 4096, 50000, 300000, 1000000)):
        yield f"seek/{where}/{offset}", [
            "r open f w,creat 644", "r truncate f 600000", "r fallocate f 100000 50000",
            "r write f start", f"r seek f {where} {offset}"]


def kinds_shown():
    for kind in KINDS:
        yield f"shown/{kind}", [*make(kind, "f"), "r lstat f", "x lstat f", "x list ."]
        yield f"shown/{kind}/removed", [*make(kind, "f"),
                                        f"r {'rmdir' if kind == 'dir' else 'unlink'} f",
                                        "r lstat f", "r list ."]
        yield f"shown/{kind}/wrong", [*make(kind, "f"),
                                      f"r {'unlink' if kind == 'dir' else 'rmdir'} f",
                                      "r lstat f"]
        yield f"shown/{kind}/again", [*make(kind, "f")] + [
            f"r {call}" for call in ("mkdir f 755", "mkfifo f 644", "symlink t f",
                                     "mknod f s 644", "open f w,creat,excl 644")]


TABLES = (
    directory_permissions, object_permissions, programs, search_paths, sticky, chmod_results,
    chown_results, suid_clearing, new_objects, acls, acl_changes, renames, bad_names, open_flags,
    links, devices, times, spaces, kinds_shown,
)


def rows(table):
    return list(table())
