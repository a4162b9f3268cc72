/*
 * disk_options.c: the text of one --disk: the keys that a disk has and other devices have not.
 */
#include <stdlib.h>
#include <string.h>

#include "device_keys.h"
#include "disk_news.h"
#include "limit_options.h"
#include "report.h"

static bool take_file(struct device_reading *reading, const char *value)
{
    device_put_spec(reading, "file", value);
    return device_keep_text(&reading->device->disk.file, value);
}

static bool take_name(struct device_reading *reading, const char *value)
{
    return device_take_name(reading->device, "name", value);
}

static bool take_serial(struct device_reading *reading, const char *value)
{
    size_t bytes = strlen(value);
    if (bytes == 0 || bytes > SERIAL_BYTES) {
        report_error("serial=%s has %zu bytes; a serial number has 1 to %d", value, bytes,
                     SERIAL_BYTES);
        return false;
    }
    memcpy(reading->device->disk.serial, value, bytes + 1);
    return true;
}

static bool take_queues(struct device_reading *reading, const char *value)
{
    return device_take_number("queues", value, 1, 256, &reading->device->queues);
}

static bool take_cache(struct device_reading *reading, const char *value)
{
    static const char *const modes[] = { "writeback", "writethrough", "unsafe", NULL };
    static const enum tenon_cache caches[] = { TENON_CACHE_WRITEBACK, TENON_CACHE_WRITETHROUGH,
                                               TENON_CACHE_UNSAFE };
    int found = device_take_word("cache", value, modes, "writeback, writethrough and unsafe");
    reading->device->disk.cache = caches[found < 0 ? 0 : found];
    return found >= 0;
}

/* QEMU's words for werror=. Its `ignore` is missing: it tells guests that lost data is safe. */
static bool take_on_error(struct device_reading *reading, const char *value)
{
    static const char *const words[] = { "report", "stop", "enospc", NULL };
    static const enum tenon_on_error policies[] = { TENON_ON_ERROR_REPORT, TENON_ON_ERROR_STOP,
                                                    TENON_ON_ERROR_ENOSPC };
    int found = device_take_word("on-error", value, words, "report, stop and enospc");
    reading->device->disk.on_error = policies[found < 0 ? 0 : found];
    return found >= 0;
}

static bool take_read_only(struct device_reading *reading, const char *value)
{
    bool read_only;
    if (!device_take_switch("read-only", value, &read_only)) {
        return false;
    }
    reading->read_only = reading->read_only || read_only;
    return true;
}

/* Both the device, which offers it, and the disk, which does it, have to know. */
static bool take_discard(struct device_reading *reading, const char *value)
{
    bool discard;
    if (!device_take_switch("discard", value, &discard)) {
        return false;
    }
    reading->device->disk.no_discard = !discard;
    device_put_spec(reading, "discard", value);
    return true;
}

static const struct device_key keys[] = {
    { "file", take_file },
    { "name", take_name },
    { "serial", take_serial },
    { "queues", take_queues },
    { "cache", take_cache },
    { "read-only", take_read_only },
    { "on-error", take_on_error },
    { "discard", take_discard },
    DEVICE_KEYS,
    { "memory", NULL },
    { "fd", NULL },
    { "direct", NULL },
    { "engine", NULL },
    { "threads", NULL },
    { "offset", NULL },
    { "size", NULL },
    { "block-size", NULL },
    { "lock", NULL },
    { NULL, NULL },
};

bool disk_options_read(struct device_options *disk, bool read_only)
{
    struct device_reading reading = { .device = disk,
                                      .option = "--disk",
                                      .keys = keys,
                                      .limit_keys = limit_disk_keys,
                                      .read_only = read_only };
    if (!device_reading_begin(&reading)) {
        return false;
    }
    disk->disk.news = disk_news_new();
    if (!disk->disk.news) {
        report_error("out of memory");
    }
    bool done = disk->disk.news && device_reading_take(&reading, disk->text);
    if (reading.read_only) {
        device_put_spec(&reading, "read-only", "on");
    }
    if (!device_reading_end(&reading) || !done) {
        return false;
    }
    device_choose_name(disk, disk->disk.file);
    /* CPUs without a number of workers: one worker for each. */
    disk->workers = disk->workers ? disk->workers : disk->cpus.count;
    return limit_check(&disk->limits, limit_disk_keys, disk->name);
}

void disk_options_free(struct device_options *disk)
{
    free(disk->disk.file);
    disk_news_free(disk->disk.news);
}
