/*
 * run_service.c: the life of a guest.
 *
 *   options ──> KVM ──> devices ──> machine ──> console ──> processors run
 *                                                 │ the guest ends, a signal, Ctrl-A x
 *   freed <── disks flushed <── devices paused (or given up after a while) <── processors stopped
 *
 * The main thread turns one worker: signals, and what the machine has to look after. Processors,
 * queues and the console have threads of their own.
 */
#include "run_service.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "daemon.h"
#include "devices.h"
#include "report.h"
#include "run_stats.h"
#include "terminal.h"
#include "tty_mode.h"

enum { DRAIN_SECONDS = 5 };

struct service {
    const struct run_options *options;
    int kvm_fd;
    struct devices devices;
    struct tenon_device *in_windows[VMM_DEVICES_MAX]; /* the same, for the machine */
    struct tenon_worker *main;                        /* signals; the machine's own callbacks */
    struct vmm *vmm;
    struct admin admin;
    struct tenon_post wake; /* only ends the wait of the main loop */
    atomic_bool ended;      /* by itself, by a signal or by a key */
    bool signalled;         /* a second signal ends us at once */
    atomic_bool drained;
    bool lost; /* a disk could not be flushed, or counters could not be written */
};

/* ---- the end: from several threads ---- */

static void woken(struct tenon_post *post)
{
    (void)post;
}

static void end_service(void *opaque)
{
    struct service *service = opaque;

    atomic_store(&service->ended, true);
    tenon_worker_post(service->main, &service->wake);
}

static void guest_ended(void *opaque, enum vmm_end end)
{
    (void)end; /* vmm_how_ended tells it later */
    end_service(opaque);
}

static void key_came(void *opaque)
{
    end_service(opaque);
}

/* The process ends here and now, so nothing that is registered for exit is called. */
static void leave(int code)
{
    tty_mode_restore();
    _exit(code);
}

static void signal_came(void *opaque)
{
    struct service *service = opaque;

    if (service->signalled) {
        report_error("told to stop a second time: exiting without waiting for the disks");
        leave(EXIT_UNDRAINED);
    }
    service->signalled = true;
    end_service(service);
}

/* ---- the console: between the guest's port and the terminal ---- */

static size_t guest_wrote(void *opaque, const uint8_t *bytes, size_t count)
{
    (void)opaque;
    return terminal_write(bytes, count);
}

static void guest_hungry(void *opaque)
{
    (void)opaque;
    terminal_hungry();
}

static size_t user_typed(void *opaque, const uint8_t *bytes, size_t count)
{
    return vmm_console_input(((struct service *)opaque)->vmm, bytes, count);
}

static void user_ready(void *opaque)
{
    vmm_console_ready(((struct service *)opaque)->vmm);
}

/* ---- starting ---- */

static int open_kvm(struct service *service)
{
    service->kvm_fd = vmm_kvm_open(!service->options->no_kvm_probe);
    if (service->kvm_fd < 0) {
        report_error("%s", vmm_error());
        return EXIT_NO_KVM;
    }
    return EXIT_OK;
}

static int make_devices(struct service *service)
{
    return devices_open(&service->devices, &service->options->list, &service->options->pool);
}

static int open_stats(struct service *service)
{
    return run_stats_open(service->options->stats) ? EXIT_OK : EXIT_CANNOT;
}

static int make_main(struct service *service)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts), .name = "tenon" };

    service->wake.fn = woken;
    if (tenon_worker_new(&opts, &service->main) < 0) {
        report_error("cannot make the main loop: %s", tenon_error());
        return EXIT_CANNOT;
    }
    return EXIT_OK;
}

static int make_machine(struct service *service)
{
    const struct run_options *options = service->options;
    struct vmm_options machine = {
        .kvm_fd = service->kvm_fd,
        .kernel = options->kernel,
        .initrd = options->initrd,
        .command_line = options->command_line,
        .boot = options->boot,
        .memory_bytes = options->memory_bytes,
        .huge_page_bytes = options->huge_page_bytes,
        .cpus = options->cpus,
        .devices = service->in_windows,
        .device_count = service->devices.count,
        .trigger = options->trigger,
        .windows_in_command_line = options->windows_in_command_line,
        .worker = service->main,
        .ended = guest_ended,
        .console_write = guest_wrote,
        .console_hungry = guest_hungry,
        .opaque = service,
    };

    for (unsigned i = 0; i < service->devices.count; i++) {
        service->in_windows[i] = service->devices.all[i].device;
    }
    if (vmm_new(&machine, &service->vmm) < 0) {
        report_error("%s", vmm_error());
        return EXIT_CANNOT;
    }
    return EXIT_OK;
}

static int open_admin(struct service *service)
{
    if (!admin_open(&service->admin, &service->options->admin, service->main, end_service,
                    service)) {
        return EXIT_CANNOT;
    }
    for (unsigned i = 0; i < service->devices.count; i++) {
        if (!admin_add(&service->admin, &service->devices.all[i], NULL)) {
            return EXIT_CANNOT;
        }
    }
    return EXIT_OK;
}

static int start(struct service *service)
{
    static int (*const steps[])(struct service *) = { open_kvm, make_devices, make_main,
                                                      make_machine, open_stats };
    const struct terminal_ops console = {
        .input = user_typed, .ready = user_ready, .quit = key_came, .opaque = service
    };
    int result = EXIT_OK;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == EXIT_OK; i++) {
        result = steps[i](service);
    }
    if (result != EXIT_OK) {
        return result;
    }
    if (!daemon_catch_signals(service->main, signal_came, service)) {
        return EXIT_CANNOT;
    }
    daemon_before_sigbus_ends_us(tty_mode_restore);
    result = open_admin(service);
    if (result != EXIT_OK) {
        return result;
    }
    report_serving();
    if (!terminal_open(&console)) {
        return EXIT_CANNOT;
    }
    if (vmm_start(service->vmm) < 0) {
        report_error("%s", vmm_error());
        return EXIT_CANNOT;
    }
    return EXIT_OK;
}

/* ---- ending ---- */

/* Operations in the kernel's hands may never end. */
static void give_up_on(const struct opened *hung)
{
    terminal_close();
    report_error("%s '%s' did not finish its operations in %d seconds; exiting without them: look "
                 "at what is below it",
                 device_word(hung->options->kind), hung->options->name, DRAIN_SECONDS);
    leave(EXIT_UNDRAINED);
}

static unsigned ms_until(uint64_t deadline)
{
    uint64_t now = tenon_now();

    return now < deadline ? (unsigned)((deadline - now) / 1000000) : 0;
}

/* Waits for one: what its guest was not told of is finished, and all of a disk made stable. */
static void drain_device(struct service *service, const struct opened *opened, uint64_t deadline)
{
    if (tenon_device_pause(opened->device, ms_until(deadline)) < 0) {
        give_up_on(opened);
    }
    int result = opened->disk ? tenon_disk_flush(opened->disk, ms_until(deadline)) : 0;
    if (result == -ETIMEDOUT) {
        give_up_on(opened);
    }
    if (result < 0) {
        report_error("disk '%s': %s; what the guest wrote last may be lost", opened->options->name,
                     tenon_error());
        service->lost = true;
    }
}

/* On a thread of its own: the main one goes on to hear signals. */
static void *drain(void *opaque)
{
    struct service *service = opaque;
    const struct devices *devices = &service->devices;
    uint64_t deadline = tenon_now() + DRAIN_SECONDS * 1000000000ULL;

    for (unsigned i = 0; i < devices->count; i++) {
        tenon_device_pause_begin(devices->all[i].device, NULL, NULL); /* all at the same time */
    }
    for (unsigned i = 0; i < devices->count; i++) {
        drain_device(service, &devices->all[i], deadline);
    }
    atomic_store(&service->drained, true);
    tenon_worker_post(service->main, &service->wake);
    return NULL;
}

/* Turns the main thread's worker until that is so. */
static bool run_until(struct service *service, const atomic_bool *what)
{
    while (!atomic_load(what)) {
        if (tenon_worker_run(service->main, -1) < 0) {
            report_error("the main loop failed: %s", tenon_error());
            return false;
        }
    }
    return true;
}

static bool drain_all(struct service *service)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, drain, service);

    if (error != 0) {
        report_error("cannot start a thread to drain the disks: %s", strerror(error));
        return false;
    }
    bool drained = run_until(service, &service->drained);
    pthread_join(thread, NULL);
    return drained;
}

static int exit_code(const struct service *service)
{
    switch (vmm_how_ended(service->vmm)) {
    case VMM_RESET:
        report_info("the guest was reset: it wants to start again, or its kernel crashed");
        return EXIT_GUEST_RESET;
    case VMM_PANICKED:
        report_error("the guest's kernel panicked");
        return EXIT_GUEST_PANICKED;
    case VMM_FAILED:
        report_error("%s", vmm_failure(service->vmm));
        return EXIT_CANNOT;
    case VMM_RUNS: /* told to stop */
    case VMM_POWERED_OFF:
        break;
    }
    return service->lost ? EXIT_CANNOT : EXIT_OK;
}

static int run(struct service *service)
{
    if (!run_until(service, &service->ended)) {
        return EXIT_CANNOT;
    }
    vmm_stop(service->vmm);
    admin_close(&service->admin); /* a resume would undo the pause that comes now */
    if (!drain_all(service)) {
        return EXIT_CANNOT;
    }
    terminal_close();
    if (!run_stats_write(service->vmm, &service->devices)) {
        service->lost = true;
    }
    return exit_code(service);
}

static void free_service(struct service *service)
{
    terminal_close();
    admin_close(&service->admin);
    vmm_free(service->vmm);
    devices_close(&service->devices);
    run_stats_close();
    daemon_forget_signals();
    tenon_worker_free(service->main);
    if (service->kvm_fd >= 0) {
        close(service->kvm_fd);
    }
}

int run_service_run(const struct run_options *options)
{
    struct service service = { .options = options, .kvm_fd = -1 };

    daemon_raise_file_limit();
    daemon_survive_sigbus();
    int result = start(&service);
    if (result == EXIT_OK) {
        result = run(&service);
    }
    free_service(&service);
    return result;
}
