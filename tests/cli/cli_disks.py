"""What the options about disks make of them."""

import glob
import os
import re
import select
import struct
import subprocess
import sys

from cli_harness import (
    BASE_FEATURES, CANNOT, Daemon, EMULATED, FrontEnd, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
    PATIENCE, PROGRAM, PROTOCOL_FEATURES, SET_FEATURES, SET_PROTOCOL_FEATURES, Skip, USAGE,
    VIRTIO_BLK_F_MQ, VIRTIO_BLK_F_RO, answers, case, image, refused, run, wait_for,
)


@case
def two_disks_in_one_daemon():
    with Daemon('--disk=file=%s,socket=s' % image('a.img'),
                '--disk=memory=1M,socket=t,name=scratch') as daemon:
        with FrontEnd('s') as one, FrontEnd('t') as two:
            assert one.features() and two.features()
        assert "'a'" in daemon.stderr() and "'scratch'" in daemon.stderr()


@case
def disks_of_one_name_are_told_apart():
    os.mkdir('x')
    os.mkdir('y')
    with Daemon(image('x/d.img'), image('y/d.img')) as daemon:
        assert answers('x/d.img.sock') and answers('y/d.img.sock')
        assert "'d'" in daemon.stderr() and "'d-2'" in daemon.stderr()


@case
def read_only_is_offered():
    image()
    for args in (['--read-only', '--socket-path=s', '--blk-file=disk.img'],
                 ['--disk=file=disk.img,socket=s,read-only=on'],
                 ['--disk=file=disk.img,socket=s', '--read-only']):
        with Daemon(*args), FrontEnd('s') as front_end:
            assert front_end.features() >> VIRTIO_BLK_F_RO & 1
    with Daemon('--socket-path=s', '--blk-file=disk.img'), FrontEnd('s') as front_end:
        assert not front_end.features() >> VIRTIO_BLK_F_RO & 1


@case
def image_without_write_permission_can_be_served_read_only():
    os.chmod(image(), 0o444)
    if os.geteuid() == 0:
        if subprocess.run(['setpriv', '--version'], capture_output=True).returncode != 0:
            raise Skip('runs as root, and there is no setpriv to become somebody else')
        os.chmod('.', 0o777)
        before = ['setpriv', '--reuid=65534', '--clear-groups']
    else:
        before = []
    done = subprocess.run([*before, PROGRAM, 'blk', '--socket-path=s', '--blk-file=disk.img'],
                          capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == CANNOT, done
    assert 'Permission denied' in done.stderr and 'disk.img' in done.stderr, done
    with Daemon('--read-only', '--socket-path=s', '--blk-file=disk.img', before=before):
        assert answers('s')


@case
def two_writers_of_one_image_are_refused():
    with Daemon('--socket-path=s', '--blk-file', image()):
        refused('blk', '--socket-path=t', '--blk-file=disk.img', says='disk.img')
        assert not os.path.exists('t')
    refused('blk', '--disk=file=disk.img,socket=s', '--disk=file=disk.img,socket=t',
            says='disk.img')


@case
def readers_share_an_image():
    with Daemon('--read-only', '--socket-path=s', '--blk-file', image()):
        with Daemon('--read-only', '--socket-path=t', '--blk-file', 'disk.img'):
            assert answers('s') and answers('t')


@case
def image_that_is_no_multiple_of_512_says_so_once():
    with Daemon('--socket-path=s', '--blk-file', image(size=(1 << 20) + 100)) as daemon:
        assert answers('s')
    assert len(re.findall(r'disk\.img.*(512|sector)', daemon.stderr())) == 1, daemon.stderr()


@case
def image_that_is_smaller_than_a_sector_is_refused():
    refused('blk', '--socket-path=s', '--blk-file', image(size=100), says='disk.img',
            code=(USAGE, CANNOT))


@case
def many_queues_are_offered():
    for args, expected in ((['--blk-file', image(), '--socket-path=s'], 64),
                           (['--disk=file=disk.img,socket=s,queues=3'], 3)):
        with Daemon(*args), FrontEnd('s') as front_end:
            features = front_end.features()
            assert features >> VIRTIO_BLK_F_MQ & 1, hex(features)
            assert features >> PROTOCOL_FEATURES & 1, hex(features)
            front_end.tell(SET_FEATURES, struct.pack('<Q', BASE_FEATURES))
            offered = front_end.ask(GET_PROTOCOL_FEATURES)
            front_end.tell(SET_PROTOCOL_FEATURES, struct.pack('<Q', offered & 1))
            assert front_end.ask(GET_QUEUE_NUM) == expected


@case
def workers_are_threads_with_names():
    def thread_names():
        names = set()
        for path in glob.glob('/proc/%d/task/*/comm' % daemon.process.pid):
            with open(path) as comm:
                names.add(comm.read().strip())
        return names

    disks = ['--disk=memory=1M,socket=s', '--disk=memory=1M,socket=t,name=u']
    with Daemon('--workers=2', *disks) as daemon:
        wait_for(lambda: thread_names() >= {'tenon-0', 'tenon-1'}, 'two threads with names')
        assert answers('s') and answers('t')


@case
def idle_disks_cost_no_thread():
    disks = ['--disk=memory=1M,socket=s%d,name=d%d' % (i, i) for i in range(20)]
    with Daemon(*disks) as daemon:
        threads = len(glob.glob('/proc/%d/task/*' % daemon.process.pid))
        assert threads == (2 if EMULATED else 1)  # the emulator has one of its own


@case
def front_end_that_truncates_its_memory_hurts_only_itself():
    """SIGBUS in the daemon: the session ends, the process and its other disk do not."""
    memory, kick, call = os.memfd_create('guest'), os.eventfd(0), os.eventfd(0)
    size, entries, uva = 1 << 20, 16, 0x100000000
    os.ftruncate(memory, size)
    with Daemon('--disk=memory=1M,socket=s', '--disk=memory=1M,socket=t,name=u') as daemon:
        with FrontEnd('s') as front_end:
            front_end.tell(3)  # SET_OWNER
            front_end.tell(SET_FEATURES, struct.pack('<Q', BASE_FEATURES))
            front_end.tell_fd(5, struct.pack('<IIQQQQ', 1, 0, 0, size, uva, 0),
                              memory)  # SET_MEM_TABLE
            front_end.tell(8, struct.pack('<II', 0, entries))  # SET_VRING_NUM
            front_end.tell(10, struct.pack('<II', 0, 0))  # SET_VRING_BASE
            front_end.tell(9, struct.pack('<IIQQQQ', 0, 0, uva, uva + 0x2000, uva + 0x1000,
                                          0))  # SET_VRING_ADDR
            front_end.tell_fd(13, struct.pack('<Q', 0), call)  # SET_VRING_CALL
            front_end.tell_fd(12, struct.pack('<Q', 0), kick)  # SET_VRING_KICK
            front_end.tell(18, struct.pack('<II', 0, 1))  # SET_VRING_ENABLE
            # A ring that starts gives one interrupt: then it runs.
            assert select.select([call], [], [], PATIENCE)[0], 'the queue did not start'
            os.ftruncate(memory, 0)

            # A queue sees at the beginning of a turn that its memory has gone: a driver goes on.
            def kick_until_hung_up():
                os.eventfd_write(kick, 1)
                return select.select([front_end.socket], [], [], 0.01)[0]

            wait_for(kick_until_hung_up, 'the session ends')
            assert front_end.hung_up() and answers('t') and daemon.alive()
        assert answers('s') and answers('t')
    for fd in (memory, kick, call):
        os.close(fd)


@case
def size_with_units_and_doubled_commas():
    image('x,y.img')
    with Daemon('--disk', 'file=x,,y.img,socket=s,,t,offset=4K,size=512K'):
        assert answers('s,t')


@case
def standard_fds_that_the_parent_closed_are_not_used_for_files():
    wrapper = 'import os, sys; os.closerange(0, 3); os.execv(sys.argv[1], sys.argv[1:])'
    with Daemon('--socket-path=s', '--blk-file', image(),
                before=[sys.executable, '-c', wrapper]) as daemon:
        assert answers('s')
        for fd in range(3):
            assert os.readlink('/proc/%d/fd/%d' % (daemon.process.pid, fd)) == '/dev/null'


@case
def standard_output_that_nobody_reads_does_not_end_the_daemon():
    """The lines to paste go into a broken pipe: no SIGPIPE."""
    wrapper = """
import os, signal, sys
read_end, write_end = os.pipe()
os.dup2(write_end, 1)
os.close(read_end)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
    with Daemon(image(), before=[sys.executable, '-c', wrapper]) as daemon:
        assert answers('disk.img.sock') and answers('disk.img.sock') and daemon.alive()
