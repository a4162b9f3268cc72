/*
 * stat_columns.c: the tables. With the name of the device, all columns of a kind fit 80 characters.
 */
#include "stat_columns.h"

#include <stddef.h>

const char stat_lost[] = "lost";

static const struct stat_column disk_columns[] = {
    { "reads", "reads", 7, false, "total" },
    { "writes", "writes", 7, false, "total" },
    { "flushes", "flushes", 8, false, "total" },
    { "read", "read_bytes", 11, true, "total" },
    { "written", "written_bytes", 11, true, "total" },
    { "errors", "disk_errors", 7, false, "total" },
    { "throttled", "throttled", 10, false, "total" },
    { "irqs", "interrupts", 7, false, "total" },
    { NULL, NULL, 0, false, NULL },
};

static const struct stat_cause disk_causes[] = {
    { "errors_no_space", "errors of the disk: no space left", false },
    { "errors_io", "errors of the disk: I/O error", false },
    { "errors_other", "errors of the disk: others", false },
    { "refused_range", "refused: outside of the disk", false },
    { "refused_read_only", "refused: the disk is read-only", false },
    { "refused_malformed", "refused: malformed", false },
    { "refused_memory", "refused: data outside of the guest's memory", false },
    { "unsupported", "refused: of a kind that is not known", false },
    { NULL, NULL, false },
};

/* Received and sent are the guest's. */
static const struct stat_column net_columns[] = {
    { "received", "frames", 9, false, "received" },
    { "bytes", "bytes", 11, true, "received" },
    { "sent", "frames", 9, false, "sent" },
    { "bytes", "bytes", 11, true, "sent" },
    { "dropped", stat_lost, 9, false, "total" },
    { "throttled", "throttled", 10, false, "total" },
    { "irqs", "interrupts", 9, false, "total" },
    { NULL, NULL, 0, false, NULL },
};

static const struct stat_cause net_causes[] = {
    { "too_long", "dropped: longer than the guest's buffers, or than the link carries", true },
    { "malformed", "dropped: no frame, or no buffer for one", true },
    { "bad_header", "dropped: the header asks for what cannot be", true },
    { "link_down", "dropped: no carrier", true },
    { "link_error", "dropped: the link failed them", true },
    { "dropped_full", "dropped: the link was full (full=drop)", true },
    { "filtered", "filtered: the guest does not want them", false },
    { "no_buffer", "times that the guest had no buffer, and the link waited", false },
    { "link_full", "times that the link was full, and the guest waited", false },
    { "stray", "sent from an address that is not the device's", false },
    { "refused", "commands of the guest that were refused", false },
    { NULL, NULL, false },
};

const struct stat_kind stat_kinds[STAT_KINDS] = {
    { "disks", "disk", disk_columns, disk_causes },
    { "nets", "net", net_columns, net_causes },
};
