#!/usr/bin/env python3
"""check_house.py: holds the rules of the house (ARCHITECTURE.md) on every file of C, and the plain
ones on scripts, too.

    check_house.py [ROOT]       one line for each offence, "file:line: sentence", then their number;
                                exit 1 when there is any

    includes   go down: a room sees the doors of lower floors, programs see <tenon/...>;
               no circle; each file name once in src/
    sizes      files, functions and lines fit a reader; "Long because: ..." says why one does not
    systems    the portable core has no header and no name of Linux's own outside of the files
               named below (scripts/check portable lets a compiler look, too)

What is not here: what a compiler or clang-format finds. test_check_house.py plants mistakes and
wants each one found.
"""
import os
import re
import sys

FLOORS = {
    "base": 0,
    "spec": 1,
    "loop": 2, "mem": 2,
    "disk": 3, "link": 3, "virtqueue": 3,
    "device": 4,
    "blk": 5, "net": 5, "mmio": 5, "vhost_user": 5,
}
# The room that each public header belongs to, where it has another name than the room.
PUBLIC = {"opts": "base", "worker": "loop", "bus": "device", "limits": "device"}
# Other rooms may see every header of these two floors.
OPEN_FLOOR = 1

# What the programs may include beyond <tenon/...>, the system and the headers beside them.
PROGRAMS = {
    "cmd": (), "vmm": (), "examples": (), "backends": (), "bench": ("base", "spec", "driver"),
    "driver": ("base", "spec"),
    "tests/device": ("base", "spec", "driver"), "tests/kill9": ("base", "spec", "driver"),
    "tests/linux": (), "tests/cli": ("base", "spec", "driver"), "tests/abi": (), "tests/vmm": (),
    "tests/bare": ("base", "spec"),
}
# Folders of programs whose door another one may open; a test sees all of the folder it tests.
PROGRAM_DOORS = {"cmd": ("vmm/vmm.h",), "tests/vmm": ("vmm/",), "fuzz": ("vmm/",)}
# A door has its room's name, and the standard's numbers have the name of what they number.
TWICE = ("vhost_user.h",)
# These see the insides of one room, and the doors below it.
ROOM_TESTS = ("tests/unit", "fuzz")

PORTABLE = ("base", "spec", "loop", "mem", "disk", "virtqueue", "device", "blk", "mmio")
LINUX_FILES = ("src/loop/os_epoll.c", "src/disk/host_linux.c", "src/disk/uring.h",
               "src/disk/uring_ring.c")
LINUX_HEADERS = re.compile(
    r"^(linux/.*|asm/.*|liburing\.h|syscall\.h|sys/(epoll|eventfd|timerfd|signalfd|inotify"
    r"|fanotify|prctl|sysmacros|vfs|statfs|sendfile|random|syscall|capability|personality|sysinfo"
    r"|pidfd)\.h)$")
# Calls and constants that POSIX has not, whatever header they come by. A file that asks for one
# first (#ifdef O_DIRECT) can do without it.
LINUX_NAMES = re.compile(
    r"\b((?:epoll_\w+|eventfd|timerfd_\w+|signalfd|inotify_\w+|memfd_create|fallocate|statx|splice"
    r"|sendfile|copy_file_range|p(?:read|write)v2|pipe2|accept4|dup3|ppoll|mremap|gettid|prctl"
    r"|syscall|getrandom|sched_[gs]etaffinity|pthread_\w+_np|htole\d\d|le\d\dtoh)(?= *\()"
    r"|O_(?:DIRECT|PATH|TMPFILE)|F_OFD_\w+|F_ADD_SEALS|[EM]FD_\w+|EPOLL\w+|FALLOC_\w+|RWF_\w+"
    r"|STATX_\w+|AT_EMPTY_PATH|MAP_(?:NORESERVE|POPULATE|HUGETLB|SYNC|FIXED_NOREPLACE)|MADV_\w+"
    r"|SOCK_(?:CLOEXEC|NONBLOCK)|MSG_CMSG_CLOEXEC|POLLRDHUP|BUS_MCEERR_\w+|CPU_SET\w*|__NR_\w+"
    r"|SYS_\w+|BLK[A-Z]+(?:GET|64|DISCARD|OUT)|__GLIBC__|TEMP_FAILURE_RETRY)\b|\"/(?:proc|sys)/")
LINUX_NAMED = LINUX_FILES + ("src/loop/place.c", "src/disk/uring_probe.c")
ASKS_FOR = re.compile(r"^\s*#\s*if(?:n?def)?\b.*?(\w+)\)?$")
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)

FILE_LINES, FUNCTION_LINES, COLUMNS, HEADER_LINES = 400, 60, 100, 40
EXCUSE = "Long because:"
TREES = ("src", "include", "driver", "cmd", "vmm", "examples", "backends", "tests", "fuzz", "bench",
         "scripts", ".ci")
# How a line begins that is no part of a function's head.
COMMENT = (" *", "/*", "//")
NO_CODE = COMMENT + ("}", "#")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


class House:
    def __init__(self, root):
        self.root = root
        self.offences = []
        self.files = {}
        for tree in TREES:
            for folder, folders, names in os.walk(os.path.join(root, tree)):
                folders[:] = sorted(f for f in folders if f not in ("corpus", "__pycache__"))
                for name in sorted(names):
                    path = os.path.join(folder, name)
                    if self.is_ours(path):
                        with open(path, encoding="utf-8", errors="replace") as text:
                            self.files[os.path.relpath(path, root)] = text.read().split("\n")

    @staticmethod
    def is_ours(path):
        if path.endswith((".c", ".h", ".py", ".sh")) or path.endswith("meson.build"):
            return True
        if "." in os.path.basename(path):
            return False
        with open(path, "rb") as start:
            return start.read(2) == b"#!"

    def offence(self, path, line, sentence):
        self.offences.append((path, line, sentence))

    def check(self):
        for path, lines in self.files.items():
            self.check_lines(path, lines)
            if path.endswith((".c", ".h")):
                self.check_functions(path, lines)
                self.check_includes(path, lines)
                self.check_linux_names(path, lines)
        self.check_names()
        self.check_circles()
        return sorted(self.offences)

    # ---- sizes ----

    def check_lines(self, path, lines):
        count = len(lines) - 1 if lines[-1] == "" else len(lines)
        if path.endswith("meson.build"):
            count = 0
        if count > FILE_LINES and not any(EXCUSE in line for line in lines[:HEADER_LINES]):
            self.offence(path, count, f"the file has {count} lines; above {FILE_LINES} it says why "
                         f"in its header: \"{EXCUSE}\"")
        for number, line in enumerate(lines, 1):
            if "\t" in line:
                self.offence(path, number, "a tab; indent with spaces")
            if len(line) > COLUMNS and not path.endswith("meson.build"):
                self.offence(path, number, f"the line has {len(line)} columns; {COLUMNS} are the "
                             "limit")

    def check_functions(self, path, lines):
        """A function stands between a brace in the first column and the next that closes there."""
        at = 0
        while at < len(lines):
            if lines[at] != "{":
                at += 1
                continue
            start = at
            while start > 0 and lines[start - 1] and not lines[start - 1].startswith(NO_CODE):
                start -= 1
            end = at
            while end < len(lines) - 1 and not lines[end].startswith("}"):
                end += 1
            length = end - start + 1
            if length > FUNCTION_LINES:
                before = start
                while before > 0 and lines[before - 1].startswith(COMMENT):
                    before -= 1
                if not any(EXCUSE in line for line in lines[before:end]):
                    name = re.search(r"(\w+)\(", " ".join(lines[start:at]))
                    name = name.group(1) if name else "a function"
                    self.offence(path, start + 1, f"{name} has {length} lines; above "
                                 f"{FUNCTION_LINES} it says why: \"{EXCUSE}\"")
            at = end + 1

    # ---- includes ----

    def includes(self, path):
        for number, line in enumerate(self.files[path], 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found.group(1), found.group(2)

    def check_includes(self, path, lines):
        parts = path.split(os.sep)
        if parts[0] == "src" and len(parts) == 3:
            self.check_room(path, parts[1])
        elif parts[0] == "include":
            self.check_public(path, parts[-1])
        else:
            folder = "/".join(parts[:-1])
            if any(folder == test or folder.startswith(test + "/") for test in ROOM_TESTS):
                self.check_room_test(path)
            else:
                self.check_program(path, folder)

    @staticmethod
    def room_of_public(name):
        stem = name.removeprefix("tenon/").removesuffix(".h")
        room = PUBLIC.get(stem, stem)
        return room if room in FLOORS else None

    def check_public_use(self, path, line, name, floor, room):
        """A header <tenon/...> within the house counts as the door of its room."""
        other = self.room_of_public(name)
        if f"include/{name}" not in self.files:
            self.offence(path, line, f"<{name}> does not exist")
        elif other is None:
            self.offence(path, line, f"<{name}> belongs to no room")
        elif other != room and FLOORS[other] >= floor:
            self.offence(path, line, f"<{name}> is of {other} on floor {FLOORS[other]}; {room} is "
                         f"on floor {floor}, and includes go down only")

    def check_room(self, path, room):
        if room not in FLOORS:
            self.offence(path, 1, f"src/{room} is no room of the house; give it a floor in "
                         "check_house.py")
            return
        floor = FLOORS[room]
        for line, bracket, name in self.includes(path):
            if name.startswith("tenon/"):
                self.check_public_use(path, line, name, floor, room)
                continue
            if bracket == "<":
                if room in PORTABLE and path not in LINUX_FILES and LINUX_HEADERS.match(name):
                    self.offence(path, line, f"<{name}> is Linux's own; the portable core has such "
                                 f"in {', '.join(LINUX_FILES)} only")
                continue
            other, _, header = name.partition("/")
            if f"src/{name}" not in self.files or other not in FLOORS:
                self.offence(path, line, f"\"{name}\" is no header of src/; includes are written "
                             "\"room/header.h\"")
            elif other == room:
                continue
            elif FLOORS[other] >= floor:
                self.offence(path, line, f"{room} is on floor {floor} and {other} on floor "
                             f"{FLOORS[other]}; includes go down only")
            elif FLOORS[other] > OPEN_FLOOR and header != f"{other}.h":
                self.offence(path, line, f"\"{name}\" is inside of {other}; its door is "
                             f"\"{other}/{other}.h\"")

    @staticmethod
    def bare(found):
        """A comment or a text without its words; of texts only paths are left."""
        text = found.group()
        return text if text.startswith('"/') else "\n" * text.count("\n")

    def check_linux_names(self, path, lines):
        tree, room = (path.split(os.sep) + [""])[:2]
        if tree != "include" and (tree != "src" or room not in PORTABLE or path in LINUX_NAMED):
            return
        asked = {name for line in lines for name in ASKS_FOR.findall(line)}
        code = COMMENT_OR_TEXT.sub(self.bare, "\n".join(lines))
        for number, line in enumerate(code.split("\n"), 1):
            for name in {found.group() for found in LINUX_NAMES.finditer(line)} - asked:
                self.offence(path, number, f"{name} is Linux's own; the portable core has such in "
                             f"{', '.join(LINUX_NAMED)} only, or asks for it by #ifdef")

    def check_public(self, path, name):
        room = self.room_of_public(name)
        if room is None and name != "tenon.h":
            self.offence(path, 1, f"<tenon/{name}> belongs to no room; name one in check_house.py")
            return
        for line, bracket, other in self.includes(path):
            if other.startswith("tenon/"):
                if room is not None:
                    self.check_public_use(path, line, other, FLOORS[room], room)
            elif bracket == '"' or f"src/{other}" in self.files:
                self.offence(path, line, f"\"{other}\": a public header includes <tenon/...> and "
                             "the system's headers only")
            elif LINUX_HEADERS.match(other):
                self.offence(path, line, f"<{other}> is Linux's own; public headers are portable")

    def check_program(self, path, folder):
        extra = PROGRAMS.get(folder, ())
        for line, bracket, name in self.includes(path):
            room = name.split("/")[0]
            if name.startswith("tenon/"):
                if f"include/{name}" not in self.files:
                    self.offence(path, line, f"<{name}> does not exist")
            elif f"src/{name}" in self.files:
                if room not in extra:
                    self.offence(path, line, f"\"{name}\" is inside of the library; {folder} sees "
                                 "<tenon/...> only")
            elif name in self.files and name.startswith(PROGRAM_DOORS.get(folder, ("?",))):
                continue
            elif bracket == '"' and not self.is_beside(folder, name, "driver" in extra):
                self.offence(path, line, f"\"{name}\" does not exist beside this file")

    def is_beside(self, folder, name, driver):
        """In the same folder, with the driver, or with what all tests share."""
        places = [folder] + (["driver"] if driver else [])
        places += ["tests"] if folder.startswith(("tests/", "fuzz")) else []
        return any(f"{place}/{name}" in self.files for place in places)

    def check_room_test(self, path):
        folder = os.path.dirname(path)
        seen = []
        for line, bracket, name in self.includes(path):
            room, _, header = name.partition("/")
            if name.startswith("tenon/"):
                if f"include/{name}" not in self.files:
                    self.offence(path, line, f"<{name}> does not exist")
            elif f"src/{name}" in self.files and room in FLOORS:
                if FLOORS[room] > OPEN_FLOOR:
                    seen.append((FLOORS[room], room, header, line))
            elif name in self.files and name.startswith(PROGRAM_DOORS.get(folder, ("?",))):
                continue
            elif bracket == '"' and not self.is_beside(folder, name, True):
                self.offence(path, line, f"\"{name}\" does not exist")
        if not seen:
            return
        floor, own = max((floor, room) for floor, room, _, _ in seen)
        for other_floor, room, header, line in seen:
            if room != own and (other_floor == floor or header != f"{room}.h"):
                self.offence(path, line, f"\"{room}/{header}\": a test of {own} sees {own}, and of "
                             "the floors below only their doors")

    def check_names(self):
        places = {}
        for path in self.files:
            parts = path.split(os.sep)
            if parts[0] == "src" and parts[-1] not in ("meson.build",) + TWICE:
                places.setdefault(parts[-1], []).append(path)
        for name, paths in places.items():
            for path in paths[1:]:
                self.offence(path, 1, f"the name {name} is taken by {paths[0]}; each file name "
                             "occurs once in src/")

    def check_circles(self):
        graph = {}
        for path in self.files:
            if path.endswith(".h"):
                folder = os.path.dirname(path)
                graph[path] = []
                for line, _, name in self.includes(path):
                    for target in (f"src/{name}", f"include/{name}", f"{folder}/{name}"):
                        if target in self.files:
                            graph[path].append((target, line))
                            break
        done, way = set(), []

        def walk(path):
            if path in done:
                return
            way.append(path)
            for target, line in graph.get(path, ()):
                if target in way:
                    circle = way[way.index(target):] + [target]
                    self.offence(path, line, "headers include one another in a circle: " +
                                 " -> ".join(circle))
                else:
                    walk(target)
            way.pop()
            done.add(path)

        for path in sorted(graph):
            walk(path)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "..")
    house = House(os.path.abspath(root))
    offences = house.check()
    for path, line, sentence in offences:
        print(f"{path}:{line}: {sentence}")
    files = len(house.files)
    print(f"{len(offences)} offence{'s' if len(offences) != 1 else ''} in {files} files")
    if files == 0:
        print(f"{root} holds no source files", file=sys.stderr)
    return 1 if offences or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
