"""The control socket, `tenon stat`, and the metrics."""

import json
import os
import re
import socket
import stat
import threading

from cli_harness import (
    CANNOT, Daemon, FrontEnd, PATIENCE, Skip, USAGE, answers, case as any_case, image, refused, run,
)


def case(function):
    """A case for a program that was built with json-c."""
    def checked():
        if ' stat ' not in run('help').stdout:
            raise Skip('this program was built without json-c')
        function()
    checked.__name__ = function.__name__
    return any_case(checked)


class Control:
    """Somebody who asks over the control socket."""

    def __init__(self, path='ctl'):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.file = self.socket.makefile('rb')

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        text = self.file.readline()
        if not text:
            raise EOFError('it hung up')
        return json.loads(text)

    def ask(self, command, **more):
        self.send(json.dumps({'command': command, **more}) + '\n')
        return self.line()

    def ok(self, command, **more):
        answer = self.ask(command, **more)
        assert 'ok' in answer, answer
        return answer['ok']

    def error(self, command, **more):
        answer = self.ask(command, **more)
        assert 'ok' not in answer, answer
        return answer['error']

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.file.close()
        self.socket.close()


def daemon(*args):
    return Daemon('--socket-path=s', '--blk-file', image(), '--control=ctl', *args)


@case
def control_says_what_is_served():
    with daemon(), Control() as control:
        assert re.match(r'\d+\.\d+', control.ok('version')['version'])
        answer = control.ask('status', id={'any': ['value', 1]})
        assert answer['id'] == {'any': ['value', 1]}, answer
        (disk,) = answer['ok']['disks']
        assert (disk['name'], disk['file'], disk['bytes']) == ('disk', 'disk.img', 1 << 20), disk
        assert disk['connected'] is False and disk['read_only'] is False, disk
        assert disk['engine'] and disk['engine_why'], disk
        with FrontEnd('s') as front_end:
            front_end.features()
            assert control.ok('status')['disks'][0]['connected'] is True
        stats = control.ok('stats')
        assert stats['time_ns'] > 0 and stats['disks'][0]['name'] == 'disk', stats


@case
def control_socket_is_its_owners():
    os.umask(0)
    with daemon() as process:
        assert stat.S_IMODE(os.stat('ctl').st_mode) == 0o600
        process.stop()
        assert not os.path.exists('ctl') and not os.path.exists('ctl.lock')


@case
def control_answers_what_it_does_not_understand():
    with daemon(), Control() as control:
        assert "did you mean 'stats'" in control.error('sats')
        assert 'status lists them' in control.error('stats', disk='other')
        for text in ('no json', '[]', '7', '""', '{"command":7}', '{}', '{"command":"status"} x',
                     '', '\0', '{"command":"status"', '\xff'):
            control.send(text + '\n')
            assert 'error' in control.line(), text
        assert control.ok('version')


@case
def control_answers_many_questions_in_order():
    with daemon(), Control() as control:
        control.send(''.join('{"command":"stats","id":%d}\n' % i for i in range(500)))
        assert [control.line()['id'] for _ in range(500)] == list(range(500))
        control.send('{"command":"ver')
        control.send('sion","id":"late"}\n{"command":"status"}')
        assert control.line()['id'] == 'late'
        control.send('\n')
        assert control.line()['ok']['disks']


@case
def control_answers_a_peer_that_says_no_more():
    with daemon(), Control() as control:
        control.send('{"command":"version"}\n')
        control.socket.shutdown(socket.SHUT_WR)
        assert control.line()['ok']
        assert control.file.read() == b''


@case
def control_drops_who_never_ends_a_line():
    with daemon(), Control() as control, Control() as other:
        try:
            control.send('x' * 100000)
            control.line()
            raise AssertionError('it answered')
        except (EOFError, ConnectionError):
            pass
        assert other.ok('version')


@case
def control_drops_who_does_not_read():
    with daemon(), Control() as deaf:
        deaf.socket.settimeout(0.2)
        try:
            for _ in range(400):
                deaf.send('{"command":"status","id":"%s"}\n' % ('y' * 60000))
        except (socket.timeout, ConnectionError):
            pass
        with Control() as other:
            assert other.ok('version')


@case
def control_makes_room_for_the_newest():
    with daemon():
        first = Control()
        assert first.ok('version')
        others = [Control() for _ in range(16)]
        for other in others:
            assert other.ok('version')
        try:
            first.ask('version')
            raise AssertionError('the first one is still served')
        except (EOFError, ConnectionError):
            pass
        for other in others:
            other.socket.close()


@case
def control_pauses_and_resumes():
    with daemon('--disk=file=%s,socket=s2' % image('two.img')), Control() as control:
        assert control.ok('pause') == {'paused': True}
        assert control.ok('pause', disk='two') == {'paused': True}
        assert answers('s')
        assert control.ok('resume', disk='two') == {'paused': False}
        assert control.ok('resume') == {'paused': False}
        assert 'name one' in control.error('resize')


@case
def control_sets_limits():
    with daemon('--disk=file=%s,socket=s2,iops=7' % image('two.img')), Control() as control:
        wanted = {'iops': 1000, 'iops-burst': 5, 'bps-read': '50M'}
        assert control.ok('set-limits', disk='two', limits=wanted) == {'limits': wanted}
        assert control.ok('set-limits', limits={}) == {'limits': {}}
        assert 'no "limits"' in control.error('set-limits', disk='two')
        assert "did you mean 'iops'" in control.error('set-limits', limits={'iosp': 5})
        for wrong in (0, -1, 'x', None, [], 1.5, '0'):
            assert "'bps' is no number" in control.error('set-limits', limits={'bps': wrong}), wrong
        assert 'burst' in control.error('set-limits', limits={'iops-burst': 5})
        assert control.error('set-limits', limits={'iops': 1 << 60})
        assert control.error('set-limits', disk='three', limits={})


@case
def control_resizes():
    with daemon(), Control() as control, FrontEnd('s') as front_end:
        front_end.features()
        os.truncate('disk.img', 3 << 20)
        assert control.ok('resize') == {'bytes': 3 << 20}
        assert control.ok('status')['disks'][0]['bytes'] == 3 << 20
        os.truncate('disk.img', 512)
        assert control.ok('resize', disk='disk') == {'bytes': 512}


@case
def control_quits():
    with daemon() as process, Control() as control:
        assert control.ok('quit') == {'stopping': True}
        assert process.wait() == 0
        assert not os.path.exists('s') and not os.path.exists('ctl')


@case
def control_of_a_wrong_path_is_refused():
    refused('blk', '--socket-path=s', '--blk-file', image(), '--control=no/ctl',
            says=["'no/ctl.lock'"])
    assert not os.path.exists('s')
    refused('blk', '--socket-path=s', '--blk-file', image(), '--control=a', '--control=b',
            code=USAGE, says='--control is given twice')
    with daemon():
        refused('blk', '--socket-path=s2', '--blk-file', image('two.img'), '--control=ctl',
                says='another daemon serves')


@case
def stat_prints_a_table():
    with daemon():
        done = run('stat', 'ctl')
        assert done.returncode == 0, done.stderr
        assert 'disk: disk.img, 1 MiB, engine' in done.stdout and 'not in use' in done.stdout
        assert re.search(r'^disk +0 +0 +0 +0 B +0 B +0 +0 +0$', done.stdout, re.M), done.stdout
        assert all(len(line) <= 80 for line in done.stdout.splitlines()[1:]), done.stdout
        assert json.loads(run('stat', '--json', 'ctl').stdout)['disks'][0]['name'] == 'disk'


def canned(answers_in_order):
    """A control socket at 'fake' that answers every line with the next of these objects."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind('fake')
    server.listen(1)

    def serve():
        peer, _ = server.accept()
        with peer, peer.makefile('rb') as lines:
            for answer in answers_in_order:
                lines.readline()
                peer.sendall((answer if isinstance(answer, bytes) else
                              json.dumps({'ok': answer}).encode()) + b'\n')
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server


def figures(seconds, reads, read_bytes):
    return {'time_ns': 5_000_000_000 + seconds * 1_000_000_000,
            'disks': [{'name': 'root', 'total': {'reads': reads, 'read_bytes': read_bytes}}]}


STATUS = {'disks': [{'name': 'root', 'file': None, 'bytes': 5 << 30, 'engine': 'e',
                     'connected': True, 'read_only': True}]}


@case
def stat_watch_prints_what_was_done_in_a_second():
    with canned([STATUS, figures(0, 100, 0), figures(2, 5100, 200 << 20),
                 figures(3, 12_345_678_000, 1 << 45)]):
        done = run('stat', '--watch', 'fake')
        lines = done.stdout.splitlines()
        assert lines[0] == 'root: not a file, 5120 MiB, read-only, engine e, in use', lines
        assert re.match(r'root +100 +0 +0 +0 B ', lines[3]), lines
        assert re.match(r'root +2500 +0 +0 +100 MiB/s ', lines[5]), lines
        assert re.match(r'root +12G +0 +0 +32 TiB/s ', lines[7]), lines
        assert done.returncode == CANNOT and 'the process has ended' in done.stderr, done.stderr


@case
def stat_tells_why_there_are_errors():
    def counted(seconds, **counters):
        answer = figures(seconds, 999_999, 9999 << 20)
        answer['disks'][0]['total'].update(counters)
        return answer

    first = counted(0, throttled=123_456, throttled_now=7, disk_errors=9999, errors_no_space=9998,
                    errors_io=1, refused=2, refused_range=2, interrupts=999_999)
    second = counted(1, throttled=123_466, disk_errors=10_000, errors_no_space=9999, errors_io=1,
                     refused=2, refused_range=2, interrupts=999_999)
    with canned([STATUS, first, second]):
        lines = run('stat', '--watch', 'fake').stdout.splitlines()
    assert all(len(line) <= 80 for line in lines), lines
    assert re.match(r'disk .* throttled +irqs$', lines[2]), lines
    assert re.match(r'root .* 9999 +123456 999999$', lines[3]), lines
    assert lines[4:8] == ['root       9998 errors of the disk: no space left',
                          'root       1 errors of the disk: I/O error',
                          'root       2 refused: outside of the disk',
                          'root       7 held by a limit now'], lines
    assert re.match(r'root .* 1 +10 +0$', lines[9]), lines
    assert lines[10:] == ['root       1 errors of the disk: no space left'], lines


@case
def stat_draws_where_the_time_goes():
    def with_times(seconds, disk, held):
        answer = figures(seconds, 0, 0)
        answer['disks'][0]['latency_ns'] = {'waiting': [], 'held': held, 'disk': disk}
        return answer

    first = [0] * 20 + [98, 0, 2]
    second = [0] * 20 + [98, 100, 2] + [0] * 30 + [1]
    with canned([STATUS, with_times(0, first, []), with_times(1, second, [7])]):
        lines = [line for line in run('stat', '--watch', 'fake').stdout.splitlines()
                 if '|' in line]
        # 2^20 ns is about a millisecond: the tenth power after 2^11, where the bars begin.
        assert lines == [
            'root       disk     p50 <1ms    p99 <4ms    1us|         █ ▁            |10s',
            'root       held     p50 ~0      p99 ~0      1us|█                       |10s',
            'root       disk     p50 <2ms    p99 <2ms    1us|          █            ▁|10s',
        ], lines


@case
def stat_says_what_is_wrong():
    refused('stat', code=USAGE, says='no socket was named')
    refused('stat', 'a', 'b', code=USAGE, says='one socket too many')
    refused('stat', '--wach', 'a', code=USAGE, says='did you mean --watch')
    refused('stat', 'nowhere', says=["'nowhere'", '--control'])
    refused('stat', 'x' * 200, says='a UNIX socket takes')
    with canned([b'HTTP/1.1 400 Bad Request']):
        refused('stat', 'fake', says='no control socket')


def http(where, request=b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'):
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(where)
        peer.sendall(request)
        data = b''
        while more := peer.recv(65536):
            data += more
    head, _, body = data.decode().partition('\r\n\r\n')
    assert 'Content-Length: %d\r\n' % len(body) in head + '\r\n', head
    return head.split('\r\n')[0], body


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@any_case
def metrics_are_served_by_http():
    port = free_port()
    name = 'a"b\\c'
    disk = '--disk=file=%s,socket=s,name=%s' % (image(), name)
    with Daemon(disk, '--metrics=127.0.0.1:%d' % port):
        status, body = http(('127.0.0.1', port))
        assert status == 'HTTP/1.1 200 OK', status
        assert 'tenon_info{version="' in body
        assert http(('127.0.0.1', port), b'GET /x HTTP/1.1\r\n\r\n')[0].startswith('HTTP/1.1 404')
        assert http(('127.0.0.1', port), b'PUT / HTTP/1.1\r\n\r\n')[0].startswith('HTTP/1.1 404')
    with Daemon(disk, '--metrics=m') as process:
        assert stat.S_IMODE(os.stat('m').st_mode) == 0o660
        assert http('m')[1] == body
        with FrontEnd('s') as front_end:
            front_end.features()
            assert http('m')[0] == 'HTTP/1.1 200 OK'
        process.stop()
        assert not os.path.exists('m')


@any_case
def metrics_are_for_this_machine():
    for where in ('0.0.0.0:9000', '10.0.0.1:9000'):
        refused('blk', '--socket-path=s', '--blk-file', image(), '--metrics=' + where,
                says=[where, 'loopback'])
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        refused('blk', '--socket-path=s', '--blk-file', image(),
                '--metrics=127.0.0.1:%d' % taken.getsockname()[1], says='choose another port')
