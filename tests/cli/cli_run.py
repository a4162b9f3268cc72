"""What `tenon run` says: about itself, about command lines that are wrong, and about a machine
that has no KVM, or none that is good for a stock kernel. Consoles are in cli_console and
cli_streams.
"""

import os
import re
import shutil
import subprocess
import time

from cli_harness import (
    CANNOT, Daemon, FrontEnd, PATIENCE, PROGRAM, Skip, USAGE, case, image, refused, run,
)
from console_guest import (
    CRASH, HUNG, PANIC, finish, needs_guests, output_guest, start, write_kernel,
)

NO_KVM = 4
PROMPT = 3  # seconds in which a refusal has to be there, on a machine that does other things too
VIRTIO_F_EVENT_IDX = 29


def needs_run():
    if '  run ' not in run('help').stdout:
        raise Skip('this build has no `tenon run`')


def kvm_opens():
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
    except OSError as why:
        raise Skip('/dev/kvm does not open: %s' % why.strerror)


def wrong(*args, says, code=USAGE):
    """`tenon run` with these arguments, and a kernel that exists."""
    with open('kernel', 'w') as kernel:
        kernel.write('not looked at\n')
    refused('run', '--kernel=kernel', *args, code=code, says=says)


@case
def run_help_fits_a_screen_and_names_every_option():
    needs_run()
    texts = [run(*args) for args in (['run', '--help'], ['run', '-h'], ['help', 'run'])]
    assert len({done.stdout for done in texts}) == 1
    for done in texts:
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and done.stderr == '', done
        assert 5 < len(lines) <= 24, '%d lines' % len(lines)
        assert max(map(len, lines)) <= 80, max(lines, key=len)
    for word in """--kernel --initrd --cmdline --memory --cpus --disk --huge-pages --boot
                   --interrupts --devices --stats --control --metrics --no-kvm-probe --log file=
                   memory= fd= name= serial= read-only= direct= discard= lock= offset= size=
                   block-size= queues= queue-size= engine= threads= cache= event-idx= Ctrl-A
                   iops= bps= limit-group= --limit-group
                   """.split():
        assert word in done.stdout, word


@case
def run_wins_over_what_stands_beside_help():
    needs_run()
    done = run('run', '--help', '--kernel', 'missing')
    assert done.returncode == 0 and 'Usage' in done.stdout, done


@case
def run_without_a_kernel():
    needs_run()
    refused('run', code=USAGE, says=['no kernel', '--kernel vmlinuz'])
    refused('run', image(), code=USAGE, says='no kernel')


@case
def run_unknown_option_suggests_the_nearest():
    needs_run()
    for typed, meant in (('--kernl=x', '--kernel'), ('--mem=1G', '--memory'), ('--cpu=2', '--cpus'),
                         ('--append=x', None), ('--interupts=edge', '--interrupts'),
                         ('--hugepages=2M', '--huge-pages'), ('--initr=x', '--initrd')):
        refused('run', typed, code=USAGE,
                says='did you mean %s?' % meant if meant else '--help lists the options')
    refused('run', '-m', '512', code=USAGE, says='two dashes')
    refused('run', '--kernel', code=USAGE, says='needs a value')
    refused('run', '--no-kvm-probe=yes', code=USAGE, says='takes no value')


@case
def run_options_that_are_given_twice():
    needs_run()
    for option in ('kernel', 'initrd', 'cmdline', 'stats', 'control', 'metrics'):
        refused('run', '--kernel=k', '--%s=a' % option, '--%s=b' % option, code=USAGE,
                says='--%s is given twice' % ('kernel' if option == 'kernel' else option))


@case
def run_memory_in_its_forms():
    needs_run()
    for text in ('', '1', 'M', '0', '1.5G', '-1M', '512 M', '64Q', '99999999999999999999', '1T1',
                 '0x1000000', '128T'):
        wrong('--memory=' + text, says='--memory')
    for text, says in (('3M', 'at least 4M'), ('4095K', 'at least 4M'),
                       ('4097K', 'whole mebibytes'), ('5000000', 'whole mebibytes'),
                       ('lots', '512M and 4G are')):
        wrong('--memory=' + text, says=says)
    # Good ones get as far as the next mistake.
    for text in ('4M', '512M', '512m', '4G', '1T', '4096K', '4194304'):
        wrong('--memory=' + text, '--cpus=0', says='--cpus')


@case
def run_values_name_what_is_valid():
    needs_run()
    for option, says in (
        ('--cpus=0', '1 to 254'),
        ('--cpus=255', '1 to 254'),
        ('--cpus=two', '1 to 254'),
        ('--cpus=-1', '1 to 254'),
        ('--cpus=', '1 to 254'),
        ('--huge-pages=4K', '2M and 1G'),
        ('--huge-pages=big', '2M and 1G'),
        ('--boot=pvhh', 'did you mean pvh?'),
        ('--boot=', '--help'),
        ('--interrupts=levl', 'did you mean level?'),
        ('--interrupts=msi', '--help'),
        ('--devices=acpy', 'did you mean acpi?'),
        ('--devices=pci', '--help'),
        ('--log=loud', 'debug'),
    ):
        wrong(option, says=says)
    wrong('--huge-pages=1G', '--memory=1536M', says=['--huge-pages', '1024M'])
    wrong('--huge-pages=2M', '--memory=5M', says='multiple of 2M')


@case
def run_disk_keys():
    needs_run()
    image()
    for pair, says in (
        ('socket=s', ['socket= has no place here', 'tenon blk', "'disk'"]),
        ('event-idx=maybe', 'neither on nor off'),
        ('event_idx=off', "did you mean 'event-idx'?"),
        ('evnt-idx=off', "did you mean 'event-idx'?"),
        ('queue=1', "did you mean 'queues'?"),
        ('colour=red', '--help'),
        ('queues=257', '1 to 256'),
        ('file=other.img', 'given twice'),
    ):
        wrong('--disk', 'file=disk.img,' + pair, says=says)
    wrong('--disk', 'disk.img', says='disk.img')
    wrong(*['--disk=memory=1M'] * 257, says=['257 disks', 'at most 256'])
    wrong(*['--disk=memory=1M'] * 1025, says='more than 1024 disks')


@case
def run_disks_of_one_name():
    needs_run()
    image('a.img')
    image('b.img')
    wrong('--disk=file=a.img,name=x', '--disk=file=b.img,name=x', says="two disks are named 'x'")


@case
def event_idx_off_is_not_offered():
    image()
    for pair, offered in (('', 1), (',event-idx=on', 1), (',event-idx=off', 0)):
        with Daemon('--disk=file=disk.img,socket=s' + pair), FrontEnd('s') as front_end:
            assert front_end.features() >> VIRTIO_F_EVENT_IDX & 1 == offered, pair


# ---- machines without a good KVM ----


def no_kvm(before, says):
    started = time.monotonic()
    done = subprocess.run([*before, PROGRAM, 'run', '--kernel=kernel', 'disk.img'],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE)
    took = time.monotonic() - started
    lines = done.stderr.splitlines()
    assert done.returncode == NO_KVM and done.stdout == '', done
    assert len(lines) == 1 and lines[0].startswith('tenon: '), done.stderr
    assert all(text in lines[0] for text in says), lines[0]
    assert took < PROMPT, '%.1f s' % took


@case
def run_without_dev_kvm():
    needs_run()
    inside = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /dev && exec "$@"', 'sh']
    if subprocess.run([*inside, 'true'], capture_output=True).returncode != 0:
        raise Skip('no mount namespace to hide /dev/kvm in')
    no_kvm(inside, ['there is no /dev/kvm', 'kvm-intel', 'tenon blk'])


@case
def run_without_the_right_to_open_kvm():
    needs_run()
    if not os.path.exists('/dev/kvm') or os.stat('/dev/kvm').st_mode & 2:
        raise Skip('there is no /dev/kvm that somebody may not open')
    before = []
    if os.access('/dev/kvm', os.R_OK | os.W_OK):
        before = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        if os.geteuid() != 0 or not shutil.which('setpriv'):
            raise Skip('no way to become somebody who may not open /dev/kvm')
        os.chmod('.', 0o777)
    no_kvm(before, ['/dev/kvm may not be opened', 'group kvm'])


@case
def run_on_a_kvm_that_cannot_run_linux():
    needs_run()
    kvm_opens()
    done = run('run', '--kernel=missing')
    if 'missing' in done.stderr:
        raise Skip('this KVM is good')
    no_kvm([], ['cannot run a stock kernel', ' ms', 'tenon blk'])


@case
def run_wrong_options_come_before_kvm():
    needs_run()
    refused('run', '--kernel=k', '--cpus=0', code=USAGE, says='--cpus')


# ---- files ----


@case
def run_files_that_are_none():
    needs_run()
    kvm_opens()
    image('empty', 0)
    image('zeroes', 4096)
    os.mkdir('directory')
    os.mkfifo('pipe')
    for name, says in (('missing', 'No such file'), ('empty', 'is empty'),
                       ('zeroes', 'is no kernel'), ('directory', 'a directory'),
                       ('pipe', 'no regular file')):
        refused('run', '--no-kvm-probe', '--kernel', name, code=CANNOT, says=[name, says])


@case
def run_disk_that_is_missing():
    needs_run()
    kvm_opens()
    refused('run', '--no-kvm-probe', '--kernel=x', 'missing.img', code=CANNOT,
            says=['missing.img', 'No such file'])
    refused('run', '--no-kvm-probe', '--kernel=x', '--disk=memory=1M,offset=2M', code=USAGE,
            says='offset')


@case
def run_huge_pages_that_are_not_there():
    needs_run()
    kvm_opens()
    with open('/proc/meminfo') as info:
        if 'HugePages_Total:       0\n' not in info.read():
            raise Skip('this machine has huge pages')
    refused('run', '--no-kvm-probe', '--kernel=x', '--memory=64M', '--huge-pages=2M', code=CANNOT,
            says=['32 huge pages', 'nr_hugepages'])


@case
def run_stats_that_cannot_be_written_are_told_at_once():
    needs_guests()
    write_kernel(HUNG)
    refused('run', '--no-kvm-probe', '--kernel=guest', '--stats=no/such/file', code=CANNOT,
            says=['no/such/file', 'No such file'])
    refused('run', '--no-kvm-probe', '--kernel=guest', '--stats=counters', '--control=no/such/c',
            code=CANNOT, says='no/such/c')


@case
def run_stats_are_lines():
    """Of the machine, of each disk, of each queue."""
    needs_guests()
    disk = '--disk=memory=1M,name=a,queues=2'
    process = start(output_guest(10), disk, '--stats=counters', stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL)
    assert finish(process) == (0, '')
    with open('counters') as counters:
        lines = counters.read().splitlines()
    for line in lines:
        assert re.fullmatch(r'(device a (queue [01] )?)?[a-z_]+ \d+', line), line
    figures = dict(line.rsplit(' ', 1) for line in lines)
    assert len(figures) == len(lines)
    assert 20 <= int(figures['exits_io']) <= int(figures['exits']), figures
    assert figures['kicks_by_exit'] == figures['mmio_reads'] == '0', figures
    assert figures['device a queue 1 requests'] == '0', figures
    process = start(output_guest(10), '--stats=-', stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL)
    code, said = finish(process)
    assert code == 0 and 'exits_io ' in said, said


@case
def run_counters_that_get_lost_are_an_error():
    needs_guests()
    process = start(output_guest(10), '--stats=/dev/full', stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL)
    code, said = finish(process)
    assert code == CANNOT and 'No space left' in said, (code, said)


@case
def run_says_how_the_guest_ended():
    needs_guests()
    for code, status, says in ((CRASH, 5, 'was reset'), (PANIC, 6, 'panicked')):
        process = start(code, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        status_was, said = finish(process)
        assert status_was == status and says in said and said.count('\n') == 1, (code, said)


@case
def run_leaves_no_socket_behind_a_failed_start():
    needs_run()
    kvm_opens()
    refused('run', '--no-kvm-probe', '--kernel=x', '--control=c', '--metrics=m', code=CANNOT,
            says='No such file')
    assert os.listdir('.') == [], os.listdir('.')
