#!/usr/bin/env python3
"""Puts each fault of faults.toml into a copy of the source, and sees that its test goes red.

    copy of the tree --edit--> mutant --ninja--> one test program --run--> has to fail --> undo

The copy is made once and built by parts, so that a fault costs one file and one link. In the end
the same tests run on the source as it is, and have to pass: a test that is always red sees nothing.

    plant.py                    all faults, in TAP; takes some minutes
    plant.py --only A1,B3a      all that the issue calls A1, and one of those of B3
    plant.py --check            only whether the list still fits the source: at once
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = 10  # for one test; a fault that makes the test hang is seen too

# What a build is made with. Most faults show in the first; the others cost a build of their own.
BUILDS = {
    "plain": ["--buildtype=debug"],
    "fast": ["--buildtype=release"],
    "address": ["--buildtype=debug", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
    "thread": ["--buildtype=debugoptimized", "-Db_sanitize=thread", "-Db_lundef=false"],
    "read_once": ["--buildtype=debug", "-Dread_once=true"],
}

# What the list has to have.
DEMANDED = {letter + str(number) for letter, first, last in (
    ("A", 1, 33), ("B", 1, 25), ("K", 1, 22))
    for number in range(first, last + 1)}

Edit = collections.namedtuple("Edit", "path find put")


class Fault:
    def __init__(self, entry):
        self.id = entry["id"]
        self.what = entry["what"]
        self.build = entry.get("build", "plain")
        self.seconds = entry.get("seconds", SECONDS)
        self.program, self.case = entry["test"].split(": ")
        self.edits = [Edit(e["file"], e["find"].strip("\n"), e["put"].strip("\n"))
                      for e in entry["edit"]]
        if self.build not in BUILDS:
            raise ValueError(f"{self.id}: there is no build {self.build}")

    @property
    def family(self):
        return re.match(r"[A-Z]+\d+", self.id).group()


def read_list(path=HERE / "faults.toml"):
    with open(path, "rb") as stream:
        faults = [Fault(entry) for entry in tomllib.load(stream)["fault"]]
    twice = [i for i, n in collections.Counter(f.id for f in faults).items() if n > 1]
    if twice:
        raise ValueError(f"the list has more than one {twice[0]}")
    return faults


def misfits(faults, root):
    """Edits that do not name exactly one place, tests that do not exist or stand in no table."""
    table = (root / "docs/faults.md").read_text()
    for family in sorted(DEMANDED - {fault.family for fault in faults}):
        yield f"{family}: nothing puts it in"
    for fault in faults:
        for edit in fault.edits:
            path = root / edit.path
            places = path.read_text().count(edit.find) if path.exists() else 0
            if places != 1:
                yield f"{fault.id}: {edit.path} has {places} places that read\n{edit.find}"
            if edit.find == edit.put:
                yield f"{fault.id}: {edit.path} is not changed"
        source = root / "tests" / (fault.program + ".c")
        case = fault.case.split("/")[-1]
        if f"{fault.id}: {fault.program}, {case}" not in table:
            yield f"{fault.id}: docs/faults.md does not say {fault.program}, {case}"
        if not source.exists() or not re.search(rf"\b{case}\b", source.read_text()):
            yield f"{fault.id}: {source.relative_to(root)} has no test {case}"


def source_files():
    """What git knows, and what is new; of an unpacked release all but builds."""
    git = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0 and git.stdout:
        return list(filter(None, git.stdout.split("\0")))
    return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
            if not re.match(r"build|\.", path.relative_to(ROOT).parts[0])]


class Copy:
    """A copy of the tree, and its builds."""

    def __init__(self, place, jobs):
        self.root = pathlib.Path(place) / "tree"
        self.jobs = jobs
        for name in source_files():
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)

    def directory(self, build):
        directory = self.root.parent / build
        if not (directory / "build.ninja").exists():
            subprocess.run(["meson", "setup", str(directory), *BUILDS[build]], cwd=self.root,
                           check=True, capture_output=True, text=True)
        return directory

    def build(self, fault):
        """The test program, or what the compiler said."""
        directory = self.directory(fault.build)
        suite, name = fault.program.split("/")
        if suite == "unit":
            name = "unit_" + name.removeprefix("test_")
        target = f"tests/{suite}/{name}"
        done = subprocess.run(["ninja", "-C", str(directory), f"-j{self.jobs}", target],
                              capture_output=True, text=True)
        return (directory / target, None) if done.returncode == 0 else (None, done.stdout)

    def plant(self, fault):
        before = {}
        for edit in fault.edits:
            path = self.root / edit.path
            text = path.read_text()
            before.setdefault(path, text)
            path.write_text(text.replace(edit.find, edit.put))
        return before


def passes(fault, program, patience=None):
    """Whether the fault's own test passed, and what was printed."""
    arguments = [str(program), fault.case]  # those that run all of their cases do not mind
    wanted = fault.case
    # Older sanitizers cannot place their tables where addresses are spread the most.
    if fault.build in ("address", "thread") and shutil.which("setarch"):
        if subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0:
            arguments = ["setarch", "-R", *arguments]
    surroundings = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1", TSAN_OPTIONS="halt_on_error=1")
    if patience:  # tests that wait for a moment that comes seldom
        surroundings["TENON_PATIENCE"] = str(patience)
    try:
        done = subprocess.run(arguments, env=surroundings, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=fault.seconds, cwd=program.parent)
    except subprocess.TimeoutExpired as hung:
        return False, "it hung\n" + (hung.stdout or b"").decode(errors="replace")
    text = done.stdout.decode(errors="replace")
    good = re.search(rf"^\[       OK \] {re.escape(wanted)}$", text, re.MULTILINE) is not None
    if fault.build in ("plain", "fast"):
        return good, text
    return good and done.returncode == 0, text  # a sanitizer, or the count of reads, at the end


def comment(text, lines=12):
    for line in text.strip().splitlines()[-lines:]:
        print("#   " + line[:160])


def see_red(copy, fault):
    """None, or why the fault was not seen."""
    before = copy.plant(fault)
    try:
        program, words = copy.build(fault)
        if program is None:
            return "the mutant does not compile\n" + words
        good, words = passes(fault, program, patience=fault.seconds // 2)
        return "the test still passes\n" + words if good else None
    finally:
        for path, text in before.items():
            path.write_text(text)


def see_green(copy, faults):
    """The tests on the source as it is: those that do not pass."""
    seen = {}
    for fault in faults:
        key = (fault.build, fault.program, fault.case)
        if key in seen:
            continue
        program, words = copy.build(fault)
        good = program is not None
        if good:
            good, words = passes(fault, program)
        seen[key] = good
        if not good:
            print(f"# {fault.build} {fault.program}: {fault.case} fails without any fault")
            comment(words)
    return [key for key, good in seen.items() if not good], len(seen)


def chosen(faults, only):
    if not only:
        return faults
    names = set(only.split(","))
    unknown = names - {f.id for f in faults} - {f.family for f in faults}
    if unknown:
        sys.exit(f"plant.py: no such fault: {', '.join(sorted(unknown))}")
    return [f for f in faults if f.id in names or f.family in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="faults to put in, with commas between")
    parser.add_argument("--check", action="store_true", help="only whether the list fits")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--place", help="keep the copy and its builds here")
    options = parser.parse_args()

    faults = read_list()
    wrong = list(misfits(faults, ROOT))
    if wrong or options.check:
        print("1..1")
        print(f"{'not ok' if wrong else 'ok'} 1 - the {len(faults)} faults of faults.toml fit the "
              "source")
        for words in wrong:
            comment(words)
        return 1 if wrong else 0

    faults = chosen(faults, options.only)
    order = list(BUILDS)
    place = options.place or tempfile.mkdtemp(prefix="tenon-faults-")
    unseen = 0
    try:
        copy = Copy(place, options.jobs)
        print(f"1..{len(faults) + 1}", flush=True)
        # Faults of one file follow each other, so that it is compiled once for each of them only.
        faults.sort(key=lambda f: (order.index(f.build), f.edits[0].path, f.program))
        for number, fault in enumerate(faults, 1):
            why = see_red(copy, fault)
            unseen += why is not None
            print(f"{'not ok' if why else 'ok'} {number} - {fault.id} {fault.what}: "
                  f"{fault.program} {fault.case}", flush=True)
            if why:
                comment(why)
        red, count = see_green(copy, faults)
        print(f"{'not ok' if red else 'ok'} {len(faults) + 1} - these {count} tests pass without a "
              "fault", flush=True)
        return 1 if unseen or red else 0
    finally:
        if not options.place:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
