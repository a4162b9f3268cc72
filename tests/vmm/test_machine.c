/*
 * test_machine.c: a machine as its owner sees it: options that are refused, how guests end, and
 * being stopped at any moment. What happens when the host refuses something: test_refusals.c.
 */
#include <pthread.h>

#include "machine_rig.h"

static void wrong_options_are_refused_by_name(void **state)
{
    const struct vmm_options good = {
        .kvm_fd = -1, .kernel = "k", .command_line = "", .memory_bytes = 8 << 20, .cpus = 1
    };
    char *line = malloc(70000);
    struct vmm *vmm = NULL;
    (void)state;

    memset(line, 'x', 70000);
    line[65537] = 0;
    struct {
        struct vmm_options options;
        const char *says;
    } table[] = { { good, "1 to 254 processors, not 0" },
                  { good, "1 to 254 processors, not 255" },
                  { good, "at most 256 devices, not 257" },
                  { good, "0 bytes of memory" },
                  { good, "pages of 4096" },
                  { good, "pages of 2097152" },
                  { good, "longer than 65536" },
                  { good, "no machine" } };
    table[0].options.cpus = 0;
    table[1].options.cpus = 255;
    table[2].options.device_count = 257;
    table[3].options.memory_bytes = 0;
    table[4].options.memory_bytes = (8 << 20) + 1;
    table[5].options.memory_bytes = 7 << 20;
    table[5].options.huge_page_bytes = 2 << 20;
    table[6].options.command_line = line;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_true(vmm_new(&table[i].options, &vmm) < 0);
        if (!strstr(vmm_error(), table[i].says)) {
            fail_msg("'%s' is not in: %s", table[i].says, vmm_error());
        }
        assert_null(vmm);
    }
    free(line);
}

/* ---- ends ---- */

static const uint8_t spin[] = { 0xeb, 0xfe };

/* mov edx, PORT; mov al, VALUE; out dx, al; jmp self */
static size_t put_out(uint8_t *code, uint16_t port, uint8_t value)
{
    const uint8_t bytes[] = { 0xba, (uint8_t)port, (uint8_t)(port >> 8), 0, 0, 0xb0, value, 0xee,
                              0xeb, 0xfe };

    memcpy(code, bytes, sizeof(bytes));
    return sizeof(bytes);
}

static void guests_end_in_their_ways(void **state)
{
    static const struct {
        uint16_t port;
        uint8_t value;
        enum vmm_end end;
    } table[] = {
        { 0x600, 0x34, VMM_POWERED_OFF }, { 0xcf9, 0x06, VMM_RESET }, { 0x64, 0xfe, VMM_RESET },
        { 0x505, 0x01, VMM_PANICKED },    { 0, 0, VMM_RESET },
    };
    static struct machine machine;
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint8_t code[16] = { 0x0f, 0x0b }; /* without a port: ud2, which nobody handles */
        size_t bytes = table[i].port ? put_out(code, table[i].port, table[i].value) : 2;
        struct vmm *vmm;
        machine_open(&machine, code, bytes);
        assert_int_equal(vmm_new(&machine.options, &vmm), 0);
        assert_int_equal(vmm_how_ended(vmm), VMM_RUNS);
        assert_int_equal(vmm_start(vmm), 0);
        machine_wait(&machine);
        vmm_stop(vmm);
        vmm_stop(vmm); /* again does nothing */
        assert_int_equal(machine.how, table[i].end);
        assert_int_equal(vmm_how_ended(vmm), table[i].end);
        assert_int_equal(machine.ended, 1);
        vmm_free(vmm);
        machine_close(&machine);
    }
}

struct sums {
    uint64_t exits, io, mmio, reads;
};

static void add_up(void *opaque, const char *name, uint64_t value)
{
    struct sums *sums = opaque;

    sums->exits += strcmp(name, "exits") == 0 ? value : 0;
    sums->io += strcmp(name, "exits_io") == 0 ? value : 0;
    sums->mmio += strcmp(name, "exits_mmio") == 0 ? value : 0;
    sums->reads += strcmp(name, "mmio_reads") == 0 ? value : 0;
}

/* The guest compares a window's magic number: power off if it is right, panic if not. */
static void guest_finds_its_windows(void **state)
{
    static const uint8_t code[] = {
        0xb8, 0x00, 0x10, 0x00, 0xd0,             /* mov eax, second window */
        0x8b, 0x08,                               /* mov ecx, [rax] */
        0x81, 0xf9, 0x76, 0x69, 0x72, 0x74,       /* cmp ecx, "virt" */
        0x75, 0x0a,                               /* jne panic */
        0xba, 0x00, 0x06, 0x00, 0x00, 0xb0, 0x34, /* power off */
        0xee, 0xeb, 0xfe, 0xba, 0x05, 0x05, 0x00, /* panic */
        0x00, 0xb0, 0x01, 0xee, 0xeb, 0xfe,
    };
    static struct machine machine;
    struct sums sums = { 0 };
    struct vmm *vmm;
    (void)state;

    machine_open(&machine, code, sizeof(code));
    assert_int_equal(vmm_new(&machine.options, &vmm), 0);
    assert_int_equal(vmm_start(vmm), 0);
    machine_wait(&machine);
    vmm_stop(vmm);
    assert_int_equal(machine.how, VMM_POWERED_OFF);
    vmm_stats(vmm, add_up, &sums);
    assert_int_equal(sums.exits, 2);
    assert_int_equal(sums.io, 1);
    assert_int_equal(sums.mmio, 1);
    assert_int_equal(sums.reads, 1);
    vmm_free(vmm);
    machine_close(&machine);
}

static void windows_are_named_on_the_command_line(void **state)
{
    static struct machine machine;
    struct vmm *vmm;
    (void)state;

    machine_open(&machine, spin, sizeof(spin));
    machine.options.windows_in_command_line = true;
    assert_int_equal(vmm_new(&machine.options, &vmm), 0);
    assert_string_equal((char *)vmm->ram + 0x20000,
                        "console=ttyS0 virtio_mmio.device=4K@0xd0000000:5 "
                        "virtio_mmio.device=4K@0xd0001000:6");
    vmm_free(vmm);
    machine_close(&machine);
}

/* ---- being stopped ---- */

static void stopped_at_any_moment(void **state)
{
    static struct machine machine;
    (void)state;

    for (unsigned i = 0; i < 12; i++) {
        struct vmm *vmm;
        machine_open(&machine, spin, sizeof(spin));
        assert_int_equal(vmm_new(&machine.options, &vmm), 0);
        assert_int_equal(vmm_start(vmm), 0);
        nanosleep(&(struct timespec){ .tv_nsec = i * i * 50000 }, NULL);
        if (i % 2) {
            vmm_stop(vmm);
            assert_int_equal(vmm_how_ended(vmm), VMM_RUNS);
        }
        vmm_free(vmm); /* stops it, too */
        assert_int_equal(machine.ended, 0);
        machine_close(&machine);
    }
}

/* A launcher may have blocked every signal; the processors must leave the guest all the same. */
static void stopped_although_signals_are_blocked(void **state)
{
    static struct machine machine;
    struct vmm *vmm;
    sigset_t all, before;
    (void)state;

    machine_open(&machine, spin, sizeof(spin));
    assert_int_equal(vmm_new(&machine.options, &vmm), 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    assert_int_equal(vmm_start(vmm), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    alarm(RIG_PATIENCE);
    vmm_free(vmm);
    alarm(0);
    machine_close(&machine);
}

static void freed_without_being_started(void **state)
{
    static struct machine machine;
    struct vmm *vmm;
    (void)state;

    machine_open(&machine, spin, sizeof(spin));
    assert_int_equal(vmm_new(&machine.options, &vmm), 0);
    vmm_free(vmm);
    vmm_free(NULL);
    machine_close(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(guests_end_in_their_ways),
        cmocka_unit_test(guest_finds_its_windows),
        cmocka_unit_test(windows_are_named_on_the_command_line),
        cmocka_unit_test(stopped_at_any_moment),
        cmocka_unit_test(stopped_although_signals_are_blocked),
        cmocka_unit_test(freed_without_being_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
