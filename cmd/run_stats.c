/*
 * run_stats.c: counters as lines that people and scripts read.
 */
#include "run_stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices.h"
#include "report.h"

static FILE *file; /* NULL: nobody wants them */

struct pen {
    FILE *out;
    const char *device;
};

static void machine_line(void *opaque, const char *name, uint64_t value)
{
    const struct pen *pen = opaque;

    fprintf(pen->out, "%s %llu\n", name, (unsigned long long)value);
}

static void device_line(void *opaque, const char *name, int queue, uint64_t value)
{
    const struct pen *pen = opaque;

    if (queue < 0) {
        fprintf(pen->out, "device %s %s %llu\n", pen->device, name, (unsigned long long)value);
    } else {
        fprintf(pen->out, "device %s queue %d %s %llu\n", pen->device, queue, name,
                (unsigned long long)value);
    }
}

bool run_stats_open(const char *path)
{
    if (!path) {
        return true;
    }
    file = strcmp(path, "-") == 0 ? stderr : fopen(path, "we");
    if (!file) {
        report_error("cannot write the counters to %s: %s", path, strerror(errno));
    }
    return file != NULL;
}

static void link_line(void *opaque, const char *name, uint64_t value)
{
    const struct pen *pen = opaque;

    fprintf(pen->out, "device %s link %s %llu\n", pen->device, name, (unsigned long long)value);
}

bool run_stats_write(const struct vmm *vmm, const struct devices *devices)
{
    struct pen pen = { .out = file };

    if (!file) {
        return true;
    }
    vmm_stats(vmm, machine_line, &pen);
    for (unsigned i = 0; i < devices->count; i++) {
        const struct opened *opened = &devices->all[i];
        pen.device = opened->options->name;
        tenon_device_stats(opened->device, device_line, &pen);
        if (opened->link) {
            tenon_link_stats(opened->link, link_line, &pen);
        }
    }
    if (fflush(file) != 0 || ferror(file)) {
        report_error("cannot write the counters: %s", strerror(errno));
        return false;
    }
    return true;
}

void run_stats_close(void)
{
    if (file && file != stderr) {
        fclose(file);
    }
    file = NULL;
}
