#!/usr/bin/env python3
"""Boots damaged kernels and sees that only the guest suffers.

    mutate.py TENON KERNEL COUNT SEED       prints the trouble; exit status 1 when there was any

Each kernel is KERNEL with bytes changed (in its headers, or anywhere) or with its end cut off. It
may power off, reset, hang, or be refused with one line. The program must not die of a signal, and
one that runs must end soon after SIGTERM. A kernel that made trouble is kept beside KERNEL.
"""
import os
import random
import signal
import subprocess
import sys

HEADER_BYTES = 64 + 2 * 56      # of ELF, with the headers of two segments
PATIENCE, GRACE = 0.3, 20       # seconds that a kernel may run, and may take to end
PATIENCE_MAX = 20               # where the machine is so busy that the program has not begun yet
# powered off, cannot start or go on, guest reset, guest panicked
FINE = (0, 1, 5, 6)


def damaged(kernel, rng):
    data = bytearray(kernel)
    kind = rng.randrange(8)
    if kind == 0:
        return bytes(data[:rng.randrange(len(data))])
    reach = len(data) if kind == 1 else HEADER_BYTES
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(reach)
        data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1 << rng.randrange(8),
                               rng.randrange(256)))
    return bytes(data)


def boot(tenon, path, patience=PATIENCE):
    """What came of it: a sentence, or None if all was well."""
    program = subprocess.Popen(
        [tenon, 'run', '--no-kvm-probe', '--kernel', path, '--memory', '64M', '--cmdline', 'off'],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = program.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        program.terminate()
        try:
            _, said = program.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
            return f'still there {GRACE} s after SIGTERM'
        if program.returncode == -signal.SIGTERM and patience < PATIENCE_MAX:
            return boot(tenon, path, patience * 4)
    if program.returncode not in FINE:
        return f'ended with {program.returncode}: {said.decode(errors="replace")}'
    lines = said.decode(errors='replace').splitlines()
    if program.returncode == 1 and (len(lines) != 1 or 'tenon: ' not in lines[0]):
        return f'refused with {len(lines)} lines: {lines}'
    return None


def main():
    tenon, path, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with open(path, 'rb') as file:
        kernel = file.read()
    rng = random.Random(seed)
    trouble = 0
    for number in range(count):
        broken = f'{path}.{number}'
        with open(broken, 'wb') as file:
            file.write(damaged(kernel, rng))
        what = boot(tenon, broken)
        if what:
            trouble += 1
            print(f'# kernel {number} of seed {seed}: {what}')
        else:
            os.remove(broken)
    return 1 if trouble else 0


if __name__ == '__main__':
    sys.exit(main())
