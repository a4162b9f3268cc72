"""`tenon net`: its words, its links, and what can be asked and told of network devices. That frames
arrive is tested elsewhere (tests/device, tests/linux).
"""

import json
import os
import re
import socket

from cli_control import Control, canned, case as case_with_json, http
from cli_harness import (
    CANNOT, Daemon, FrontEnd, PROGRAM, USAGE, answers, case, image, refused, run,
)

VIRTIO_NET_F_CSUM, VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC, VIRTIO_NET_F_HOST_TSO4 = 0, 3, 5, 11
VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ = 15, 17, 22


def net(*args, **more):
    return Daemon(*args, command='net', **more)


def dgram(name='a', peer='b'):
    return 'dgram,path=%s.link,peer=%s.link' % (name, peer)


def offered(where):
    with FrontEnd(where) as front_end:
        features = front_end.features()
        return {bit for bit in range(64) if features >> bit & 1}


# ---- words ----


@case
def net_prints_its_capabilities():
    done = run('net', '--no-such-thing', '--print-capabilities')
    assert done.returncode == 0 and done.stderr == '', done
    assert json.loads(done.stdout) == {'type': 'net'}, done.stdout
    os.symlink(PROGRAM, 'tenon-vhost-user-net')
    done = run('--print-capabilities', program='./tenon-vhost-user-net')
    assert done.returncode == 0 and json.loads(done.stdout)['type'] == 'net', done


@case
def net_help_names_every_option_and_key():
    text = run('net', '--help').stdout
    words = """--link --socket-path --fd --socket-mode --workers --worker-cpus --exit-on-disconnect
               --ready-fd --control --metrics --log --print-capabilities --limit-group tap,name=
               tap,fd= stream,path= stream,fd= listen= dgram,path= peer= dgram,fd= pair= capture=
               socket= id= mac= mtu= speed= pairs= rss= offload= csum tso tso4 tso6 ecn uso uso4
               uso6 full= coalesce= queue-size= mrg-rxbuf= ctrl-vq= event-idx= workers= cpus=
               queue-workers= poll-us= frames= frames-rx= frames-tx= bytes= bytes-rx= bytes-tx=
               -burst[-once]= limit-group="""
    for word in words.split():
        assert word in text, word


@case
def net_explains_what_is_wrong_with_a_link():
    wrong = {
        'tab,name=x': ['link=tab', 'did you mean tap'],
        'name=x': ['does not say what frames go through', 'stream and pair'],
        'tap,nme=x': ["unknown key 'nme' in --link", "did you mean 'name'"],
        'tap=x,stream=y': ['two kinds of link, tap and stream'],
        'tap=x,name=y': ["'x' was said before"],
        'pair': ['the pair has no name'],
        'pair=x,peer=y': ['peer= has no place'],
        'pair=x': ["no other device of this process names the pair 'x'"],
        'tap=x,mac=52:54:00:12:34': ['no hardware address', '52:54:00:12:34:56 is one'],
        'tap=x,mac=52:54:00:12:34:5g': ['no hardware address'],
        'tap=x,mac=01:00:5e:00:00:01': ['one of a group'],
        'tap=x,mac=00:00:00:00:00:00': ['all zeroes'],
        'tap=x,mtu=67': ['mtu=67 is not a number from 68 to 65535'],
        'tap=x,pairs=0': ['pairs=0', 'from 1 to 128'],
        'tap=x,pairs=2,queues=2': ['pairs= and queues= say the same'],
        'tap=x,offload=tos': ['offload=tos', 'did you mean tso'],
        'tap=x,offload=csum,': ['offload='],
        'tap=x,offload=ecn': ['add tso'],
        'tap=x,coalesce=0': ['coalesce=0', '64:50'],
        'tap=x,coalesce=64:': ['coalesce=64:'],
        'tap=x,full=dorp': ['full=dorp', 'did you mean drop'],
        'tap=x,rss=maybe': ['rss=maybe is neither on nor off'],
        'tap=x,queue-size=100': ['not a power of 2'],
        'tap=x,frames-burst=5': ['frames-burst= needs frames='],
        'tap=x,iops=5': ["unknown key 'iops'"],
        'tap=x,id=': ['a name has 1 to 63'],
        'tap=x,mtu=1500,mtu=1500': ["'mtu' is given twice"],
    }
    for link, says in wrong.items():
        refused('net', '--socket-path=s', '--link=' + link, code=USAGE, says=says)
        assert not os.path.exists('s'), link
    refused('net', '--socket-path=s', code=USAGE, says='no link was named')
    refused('net', '--link=tap=x', code=USAGE, says=["net 'x' has no socket", 'socket=PATH'])
    refused('net', 'tap0', code=USAGE, says=["'tap0' is no option", '--link'])
    refused('net', '--disk=file=x', '--link=tap=x', code=USAGE, says='--link')


@case
def net_explains_links_that_do_not_fit_each_other():
    def links(*texts):
        return ['--link=%s,socket=s%d' % (text, i) for i, text in enumerate(texts)]

    refused('net', *links('pair=x', 'pair=x', 'pair=x'), code=USAGE, says='more than two devices')
    refused('net', *links('tap=x,id=n', 'tap=y,id=n'), code=USAGE, says=['two', "'n'", 'own id='])
    refused('net', *links('tap=x,limit-group=g'), code=USAGE,
            says=["no limit group 'g'", 'frames=N'])
    refused('net', '--socket-path=a', '--link=tap=x', '--link=tap=y', code=USAGE,
            says=['2 of the nets', '--link tap,name=NAME,socket=PATH'])
    refused('net', *links('tap=x,queue-workers=0'), code=USAGE, says='add --workers N')
    refused('net', '--workers=2', *links('tap=x'), code=USAGE, says='--workers 2 are more')


@case
def net_explains_links_that_cannot_be_opened():
    refused('net', '--socket-path=s', '--link=tap,fd=0', code=(USAGE, CANNOT), says="net 'tap'")
    refused('net', '--socket-path=s', '--link=dgram,path=no/a,peer=b', code=(USAGE, CANNOT),
            says=["net 'a'", 'no/a'])
    refused('net', '--socket-path=s', '--link=dgram,path=a,peer=b,pairs=2', code=USAGE,
            says=["net 'a'", 'pairs'])
    refused('net', '--socket-path=s', '--link=dgram,path=a,peer=b,capture=no/c',
            code=(USAGE, CANNOT), says=["net 'a'", 'no/c'])
    assert not os.path.exists('s')


# ---- what a front-end sees ----


@case
def net_offers_what_was_asked_for():
    with net('--socket-path=s', '--link=%s' % dgram()):
        plain = offered('s')
        assert {VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_CTRL_VQ} <= plain, plain
        assert not {VIRTIO_NET_F_MTU, VIRTIO_NET_F_MQ} & plain, plain
    bare = dgram() + ',offload=off,mrg-rxbuf=off,ctrl-vq=off,mtu=1400'
    with net('--socket-path=s', '--link=' + bare):
        found = offered('s')
        assert VIRTIO_NET_F_MTU in found, found
        assert not {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_MRG_RXBUF,
                    VIRTIO_NET_F_CTRL_VQ} & found, found
    with net('--socket-path=s', '--link=%s,offload=csum' % dgram()):
        found = offered('s')
        assert VIRTIO_NET_F_CSUM in found and VIRTIO_NET_F_HOST_TSO4 not in found, found
    with net('--socket-path=s', '--link=%s,offload=csum,tso,mtu=1400' % dgram()):
        assert {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_MTU} <= offered('s')


@case
def net_pairs_are_back_to_back():
    with net('--link=pair=x,socket=a,pairs=2', '--link=socket=b,pair=x,capture=c.pcapng'):
        for where in 'ab':
            assert VIRTIO_NET_F_MQ in offered(where), where
        assert os.path.getsize('c.pcapng') > 0


@case
def net_serves_several_links_and_ends_well():
    with net('--link=%s,socket=a' % dgram(), '--link=stream=st,listen=on,socket=b',
             '--link=stream=nowhere,socket=c') as daemon:
        assert all(answers(where) for where in 'abc')
        for words in ("net 'a': serving on a, link dgram", "net 'st': serving on b, link stream st",
                      "net 'nowhere': serving on c, link stream nowhere"):
            assert words in daemon.stderr(), (words, daemon.stderr())
        assert daemon.stop() == 0
    assert not [name for name in os.listdir('.') if name in ('a', 'b', 'c', 'st', 'a.link')]


@case
def net_takes_a_link_by_descriptor():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        number = theirs.fileno()
        with net('--socket-path=s', '--link=dgram,fd=%d' % number, pass_fds=[number]) as daemon:
            assert answers('s')
            assert "net 'dgram'" in daemon.stderr(), daemon.stderr()


# ---- what can be asked and told ----


def controlled(*args):
    return net('--socket-path=s', '--link=%s,mac=52:54:00:00:00:07' % dgram(), '--control=ctl',
               *args)


@case_with_json
def net_control_says_what_is_served():
    with controlled(), Control() as control:
        answer = control.ok('status')
        assert answer['disks'] == [], answer
        (found,) = answer['nets']
        assert (found['name'], found['mac']) == ('a', '52:54:00:00:00:07'), found
        assert found['link'].startswith('dgram') and found['pairs'] == 1, found
        assert found['connected'] is False and found['plugged_in'] is True, found
        assert found['workers'] == [], found
        (stats,) = control.ok('stats', net='a')['nets']
        assert stats['name'] == 'a' and {'received', 'sent', 'total', 'link'} <= set(stats), stats
        assert "no net 'b'" in control.error('stats', net='b')
        assert "no disk 'a'" in control.error('stats', disk='a')


@case_with_json
def net_control_pulls_the_cable_out():
    with controlled('--link=pair=x,socket=s1', '--link=pair=x,socket=s2'), Control() as control:
        def plugged_in():
            return {n['name']: n['plugged_in'] for n in control.ok('status')['nets']}

        assert control.ok('carrier', state='down', net='x') == {'state': 'down'}
        assert plugged_in() == {'a': True, 'x': False, 'x-2': True}
        assert control.ok('carrier', state='down') == {'state': 'down'}
        assert set(plugged_in().values()) == {False}
        assert control.ok('carrier', state='up', net='x') == {'state': 'up'}
        assert plugged_in() == {'a': False, 'x': True, 'x-2': False}
        for state in ('sideways', None, 1, []):
            assert '"up"' in control.error('carrier', state=state), state
        assert '"state"' in control.error('carrier')
        for more in ({}, {'net': 'a'}):
            assert 'GUEST_ANNOUNCE' in control.error('announce', **more), more
        assert 'only a disk can be resized' in control.error('resize')
        assert 'only a disk' in control.error('resize', net='a')


@case_with_json
def net_control_limits_pauses_and_quits():
    with controlled() as process, Control() as control:
        wanted = {'frames': 1000, 'bytes-rx': '50M', 'frames-burst': 5}
        assert control.ok('set-limits', limits=wanted) == {'limits': wanted}
        assert "no limit 'iops' of a net" in control.error('set-limits', limits={'iops': 5})
        assert "did you mean 'frames'" in control.error('set-limits', limits={'frame': 5})
        assert control.ok('pause') == {'paused': True}
        assert control.ok('resume', net='a') == {'paused': False}
        assert control.ok('quit') == {'stopping': True}
        assert process.wait() == 0


@case_with_json
def disks_refuse_what_is_about_networks():
    with Daemon('--socket-path=d', '--blk-file', image(), '--control=ctl'), Control() as control:
        assert control.ok('status')['nets'] == []
        assert 'there is none here' in control.error('carrier', state='up')
        assert 'that is a disk' in control.error('announce', disk='disk')


@case_with_json
def stat_prints_a_table_of_networks():
    with controlled():
        done = run('stat', 'ctl')
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert re.match(r'a: dgram .*, 52:54:00:00:00:07, .*, not in use$', lines[0]), lines
        assert re.match(r'net +received +bytes +sent +bytes +dropped +throttled +irqs$',
                        lines[2]), lines
        assert re.match(r'a +0 +0 B +0 +0 B +0 +0 +0$', lines[3]), lines
        assert all(len(line) <= 80 for line in lines[1:]), lines


@case_with_json
def stat_tells_why_frames_were_dropped():
    def counted(seconds, **more):
        total = {'interrupts': 999_999, 'throttled': 123_456, **more}
        entry = {'name': 'one', 'total': total, 'link': {'lost_peer': 3 + seconds},
                 'received': {'frames': 999_999 + 500 * seconds, 'bytes': 9999 << 20},
                 'sent': {'frames': 12_345_678_000, 'bytes': 9999 << 20}}
        return {'time_ns': (5 + seconds) * 10**9, 'disks': [], 'nets': [entry]}

    status = {'disks': [], 'nets': [{'name': 'one', 'link': 'tap tap0', 'mac': 'm', 'link_up': True,
                                     'plugged_in': False, 'connected': True}]}
    first = counted(0, too_long=2, filtered=5, bad_header=1, no_buffer=7, throttled_now=4)
    second = counted(2, too_long=2, filtered=5, bad_header=5, no_buffer=7)
    with canned([status, first, second]):
        lines = run('stat', '--watch', 'fake').stdout.splitlines()
    assert all(len(line) <= 80 for line in lines), lines
    assert lines[0] == 'one: tap tap0, m, carrier taken away, in use', lines
    assert re.match(r'one +999999 +9999 MiB +12G +9999 MiB +3 +123456 +999999$', lines[3]), lines
    assert lines[4:10] == [
        'one        2 dropped: longer than the guest\'s buffers, or than the link carries',
        'one        1 dropped: the header asks for what cannot be',
        'one        5 filtered: the guest does not want them',
        'one        7 times that the guest had no buffer, and the link waited',
        'one        4 held by a limit now',
        'one        3 of the link: lost_peer'], lines
    assert re.match(r'one +500 +0 B/s +0 +0 B/s +2 +0 +0$', lines[11]), lines
    assert lines[12:] == ['one        4 dropped: the header asks for what cannot be',
                          'one        2 of the link: lost_peer'], lines


@case
def net_metrics_are_served_by_http():
    with net('--socket-path=s', '--link=%s,id=eth"0' % dgram(), '--metrics=m'):
        with FrontEnd('s') as front_end:
            front_end.features()
            status, body = http('m')
        assert status == 'HTTP/1.1 200 OK', status
        types = re.findall(r'^# TYPE (\S+)', body, re.M)
        assert len(types) == len(set(types)), types
        assert 'tenon_device_resets_total{device="eth\\"0"}' in body, body
        assert re.search(r'^tenon_link_\w+_total\{device="eth\\"0"\} 0$', body, re.M), body


@case
def run_explains_what_is_wrong_with_a_network():
    if ' run ' not in run('help').stdout:
        return
    refused('run', '--kernel=k', '--net=tab=x', code=USAGE, says=["unknown key 'tab' in --net"])
    refused('run', '--kernel=k', '--net=tap=x,socket=s', code=USAGE,
            says=["net 'x'", 'socket= has no place', 'tenon net'])
    refused('run', '--kernel=k', '--net=pair=x', code=USAGE, says="names the pair 'x'")
    assert '--net' in run('run', '--help').stdout
