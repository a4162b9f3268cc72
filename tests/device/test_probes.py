#!/usr/bin/env python3
"""The places that tracers can watch (src/base/probe.h) are in what was built, as docs/tracing.md
lists them, and each of them is a nop that nothing was loaded for.

Usage: test_probes.py DOCUMENT yes|no FILE...    yes: they were built in. Prints TAP.
"""

import collections
import re
import subprocess
import sys

Probe = collections.namedtuple("Probe", "name place values")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def documented(path):
    """name: how many values, from the table's rows; all have the device and the queue."""
    probes = {}
    with open(path, encoding="utf-8") as file:
        for row in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", file.read(), re.MULTILINE):
            more = [value for value in re.split(r",| and ", row[1]) if value.strip()]
            probes[row[0]] = 2 + len(more)
    return probes


def found(path):
    notes = output("readelf", "-nW", path)
    pattern = r"Provider: tenon\s+Name: (\w+)\s+Location: (0x[0-9a-f]+).*\s+Arguments: (.*)"
    return [Probe(name, int(place, 16), values.split())
            for name, place, values in re.findall(pattern, notes)]


def instruction(path, place):
    """The one at this address, as the disassembler writes it."""
    lines = output("objdump", "-d", "--no-show-raw-insn", f"--start-address={place}",
                   f"--stop-address={place + 1}", path).splitlines()
    return lines[-1].split("\t")[-1].strip() if lines else ""


def complaints(path, wanted):
    probes = found(path)
    have = {probe.name: len(probe.values) for probe in probes}
    if have != wanted:
        yield f"the file has {have}, the document {wanted}"
    for probe in probes:
        if not instruction(path, probe.place).startswith("nop"):
            yield f"{probe.name} is no nop but {instruction(path, probe.place)}"
    if not probes:
        yield "there are none"


def main():
    document, built, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    if built != "yes":
        print("1..0 # SKIP no sys/sdt.h (Debian: systemtap-sdt-dev) was there, or -Dusdt=disabled")
        return 0
    wanted = documented(document)
    failed = 0
    print(f"1..{len(files)}")
    for number, path in enumerate(files, 1):
        wrong = list(complaints(path, wanted))
        for line in wrong:
            print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} {number} - the probes of {path.split('/')[-1]}")
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
