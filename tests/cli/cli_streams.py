"""What goes through the console of `tenon run`: all of it, in order, whatever standard input and
output are: a terminal, pipes, files, closed, slow, or without anybody at the other end.
"""

import fcntl
import os
import select
import signal
import subprocess
import time

from cli_harness import wait_for
from console_guest import (
    ECHO, HUNG, QUIT, READY, Terminal, case, finish, output_guest, output_of, start,
    wait_guest_stopped,
)

CTRL_A = b'\x01'


@case
def console_paste_of_100_kb_arrives_whole_and_in_order():
    text = bytes(33 + n * 7 % 90 for n in range(100 * 1024))
    with Terminal(ECHO) as terminal:
        terminal.ready().send(text + QUIT)
        while not terminal.poll():
            terminal.read(0.01)
        terminal.read(0)
        assert terminal.wait() == 0
        assert terminal.seen == text, differs(terminal.seen, text)


def differs(got, wanted):
    for at, (one, other) in enumerate(zip(got, wanted)):
        if one != other:
            return 'byte %d of %d: %r, not %r' % (at, len(wanted), got[at:at + 20],
                                                  wanted[at:at + 20])
    return '%d bytes, not %d' % (len(got), len(wanted))


def read_slowly(pipe, piece, pause):
    """All that comes, in pieces with pauses between them."""
    got = b''
    while True:
        more = os.read(pipe.fileno(), piece)
        if not more:
            return got
        got += more
        time.sleep(pause)


@case
def console_output_reaches_a_slow_reader_whole():
    process = start(output_guest(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    got = read_slowly(process.stdout, 4096, 0.003)
    assert finish(process) == (0, '')
    assert got == output_of(), differs(got, output_of())


@case
def console_waits_for_a_reader_that_goes_on_reading():
    """The guest has powered off, and its last words are still in our hands."""
    steps = 7000
    process = start(output_guest(steps), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    wait_for(lambda: select.select([process.stdout], [], [], 0)[0], 'the guest runs')
    wait_guest_stopped(process)
    got = read_slowly(process.stdout, 4096, 0.15)
    assert finish(process) == (0, '')
    assert got == output_of(steps), differs(got, output_of(steps))


@case
def console_does_not_wait_for_a_reader_that_reads_nothing():
    process = start(output_guest(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    time.sleep(0.3)
    started = time.monotonic()
    process.terminate()
    wait_for(lambda: process.poll() is not None, 'it ends')
    assert time.monotonic() - started < 10
    assert process.returncode == 0
    process.communicate()


@case
def console_without_a_reader_the_guest_goes_on():
    read_end, write_end = os.pipe()
    process = start(ECHO, stdin=subprocess.PIPE, stdout=write_end)
    os.close(write_end)
    assert os.read(read_end, 1) == READY
    os.close(read_end)
    process.stdin.write(b'nobody hears this' + QUIT)
    process.stdin.flush()
    code, said = finish(process)
    assert code == 0 and said.count('\n') == 1 and 'console' in said, (code, said)


@case
def console_output_that_does_not_block():
    """Somebody who shares the pipe has set O_NONBLOCK."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETFL, os.O_NONBLOCK)
    process = start(output_guest(12000), stdin=subprocess.DEVNULL, stdout=write_end)
    os.close(write_end)
    with os.fdopen(read_end, 'rb') as pipe:
        got = read_slowly(pipe, 65536, 0.01)
    assert finish(process) == (0, '')
    assert got == output_of(12000), differs(got, output_of(12000))


@case
def console_input_from_everywhere():
    """The guest powers off by itself or by the last byte; whatever stdin is, that is the end."""
    with open('input', 'wb') as out:
        out.write(b'a' * 5000 + CTRL_A + b'x' + QUIT)
    expected = READY + b'a' * 5000 + CTRL_A + b'x'
    with open('input', 'rb') as file:
        process = start(ECHO, stdin=file, stdout=subprocess.PIPE)
        assert process.stdout.read() == expected
        assert finish(process) == (0, '')
    process = start(ECHO, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b'b' * 5000 + CTRL_A + b'x' + QUIT)
    process.stdin.flush()  # and it stays open
    assert process.stdout.read() == expected.replace(b'a', b'b')
    wait_for(lambda: process.poll() is not None, 'it ends')
    assert finish(process) == (0, '')
    process = start(output_guest(10), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.read() == output_of(10)
    assert finish(process) == (0, '')


@case
def console_input_that_does_not_block():
    read_end, write_end = os.pipe()
    fcntl.fcntl(read_end, fcntl.F_SETFL, os.O_NONBLOCK)
    process = start(ECHO, stdin=read_end, stdout=subprocess.PIPE)
    assert process.stdout.read(1) == READY
    for _ in range(3):
        time.sleep(0.05)
        os.write(write_end, b'c')
        assert process.stdout.read(1) == b'c'
    os.write(write_end, QUIT)
    assert finish(process) == (0, '')
    os.close(write_end)
    os.close(read_end)


@case
def console_streams_that_are_closed():
    for closed in (0, 1, 2):
        def close(fd=closed):
            os.close(fd)
        process = start(output_guest(10), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        preexec_fn=close)
        assert process.stdout.read() == (output_of(10) if closed != 1 else b'')
        assert finish(process)[0] == 0


@case
def console_with_all_signals_blocked():
    """As some launchers leave them."""
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    process = start(HUNG, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=block)
    assert process.stdout.read(1) == READY
    process.terminate()
    assert finish(process) == (0, '')
