"""net.py: the network cases of scripts/bench: `tenon net` beside dpdk-testpmd and beside loops that
have no device at all, each with the same driver and the same peer (bench/net_load)."""
import json
import os
import shutil
import signal
import subprocess
import time

TAP = 'tnbench0'
COUPLES = 8  # of devices back to back, where it is about many
PAIR = ['tenon', 'testpmd']
LINK = ['tenon', 'bare']


class Case:
    """`link` is what the frames go through: pair, dgram, stream, tap."""
    def __init__(self, name, link, kind, size, backends, **load):
        self.name, self.link, self.kind, self.size = 'net-' + name, link, kind, size
        self.backends, self.load = backends, load


CASES = [
    Case('pair-64', 'pair', 'one-way', 64, PAIR + ['memcpy']),
    Case('pair-1514', 'pair', 'one-way', 1514, PAIR + ['memcpy']),
    Case('pair-64-many', 'pair', 'one-way', 64, ['tenon', 'tenon 8 couples']),
    Case('pair-1514-both', 'pair', 'both-ways', 1514, PAIR),
    Case('pair-1514-many', 'pair', 'one-way', 1514, ['tenon', 'tenon 8 couples']),
    Case('pair-64k', 'pair', 'one-way', 65536, ['tenon', 'memcpy']),
    Case('pair-lone', 'pair', 'lone', 64, ['tenon', 'tenon poll off', 'testpmd'], poll='on'),
] + [
    Case(f'{link}-{size}-{kind}', link, kind, size, LINK)
    for link in ('dgram', 'stream', 'tap') for size in (64, 1514) for kind in ('in', 'out')
] + [
    Case(f'{link}-64k-{kind}', link, kind, 65000, LINK, tso='on' if link == 'tap' else 'off')
    for link in ('dgram', 'stream', 'tap') for kind in ('in', 'out')
] + [
    Case(f'{link}-lone', link, 'lone', 64, ['tenon', 'tenon poll off'], poll='on')
    for link in ('dgram', 'stream', 'tap')
] + [ # all asleep
    Case(f'{link}-lone-asleep', link, 'lone', 64, ['tenon', 'tenon poll off'])
    for link in ('pair', 'dgram', 'stream', 'tap')
]

# case, what, compared to what (None: the figure itself), figure, "least" or "most", the bound
GOALS = [
    ('net-pair-1514', 'tenon', 'testpmd', 'per_second', 'least', 1.4),
    ('net-pair-1514', 'tenon', 'testpmd', 'cpu_us_per_request', 'most', 0.6),
    ('net-pair-1514-both', 'tenon', 'testpmd', 'per_second', 'least', 1.4),
    ('net-pair-1514-both', 'tenon', 'testpmd', 'cpu_us_per_request', 'most', 0.6),
    ('net-pair-64-many', 'tenon 8 couples', 'tenon', 'per_second', 'least', 0.95),
    ('net-pair-1514-many', 'tenon 8 couples', 'tenon', 'per_second', 'least', 0.95),
    ('net-pair-64k', 'tenon', 'memcpy', 'per_second', 'least', 0.8),
    ('net-pair-lone', 'tenon', 'testpmd', 'p50_us', 'most', 1.2),
] + [
    (f'net-{link}-{size}-{kind}', 'tenon', 'bare', 'per_second', 'least', 0.9)
    for link in ('dgram', 'stream', 'tap') for size in (64, 1514) for kind in ('in', 'out')
] + [
    (f'net-{link}-lone', 'tenon', 'tenon poll off', 'p50_us', 'most', 0.5)
    for link in ('pair', 'dgram', 'stream', 'tap')
] + [
    (case, 'tenon', None, figure, 'most', bound)
    for case in ('net-pair-64', 'net-pair-1514', 'net-stream-1514-in', 'net-tap-1514-in')
    for figure, bound in (('interrupts_per_1000', 10),)
] + [
    (f'net-{link}-lone-asleep', 'tenon poll off', None, 'told_us', 'most', 5)
    for link in ('pair', 'dgram', 'stream', 'tap')
] + [
    (case, 'tenon', None, 'lost', 'most', 0)
    for case in ('net-pair-64', 'net-pair-1514', 'net-pair-1514-both', 'net-pair-64k')
]


def is_possible(name):
    return name != 'testpmd' or shutil.which('dpdk-testpmd')


class Place:
    """Where the sockets of one measurement are."""
    def __init__(self, folder):
        self.sockets = [os.path.join(folder, f'v{i}') for i in range(2 * COUPLES)]
        self.ours, self.theirs = os.path.join(folder, 'la'), os.path.join(folder, 'lb')
        self.control = os.path.join(folder, 'c')
        self.clear()

    def clear(self):
        for path in [*self.sockets, self.ours, self.theirs, self.control]:
            if os.path.exists(path):
                os.unlink(path)

    def link(self, kind):
        return {'dgram': f'dgram,path={self.ours},peer={self.theirs}',
                'stream': f'stream,path={self.ours},listen=on',
                'tap': f'tap,name={TAP}'}[kind]

    def peer(self, kind):
        return {'dgram': f'dgram:{self.theirs}:{self.ours}', 'stream': f'stream:{self.ours}',
                'tap': f'tap:{TAP}'}[kind]


def tenon(program, case, sockets, place, keys):
    command = [program, 'net', '--log=error', '--workers=1', '--worker-cpus=0',
               f'--control={place.control}']
    if case.link == 'pair':
        for number, socket in enumerate(sockets):
            command.append(f'--link=pair=bench{number // 2},socket={socket}{keys}')
    else:
        command.append(f'--link={place.link(case.link)},socket={sockets[0]}{keys}')
    return command


def testpmd(sockets):
    return ['dpdk-testpmd', '--no-huge', '-m', '512', '--no-pci', '--no-telemetry',
            '--file-prefix=tenon-bench', '--lcores', '0@0,1@0',
            *(f'--vdev=net_vhost{i},iface={s},queues=1' for i, s in enumerate(sockets)),
            '--', '--auto-start', '--forward-mode=io', '--total-num-mbufs=4096',
            '--no-lsc-interrupt', '--disable-link-check']


class Backend:
    def __init__(self, command, sockets, log):
        # It reads its input, and ends with it.
        self.process = subprocess.Popen(['taskset', '-c', '0', *command], stdin=subprocess.PIPE,
                                        stdout=log, stderr=log)
        end = time.monotonic() + 10
        while not all(os.path.exists(s) for s in sockets):
            if time.monotonic() > end or self.process.poll() is not None:
                self.end()
                raise RuntimeError(f'{command[0]} does not start; see {log.name}')
            time.sleep(0.005)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()


def told(program, place):
    """Microseconds from the turn in which a frame came to its interrupt: the median, and where it
    is in its bucket (from one power of 2 to the next) by how many are before it there."""
    done = subprocess.run([program, 'stat', '--json', place.control], capture_output=True,
                          text=True, timeout=10)
    buckets = json.loads(done.stdout)['nets'][-1]['latency_ns']['told']
    left = sum(buckets) / 2
    for i, count in enumerate(buckets):
        if left < count:
            return {'told_us': 2 ** (i - 1) * (1 + left / count) / 1000}
        left -= count
    return {}


def measure(case, name, programs, folder, run_ms, watched, log):
    """One figure: `programs` are tenon and net_load; `watched` refuses it when others are busy."""
    program, load = programs
    place = Place(folder)
    command = [load, '--kind', case.kind, '--bytes', str(case.size), '--run-ms', str(run_ms),
               '--warm-ms', str(run_ms // 4), '--cpu', '1']
    for key, value in case.load.items():
        command += [f'--{key}', value]
    if case.link != 'pair':
        command += ['--peer', place.peer(case.link)]
    backend, pids = None, ()
    if name == 'memcpy':
        command += ['--bare', 'memcpy', '--bare-cpu', '0']
    elif name == 'bare':
        command += ['--bare', 'on', '--bare-cpu', '0']
    else:
        count = 1 if case.link != 'pair' else 2 * COUPLES if name == 'tenon 8 couples' else 2
        sockets = place.sockets[:count]
        keys = ',poll-us=0' if name == 'tenon poll off' else ''
        backend = Backend(testpmd(sockets) if name == 'testpmd'
                          else tenon(program, case, sockets, place, keys), sockets, log)
        pids = (backend.process.pid,)
        for socket in sockets:
            command += ['--socket', socket]
        command += ['--pid', str(backend.process.pid)]
    try:
        def run():
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise RuntimeError(f'{case.name}, {name}: {done.stderr.strip()}')
            figures = json.loads(done.stdout)
            return figures | (told(program, place) if name == 'tenon poll off' else {})
        result = watched(run, *pids)
    finally:
        if backend:
            backend.end()
        place.clear()
    if result['errors']:
        raise RuntimeError(f'{case.name}, {name}: {result["errors"]} frames were not as sent')
    return result
