/*
 * probe.h: places that a tracer can watch in a running process, without a build of its own:
 *
 *   bpftrace -e 'usdt:/usr/bin/tenon:tenon:submit { @[str(arg0)] = count(); }'
 *
 * Each is one nop, and a note in the file on where it stands and where its values are then. So
 * that nothing else is done for it, give it what is at hand or one load away in what is at hand.
 * Which there are, and what their values mean, is in docs/tracing.md. Without <sys/sdt.h> (meson's
 * option `usdt`) there are none. A macro, since the note has to name its place and its values.
 */
#ifndef TN_BASE_PROBE_H
#define TN_BASE_PROBE_H

#ifdef TN_HAVE_USDT
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define TN_PROBE(name, ...) STAP_PROBEV(tenon, name, __VA_ARGS__)
#else
#define TN_PROBE(name, ...) ((void)0)
#endif

#endif
