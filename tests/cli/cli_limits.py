"""Limits on the command line: that what is asked for is what the guest gets, and what is refused.

The front-end here has a ring, and reads: as many requests as the ring has entries, at once.
"""

import mmap
import os
import re
import struct
import time

from cli_control import http
from cli_harness import (
    BASE_FEATURES, Daemon, FrontEnd, PATIENCE, SET_FEATURES, USAGE, case, image, refused, wait_for,
)

SET_OWNER, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE = 3, 5, 8, 9, 10
SET_VRING_KICK, SET_VRING_CALL = 12, 13
ENTRIES, REQUEST_BYTES, SECTOR = 64, 1024, 512
AVAIL, USED, BUFFERS, RAM = 0x1000, 0x2000, 0x10000, 0x40000
NEXT, WRITE = 1, 2


class Guest(FrontEnd):
    """Reads by one queue of a disk, without waiting for answers."""

    def __init__(self, where):
        super().__init__(where)
        fd = os.memfd_create('guest')
        os.ftruncate(fd, RAM)
        self.ram = mmap.mmap(fd, RAM)
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        call = os.eventfd(0, os.EFD_NONBLOCK)
        self.tell(SET_OWNER)
        self.tell(SET_FEATURES, struct.pack('<Q', BASE_FEATURES & ~(1 << 30)))
        self.tell_fd(SET_MEM_TABLE, struct.pack('<IIQQQQ', 1, 0, 0, RAM, 0, 0), fd)
        self.tell(SET_VRING_NUM, struct.pack('<II', 0, ENTRIES))
        self.tell(SET_VRING_BASE, struct.pack('<II', 0, 0))
        self.tell(SET_VRING_ADDR, struct.pack('<IIQQQQ', 0, 0, 0, USED, AVAIL, 0))
        self.tell_fd(SET_VRING_CALL, struct.pack('<Q', 0), call)
        self.tell_fd(SET_VRING_KICK, struct.pack('<Q', 0), self.kick)

    def read_sectors(self, count):
        """Heads of three: header, data, status."""
        for i in range(count):
            at = BUFFERS + i * REQUEST_BYTES
            self.ram[at:at + 16] = struct.pack('<IIQ', 0, 0, i)
            for place, (gpa, size, flags) in enumerate((
                    (at, 16, NEXT), (at + 16, SECTOR, NEXT | WRITE), (at + 16 + SECTOR, 1, WRITE))):
                number = 3 * i + place
                desc = struct.pack('<QIHH', gpa, size, flags, number + 1)
                self.ram[16 * number:16 * number + 16] = desc
            self.ram[AVAIL + 4 + 2 * i:AVAIL + 6 + 2 * i] = struct.pack('<H', 3 * i)
        self.ram[AVAIL + 2:AVAIL + 4] = struct.pack('<H', count)
        os.write(self.kick, struct.pack('<Q', 1))

    def done(self):
        return struct.unpack('<H', self.ram[USED + 2:USED + 4])[0]


def reads(where, count=20):
    guest = Guest(where)
    guest.read_sectors(count)
    return guest


@case
def without_a_limit_all_is_read_at_once():
    with Daemon('--disk=socket=s,file=' + image()), reads('s') as guest:
        wait_for(lambda: guest.done() == 20, 'the reads')


@case
def limits_of_a_disk_hold():
    """B13: a limit that was asked for is there."""
    for keys, burst, rate in (('iops=4,iops-burst=3', 3, 4),
                              ('iops-read=4,iops-read-burst=5', 5, 4),
                              ('bps=2K,bps-burst=1K', 2, 4),
                              ('bps-read=2K,bps-read-burst=1K', 2, 4),
                              ('iops=4,iops-burst=1,iops-burst-once=6', 7, 4)):
        began = time.monotonic()
        with Daemon('--disk=socket=s,file=%s,%s' % (image(), keys)), reads('s') as guest:
            wait_for(lambda: guest.done() >= burst + 1, keys)
            done = guest.done()
            assert done <= burst + rate * (time.monotonic() - began) + 1, (keys, done)


@case
def a_group_is_shared():
    began = time.monotonic()
    with Daemon('--limit-group=name=both,iops=5,iops-burst=2',
                '--disk=memory=1M,socket=s,limit-group=both,name=s',
                '--disk=memory=1M,socket=t,limit-group=both,name=t'):
        with reads('s') as first, reads('t') as second:
            wait_for(lambda: first.done() and second.done() and first.done() + second.done() >= 4,
                     'both')
            done = first.done() + second.done()
            assert done <= 2 + 5 * (time.monotonic() - began) + 1, done


@case
def the_end_is_prompt_while_limited():
    daemon = Daemon('--disk=memory=1M,socket=s,iops=1,iops-burst=1')
    with daemon, reads('s') as guest:
        wait_for(lambda: guest.done() >= 1, 'the first read')
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < PATIENCE / 2
        assert guest.done() == 20  # what waited was let through


@case
def metrics_tell_who_waits():
    with Daemon('--disk=memory=1M,socket=s,iops=1,iops-burst=1', '--metrics=m'):
        with reads('s') as guest:
            wait_for(lambda: guest.done() >= 1, 'the first read')
            text = http('m')[1]
    assert '# TYPE tenon_device_throttled_now gauge\n' in text, text
    assert '# TYPE tenon_device_throttled_total counter\n' in text, text
    waiting = int(re.search(r'tenon_device_throttled_now\{[^}]*queue="0"\} (\d+)', text).group(1))
    assert 15 < waiting < 20, waiting


@case
def wrong_limits_are_refused():
    for keys, says in (('iops=0', 'no limit'), ('iops=1K', '5000'), ('iops=-1', '5000'),
                       ('bps=x', '50M'), ('bps=5T', 'at most'), ('bps-burst=1M', 'needs bps='),
                       ('iops=5,iops=5', 'twice'), ('iops-reed=5', 'iops-read'),
                       ('iops-write-burst-once=0', 'default'), ('limit-group=no', '--limit-group')):
        refused('blk', '--disk=memory=1M,socket=s,' + keys, code=USAGE, says=says)


@case
def wrong_groups_are_refused():
    disk = '--disk=memory=1M,socket=s,limit-group=anna'
    for groups, says in ((['iops=5'], 'name='), (['name=anna'], 'iops=5000'),
                         (['anna'], 'no value'),
                         (['name=anna,iops=5', 'name=anna,iops=6'], 'two limit groups'),
                         (['name=ana,iops=5'], "did you mean 'ana'"),
                         (['name=anna,iops=5', 'name=bob,bps=1M'], 'bob'),
                         (['name=anna,iops-burst=5'], 'needs iops='),
                         (['name=anna,speed=5'], 'speed'), (['name=,iops=5'], '1 to'),
                         (['name=anna,name=bob,iops=5'], 'twice')):
        options = ['--limit-group=' + group for group in groups]
        refused('blk', disk, *options, code=USAGE, says=says)
