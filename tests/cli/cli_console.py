"""The console of `tenon run` in a terminal: keys, job control, and what happens to the terminal on
every way out. Bytes that come and go: cli_streams.
"""

import resource
import signal
import termios
import time

from cli_harness import CANNOT, Skip, wait_for
from console_guest import (
    CRASH, ECHO, HUNG, QUIT, READY, Shell, Terminal, built_with, case, sanitized,
)

CTRL_A = b'\x01'
GUEST_RESET = 5


# ---- the terminal, and its end ----


@case
def console_is_raw_while_the_guest_runs_and_put_back_when_it_powers_off():
    with Terminal(ECHO) as terminal:
        terminal.ready()
        assert terminal.modes()[1] == terminal.modes_before[1], 'output is left as it is'
        terminal.send(b'\x03\x1a\r\n\x7f\x13\x11x')  # what a terminal would take for itself
        assert terminal.expect(b'x') == b'\x03\x1a\r\r\n\x7f\x13\x11x'
        terminal.send(QUIT)
        assert terminal.wait() == 0
        terminal.assert_restored()
        assert terminal.stderr() == '', terminal.stderr()


@case
def console_ctrl_a_x_ends_the_machine():
    for code, end in ((ECHO, b'x'), (HUNG, b'X')):
        with Terminal(code) as terminal:
            terminal.ready().send(CTRL_A)
            terminal.send(end)
            assert terminal.wait() == 0
            terminal.assert_restored()


@case
def console_ctrl_a_h_helps_and_ctrl_a_ctrl_a_is_the_guests():
    with Terminal(ECHO) as terminal:
        terminal.ready().send(CTRL_A + b'h')
        terminal.expect(b'Ctrl-A Ctrl-A')
        terminal.send(b'a' + CTRL_A + CTRL_A + b'b')
        assert terminal.expect(b'b').endswith(b'\na\x01b')
        terminal.send(QUIT)
        assert terminal.wait() == 0


@case
def console_ctrl_a_x_works_when_the_guest_reads_nothing():
    """A guest that hangs is the one that somebody wants to leave."""
    with Terminal(HUNG) as terminal:
        terminal.ready().send(b'hello? ' * 1000)
        time.sleep(0.2)
        terminal.send(CTRL_A + b'h')
        terminal.expect(b'end the virtual machine')
        terminal.send(CTRL_A + b'x')
        assert terminal.wait() == 0
        terminal.assert_restored()


@case
def console_is_put_back_by_signals_that_ask_to_end():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with Terminal(ECHO) as terminal:
            terminal.ready().signal(number)
            assert terminal.wait() == 0, number
            terminal.assert_restored()
            assert terminal.stderr() == ''


@case
def console_is_put_back_by_signals_that_kill():
    numbers = [signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM,
               signal.SIGPROF, signal.SIGIO, signal.SIGPWR, signal.SIGSTKFLT, signal.SIGXCPU,
               signal.SIGXFSZ, signal.SIGTRAP, signal.SIGSYS, signal.SIGABRT]
    if not sanitized():  # sanitizers have handlers of their own for these
        numbers += [signal.SIGSEGV, signal.SIGILL, signal.SIGFPE, signal.SIGBUS]
    for number in numbers:
        with Terminal(ECHO) as terminal:
            terminal.ready().signal(number)
            assert terminal.wait() == -number, number
            terminal.assert_restored()


@case
def console_hung_up():
    """The terminal's window is closed: the kernel sends SIGHUP, and reads and writes fail."""
    with Terminal(ECHO) as terminal:
        terminal.ready().hang_up()
        assert terminal.wait() == 0
        assert 'second' not in terminal.stderr(), terminal.stderr()


@case
def console_hang_up_is_told_by_several():
    """The shell passes it on, and the kernel sends it as well: no reason to lose data."""
    with Terminal(ECHO, '--disk=memory=1M') as terminal:
        terminal.ready().signal(signal.SIGTERM)
        end = time.monotonic() + 0.3  # within the half second that counts as one
        while not terminal.poll() and time.monotonic() < end:
            terminal.signal(signal.SIGHUP)
        assert terminal.wait() == 0, terminal.stderr()
        assert 'second' not in terminal.stderr(), terminal.stderr()


@case
def console_is_put_back_when_the_start_fails_late():
    if sanitized():
        raise Skip('a sanitizer needs the address space that this takes away')
    if built_with(b'/ld-musl'):
        raise Skip('musl gives threads small stacks, whatever the limit is')

    def no_room_for_threads():
        resource.setrlimit(resource.RLIMIT_STACK, (256 << 20, 256 << 20))
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    with Terminal(ECHO, '--cpus=16', before=no_room_for_threads) as terminal:
        assert terminal.wait() == CANNOT
        terminal.assert_restored()
        assert 'cannot start a thread for processor' in terminal.stderr(), terminal.stderr()


@case
def console_of_a_guest_that_crashes():
    with Terminal(CRASH) as terminal:
        assert terminal.wait() == GUEST_RESET
        terminal.assert_restored()


# ---- job control ----


@case
def console_is_lent_back_while_stopped():
    with Terminal(ECHO) as terminal:
        terminal.ready()
        for _ in range(3):
            terminal.signal(signal.SIGTSTP)
            terminal.wait_stopped()
            terminal.assert_restored()
            terminal.signal(signal.SIGCONT)
            wait_for(terminal.is_raw, 'raw again')
        terminal.send(b'x' + QUIT)
        terminal.expect(b'x')
        assert terminal.wait() == 0
        terminal.assert_restored()


@case
def console_takes_over_what_the_shell_has_changed_meanwhile():
    with Terminal(ECHO) as terminal:
        terminal.ready().signal(signal.SIGTSTP)
        terminal.wait_stopped()
        modes = terminal.modes()
        modes[3] &= ~termios.ECHOE
        termios.tcsetattr(terminal.slave, termios.TCSANOW, modes)
        terminal.signal(signal.SIGCONT)
        wait_for(terminal.is_raw, 'raw again')
        terminal.send(QUIT)
        assert terminal.wait() == 0
        assert terminal.modes() == modes


@case
def console_is_raw_again_after_a_stop_that_cannot_be_caught():
    with Shell(ECHO) as shell:
        shell.ready().signal(signal.SIGSTOP)
        shell.wait_stopped()
        shell.background()
        termios.tcsetattr(shell.slave, termios.TCSANOW, shell.modes_before)  # what shells do
        shell.foreground()
        shell.signal(signal.SIGCONT)
        wait_for(shell.is_raw, 'raw again')
        shell.send(b'x' + QUIT)
        shell.expect(b'x')
        assert shell.wait() == 0
        shell.assert_restored()


@case
def console_job_goes_on_in_the_background_and_comes_back():
    """bg leaves the terminal to the shell; after fg, keys are the guest's again."""
    with Shell(ECHO) as shell:
        shell.ready().signal(signal.SIGTSTP)
        shell.wait_stopped()
        shell.background()
        shell.signal(signal.SIGCONT)
        wait_for(lambda: shell.state() != 'T', 'it goes on')
        shell.send(b'for the shell\n')
        time.sleep(0.3)
        shell.assert_restored()
        assert shell.state() != 'T'
        termios.tcflush(shell.slave, termios.TCIFLUSH)
        shell.foreground()  # as bash does it with a job that runs: no SIGCONT
        wait_for(shell.is_raw, 'raw again')
        shell.send(b'y' + QUIT)
        shell.expect(b'y')
        assert shell.wait() == 0
        shell.assert_restored()


@case
def console_job_that_ends_in_the_background_leaves_the_terminal_alone():
    with Shell(ECHO) as shell:
        shell.ready().signal(signal.SIGSTOP)
        shell.wait_stopped()
        shell.background()
        modes = shell.modes_before[:]
        modes[3] &= ~termios.ECHOE
        termios.tcsetattr(shell.slave, termios.TCSANOW, modes)
        shell.signal(signal.SIGCONT)
        shell.signal(signal.SIGTERM)
        assert shell.wait() == 0  # and was not stopped by SIGTTOU
        assert shell.modes() == modes


@case
def console_job_that_starts_in_the_background():
    with Shell(ECHO, foreground=False) as shell:
        shell.expect(READY)
        shell.assert_restored()
        shell.send(b'for the shell\n')
        time.sleep(0.3)
        assert shell.state() != 'T'
        termios.tcflush(shell.slave, termios.TCIFLUSH)
        shell.foreground()
        wait_for(shell.is_raw, 'raw in the foreground')
        shell.send(b'y' + QUIT)
        shell.expect(b'y')
        assert shell.wait() == 0
        shell.assert_restored()
