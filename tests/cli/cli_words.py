"""What `tenon` says: about itself, and about command lines that are wrong (VU-104)."""

import json
import os
import re

from cli_harness import (
    CANNOT, Daemon, PROGRAM, USAGE, answers, case, image, refused, run,
)


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
    for args in (['blk', '--help'], ['help', 'blk'], ['blk', '-h'], ['net', '--help'],
                 ['help', 'net'], ['--help'], ['help']):
        done = run(*args)
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and done.stderr == '', done
        assert 5 < len(lines) <= 24, '%s: %d lines' % (args, len(lines))
        assert max(map(len, lines)) <= 80, '%s: %s' % (args, max(lines, key=len))


@case
def help_names_every_option_and_key():
    text = run('blk', '--help').stdout
    words = """--disk --socket-path --fd --blk-file --read-only --socket-mode --workers --log
               --exit-on-disconnect --ready-fd --print-capabilities file= memory= fd= socket=
               name= serial= read-only= direct= discard= lock= offset= size= block-size=
               queues= queue-size= engine= threads= cache= iops= iops-read= iops-write= bps=
               bps-read= bps-write= -burst[-once]= limit-group= --limit-group event-idx=
               poll-us= --worker-cpus workers= cpus= queue-workers="""
    for word in words.split():
        assert word in text, word


@case
def version_is_printed():
    for args in (['version'], ['--version']):
        done = run(*args)
        assert done.returncode == 0 and re.fullmatch(r'tenon \d+\.\d+\.\d+\n', done.stdout), done


@case
def no_command_is_an_error_with_help():
    done = run()
    assert done.returncode == USAGE and done.stdout == '', done
    assert 'tenon blk disk.img' in done.stderr, done


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
    for wrong, right in (('sockt', 'socket'), ('filee', 'file'), ('read_only', 'read-only'),
                         ('queue', 'queues'),
                         ('engin', 'engine'), ('blocksize', 'block-size'), ('ofset', 'offset')):
        refused('blk', '--disk', 'file=disk.img,socket=s,%s=1' % wrong, code=USAGE,
                says=["'%s'" % wrong, "did you mean '%s'?" % right])
    refused('blk', '--disk', 'file=disk.img,socket=s,colour=red', code=USAGE, says='--help')
    assert not os.path.exists('s')


@case
def bad_values_name_what_is_valid():
    image()
    for pair, says in (
        ('queues=0', 'from 1 to 256'),
        ('queues=257', 'from 1 to 256'),
        ('queues=many', 'from 1 to 256'),
        ('queue-size=100', 'power of 2'),
        ('poll-us=never', 'neither auto nor a number of microseconds from 0 to 1000000'),
        ('poll-us=1000001', 'neither auto nor a number of microseconds from 0 to 1000000'),
        ('queue-size=65536', 'from 1 to 32768'),
        ('cache=writeback2', 'did you mean writeback'),
        ('discard=maybe', 'neither on nor off'),
        ('read-only=perhaps', 'neither on nor off'),
        ('serial=' + 'x' * 21, '1 to 20'),
        ('serial=', '1 to 20'),
        ('name=' + 'x' * 64, '1 to 63'),
        ('socket=t', 'given twice'),
    ):
        refused('blk', '--disk', 'file=disk.img,socket=s,' + pair, code=USAGE, says=says)
    for option, says in (
        ('--workers=0', '1 to 256'),
        ('--workers=two', '1 to 256'),
        ('--socket-mode=999', 'octal'),
        ('--socket-mode=1777', 'octal'),
        ('--fd=x', 'descriptor'),
        ('--ready-fd=-1', 'descriptor'),
        ('--log=loud', 'debug'),
    ):
        refused('blk', option, 'disk.img', code=USAGE, says=says)
    assert sorted(os.listdir('.')) == ['disk.img'], os.listdir('.')


@case
def bad_sizes_are_refused_by_the_disk():
    image()
    for pair in ('offset=12Q', 'size=1.5M', 'size=-1', 'offset=99999999999999999999', 'engine=fast',
                 'threads=0',
                 'direct=2', 'block-size=1000'):
        refused('blk', '--disk', 'file=disk.img,socket=s,' + pair, code=USAGE,
                says=pair.split('=')[1])
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
    refused('blk', '--socket-path=s', '--blk-file=missing.img',
            says=['missing.img', 'No such file'])
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
    refused('blk', '--disk=file=a.img,socket=s,name=x', '--disk=file=b.img,socket=t,name=x',
            code=USAGE, says="'x'")
    assert not os.path.exists('s')


@case
def socket_path_too_long_or_without_directory():
    image()
    refused('blk', '--socket-path=' + 'x' * 108, '--blk-file=disk.img', says=['108', '107'])
    refused('blk', '--socket-path=no/such/s', '--blk-file=disk.img',
            says=['no/such/s', 'No such file', 'directory'])
