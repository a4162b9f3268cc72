"""The life of the daemon: readiness, its log, signals, the end."""

import os
import re
import signal
import socket
import subprocess

from cli_harness import (
    Daemon, FrontEnd, PATIENCE, PROGRAM, answers, case, image, wait_for,
)


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
        process = subprocess.Popen([PROGRAM, 'blk', '--socket-path=s', '--blk-file=disk.img'],
                                   stdin=subprocess.DEVNULL,
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
            wait_for(lambda: "'a': the front-end has gone" in daemon.stderr(),
                     'the first one has gone')
            assert two.features() and daemon.alive()
        assert daemon.wait() == 0
