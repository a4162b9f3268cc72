"""What the cases of test_cli.py stand on: a daemon that is ready when it is there, and a front-end
that speaks just enough vhost-user to know that somebody answers. What the device does is tested
elsewhere.
"""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(sys.argv[1])
EMULATED = bool(os.environ.get('EMULATOR'))  # the program is for another machine
PATIENCE = 20.0  # seconds until a thing that must happen counts as not happening

USAGE, CANNOT = 2, 1
VIRTIO_BLK_F_RO, VIRTIO_BLK_F_MQ, VIRTIO_F_VERSION_1, PROTOCOL_FEATURES = 5, 12, 32, 30
BASE_FEATURES = 1 << VIRTIO_F_VERSION_1 | 1 << PROTOCOL_FEATURES
GET_FEATURES, SET_FEATURES, GET_QUEUE_NUM = 1, 2, 17
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 15, 16

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
    return subprocess.run([program or PROGRAM, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True,
                          timeout=PATIENCE, **more)


def refused(*args, code=CANNOT, says=()):
    """It must fail early, with this status and one line on stderr that contains all of `says`."""
    done = run(*args)
    lines = done.stderr.splitlines()
    codes = code if isinstance(code, tuple) else (code,)
    assert done.returncode in codes, 'status %d instead of %s: %s' % (done.returncode, codes,
                                                                      done.stderr)
    assert len(lines) == 1, 'not one line on stderr: %r' % done.stderr
    assert lines[0].startswith('tenon: '), lines[0]
    for text in [says] if isinstance(says, str) else says:
        assert text in lines[0], '%r is not in: %s' % (text, lines[0])
    assert done.stdout == '', done.stdout


class Daemon:
    """A program that serves. Ready when the constructor returns; stopped when the block ends."""

    def __init__(self, *args, before=(), pass_fds=(), env=None, ready=True, program=None,
                 command='blk', **more):
        self.log_path = tempfile.mktemp(prefix='log.', dir='.')
        self.log = open(self.log_path, 'wb')
        read_end, write_end = os.pipe()
        options = ['--ready-fd', str(write_end)] if ready else []
        words = [program or PROGRAM] + ([] if program else [command])
        self.process = subprocess.Popen([*before, *words, *options, *args],
                                        stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log,
                                        pass_fds=(write_end, *pass_fds),
                                        env={**os.environ, **(env or {})}, **more)
        os.close(write_end)
        self.said = b''
        if ready:
            while select.select([read_end], [], [], PATIENCE)[0]:
                chunk = os.read(read_end, 100)
                if not chunk:
                    break
                self.said += chunk
            if self.said != b'READY=1\n':
                self.process.terminate()
                code = self.process.wait(PATIENCE)
                raise AssertionError('did not become ready (status %s): %s' % (code, self.stderr()))
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
        socket.send_fds(self.socket, [struct.pack('<III', request, 1, len(payload)) + payload],
                        [fd])

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


class Guest:
    """guest.c: a driver that runs, and does a line at a time."""

    def __init__(self, where):
        command = [*os.environ.get('EMULATOR', '').split(), os.environ['GUEST'], where]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        assert self.line() == 'runs'

    def line(self):
        if not select.select([self.process.stdout], [], [], 2 * PATIENCE)[0]:
            raise AssertionError('the guest says nothing')
        return self.process.stdout.readline().strip()

    def ask(self, text):
        self.process.stdin.write(text + '\n')
        return self.line()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


def answers(where):
    with FrontEnd(where) as front_end:
        return front_end.features() >> VIRTIO_F_VERSION_1 & 1 == 1


def listener(path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(path)
    made.listen(4)
    return made
