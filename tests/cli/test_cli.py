#!/usr/bin/env python3
"""What people and programs see of `tenon` (VU-104): options, messages, sockets, signals, readiness.
The cases are in cli_*.py; each runs in an empty directory of its own.

Usage: test_cli.py PROGRAM [CASE...]     prints TAP. Needs Python, and guest.c as $GUEST.
"""

import os
import shutil
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True

from cli_harness import CASES, Skip

# Each adds its cases to CASES.
import cli_words
import cli_sockets
import cli_life
import cli_disks
import cli_control
import cli_run
import cli_console
import cli_streams
import cli_limits
import cli_errors
import cli_workers
import cli_net


def main():
    wanted = sys.argv[2:]
    chosen = [c for c in CASES if not wanted or c.__name__ in wanted]
    print('1..%d' % len(chosen), flush=True)
    failed = 0
    home = os.getcwd()
    for number, function in enumerate(chosen, 1):
        place = tempfile.mkdtemp(prefix='tn.', dir='/tmp')
        os.chdir(place)
        try:
            function()
            print('ok %d - %s' % (number, function.__name__), flush=True)
        except Skip as why:
            print('ok %d - %s # SKIP %s' % (number, function.__name__, why), flush=True)
        except BaseException:
            failed += 1
            print('not ok %d - %s' % (number, function.__name__))
            for line in traceback.format_exc().splitlines():
                print('#   ' + line)
            sys.stdout.flush()
        finally:
            os.chdir(home)
            shutil.rmtree(place, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
