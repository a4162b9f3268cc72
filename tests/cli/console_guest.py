"""Guests of a few bytes for the tests of the console, and ways to run `tenon run` with them: in a
terminal of its own, under a shell with job control, on pipes.
"""

import contextlib
import fcntl
import glob
import os
import pty
import resource
import select
import signal
import struct
import subprocess
import termios
import time

from cli_harness import PATIENCE, PROGRAM, Skip, case as any_case, run, wait_for

ENTRY = 0x200000
BUFFER = 0x201000
QUIT = b'\x04'  # at this byte the echo guest powers off
READY = b'>'    # what guests say first
OUTPUT_STEPS = 16384  # 256 KiB: twice what a pipe and the console's ring hold

# mov dx, 0x600; mov al, 0x34; out dx, al; hlt; jmp back
POWER_OFF = bytes.fromhex('66ba0006 b034 ee f4 ebfd')
# mov edx, 0x3f8; mov al, '>'; out dx, al
SAY_READY = bytes.fromhex('baf8030000 b03e ee')

ECHO = SAY_READY + bytes.fromhex(
    'b2fd'        # line:  mov dl, 0xfd      the line status:
    'ec 2421'     # look:  in al, dx         a byte has come, and one can be sent
    '3c21 75f9'   #        cmp al, 0x21      jne look
    'b2f8 ec'     #        mov dl, 0xf8      in al, dx
    '3c04 7405'   #        cmp al, 4         je off
    'ee b2fd'     #        out dx, al        mov dl, 0xfd
    'ebed'        #        jmp look
) + POWER_OFF

# Does nothing, for ever; reads nothing either.
HUNG = SAY_READY + bytes.fromhex('f4 ebfd')

CRASH = bytes.fromhex('0f0b')                    # ud2, and nobody to handle it
PANIC = bytes.fromhex('66ba0505 b001 ee ebfe')  # mov dx, 0x505; mov al, 1; out dx, al


def output_guest(steps=OUTPUT_STEPS):
    """Writes 16 bytes, four times the number of the step, whenever the FIFO is empty."""
    loop = bytes.fromhex(
        'bafd030000'           # loop:  mov edx, 0x3fd
        'ec a820 74fb'         # wait:  in al, dx; test al, 0x20; jz wait
        'be00102000'           #        mov esi, BUFFER
        '891e 895e04 895e08 895e0c'
        'b910000000 b2f8 f36e'  #       16 bytes from there to the serial port
        'ffc3 81fb')           #        inc ebx; cmp ebx, steps
    loop += struct.pack('<I', steps)
    # mov edx, 0x3fa; mov al, 1; out dx, al: FIFOs on; xor ebx, ebx
    start = bytes.fromhex('bafa030000 b001 ee 31db')
    return start + loop + b'\x75' + struct.pack('b', -len(loop) - 2) + POWER_OFF


def output_of(steps=OUTPUT_STEPS):
    return b''.join(struct.pack('<I', step) * 4 for step in range(steps))


def write_kernel(code, name='guest'):
    """An ELF file whose one segment is the code, entered at its first byte in long mode."""
    head, segment = 64, 56
    with open(name, 'wb') as out:
        out.write(b'\x7fELF\2\1\1'.ljust(16, b'\0'))
        out.write(struct.pack('<HHIQQQIHHHHHH', 2, 62, 1, ENTRY, head, 0, 0, head, segment, 1, 0,
                              0, 0))
        out.write(struct.pack('<IIQQQQQQ', 1, 7, head + segment, ENTRY, ENTRY, len(code), 0x2000,
                              0x1000))
        out.write(code)
    return name


def command(code, *args):
    return [PROGRAM, 'run', '--no-kvm-probe', '--memory=16M', '--kernel=' + write_kernel(code),
            *args]


def needs_guests():
    if '  run ' not in run('help').stdout:
        raise Skip('this build has no `tenon run`')
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
    except OSError as why:
        raise Skip('/dev/kvm does not open: %s' % why.strerror)


def case(function):
    """A case that runs a guest."""
    def checked():
        needs_guests()
        function()
    checked.__name__ = function.__name__
    return any_case(checked)


def built_with(*words):
    """Whether the program has one of these in it."""
    with open(PROGRAM, 'rb') as program:
        text = program.read()
    return any(word in text for word in words)


def sanitized():
    return built_with(b'__asan_init', b'__tsan_init')


def is_raw(modes):
    return not modes[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


class Terminal:
    """A terminal, and in it a session whose leader is the program. Its stderr goes to a file."""

    def __init__(self, code, *args, before=None):
        self.master, self.slave = pty.openpty()
        self.modes_before = termios.tcgetattr(self.slave)
        self.seen = b''
        self.status = None
        open('stderr', 'w').close()
        line = command(code, *args)
        self.pid = os.fork()
        if self.pid == 0:
            self.become_leader(line, before)

    def become_leader(self, line, before):
        """In the child: never returns."""
        try:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            self.execute(line, before)
        finally:
            os._exit(99)

    def execute(self, line, before):
        log = os.open('stderr', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for fd, number in ((self.slave, 0), (self.slave, 1), (log, 2)):
            os.dup2(fd, number)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # By Python, and by a shell for what runs in its background.
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT,
                        signal.SIGHUP):
            signal.signal(ignored, signal.SIG_DFL)
        if before:
            before()
        os.execv(line[0], line)

    def modes(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return is_raw(self.modes())

    def assert_restored(self):
        assert self.modes() == self.modes_before, (self.modes(), self.modes_before)

    def send(self, data):
        """All of it, while whatever comes back is kept in `seen`."""
        end = time.monotonic() + PATIENCE
        while data:
            assert time.monotonic() < end, 'the terminal takes nothing more'
            reads, writes, _ = select.select([self.master], [self.master], [], 1)
            if reads:
                self.seen += os.read(self.master, 65536)
            if writes:
                data = data[os.write(self.master, data[:512]):]

    def read(self, seconds):
        """Whatever there is, or comes within that time."""
        while select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 65536)

    def expect(self, text, seconds=PATIENCE):
        """Reads until that has been seen; what was seen up to its end."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, 'not seen within %d s: %r in %r' % (seconds, text, self.seen[-200:])
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65536)
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def ready(self):
        """The guest runs, and the terminal is its."""
        self.expect(READY)
        assert self.is_raw()
        return self

    def signal(self, number):
        os.kill(self.pid, number)

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def wait(self):
        """The exit status; negative: the signal that it died of."""
        wait_for(self.poll, 'the program ends; it said: ' + self.stderr())
        return os.waitstatus_to_exitcode(self.status)

    def wait_stopped(self):
        def stopped():
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            return pid and os.WIFSTOPPED(status)
        wait_for(stopped, 'the program stops')

    def hang_up(self):
        os.close(self.slave)
        os.close(self.master)
        self.slave = self.master = None

    def stderr(self):
        with open('stderr', errors='replace') as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        if not self.poll():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)


class Shell(Terminal):
    """The same, as a job of a shell: the leader only moves it to the foreground and back."""

    def __init__(self, code, *args, before=None, foreground=True):
        self.orders, self.told = os.pipe(), os.pipe()
        self.begin = b'f' if foreground else b'b'
        super().__init__(code, *args, before=before)
        os.close(self.orders[0])
        os.close(self.told[1])
        self.job = struct.unpack('<i', os.read(self.told[0], 4))[0]

    def become_leader(self, line, before):
        try:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            job = os.fork()
            if job == 0:
                self.begin_job(line, before)
            with contextlib.suppress(PermissionError):  # the job was quicker, and runs already
                os.setpgid(job, job)
            os.write(self.told[1], struct.pack('<i', job))
            self.lead(job, self.begin)
        finally:
            os._exit(99)

    def begin_job(self, line, before):
        os.setpgid(0, 0)
        if self.begin == b'f':
            os.tcsetpgrp(self.slave, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        self.execute(line, before)

    def lead(self, job, order):
        while True:
            if order:
                os.tcsetpgrp(self.slave, job if order == b'f' else os.getpid())
            pid, status = os.waitpid(job, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                os.write(self.told[1], struct.pack('<i', code))
                os._exit(0)
            order = None
            if select.select([self.orders[0]], [], [], 0.01)[0]:
                order = os.read(self.orders[0], 1)

    def foreground(self):
        os.write(self.orders[1], b'f')
        wait_for(lambda: os.tcgetpgrp(self.master) == self.job, 'the job comes to the foreground')

    def background(self):
        os.write(self.orders[1], b'b')
        wait_for(lambda: os.tcgetpgrp(self.master) == self.pid, 'the job goes to the background')

    def signal(self, number):
        os.kill(self.job, number)

    def state(self):
        """What the kernel calls it: R, S, T (stopped), Z."""
        with open('/proc/%d/stat' % self.job) as stat:
            return stat.read().rpartition(')')[2].split()[0]

    def wait_stopped(self):
        wait_for(lambda: self.state() == 'T', 'the job stops')

    def wait(self):
        super().wait()
        return struct.unpack('<i', os.read(self.told[0], 4))[0]

    def __exit__(self, *rest):
        if not self.poll():
            os.kill(self.job, signal.SIGKILL)
        super().__exit__(*rest)
        os.close(self.orders[1])
        os.close(self.told[0])


def start(code, *args, **more):
    """On pipes, or whatever Popen is told."""
    more.setdefault('stderr', subprocess.PIPE)
    return subprocess.Popen(command(code, *args), **more)


def wait_guest_stopped(process):
    """Until its processor is gone: from then on only what was written before comes out."""
    def stopped():
        for task in glob.glob('/proc/%d/task/*/comm' % process.pid):
            with contextlib.suppress(OSError), open(task) as name:
                if name.read().startswith('vcpu'):
                    return False
        return True
    wait_for(stopped, 'the guest has stopped')


def finish(process, seconds=PATIENCE):
    """Waits for its end: its status and what it said on stderr."""
    try:
        said = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, (said or b'').decode()
