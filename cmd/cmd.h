/*
 * cmd.h: what the parts of the `tenon` program share: its subcommands and its exit codes.
 *
 *   tenon.c ──> cmd_blk.c ──> serve_options.c   what was asked for    (all: device_options.h)
 *           ──> cmd_net.c ──> serve.c           sockets, sessions     (all: devices.h)
 *           ──> cmd_run.c ──> run_options.c
 *                         ──> run_service.c     a machine (vmm/), its console (terminal.c)
 *   daemon.c    signals, readiness, closed descriptors
 *   report.c    every line that is printed to the user
 *
 * The program is written against <tenon/...> alone, as anybody's program would be.
 */
#ifndef TENON_CMD_H
#define TENON_CMD_H

/* Exit codes of every subcommand; tenon(1) documents them. */
enum exit_code {
    EXIT_OK = 0,        /* did what it was asked to, or was told to stop and has drained */
    EXIT_CANNOT = 1,    /* could not start, or could not go on: one line on stderr says why */
    EXIT_USAGE = 2,     /* the command line is wrong: nothing was opened */
    EXIT_UNDRAINED = 3, /* was told to stop, and gave up waiting for operations of a disk */
    /* tenon run */
    EXIT_NO_KVM = 4,        /* there is no KVM, or none that can run a stock kernel */
    EXIT_GUEST_RESET = 5,   /* the guest wants to start again */
    EXIT_GUEST_PANICKED = 6 /* the guest's kernel said so */
};

/* Each takes its own name as argv[0] and returns an exit code. */
int cmd_blk(int argc, char **argv);
int cmd_net(int argc, char **argv);
/* Only where TENON_RUN is defined: there is a vmm/ for this machine. */
int cmd_run(int argc, char **argv);
/* Only where TENON_CONTROL is defined: built with json-c. */
int cmd_stat(int argc, char **argv);

#endif
