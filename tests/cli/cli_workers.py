"""Which thread serves which queue: workers=, cpus=, queue-workers= and --workers; and how little a
daemon needs.
"""

import os
import re
import shlex
import subprocess
import sys

from cli_control import Control, case as control_case
from cli_harness import (
    Daemon, EMULATED, PATIENCE, PROGRAM, Skip, USAGE, case, image, refused, run, wait_for,
)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'bench'))

import footprint  # noqa: E402: what scripts/bench measures, too

LOAD = shlex.split(os.environ.get('LOAD', ''))
SANITIZED = os.environ.get('SANITIZE', 'none') != 'none'
CPU = min(os.sched_getaffinity(0))


class Guest:
    """A driver that keeps some requests in flight in each of its queues until it is told to end."""

    def __init__(self, socket, queues):
        if not LOAD or EMULATED:
            raise Skip('there is no driver')
        self.process = subprocess.Popen(
            [*LOAD, '--socket', socket, '--queues', str(queues), '--depth', '2', '--area', '1M',
             '--ring', '64', '--run-ms', '60000'], stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.process.terminate()
        self.process.wait(PATIENCE)


def workers_of(control, disk, queues):
    """What "status" says of them, when so many queues run."""
    def found():
        for entry in control.ok('status')['disks']:
            if entry['name'] == disk:
                workers = entry['workers']
                return sum(len(w['queues']) for w in workers) == queues and [workers]
        raise AssertionError('no disk ' + disk)
    return wait_for(found, '%d queues of %s run' % (queues, disk))[0]


def threads_of(daemon):
    """The names of its threads, and the CPUs that each may use."""
    threads = {}
    for task in os.listdir('/proc/%d/task' % daemon.process.pid):
        with open('/proc/%d/task/%s/comm' % (daemon.process.pid, task)) as comm:
            threads[comm.read().strip()] = os.sched_getaffinity(int(task))
    return threads


@control_case
def a_disk_has_as_many_workers_as_it_is_given():
    # The engine's threads, too, are there only while somebody uses the disk.
    disk = ('--disk=file=%s,socket=s,name=root,queues=5,engine=threads,workers=2,cpus=%d:%d' %
            (image(), CPU, CPU))
    with Daemon(disk, '--control=ctl') as daemon, Control() as control:
        assert len(threads_of(daemon)) == 1 and workers_of(control, 'root', 0) == []
        with Guest('s', 5):
            assert workers_of(control, 'root', 5) == [
                {'name': 'root/0', 'cpus': [CPU], 'queues': [0, 2, 4]},
                {'name': 'root/1', 'cpus': [CPU], 'queues': [1, 3]},
            ]
            threads = threads_of(daemon)
            assert threads['root/0'] == threads['root/1'] == {CPU}, threads
            said = run('stat', 'ctl').stdout
            assert '    queues 0,2,4 on thread root/0, CPUs %d\n' % CPU in said, said
        workers_of(control, 'root', 0)
        wait_for(lambda: len(threads_of(daemon)) == 1, 'its threads have ended')


@control_case
def cpus_alone_are_a_worker_each():
    with Daemon('--disk=file=%s,socket=s,name=root,cpus=%d:%d' % (image(), CPU, CPU),
                '--control=ctl'), Control() as control, Guest('s', 2):
        assert [w['name'] for w in workers_of(control, 'root', 2)] == ['root/0', 'root/1']
    with Daemon('--disk=file=%s,socket=s,name=root,workers=1,cpus=%d,,%d' % (image(), CPU, CPU),
                '--control=ctl'), Control() as control, Guest('s', 2):
        assert workers_of(control, 'root', 2) == [
            {'name': 'root', 'cpus': [CPU, CPU], 'queues': [0, 1]}]


@control_case
def disks_share_the_threads_of_workers():
    disks = ['--disk=file=%s,socket=%s,name=%s' % (image(name + '.img'), name, name)
             for name in ('a', 'b')]
    disks.append('--disk=file=%s,socket=c,name=c,queue-workers=2:0:0' % image('c.img'))
    disks.append('--disk=file=%s,socket=d,name=d,workers=1' % image('d.img'))
    with Daemon(*disks, '--workers=3', '--worker-cpus=%d' % CPU, '--control=ctl') as daemon, \
            Control() as control:
        threads = threads_of(daemon)
        assert all(threads['tenon-%d' % i] == {CPU} for i in range(3)), threads
        with Guest('a', 2), Guest('b', 2), Guest('c', 4), Guest('d', 2):
            for disk, queues, expected in (
                ('a', 2, [('tenon-0', [0]), ('tenon-1', [1])]),
                ('b', 2, [('tenon-1', [0]), ('tenon-2', [1])]),  # each disk begins at another
                ('c', 4, [('tenon-2', [0, 3]), ('tenon-0', [1, 2])]),
                ('d', 2, [('d', [0, 1])]),
            ):
                found = [(w['name'], w['queues']) for w in workers_of(control, disk, queues)]
                assert found == expected, (disk, found)


@case
def what_does_not_fit_is_explained():
    disk = '--disk=file=%s,socket=s,queues=2' % image()
    for args, says in (
        ([disk + ',workers=0'], 'from 1 to 256'),
        ([disk + ',workers=3'], '3 workers are more than its queues (2)'),
        ([disk + ',cpus=0:0:0'], '3 workers are more than its queues (2)'),
        ([disk + ',cpus=1023'], 'CPU 1023 does not exist'),
        ([disk + ',queue-workers=0'], 'add --workers'),
        ([disk + ',queue-workers=2', '--workers=2'], '--workers 2 makes 0 to 1'),
        ([disk + ',queue-workers=0:1:0', '--workers=2'], '3 numbers for 2 queues'),
        ([disk + ',queue-workers=0,workers=1', '--workers=2'], 'remove one'),
        ([disk + ',workers=1', '--workers=2'], 'has no place'),
        ([disk, '--workers=3'], 'more than the queues of all devices, which are 2'),
        ([disk, '--worker-cpus=1023'], 'CPU 1023 does not exist'),
        ([disk, '--worker-cpus=0-256'], 'add --workers'),
    ):
        refused('blk', *args, code=USAGE, says=says)
    for wrong in ('', 'x', '1-', '2-1', '0:', ':0', '0::1', '1024', '0-1-2', '99999999999999999999',
                  '0-1023:0', '-1', '0 1'):
        refused('blk', disk + ',cpus=' + wrong, code=USAGE, says='no list of numbers')
    assert not os.path.exists('s')


@case
def run_has_the_same_words():
    if ' run ' not in run('help').stdout:
        raise Skip('this program was built without a machine')
    text = run('run', '--help').stdout
    for word in '--workers --worker-cpus workers= cpus= queue-workers='.split():
        assert word in text, word
    kernel = '--kernel=' + image('vmlinuz')
    refused('run', kernel, '--workers=3', '--cpus=2', image(), code=USAGE, says='which are 2')
    refused('run', kernel, '--disk=file=disk.img,queue-workers=0', code=USAGE, says='--workers')
    refused('run', kernel, '--disk=file=disk.img,cpus=x', code=USAGE, says='no list of numbers')


# ---- how little a daemon needs: scripts/bench has the goals, here are bounds for any build ----


def native():
    if EMULATED or SANITIZED:
        raise Skip('this is about the program itself, not about what watches or emulates it')


@case
def an_idle_daemon_is_small_and_quick():
    native()
    found = footprint.idle([PROGRAM], '.')
    assert found['resident_mib'] < 8 and found['threads'] == 1, found
    assert found['ready_ms'] < 2000, found


@case
def all_queues_in_use_need_little():
    native()
    if not LOAD:
        raise Skip('there is no driver')
    found = footprint.in_use([PROGRAM], LOAD, '.', run_ms=300)
    assert 2 < found['resident_mib'] < 32, found


@case
def a_thousand_unconnected_disks_need_no_threads():
    native()
    found = footprint.unconnected([PROGRAM], '.')
    assert found['threads'] == 1, found
    assert found['resident_mib'] < 96, found
