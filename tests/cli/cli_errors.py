"""on-error: requests that the disk has failed wait for whoever runs the process; and resize."""

import os
import re

from cli_control import Control, case
from cli_harness import Daemon, Guest, USAGE, case as any_case, image, refused, run, wait_for


def daemon(on_error='stop', more=''):
    image(size=1 << 20)
    return Daemon('--disk=file=disk.img,socket=s,name=root,engine=inline,on-error=%s%s'
                  % (on_error, more), '--control=ctl')


def status(control):
    return control.ok('status')['disks'][0]


@case
def on_error_stop_parks_until_resumed():
    """What is behind the end of the file is an I/O error, until the file is long enough again."""
    with daemon() as process, Control() as control, Control() as watcher, Guest('s') as guest:
        assert watcher.ok('events') == {'events': True}
        assert (status(control)['parked'], status(control)['last_error']) == (0, None)
        os.truncate('disk.img', 4096)
        assert guest.ask('read 1000') == 'submitted'
        event = watcher.line()
        assert (event['event'], event['disk'], event['parked']) == ('parked', 'root', 1), event
        assert event['error'].startswith('a read of 512 bytes at byte 512000 failed ('), event
        assert guest.ask('wait 50') == 'pending'
        assert guest.ask('wait 0') == 'pending'
        now = status(control)
        assert (now['parked'], now['last_error']) == (1, event['error']), now
        table = run('stat', 'ctl').stdout
        assert 'root: ' + event['error'] in table, table
        assert re.search(r'^root +parked until resumed: 1 request ', table, re.M), table
        line = [l for l in process.stderr().splitlines() if 'is parked' in l]
        assert len(line) == 1 and 'resume of the control socket' in line[0], process.stderr()

        control.ok('resume')  # it is as bad as before
        assert watcher.line()['parked'] == 1
        assert guest.ask('wait 20') == 'pending'
        os.truncate('disk.img', 1 << 20)
        control.ok('resume')
        assert guest.ask('wait 20000') == '0'
        assert status(control)['parked'] == 0
        total = control.ok('stats')['disks'][0]['total']
        assert (total['parked'], total['parked_now'], total['disk_errors']) == (2, 0, 0), total
        assert 'parked until' not in run('stat', 'ctl').stdout


@case
def a_pause_is_complete_over_what_is_parked():
    with daemon(), Control() as control, Guest('s') as guest:
        os.truncate('disk.img', 4096)
        guest.ask('read 1000')
        wait_for(lambda: status(control)['parked'] == 1, 'a request is parked')
        assert control.ok('pause') == {'paused': True}
        os.truncate('disk.img', 1 << 20)
        assert guest.ask('wait 20') == 'pending'
        control.ok('resume')
        assert guest.ask('wait 20000') == '0'
        # A stop of the queue ends them, and so does the end of the daemon.
        os.truncate('disk.img', 4096)
        guest.ask('read 1000')
        wait_for(lambda: status(control)['parked'] == 1, 'a request is parked')
        assert guest.ask('stop') == 'stopped'
        assert guest.ask('wait 0') == '1'
        assert status(control)['parked'] == 0


@case
def a_daemon_ends_though_requests_are_parked():
    with daemon() as process, Control() as control, Guest('s') as guest:
        os.truncate('disk.img', 4096)
        guest.ask('read 1000')
        wait_for(lambda: status(control)['parked'] == 1, 'a request is parked')
        assert process.stop() == 0
        assert guest.ask('wait 20000') == '1'


@case
def another_front_end_may_come_though_requests_were_parked():
    with daemon(), Control() as control:
        with Guest('s') as guest:
            os.truncate('disk.img', 4096)
            guest.ask('read 1000')
            wait_for(lambda: status(control)['parked'] == 1, 'a request is parked')
            guest.process.kill()
        wait_for(lambda: status(control)['parked'] == 0, 'nothing is parked')
        os.truncate('disk.img', 1 << 20)
        control.ok('resize')
        with Guest('s') as guest:
            guest.ask('write 1000')
            assert guest.ask('wait 20000') == '0'


@case
def on_error_enospc_reports_other_errors():
    with daemon('enospc'), Control() as control, Guest('s') as guest:
        os.truncate('disk.img', 4096)
        guest.ask('read 1000')
        assert guest.ask('wait 20000') == '1'
        assert status(control)['parked'] == 0


@case
def resize_is_told_to_the_guest():
    with daemon('report'), Control() as control, Guest('s') as guest:
        assert guest.ask('capacity') == str((1 << 20) // 512)
        os.truncate('disk.img', 2 << 20)
        assert control.ok('resize') == {'bytes': 2 << 20}
        assert guest.ask('capacity') == str((2 << 20) // 512)
        guest.ask('write 3000')
        assert guest.ask('wait 20000') == '0'
        os.truncate('disk.img', 512 * 100)
        assert control.ok('resize') == {'bytes': 512 * 100}
        assert guest.ask('capacity') == '100'
        guest.ask('write 3000')
        assert guest.ask('wait 20000') == '1'
        guest.ask('write 99')
        assert guest.ask('wait 20000') == '0'
        assert os.path.getsize('disk.img') == 512 * 100


@any_case
def on_error_says_what_is_wrong():
    image()
    disk = '--disk=file=disk.img,socket=s,on-error='
    refused('blk', disk + 'ignore', '--control=ctl', code=USAGE,
            says=['on-error=ignore', 'report, stop and enospc'])
    refused('blk', disk + 'enospace', '--control=ctl', code=USAGE, says='did you mean enospc')
    refused('blk', disk + 'stop', code=USAGE, says=["disk 'disk'", 'add --control PATH'])
    refused('blk', disk + 'enospc', code=USAGE, says='add --control PATH')
