#!/usr/bin/env python3
"""What people and programs see of `tenon blk` (VU-104): options, messages, sockets, signals, readiness.

Usage: test_cli.py PROGRAM [CASE...]     prints TAP. Needs nothing but Python. The front-end here speaks just enough
vhost-user to know that somebody answers; what the device does is tested elsewhere.
"""

import glob
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = os.path.abspath(sys.argv[1])
PATIENCE = 20.0  # seconds until a thing that must happen counts as not happening

USAGE, CANNOT = 2, 1
VIRTIO_BLK_F_RO, VIRTIO_BLK_F_MQ, VIRTIO_F_VERSION_1, PROTOCOL_FEATURES = 5, 12, 32, 30
GET_FEATURES, SET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM = 1, 2, 15, 16, 17

CASES = []


class Skip(Exception):
    pass


def case(function):
    CASES.append(function)
    return function


def wait_for(what, why):
    """Waits until what() is true; its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError('not within %d s: %s' % (PATIENCE, why))


def image(name='disk.img', size=1 << 20):
    with open(name, 'wb') as out:
        out.truncate(size)
    return name


def run(*args, program=None, **more):
    """Runs to its end: for command lines that fail, or that print something."""
    return subprocess.run([program or PROGRAM, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE, **more)


def refused(*args, code=CANNOT, says=()):
    """The program must fail early, with this status and one line on stderr that contains all of `says`."""
    done = run(*args)
    lines = done.stderr.splitlines()
    codes = code if isinstance(code, tuple) else (code,)
    assert done.returncode in codes, 'status %d instead of %s: %s' % (done.returncode, codes, done.stderr)
    assert len(lines) == 1, 'not one line on stderr: %r' % done.stderr
    assert lines[0].startswith('tenon: '), lines[0]
    for text in [says] if isinstance(says, str) else says:
        assert text in lines[0], '%r is not in: %s' % (text, lines[0])
    assert done.stdout == '', done.stdout


class Daemon:
    """A program that serves. Ready when the constructor returns; stopped at the end of the block."""

    def __init__(self, *args, before=(), pass_fds=(), env=None, ready=True, program=None, **more):
        self.log_path = tempfile.mktemp(prefix='log.', dir='.')
        self.log = open(self.log_path, 'wb')
        read_end, write_end = os.pipe()
        options = ['--ready-fd', str(write_end)] if ready else []
        command = [program or PROGRAM] + ([] if program else ['blk'])
        self.process = subprocess.Popen([*before, *command, *options, *args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, pass_fds=(write_end, *pass_fds),
                                        env={**os.environ, **(env or {})}, **more)
        os.close(write_end)
        self.said = b''
        if ready:
            while select.select([read_end], [], [], PATIENCE)[0] and (chunk := os.read(read_end, 100)):
                self.said += chunk
            if self.said != b'READY=1\n':
                self.process.terminate()
                raise AssertionError('did not become ready (status %s): %s' % (self.process.wait(PATIENCE), self.stderr()))
        os.close(read_end)

    def stderr(self):
        with open(self.log_path, errors='replace') as log:
            return log.read()

    def alive(self):
        return self.process.poll() is None

    def wait(self, seconds=PATIENCE):
        code = self.process.wait(seconds)
        self.stdout = self.process.stdout.read().decode()
        return code

    def stop(self, number=signal.SIGTERM, seconds=PATIENCE):
        self.process.send_signal(number)
        return self.wait(seconds)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self.alive():
            self.process.terminate()
            try:
                code = self.wait()
                assert kind or code == 0, 'status %d at the end: %s' % (code, self.stderr())
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process.stdout.close()
        self.log.close()


class FrontEnd:
    """A connection that can ask."""

    def __init__(self, where):
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(where)
        else:
            self.socket = where
        self.socket.settimeout(PATIENCE)

    def tell(self, request, payload=b''):
        self.socket.sendall(struct.pack('<III', request, 1, len(payload)) + payload)

    def tell_fd(self, request, payload, fd):
        socket.send_fds(self.socket, [struct.pack('<III', request, 1, len(payload)) + payload], [fd])

    def read(self, count):
        data = b''
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError('the back-end hung up')
            data += more
        return data

    def ask(self, request):
        """A request whose answer is a number of 64 bits."""
        self.tell(request)
        answered, flags, size = struct.unpack('<III', self.read(12))
        assert (answered, flags & 7, size) == (request, 5, 8), (answered, flags, size)
        return struct.unpack('<Q', self.read(8))[0]

    def features(self):
        return self.ask(GET_FEATURES)

    def hung_up(self):
        try:
            return self.socket.recv(1) == b''
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()


def answers(where):
    with FrontEnd(where) as front_end:
        return front_end.features() >> VIRTIO_F_VERSION_1 & 1 == 1


def listener(path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(path)
    made.listen(4)
    return made


# ---- what it says about itself ----


@case
def print_capabilities_is_json_for_block():
    done = run('blk', '--print-capabilities')
    assert done.returncode == 0 and done.stderr == '', done
    told = json.loads(done.stdout)
    assert told['type'] == 'block' and set(told['features']) == {'read-only', 'blk-file'}, told


@case
def print_capabilities_ignores_other_options():
    done = run('blk', '--no-such-thing', '--blk-file', 'missing.img', '--print-capabilities')
    assert done.returncode == 0 and json.loads(done.stdout)['type'] == 'block', done


@case
def help_fits_a_screen():
    for args in (['blk', '--help'], ['help', 'blk'], ['blk', '-h'], ['--help'], ['help']):
        done = run(*args)
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and done.stderr == '', done
        assert 5 < len(lines) <= 24, '%s: %d lines' % (args, len(lines))
        assert max(map(len, lines)) <= 80, '%s: %s' % (args, max(lines, key=len))


@case
def help_names_every_option_and_key():
    text = run('blk', '--help').stdout
    for word in ('--disk', '--socket-path', '--fd', '--blk-file', '--read-only', '--socket-mode', '--workers',
                 '--exit-on-disconnect', '--ready-fd', '--log', '--print-capabilities', 'file=', 'memory=', 'fd=',
                 'socket=', 'name=', 'serial=', 'read-only=', 'direct=', 'discard=', 'lock=', 'offset=', 'size=',
                 'block-size=', 'queues=', 'queue-size=', 'engine=', 'threads=', 'cache='):
        assert word in text, word


@case
def version_is_printed():
    for args in (['version'], ['--version']):
        done = run(*args)
        assert done.returncode == 0 and re.fullmatch(r'tenon \d+\.\d+\.\d+\n', done.stdout), done


@case
def no_command_is_an_error_with_help():
    done = run()
    assert done.returncode == USAGE and 'tenon blk disk.img' in done.stderr and done.stdout == '', done


@case
def argv0_of_qemu_convention_is_blk():
    os.symlink(PROGRAM, 'tenon-vhost-user-blk')
    done = run('--print-capabilities', program='./tenon-vhost-user-blk')
    assert done.returncode == 0 and json.loads(done.stdout)['type'] == 'block', done
    with Daemon('--socket-path=s', '--blk-file=' + image(), program='./tenon-vhost-user-blk'):
        assert answers('s')


# ---- wrong command lines: one line, what to do, nothing left behind ----


@case
def unknown_command_suggests_the_nearest():
    refused('blkk', code=USAGE, says=["'blkk'", "did you mean 'blk'"])
    refused('quite-another', code=USAGE, says='tenon help')


@case
def unknown_option_suggests_the_nearest():
    image()
    refused('blk', '--socket-pth=s', 'disk.img', code=USAGE, says='did you mean --socket-path?')
    refused('blk', '--readonly', 'disk.img', code=USAGE, says='did you mean --read-only?')
    refused('blk', '--quite-another', code=USAGE, says='--help')
    refused('blk', '-s', 's', code=USAGE, says='two dashes')


@case
def option_without_value_and_value_without_option():
    refused('blk', '--socket-path', code=USAGE, says='needs a value')
    refused('blk', '--read-only=on', code=USAGE, says='takes no value')


@case
def unknown_key_suggests_the_nearest():
    image()
    for wrong, right in (('sockt', 'socket'), ('filee', 'file'), ('read_only', 'read-only'), ('queue', 'queues'),
                         ('engin', 'engine'), ('blocksize', 'block-size'), ('ofset', 'offset')):
        refused('blk', '--disk', 'file=disk.img,socket=s,%s=1' % wrong, code=USAGE,
                says=["'%s'" % wrong, "did you mean '%s'?" % right])
    refused('blk', '--disk', 'file=disk.img,socket=s,colour=red', code=USAGE, says='--help')
    assert not os.path.exists('s')


@case
def bad_values_name_what_is_valid():
    image()
    for pair, says in (('queues=0', 'from 1 to 256'), ('queues=257', 'from 1 to 256'), ('queues=many', 'from 1 to 256'),
                       ('queue-size=100', 'power of 2'), ('queue-size=65536', 'from 1 to 32768'),
                       ('cache=writeback2', 'did you mean writeback'), ('discard=maybe', 'neither on nor off'),
                       ('read-only=perhaps', 'neither on nor off'), ('serial=' + 'x' * 21, '1 to 20'),
                       ('serial=', '1 to 20'), ('name=' + 'x' * 64, '1 to 63'), ('socket=t', 'given twice')):
        refused('blk', '--disk', 'file=disk.img,socket=s,' + pair, code=USAGE, says=says)
    for option, says in (('--workers=0', '1 to 256'), ('--workers=two', '1 to 256'), ('--socket-mode=999', 'octal'),
                         ('--socket-mode=1777', 'octal'), ('--fd=x', 'descriptor'), ('--ready-fd=-1', 'descriptor'),
                         ('--log=loud', 'debug')):
        refused('blk', option, 'disk.img', code=USAGE, says=says)
    assert sorted(os.listdir('.')) == ['disk.img'], os.listdir('.')


@case
def bad_sizes_are_refused_by_the_disk():
    image()
    for pair in ('offset=12Q', 'size=1.5M', 'size=-1', 'offset=99999999999999999999', 'engine=fast', 'threads=0',
                 'direct=2', 'block-size=1000'):
        refused('blk', '--disk', 'file=disk.img,socket=s,' + pair, code=USAGE, says=pair.split('=')[1])
    refused('blk', '--disk', 'file=disk.img,socket=s,offset=2M', code=USAGE, says='offset')
    assert not os.path.exists('s')


@case
def malformed_disk_text_is_explained():
    image()
    refused('blk', '--disk', 'disk.img', code=USAGE, says='disk.img')
    refused('blk', '--disk', 'file=disk.img,,socket=s', says='has no socket', code=USAGE)


@case
def no_disk_at_all():
    refused('blk', code=USAGE, says='disk.img')
    refused('blk', '--socket-path=s', code=USAGE, says='no disk')


@case
def missing_file_is_named():
    refused('blk', '--socket-path=s', '--blk-file=missing.img', says=['missing.img', 'No such file'])
    assert not os.path.exists('s') and not os.path.exists('s.lock')


@case
def directory_as_image_is_refused():
    os.mkdir('images')
    refused('blk', '--socket-path=s', '--blk-file=images', says='images', code=(USAGE, CANNOT))


@case
def socket_path_and_fd_exclude_each_other():
    image()
    refused('blk', '--socket-path=s', '--fd=0', '--blk-file=disk.img', code=USAGE, says='exclude')
    assert not os.path.exists('s')


@case
def one_socket_for_two_disks_is_refused():
    refused('blk', '--socket-path=s', image('a.img'), image('b.img'), code=USAGE, says='socket=')
    refused('blk', '--disk=file=a.img,socket=s', '--disk=file=b.img,socket=s', says="'s'")
    refused('blk', '--disk=file=a.img,socket=s', '--disk=file=b.img', code=USAGE, says="'b'")
    refused('blk', '--disk=file=a.img,socket=s,name=x', '--disk=file=b.img,socket=t,name=x', code=USAGE, says="'x'")
    assert not os.path.exists('s')


@case
def socket_path_too_long_or_without_directory():
    image()
    refused('blk', '--socket-path=' + 'x' * 108, '--blk-file=disk.img', says=['108', '107'])
    refused('blk', '--socket-path=no/such/s', '--blk-file=disk.img', says=['no/such/s', 'No such file', 'directory'])


# ---- sockets ----


@case
def simplest_form_makes_socket_and_prints_lines_to_paste():
    with Daemon(image('a b,c.img')) as daemon:
        assert answers('a b,c.img.sock')
        assert daemon.stop() == 0
    path = os.path.realpath('.') + '/a b,c.img.sock'
    qemu = path.replace(',', ',,')
    assert "-chardev 'socket,id=disk0,path=%s' -device vhost-user-blk,chardev=disk0" % qemu in daemon.stdout
    assert "-device vhost-user-blk-pci,chardev=disk0" in daemon.stdout
    assert "--memory size=1G,shared=on --disk 'vhost_user=true,socket=%s'" % path in daemon.stdout
    assert daemon.stdout.count('share=on') == 2 and 'microvm' in daemon.stdout and 'q35' in daemon.stdout
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
def of_daemons_that_start_at_once_one_gets_the_stale_socket():
    listener('s').close()
    started = [subprocess.Popen([PROGRAM, 'blk', '--disk', 'memory=1M,socket=s'], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(6)]
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
    with listener('s') as made, Daemon('--fd', str(made.fileno()), '--blk-file', image(), pass_fds=[made.fileno()]):
        assert answers('s') and answers('s')
    assert os.path.exists('s'), 'a socket that somebody else made is theirs to remove'


@case
def fd_that_is_connected_ends_with_its_front_end():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with Daemon('--fd', str(theirs.fileno()), '--blk-file', image(), pass_fds=[theirs.fileno()]) as daemon:
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
        done = run('blk', '--fd', str(idle.fileno()), '--blk-file=disk.img', pass_fds=[idle.fileno()])
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
    return Daemon(*args, before=[sys.executable, '-c', ACTIVATE, str(len(fds)), *map(str, fds)], pass_fds=fds,
                  ready=False, **more)


@case
def listen_fds_of_systemd():
    with listener('s') as made, activated([made], image()):
        assert answers('s') and answers('s')
    assert os.path.exists('s') and not os.path.exists('disk.img.sock')


@case
def listen_fds_go_to_disks_without_socket_in_order():
    with listener('s') as first, listener('t') as second:
        with activated([first, second], image('a.img'), '--disk', 'file=%s,socket=u' % image('b.img'), '--disk',
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


# ---- readiness ----


@case
def ready_fd_is_written_when_connecting_works():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon:
        assert daemon.said == b'READY=1\n'  # and the end of the file, so it was closed
        assert answers('s')


@case
def systemd_is_notified():
    for name in (os.path.realpath('.') + '/notify', '\0tenon-test-%d' % os.getpid()):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.settimeout(PATIENCE)
            systemd.bind(name)
            env = {'NOTIFY_SOCKET': name.replace('\0', '@')}
            with Daemon('--socket-path=s', '--blk-file', image(), env=env, ready=False) as daemon:
                assert 'READY=1' in systemd.recv(1000).decode().splitlines()
                assert answers('s')
                assert daemon.stop() == 0
                assert systemd.recv(1000) == b'STOPPING=1\n'


@case
def log_carries_time_for_people_and_level_for_the_journal():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon:
        assert answers('s')
    for line in daemon.stderr().splitlines():
        assert re.match(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} tenon: ', line), line
    assert "disk 'disk'" in daemon.stderr(), daemon.stderr()
    with open('journal', 'wb') as journal:
        found = os.fstat(journal.fileno())
        env = {**os.environ, 'JOURNAL_STREAM': '%d:%d' % (found.st_dev, found.st_ino)}
        process = subprocess.Popen([PROGRAM, 'blk', '--socket-path=s', '--blk-file=disk.img'], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=journal, env=env)
        wait_for(lambda: os.path.exists('s') and os.path.getsize('journal') > 0, 'a log')
        process.terminate()
        assert process.wait(PATIENCE) == 0
    with open('journal') as journal:
        for line in journal:
            assert re.match(r'<[3467]>[^\d]', line), line


@case
def log_level_error_is_silent():
    with Daemon('--log=error', '--socket-path=s', '--blk-file', image()) as daemon:
        assert answers('s')
    assert daemon.stderr() == '', daemon.stderr()


# ---- the end ----


@case
def sigterm_without_a_front_end_ends_within_2_seconds():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with Daemon('--socket-path=s', '--blk-file', image()) as daemon:
            assert daemon.stop(number, 2) == 0, daemon.stderr()
        assert not os.path.exists('s') and not os.path.exists('s.lock')


@case
def sigterm_with_a_front_end_ends_within_2_seconds():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon, FrontEnd('s') as front_end:
        assert front_end.features()
        assert daemon.stop(seconds=2) == 0, daemon.stderr()
        assert front_end.hung_up()


@case
def sigterm_in_the_middle_of_a_message_ends_within_2_seconds():
    with Daemon('--socket-path=s', '--blk-file', image()) as daemon, FrontEnd('s') as front_end:
        assert front_end.features()
        front_end.socket.sendall(b'\1\0\0')
        assert daemon.stop(seconds=2) == 0, daemon.stderr()


@case
def sigint_that_the_parent_ignored_or_blocked_still_ends():
    def hostile_parent():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])

    with Daemon('--socket-path=s', '--blk-file', image(), preexec_fn=hostile_parent) as daemon:
        assert daemon.stop(signal.SIGINT, 2) == 0


@case
def nohup_is_respected():
    with Daemon('--socket-path=s', '--blk-file', image(),
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        assert answers('s') and daemon.alive()


@case
def exit_on_disconnect():
    with Daemon('--exit-on-disconnect', '--socket-path=s', '--blk-file', image()) as daemon:
        with FrontEnd('s') as front_end:
            assert front_end.features() and daemon.alive()
        assert daemon.wait() == 0
    assert not os.path.exists('s')


@case
def exit_on_disconnect_waits_for_the_last_of_two():
    with Daemon('--exit-on-disconnect', '--disk=file=%s,socket=s' % image('a.img'),
                '--disk=file=%s,socket=t' % image('b.img')) as daemon:
        with FrontEnd('s') as one, FrontEnd('t') as two:
            assert one.features() and two.features()
            one.close()
            wait_for(lambda: "'a': the front-end has gone" in daemon.stderr(), 'the first one has gone')
            assert two.features() and daemon.alive()
        assert daemon.wait() == 0


# ---- disks ----


@case
def two_disks_in_one_daemon():
    with Daemon('--disk=file=%s,socket=s' % image('a.img'), '--disk=memory=1M,socket=t,name=scratch') as daemon:
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
    for args in (['--read-only', '--socket-path=s', '--blk-file=disk.img'], ['--disk=file=disk.img,socket=s,read-only=on'],
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
    done = subprocess.run([*before, PROGRAM, 'blk', '--socket-path=s', '--blk-file=disk.img'], capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == CANNOT and 'Permission denied' in done.stderr and 'disk.img' in done.stderr, done
    with Daemon('--read-only', '--socket-path=s', '--blk-file=disk.img', before=before):
        assert answers('s')


@case
def two_writers_of_one_image_are_refused():
    with Daemon('--socket-path=s', '--blk-file', image()):
        refused('blk', '--socket-path=t', '--blk-file=disk.img', says='disk.img')
        assert not os.path.exists('t')
    refused('blk', '--disk=file=disk.img,socket=s', '--disk=file=disk.img,socket=t', says='disk.img')


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
    refused('blk', '--socket-path=s', '--blk-file', image(size=100), says='disk.img', code=(USAGE, CANNOT))


@case
def many_queues_are_offered():
    for args, expected in ((['--blk-file', image(), '--socket-path=s'], 64),
                           (['--disk=file=disk.img,socket=s,queues=3'], 3)):
        with Daemon(*args), FrontEnd('s') as front_end:
            features = front_end.features()
            assert features >> VIRTIO_BLK_F_MQ & 1 and features >> PROTOCOL_FEATURES & 1, hex(features)
            front_end.tell(SET_FEATURES, struct.pack('<Q', 1 << VIRTIO_F_VERSION_1 | 1 << PROTOCOL_FEATURES))
            offered = front_end.ask(GET_PROTOCOL_FEATURES)
            front_end.tell(SET_PROTOCOL_FEATURES, struct.pack('<Q', offered & 1))
            assert front_end.ask(GET_QUEUE_NUM) == expected


@case
def workers_are_threads_with_names():
    with Daemon('--workers=2', '--disk=memory=1M,socket=s', '--disk=memory=1M,socket=t,name=u') as daemon:
        names = []
        for path in glob.glob('/proc/%d/task/*/comm' % daemon.process.pid):
            with open(path) as comm:
                names.append(comm.read().strip())
        assert 'tenon-0' in names and 'tenon-1' in names, names
        assert answers('s') and answers('t')


@case
def idle_disks_cost_no_thread():
    disks = ['--disk=memory=1M,socket=s%d,name=d%d' % (i, i) for i in range(20)]
    with Daemon(*disks) as daemon:
        assert len(glob.glob('/proc/%d/task/*' % daemon.process.pid)) == 1


@case
def front_end_that_truncates_its_memory_hurts_only_itself():
    """SIGBUS in the daemon: the session ends, the process and its other disk do not (users.md 3.1)."""
    memory, kick, call = os.memfd_create('guest'), os.eventfd(0), os.eventfd(0)
    size, entries, uva = 1 << 20, 16, 0x100000000
    os.ftruncate(memory, size)
    with Daemon('--disk=memory=1M,socket=s', '--disk=memory=1M,socket=t,name=u') as daemon:
        with FrontEnd('s') as front_end:
            front_end.tell(3)  # SET_OWNER
            front_end.tell(SET_FEATURES, struct.pack('<Q', 1 << VIRTIO_F_VERSION_1 | 1 << PROTOCOL_FEATURES))
            front_end.tell_fd(5, struct.pack('<IIQQQQ', 1, 0, 0, size, uva, 0), memory)  # SET_MEM_TABLE
            front_end.tell(8, struct.pack('<II', 0, entries))  # SET_VRING_NUM
            front_end.tell(10, struct.pack('<II', 0, 0))  # SET_VRING_BASE
            front_end.tell(9, struct.pack('<IIQQQQ', 0, 0, uva, uva + 0x2000, uva + 0x1000, 0))  # SET_VRING_ADDR
            front_end.tell_fd(13, struct.pack('<Q', 0), call)  # SET_VRING_CALL
            front_end.tell_fd(12, struct.pack('<Q', 0), kick)  # SET_VRING_KICK
            front_end.tell(18, struct.pack('<II', 0, 1))  # SET_VRING_ENABLE
            # A ring that starts gives one interrupt: then it runs.
            assert select.select([call], [], [], PATIENCE)[0], 'the queue did not start'
            os.ftruncate(memory, 0)
            os.eventfd_write(kick, 1)
            assert answers('t') and daemon.alive()
            assert front_end.hung_up()
        assert answers('s') and answers('t')
    for fd in (memory, kick, call):
        os.close(fd)


@case
def size_with_units_and_doubled_commas():
    with Daemon('--disk', 'file=%s,socket=s,,t,offset=4K,size=512K' % image('x,y.img').replace(',', ',,')):
        assert answers('s,t')


@case
def standard_fds_that_the_parent_closed_are_not_used_for_files():
    wrapper = 'import os,sys; [os.close(fd) for fd in (0, 1, 2)]; os.execv(sys.argv[1], sys.argv[1:])'
    with Daemon('--socket-path=s', '--blk-file', image(), before=[sys.executable, '-c', wrapper]) as daemon:
        assert answers('s')
        for fd in range(3):
            assert os.readlink('/proc/%d/fd/%d' % (daemon.process.pid, fd)) == '/dev/null'


@case
def standard_output_that_is_closed_does_not_end_the_daemon():
    with Daemon(image()) as daemon:
        daemon.process.stdout.close()
        daemon.process.stdout = open(os.devnull, 'rb')
        assert answers('disk.img.sock') and answers('disk.img.sock') and daemon.alive()


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
