/*
 * device_list.c: the devices of one command line: kept as text while options are read, since what
 * holds for all of them may come behind; then read, and told apart by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "device_options.h"
#include "limit_options.h"
#include "report.h"

enum { MAX_DEVICES = 1024, MAX_GROUPS = 1024 };

const char *device_word(enum device_kind kind)
{
    return kind == DEVICE_DISK ? "disk" : "net";
}

unsigned device_list_count(const struct device_list *list, enum device_kind kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->count; i++) {
        count += list->devices[i].kind == kind;
    }
    return count;
}

/* Takes the text. */
static bool keep(struct device_list *list, enum device_kind kind, char *text, bool is_operand)
{
    if (list->count == MAX_DEVICES) {
        report_error("more than %d %ss; start another process for the others", MAX_DEVICES,
                     device_word(kind));
        free(text);
        return false;
    }
    struct device_options *grown = realloc(list->devices, (list->count + 1) * sizeof(*grown));
    if (grown) {
        list->devices = grown;
    }
    if (!text || !grown) {
        report_error("out of memory");
        free(text);
        return false;
    }
    grown[list->count++] =
        (struct device_options){ .kind = kind, .text = text, .is_operand = is_operand };
    return true;
}

bool device_list_add(struct device_list *list, enum device_kind kind, const char *text)
{
    return keep(list, kind, strdup(text), false);
}

/* "file=PATH" with the commas of the path doubled. */
static char *file_text(const char *path)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) {
        return NULL;
    }
    fputs("file=", out);
    for (; *path; path++) {
        fputs(*path == ',' ? ",," : (char[]){ *path, 0 }, out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

bool device_list_add_file(struct device_list *list, const char *path, bool is_operand)
{
    return keep(list, DEVICE_DISK, file_text(path), is_operand);
}

/* ---- groups of limits ---- */

static struct limit_group_options *find_group(const struct device_list *list, const char *name)
{
    for (unsigned i = 0; i < list->group_count; i++) {
        if (strcmp(list->groups[i].name, name) == 0) {
            return &list->groups[i];
        }
    }
    return NULL;
}

bool device_list_add_group(struct device_list *list, const char *text)
{
    struct limit_group_options group = { .group = NULL };
    if (!limit_group_read(&group, text)) {
        return false;
    }
    if (find_group(list, group.name)) {
        report_error("two limit groups are named '%s'; give each its own name=", group.name);
        return false;
    }
    struct limit_group_options *grown =
        list->group_count == MAX_GROUPS
            ? NULL
            : realloc(list->groups, (list->group_count + 1) * sizeof(*grown));
    if (!grown) {
        report_error(list->group_count == MAX_GROUPS ? "too many limit groups" : "out of memory");
        return false;
    }
    list->groups = grown;
    list->groups[list->group_count++] = group;
    return true;
}

static bool join_group(const struct device_list *list, struct device_options *device)
{
    const char *names[MAX_GROUPS + 1] = { NULL };
    if (!device->limit_group) {
        return true;
    }
    device->group = find_group(list, device->limit_group);
    if (device->group) {
        return true;
    }
    for (unsigned i = 0; i < list->group_count; i++) {
        names[i] = list->groups[i].name;
    }
    const char *nearest = tenon_nearest(device->limit_group, names);
    report_error("%s '%s': there is no limit group '%s'; %s%s%s--limit-group "
                 "name=%s,%s=N makes one",
                 device_word(device->kind), device->name, device->limit_group,
                 nearest ? "did you mean '" : "", nearest ? nearest : "", nearest ? "'? " : "",
                 device->limit_group, device->kind == DEVICE_DISK ? "iops" : "frames");
    return false;
}

/* A group that limits nothing is a mistake that nobody would notice. */
static bool join_groups(struct device_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!join_group(list, &list->devices[i])) {
            return false;
        }
    }
    for (unsigned g = 0; g < list->group_count; g++) {
        bool used = false;
        for (unsigned i = 0; i < list->count; i++) {
            used = used || list->devices[i].group == &list->groups[g];
        }
        if (!used) {
            report_error("no device is in limit group '%s'; add limit-group=%s to those that share "
                         "it",
                         list->groups[g].name, list->groups[g].name);
            return false;
        }
    }
    return true;
}

/* ---- all of them ---- */

static bool read_devices(struct device_list *list, bool read_only)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct device_options *device = &list->devices[i];
        bool good = device->kind == DEVICE_DISK ? disk_options_read(device, read_only)
                                                : net_options_read(device, list->net_option);
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool name_is_taken(const struct device_list *list, unsigned before, const char *name)
{
    for (unsigned i = 0; i < before; i++) {
        if (strcmp(list->devices[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool refuse_name(const struct device_options *device)
{
    bool disk = device->kind == DEVICE_DISK;
    report_error("two %ss are named '%s'; give each its own %s=", disk ? "disk" : "device",
                 device->name, disk ? "name" : "id");
    return false;
}

/* Names stand in logs and statistics, and are serial numbers: two devices must not share one. */
static bool tell_names_apart(struct device_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct device_options *device = &list->devices[i];
        char base[DEVICE_NAME_BYTES];
        memcpy(base, device->name, sizeof(base));
        for (unsigned n = 2; name_is_taken(list, i, device->name); n++) {
            if (device->name_given) {
                return refuse_name(device);
            }
            snprintf(device->name, sizeof(device->name), "%.50s-%u", base, n);
        }
        if (device->kind == DEVICE_DISK && device->disk.serial[0] == 0) {
            snprintf(device->disk.serial, sizeof(device->disk.serial), "%.*s", SERIAL_BYTES,
                     device->name);
        }
    }
    return true;
}

bool device_list_read(struct device_list *list, bool read_only)
{
    return read_devices(list, read_only) && tell_names_apart(list) && net_options_match(list) &&
           join_groups(list);
}

bool device_list_check_errors(const struct device_list *list, bool control)
{
    for (unsigned i = 0; i < list->count && !control; i++) {
        const struct device_options *device = &list->devices[i];
        if (device->kind == DEVICE_DISK && device->disk.on_error != TENON_ON_ERROR_REPORT) {
            report_error("disk '%s': on-error keeps requests until they are resumed over the "
                         "control socket, and there is none; add --control PATH",
                         device->name);
            return false;
        }
    }
    return true;
}

static void free_device(struct device_options *device)
{
    if (device->kind == DEVICE_DISK) {
        disk_options_free(device);
    } else {
        net_options_free(device);
    }
    free(device->text);
    free(device->spec);
    free(device->socket);
    free(device->limit_group);
    numbers_free(&device->cpus);
    numbers_free(&device->queue_workers);
}

void device_list_free(struct device_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        free_device(&list->devices[i]);
    }
    for (unsigned i = 0; i < list->group_count; i++) {
        tenon_limit_group_free(list->groups[i].group);
    }
    free(list->groups);
    free(list->devices);
    *list = (struct device_list){ 0 };
}
