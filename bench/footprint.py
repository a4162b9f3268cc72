"""footprint.py: what `tenon blk` needs without doing anything, and with all its queues in use.

Resident memory is counted as what the kernel has mapped for the process, with the pages of shared
libraries, and without the guest's memory and the image: those are there for the guest.
Used by scripts/bench and by tests/cli.
"""

import json
import os
import re
import subprocess
import time

QUEUES, RING, DEPTH, DISKS = 64, 256, 80, 1000
PATIENCE = 30

# case, figure, the bound that has to be kept
GOALS = [
    ('idle', 'resident_mib', 4.0),
    ('idle', 'ready_ms', 10.0),
    ('in use', 'resident_mib', 24.0),
    ('after use', 'cpu_percent', 0.5),
    ('unconnected', 'resident_mib', 64.0),
    ('unconnected', 'threads', 1.0),
]


class Daemon:
    """`tenon blk`, ready; `ready_ms` is how long that took from before fork to the socket."""

    def __init__(self, tenon, args):
        read_end, write_end = os.pipe()
        start = time.monotonic()
        self.process = subprocess.Popen([*tenon, 'blk', '--log=error', f'--ready-fd={write_end}',
                                         *args], pass_fds=(write_end,), stdin=subprocess.DEVNULL)
        os.close(write_end)
        said = os.read(read_end, 100)
        self.ready_ms = (time.monotonic() - start) * 1000
        os.close(read_end)
        if not said:
            self.process.wait(PATIENCE)
            raise RuntimeError('tenon blk did not become ready')

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def resident_mib(self):
        kib, ours = 0, False
        with open(f'/proc/{self.process.pid}/smaps') as maps:
            for line in maps:
                mapping = re.match(r'[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)', line)
                if mapping:
                    ours = not re.match(r'/memfd:guest|.*\.img', mapping[1])
                elif ours and line.startswith('Rss:'):
                    kib += int(line.split()[1])
        return kib / 1024

    def threads(self):
        return len(os.listdir(f'/proc/{self.process.pid}/task'))


def make_image(folder, name, size):
    path = os.path.join(folder, name + '.img')
    with open(path, 'wb') as out:
        out.truncate(size)
    return path


def idle(tenon, folder):
    disk = f'--disk=file={make_image(folder, "idle", 64 << 20)},socket={folder}/s'
    with Daemon(tenon, [disk]) as daemon:
        return {'resident_mib': daemon.resident_mib(), 'ready_ms': daemon.ready_ms,
                'threads': daemon.threads()}


def in_use(tenon, load, folder, run_ms=1000):
    """All rings as full as three descriptors a request allow; looked at while that goes on."""
    disk = (f'--disk=file={make_image(folder, "busy", 64 << 20)},socket={folder}/s,'
            f'queues={QUEUES},queue-size={RING}')
    with Daemon(tenon, [disk]) as daemon:
        driver = subprocess.Popen(
            [*load, '--socket', f'{folder}/s', '--queues', str(QUEUES), '--ring', str(RING),
             '--depth', str(DEPTH), '--area', '64M', '--poll', 'on', '--run-ms', str(run_ms)],
            stdout=subprocess.PIPE, text=True)
        most = 0
        while driver.poll() is None:
            most = max(most, daemon.resident_mib())
            time.sleep(0.05)
        if driver.returncode != 0:
            raise RuntimeError('the load failed')
        driver.stdout.close()
        return {'resident_mib': most}


def after_use(tenon, load, folder, queues=100, idle_ms=3000):
    """What queues cost that were in use, and that a driver may use again at any time."""
    disk = f'--disk=file={make_image(folder, "after", 64 << 20)},socket={folder}/s,queues={queues}'
    with Daemon(tenon, [disk]) as daemon:
        done = subprocess.run(
            [*load, '--socket', f'{folder}/s', '--queues', str(queues), '--depth', '1', '--area',
             '64M', '--poll', 'on', '--run-ms', '200', '--idle-ms', str(idle_ms), '--pid',
             str(daemon.process.pid)], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        return {'cpu_percent': json.loads(done.stdout)['idle_cpu_percent']}


def unconnected(tenon, folder, disks=DISKS):
    args = []
    for i in range(disks):
        args.append(f'--disk=file={make_image(folder, str(i), 1 << 20)},socket={folder}/{i}.s')
    with Daemon(tenon, args) as daemon:
        return {'resident_mib': daemon.resident_mib(), 'ready_ms': daemon.ready_ms,
                'threads': daemon.threads()}


def measure(tenon, load, folder, rounds):
    """The medians, but the most for what must hold all the time."""
    first = [idle(tenon, folder) for _ in range(max(rounds, 3))]
    result = {'idle': max(first, key=lambda r: r['resident_mib'])}
    result['idle']['ready_ms'] = sorted(r['ready_ms'] for r in first)[len(first) // 2]
    result['in use'] = in_use(tenon, load, folder)
    result['after use'] = after_use(tenon, load, folder)
    result['unconnected'] = unconnected(tenon, folder)
    return result


def goals(result):
    return [{'case': f'footprint, {case}', 'of': 'tenon', 'figure': figure,
             'value': result[case][figure], 'at': 'most', 'bound': bound,
             'reached': result[case][figure] <= bound}
            for case, figure, bound in GOALS if case in result]


def show(result):
    about = {'idle': '1 disk, no front-end', 'in use': f'{QUEUES} queues of {RING}, full',
             'after use': '100 queues, idle again',
             'unconnected': f'{DISKS} disks, no front-end'}
    words = {'cpu_percent': '% of a processor', 'resident_mib': 'MiB resident',
             'ready_ms': 'ms until ready', 'threads': 'threads'}
    print('\nfootprint')
    for case, figures in result.items():
        print(f'  {about[case]:26} ' +
              '   '.join(f'{value:.1f} {words[figure]}' for figure, value in figures.items()))


def show_goals(rows):
    for row in rows:
        print(f'  {row["case"]:24} {row["figure"]:14} {row["value"]:8.2f}   at most '
              f'{row["bound"]:4.1f}   {"reached" if row["reached"] else "MISSED"}')
