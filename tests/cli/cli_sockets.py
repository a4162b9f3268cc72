"""Where front-ends connect: sockets that are made, found, or passed by somebody."""

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys

from cli_harness import (
    CANNOT, Daemon, FrontEnd, PATIENCE, PROGRAM, USAGE, VIRTIO_BLK_F_RO, answers, case, image,
    listener, refused, run, wait_for,
)


@case
def simplest_form_makes_socket_and_prints_lines_to_paste():
    with Daemon(image('a b,c.img')) as daemon:
        assert answers('a b,c.img.sock')
        assert daemon.stop() == 0
    path = os.path.realpath('.') + '/a b,c.img.sock'
    qemu = path.replace(',', ',,')
    chardev = "-chardev 'socket,id=disk0,path=%s' -device vhost-user-blk,queue-size=1024," \
              "chardev=disk0" % qemu
    assert chardev in daemon.stdout, daemon.stdout
    assert "-device vhost-user-blk-pci,chardev=disk0" in daemon.stdout
    assert "--memory size=1G,shared=on --disk 'vhost_user=true,socket=%s'" % path in daemon.stdout
    assert daemon.stdout.count('share=on') == 2
    assert 'microvm' in daemon.stdout and 'q35' in daemon.stdout
    assert not os.path.exists('a b,c.img.sock') and not os.path.exists('a b,c.img.sock.lock')


@case
def other_forms_print_nothing_on_stdout():
    with Daemon('--socket-path', 's', '--blk-file', image()) as daemon:
        assert daemon.stop() == 0
    assert daemon.stdout == ''


@case
def socket_mode_is_0660_whatever_the_umask():
    for mask in (0o000, 0o077):
        with Daemon('--socket-path=s', '--blk-file', image(), umask=mask):
            assert stat.S_IMODE(os.stat('s').st_mode) == 0o660, oct(os.stat('s').st_mode)


@case
def socket_mode_option():
    with Daemon('--socket-path=s', '--socket-mode=0600', '--blk-file', image()):
        assert stat.S_IMODE(os.stat('s').st_mode) == 0o600


@case
def stale_socket_is_replaced():
    listener('s').close()
    assert stat.S_ISSOCK(os.stat('s').st_mode)
    with Daemon('--socket-path=s', '--blk-file', image()):
        assert answers('s')


@case
def killed_daemon_is_followed():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon:
        daemon.stop(signal.SIGKILL)
    assert os.path.exists('s') and os.path.exists('s.lock')
    with Daemon('--socket-path=s', '--blk-file', 'disk.img'):
        assert answers('s')
    assert not os.path.exists('s') and not os.path.exists('s.lock')


@case
def live_socket_is_refused_and_goes_on():
    with Daemon('--socket-path=s', '--blk-file', image('a.img')):
        refused('blk', '--socket-path=s', '--blk-file', image('b.img'), says=["'s'", 'another'])
        assert answers('s')


@case
def live_socket_of_another_program_is_refused():
    other = listener('s')
    refused('blk', '--socket-path=s', '--blk-file', image(), says=["'s'", 'already'])
    assert os.path.exists('s') and not os.path.exists('s.lock')
    other.close()


@case
def file_in_the_place_of_the_socket_is_kept():
    with open('s', 'w') as out:
        out.write('precious')
    refused('blk', '--socket-path=s', '--blk-file', image(), says=["'s'", 'not a socket'])
    with open('s') as kept:
        assert kept.read() == 'precious'


@case
def stale_socket_is_replaced_only_under_its_lock():
    listener('s').close()
    with open('s.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused('blk', '--socket-path=s', '--blk-file', image(), says=["'s'", 's.lock'])
        assert os.path.exists('s') and os.path.exists('s.lock')
    with Daemon('--socket-path=s', '--blk-file', 'disk.img'):
        assert answers('s')


@case
def of_daemons_that_start_at_once_one_gets_the_stale_socket():
    listener('s').close()
    null = subprocess.DEVNULL
    command = [PROGRAM, 'blk', '--disk', 'memory=1M,socket=s']
    started = [subprocess.Popen(command, stdin=null, stdout=null, stderr=null) for _ in range(6)]
    wait_for(lambda: sum(p.poll() is None for p in started) <= 1, 'all but one give up')
    assert [p.poll() for p in started].count(None) == 1
    wait_for(lambda: answers('s'), 'the one answers')
    for process in started:
        process.terminate()
        assert process.wait(PATIENCE) in (0, CANNOT)


@case
def socket_of_somebody_else_is_not_removed_at_the_end():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon:
        os.unlink('s')
        other = listener('s')
        assert daemon.stop() == 0
    assert os.path.exists('s')
    other.close()


@case
def next_front_end_may_come():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon:
        for _ in range(3):
            assert answers('s')
        assert daemon.alive()


@case
def fd_that_listens():
    with listener('s') as made, Daemon('--fd', str(made.fileno()), '--blk-file', image(),
                                       pass_fds=[made.fileno()]):
        assert answers('s') and answers('s')
    assert os.path.exists('s'), 'a socket that somebody else made is theirs to remove'


@case
def fd_that_is_connected_ends_with_its_front_end():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with Daemon('--fd', str(theirs.fileno()), '--blk-file', image(),
                pass_fds=[theirs.fileno()]) as daemon:
        theirs.close()
        with FrontEnd(ours) as front_end:
            assert front_end.features()
            assert daemon.alive()
        assert daemon.wait() == 0


@case
def fd_that_is_no_socket():
    image()
    refused('blk', '--fd=77', '--blk-file=disk.img', says=['--fd 77', 'not an open descriptor'])
    refused('blk', '--fd=0', '--blk-file=disk.img', says=['--fd 0', 'not a UNIX stream socket'])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle:
        done = run('blk', '--fd', str(idle.fileno()), '--blk-file=disk.img',
                   pass_fds=[idle.fileno()])
        assert done.returncode == CANNOT and 'neither listens nor is connected' in done.stderr, done


# Gives descriptors 3, 4, ... to the program as systemd does.
ACTIVATE = '''
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[2:2 + count]]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.environ['LISTEN_FDS'] = str(count)
os.environ['LISTEN_PID'] = str(os.getpid() + int(os.environ.get('PID_OFF', '0')))
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
'''


def activated(sockets, *args, **more):
    """Activation takes descriptors 3 and up, so readiness is seen by connecting."""
    fds = [s.fileno() for s in sockets]
    return Daemon(*args, before=[sys.executable, '-c', ACTIVATE, str(len(fds)), *map(str, fds)],
                  pass_fds=fds,
                  ready=False, **more)


@case
def listen_fds_of_systemd():
    with listener('s') as made, activated([made], image()):
        assert answers('s') and answers('s')
    assert os.path.exists('s') and not os.path.exists('disk.img.sock')


@case
def listen_fds_go_to_disks_without_socket_in_order():
    with listener('s') as first, listener('t') as second:
        with activated([first, second], image('a.img'), '--disk',
                       'file=%s,socket=u' % image('b.img'), '--disk',
                       'file=%s,read-only=on' % image('c.img')):
            with FrontEnd('s') as front_end:
                assert not front_end.features() >> VIRTIO_BLK_F_RO & 1
            with FrontEnd('t') as front_end:
                assert front_end.features() >> VIRTIO_BLK_F_RO & 1
            assert answers('u')


@case
def listen_fds_exclude_socket_options():
    with listener('s') as made:
        for option in ('--socket-path=t', '--fd=3'):
            with activated([made], option, '--blk-file', image()) as daemon:
                assert daemon.wait() == USAGE and 'LISTEN_FDS' in daemon.stderr(), daemon.stderr()
        with activated([made], image('a.img'), image('b.img')) as daemon:
            assert daemon.wait() == USAGE and '1 socket' in daemon.stderr(), daemon.stderr()


@case
def listen_fds_for_another_process_are_ignored():
    with listener('s') as made, activated([made], image(), env={'PID_OFF': '1'}):
        wait_for(lambda: os.path.exists('disk.img.sock'), 'its own socket')
        assert answers('disk.img.sock')
