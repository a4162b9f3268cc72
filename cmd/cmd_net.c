/*
 * cmd_net.c: `tenon net`: network devices over vhost-user. Here is what it says about itself; the
 * options are read in serve_options.c, and serve.c does the work.
 */
#include "cmd.h"
#include "serve.h"

static const char help[] =
    "Usage: tenon net --link KIND,KEY=VALUE,... [OPTION]...\n"
    "Serves network devices to virtual machines over vhost-user.\n"
    "\n"
    "  --link KIND,...       one device; may be repeated. What its frames go through:\n"
    "      tap,name=NAME | tap,fd=N[:N...]  stream,path=PATH | stream,fd=N listen=off\n"
    "      dgram,path=PATH,peer=PATH | dgram,fd=N   pair=NAME, with another --link\n"
    "      and with each of them  capture=FILE.  Keys of the device, and defaults:\n"
    "      socket=PATH  id=NAME  mac=MADE OF NAME  mtu=  speed=  pairs=1  rss=off\n"
    "      offload=auto|off|csum,tso,tso4,tso6,ecn,uso,uso4,uso6  full=hold|drop\n"
    "      coalesce=64:50|off  queue-size=1024  mrg-rxbuf=on  ctrl-vq=on event-idx=on\n"
    "      workers=1  cpus=LIST  queue-workers=LIST of --workers  poll-us=auto\n"
    "      frames= frames-rx= frames-tx= bytes= bytes-rx= bytes-tx=, -burst[-once]=\n"
    "      limit-group=NAME (--limit-group name=NAME,...)\n"
    "  --socket-path PATH | --fd N    where the only device's front-end connects\n"
    "  --socket-mode MODE    permissions of new sockets (0660)\n"
    "  --workers N  --worker-cpus LIST   threads for all devices, not one for each\n"
    "  --exit-on-disconnect  end when the last front-end has gone\n"
    "  --ready-fd N          write a line to descriptor N when sockets are open\n"
    "  --control PATH        a socket to ask and command this process by: tenon stat\n"
    "  --metrics WHERE       serve counters to Prometheus at a path or 127.0.0.1:PORT\n"
    "  --log LEVEL  --print-capabilities                      Details: man tenon-net\n";

/* What QEMU's management tools read (vhost-user.rst, "Backend program conventions"). */
static const char capabilities[] = "{\n"
                                   "  \"type\": \"net\"\n"
                                   "}\n";

int cmd_net(int argc, char **argv)
{
    return serve_main(DEVICE_NET, argc, argv, help, capabilities);
}
