/*
 * main.c: does what the command line says, word by word, and then ends the machine.
 *
 *   checks           every register, requests, interrupts (edge-triggered; `level`: the other kind)
 *   shared           two windows on one line            second      a second processor
 *   kicks            twenty requests                    absent      five kicks of no queue
 *   write            one write, without waiting for it  cmdline     prints the command line
 *   input, input-irq, input-slow                        reads the console to the word "end"
 *   off (also without it), reset, keyboard, triple, fault, panic            how it ends
 *   spin, sleep, flood (of the console), busy (with requests)       or does not
 */
#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "disk.h"
#include "input.h"
#include "interrupts.h"
#include "machine.h"
#include "serial.h"
#include "tap.h"
#include "window.h"

enum { COMMAND_LINE = 0x228, MEMORY_BYTES = 64 << 20 };

static const char *words;

static bool has_word(const char *word)
{
    const char *at = words;

    while (*at) {
        const char *w = word;
        while (*w && *at == *w) {
            at++;
            w++;
        }
        if (!*w && (*at == ' ' || *at == 0)) {
            return true;
        }
        while (*at && *at++ != ' ') {
        }
    }
    return false;
}

static void run_checks(uint64_t boot_params)
{
    enum line_mode mode = has_word("level") ? LINE_LEVEL : LINE_EDGE;

    check_machine(boot_params, MEMORY_BYTES);
    check_serial();
    check_registers();
    check_status();
    check_queues();
    check_config();
    check_requests();
    check_interrupts(mode);
    check_stops();
    check_faults(mode);
}

static void twenty_requests(void)
{
    unsigned good = 0;

    disk_start(0, disk_features());
    for (unsigned i = 0; i < 20; i++) {
        good += disk_do(0, i % QUEUES, TN_BLK_T_FLUSH, 0, NULL, 0) == TN_BLK_S_OK;
    }
    tap_say("good", good);
}

/* A write that is left under way: the host decides when it ends. */
static void write_only(void)
{
    static uint8_t data[SECTOR];
    static struct request request;

    disk_start(0, disk_features());
    request_set(&request, TN_BLK_T_OUT, 0, data, SECTOR);
    request_add(&disks[0].rings[0], 0, &request);
    ring_publish(&disks[0].rings[0]);
    disk_kick(0, 0);
    serial_text("# writing\n");
}

static void flood(void)
{
    for (;;) {
        serial_text("# so much to say, and nobody who listens\n");
    }
}

static void busy(void)
{
    static uint8_t data[SECTOR];

    disk_start(0, disk_features());
    for (uint64_t i = 0;; i++) {
        disk_do(0, i % QUEUES, i % 3 ? TN_BLK_T_OUT : TN_BLK_T_IN, i % 64, data, SECTOR);
    }
}

static void run(uint64_t boot_params)
{
    if (has_word("cmdline")) {
        serial_text(words);
        serial_byte('\n');
    }
    if (has_word("checks")) {
        run_checks(boot_params);
    }
    if (has_word("shared")) {
        check_shared();
    }
    if (has_word("second")) {
        check_second();
    }
    if (has_word("checks") || has_word("shared") || has_word("second")) {
        tap_finish();
    }
    if (has_word("kicks")) {
        twenty_requests();
    }
    for (unsigned i = 0; has_word("absent") && i < 5; i++) {
        disk_kick(0, QUEUES + i);
    }
    if (has_word("write")) {
        write_only();
    }
    if (has_word("input") || has_word("input-irq") || has_word("input-slow")) {
        input_read(has_word("input-irq"), has_word("input-slow"));
    }
}

static _Noreturn void end(void)
{
    static const struct {
        const char *word;
        void (*how)(void);
    } ways[] = {
        { "off", machine_off },
        { "reset", machine_reset },
        { "keyboard", machine_keyboard_reset },
        { "triple", machine_triple_fault },
        { "panic", machine_panic },
        { "spin", machine_spin },
        { "sleep", machine_sleep },
        { "flood", flood },
        { "busy", busy },
    };

    if (has_word("fault")) {
        *(volatile uint8_t *)0xffff800000000000u = 0; /* no page is there */
    }
    for (unsigned i = 0; i < TAP_COUNT(ways); i++) {
        if (has_word(ways[i].word)) {
            serial_text("# ");
            serial_text(ways[i].word);
            serial_byte('\n');
            ways[i].how();
        }
    }
    machine_off();
}

_Noreturn void guest_main(uint64_t boot_params);

/* From start.S, on the first processor. */
_Noreturn void guest_main(uint64_t boot_params)
{
    words = (const char *)read_bytes(boot_params + COMMAND_LINE, 4);
    serial_start();
    interrupts_start();
    run(boot_params);
    end();
}
