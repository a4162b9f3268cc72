#!/usr/bin/env python3
"""test_check_house.py: plants each kind of mistake in a small tree and wants it found, at its line,
and nothing else. Prints TAP.
"""
import os
import subprocess
import sys
import tempfile

CHECKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_house.py")


def see(*includes):
    """A file that opens as it should and has these includes from its second line on."""
    return "/* A file. */\n" + "".join(f"#include {name}\n" for name in includes)


SOUND = {
    "include/tenon/base.h": see("<stdint.h>"),
    "include/tenon/worker.h": see("<tenon/base.h>"),
    "include/tenon/device.h": see("<tenon/worker.h>"),
    "include/tenon/mmio.h": see("<tenon/device.h>"),
    "src/base/num.h": see("<stdint.h>"),
    "src/base/err.h": see('"tenon/base.h"'),
    "src/spec/ring.h": see('"base/num.h"'),
    "src/loop/loop.h": see('"base/num.h"', '"tenon/worker.h"'),
    "src/loop/parts.h": see('"loop/loop.h"'),
    "src/loop/loop.c": see('"loop/parts.h"', "<poll.h>"),
    "src/loop/os_epoll.c": see("<sys/epoll.h>", "<linux/time_types.h>"),
    "src/mem/mem.h": see('"base/num.h"'),
    "src/mem/table.h": see('"mem/mem.h"'),
    "src/device/device.h": see('"loop/loop.h"', '"mem/mem.h"', '"tenon/device.h"'),
    "src/mmio/mmio.c": see('"device/device.h"', '"spec/ring.h"', '"tenon/mmio.h"'),
    "src/blk/blk.h": see('"device/device.h"'),
    "src/vhost_user/wire.c": see("<linux/magic.h>"),
    "cmd/args.h": see("<stdio.h>"),
    "cmd/tool.c": see('"args.h"', "<tenon/mmio.h>"),
    "driver/driver.h": see('"spec/ring.h"', '"base/num.h"'),
    "tests/device/test_all.c": see('"driver.h"', "<tenon/mmio.h>"),
    "tests/unit/test_loop.c": see('"loop/parts.h"', '"base/num.h"'),
    "tests/unit/test_blk.c": see('"blk/blk.h"', '"mem/mem.h"'),
    "vmm/own.h": see("<tenon/mmio.h>"),
    "scripts/run.sh": "#!/bin/sh\necho\n",
    "scripts/run": "#!/bin/sh\necho\n",
}


def function(lines, excuse=""):
    body = "".join(f"    step({i});\n" for i in range(lines - 4))
    return f"int walk(int a,\n         int b)\n{{\n{excuse}{body}}}\n"


# What is planted: its name, the files, the offences wanted as file:line (none: it is sound).
LONG_FILE = "/* long */\n" + "int a;\n" * 400
CASES = [
    ("the sound tree", {}, []),
    ("up", {"src/mem/a.c": see('"device/device.h"')}, ["src/mem/a.c:2"]),
    ("a neighbour", {"src/mem/a.c": "/* */\n\n#include \"loop/loop.h\"\n"}, ["src/mem/a.c:3"]),
    ("a neighbour on the top floor", {"src/mmio/a.c": see('"blk/blk.h"')}, ["src/mmio/a.c:2"]),
    ("from base into spec", {"src/base/a.c": see('"spec/ring.h"')}, ["src/base/a.c:2"]),
    ("past the door", {"src/device/a.c": see('"mem/table.h"')}, ["src/device/a.c:2"]),
    ("a public header from above", {"src/loop/a.c": see('"tenon/mmio.h"')}, ["src/loop/a.c:2"]),
    ("the same in angle brackets", {"src/loop/a.c": see("<tenon/mmio.h>")}, ["src/loop/a.c:2"]),
    ("a neighbour's public header",
     {"src/mem/a.c": "/* */\n# include <tenon/worker.h>\n"}, ["src/mem/a.c:2"]),
    ("a public header that looks up",
     {"include/tenon/mem.h": see("<tenon/mmio.h>")}, ["include/tenon/mem.h:2"]),
    ("a public header that looks inside",
     {"include/tenon/mem.h": see('"base/num.h"')}, ["include/tenon/mem.h:2"]),
    ("a ring in the portable core",
     {"src/device/a.c": see("<liburing.h>")}, ["src/device/a.c:2"]),
    ("a public header for Linux only",
     {"include/tenon/mem.h": see("<linux/kvm.h>")}, ["include/tenon/mem.h:2"]),
    ("a public header without a room",
     {"include/tenon/attic.h": "/* */\n"}, ["include/tenon/attic.h:1"]),
    ("a room that nobody planned", {"src/attic/a.c": "/* */\n"}, ["src/attic/a.c:1"]),
    ("an include without its room", {"src/mem/a.c": see('"table.h"')}, ["src/mem/a.c:2"]),
    ("an include by a side way", {"src/mem/a.c": see('"../loop/loop.h"')}, ["src/mem/a.c:2"]),
    ("a public header that is not there",
     {"src/mem/a.c": see("<tenon/gone.h>")}, ["src/mem/a.c:2"]),
    ("the use of a public header without a room",
     {"include/tenon/attic.h": "/* */\n", "src/mmio/a.c": see("<tenon/attic.h>")},
     ["include/tenon/attic.h:1", "src/mmio/a.c:2"]),
    ("a program's header that is not there", {"cmd/a.c": see("<tenon/gone.h>")}, ["cmd/a.c:2"]),
    ("a test's public header that is not there",
     {"tests/unit/a.c": see("<tenon/gone.h>")}, ["tests/unit/a.c:2"]),
    ("a test's own header that is not there",
     {"tests/unit/a.c": see('"gone.h"')}, ["tests/unit/a.c:2"]),
    ("a program inside", {"cmd/a.c": see('"base/num.h"')}, ["cmd/a.c:2"]),
    ("an example inside", {"examples/a.c": see('"loop/loop.h"')}, ["examples/a.c:2"]),
    ("the driver inside", {"driver/a.c": see('"mem/mem.h"')}, ["driver/a.c:2"]),
    ("a device test inside",
     {"tests/device/a.c": see('"device/device.h"')}, ["tests/device/a.c:2"]),
    ("a program with the driver", {"cmd/a.c": see('"driver.h"')}, ["cmd/a.c:2"]),
    ("a header of all tests",
     {"tests/needs.h": "/* */\n", "tests/unit/a.c": see('"needs.h"'), "cmd/a.c": see('"needs.h"'),
      "tests/device/a.c": see('"needs.h"'), "fuzz/a.c": see('"needs.h"')}, ["cmd/a.c:2"]),
    ("a unit test of two rooms",
     {"tests/unit/a.c": see('"loop/loop.h"', '"mem/mem.h"')}, ["tests/unit/a.c:2"]),
    ("a unit test past a lower door",
     {"tests/unit/a.c": see('"blk/blk.h"', '"mem/table.h"')}, ["tests/unit/a.c:3"]),
    ("a fuzzer of a program's insides", {"fuzz/a.c": see('"vmm/own.h"')}, []),
    ("a unit test of a program", {"tests/unit/a.c": see('"vmm/own.h"')}, ["tests/unit/a.c:2"]),
    ("a test of a program's insides", {"tests/vmm/a.c": see('"vmm/own.h"')}, []),
    ("a program past another's door", {"cmd/a.c": see('"vmm/own.h"')}, ["cmd/a.c:2"]),
    ("a fuzzer of two rooms",
     {"fuzz/a.c": see('"loop/loop.h"', '"mem/mem.h"')}, ["fuzz/a.c:2"]),
    ("a name taken twice", {"src/mem/err.h": "/* */\n"}, ["src/mem/err.h:1"]),
    ("a circle of two", {"src/mem/mem.h": see('"mem/table.h"')}, ["src/mem/table.h:2"]),
    ("a circle in a program",
     {"cmd/args.h": see('"b.h"'), "cmd/b.h": "/* */\n\n#include \"args.h\"\n"}, ["cmd/b.h:3"]),
    ("a header that includes itself", {"src/mem/a.h": see('"mem/a.h"')}, ["src/mem/a.h:2"]),
    ("a Linux header", {"src/loop/a.c": see("<sys/eventfd.h>")}, ["src/loop/a.c:2"]),
    ("a kernel header", {"src/blk/a.c": see("<linux/fs.h>")}, ["src/blk/a.c:2"]),
    ("Linux in a public header",
     {"include/tenon/mem.h": "/* */\nenum { A = O_DIRECT };\n"}, ["include/tenon/mem.h:2"]),
    ("a file of Linux's own", {"src/mem/a.c": '/* */\nint a = open("/proc/self/maps", 0);\n'},
     ["src/mem/a.c:2"]),
    ("Linux in a room that is for Linux",
     {"src/vhost_user/a.c": "/* */\nint a = eventfd(0, MFD_CLOEXEC);\n"}, []),
    ("Linux in the files that are for it",
     {"src/loop/os_epoll.c": "/* */\nint a = eventfd(0, EFD_CLOEXEC);\n",
      "src/loop/place.c": "/* */\nint a = pthread_setname_np(0, 0);\n"}, []),
    ("Linux that is asked for",
     {"src/mem/a.c": "/* */\n#ifndef O_DIRECT\n#define O_DIRECT 0\n#endif\nint a = O_DIRECT;\n"},
     []),
    ("Linux in a comment and in a sentence",
     {"src/mem/a.c": '/* eventfd(),\n O_DIRECT */\nchar a[] = "open it with O_DIRECT";\n'}, []),
    ("a call behind a comment and a sentence",
     {"src/mem/a.c": '/*\n "*/\nchar a[] = "/*"; int b = memfd_create("", 0);\n'},
     ["src/mem/a.c:3"]),
    ("a field with the name of a call", {"src/mem/a.c": "/* */\nint a = b.eventfd;\n"}, []),
    ("401 lines", {"src/mem/a.c": LONG_FILE}, ["src/mem/a.c:401"]),
    ("401 lines of a script",
     {"scripts/a.sh": "#!/bin/sh\n" + "echo\n" * 400}, ["scripts/a.sh:401"]),
    ("400 lines", {"src/mem/a.c": LONG_FILE[:-7]}, []),
    ("401 lines with a reason",
     {"src/mem/a.c": LONG_FILE.replace("/* long", "/* Long because: it is")}, []),
    ("a reason that comes too late",
     {"src/mem/a.c": LONG_FILE + "/* Long because: no */\n"}, ["src/mem/a.c:402"]),
    ("61 lines of function", {"src/mem/a.c": "/* */\n\n" + function(61)}, ["src/mem/a.c:3"]),
    ("60 lines of function", {"src/mem/a.c": "/* */\n\n" + function(60)}, []),
    ("a long function with a reason before it",
     {"src/mem/a.c": "/* */\n\n/* Long because: a table. */\n" + function(90)}, []),
    ("a long function with a reason in it",
     {"src/mem/a.c": "/* */\n\n" + function(90, "    /* Long because: a table. */\n")}, []),
    ("somebody else's reason",
     {"src/mem/a.c": "/* */\n\n/* Long because: a table. */\n" + function(9) + "\n" + function(90)},
     ["src/mem/a.c:14"]),
    ("101 columns", {"cmd/a.c": "/* */\n/* " + "x" * 95 + " */\n"}, ["cmd/a.c:2"]),
    ("100 columns", {"cmd/a.c": "/* */\n/* " + "x" * 94 + " */\n"}, []),
    ("101 columns of a script", {"scripts/a": "#!/bin/sh\n#" + "x" * 100 + "\n"}, ["scripts/a:2"]),
    ("a tab", {"src/mem/a.c": "/* */\n\tint a;\n"}, ["src/mem/a.c:2"]),
    ("a tab in a build file",
     {"src/mem/meson.build": "a = [\n\t'a.c']\n"}, ["src/mem/meson.build:2"]),
]

PORTABLE = ("base", "spec", "loop", "mem", "disk", "virtqueue", "device", "blk", "mmio")
CASES += [(f"a Linux header in {room}",
           {f"src/{room}/a.c": see("<stdint.h>", "<sys/epoll.h>")}, [f"src/{room}/a.c:3"])
          for room in PORTABLE]
CASES += [(f"{call} in {room}",
           {f"src/{room}/a.c": f"/* */\nint a = {call};\n"}, [f"src/{room}/a.c:2"])
          for room, call in zip(PORTABLE, (
              "eventfd(0, 0)", "SYS_gettid", "pipe2(a, 0)", "memfd_create(n, 0)", "O_DIRECT",
              "MAP_POPULATE", "pthread_setname_np(0, n)", "fallocate(0, 0, 0, 0)", "gettid ()"))]


def check(root):
    return subprocess.run([sys.executable, CHECKER, root], capture_output=True, text=True,
                          check=False)


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**SOUND, **files}.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as out:
                out.write(text)
        result = check(root)
    lines = result.stdout.splitlines()
    return result.returncode, lines[:-1], lines[-1] if lines else ""


def problem(files, wanted):
    status, lines, last = run(files)
    found = [":".join(line.split(":")[:2]) for line in lines]
    if found != wanted:
        return f"wanted {wanted}, found {lines}"
    if status != (1 if wanted else 0):
        return f"exit status {status}"
    if not last.startswith(f"{len(wanted)} offence"):
        return f"the count says: {last}"
    return None


def main():
    failed = 0
    print(f"1..{len(CASES) + 1}")
    for number, (name, files, wanted) in enumerate(CASES, 1):
        what = problem(files, wanted)
        print(f"{'not ok' if what else 'ok'} {number} - {name}")
        if what:
            print(f"# {what}")
            failed += 1
    with tempfile.TemporaryDirectory() as empty:
        status = check(empty).returncode
    said = "ok" if status == 1 else "not ok"
    print(f"{said} {len(CASES) + 1} - an empty tree is not a sound one")
    return 1 if failed or status != 1 else 0


if __name__ == "__main__":
    sys.exit(main())
