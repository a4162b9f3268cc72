/*
 * disk_list.c: the disks of one command line: kept as text while options are read, since what holds
 * for all of them may come behind; then read, and told apart by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "disk_options.h"
#include "limit_options.h"
#include "report.h"

enum { MAX_DISKS = 1024, MAX_GROUPS = 1024 };

/* Until disk_list_read, `spec` of each disk holds the text as it was given. Takes the text. */
static bool keep_disk(struct disk_list *list, char *text, bool is_operand)
{
    if (list->count == MAX_DISKS) {
        report_error("more than %d disks; start another process for the others", MAX_DISKS);
        free(text);
        return false;
    }
    struct disk_options *grown = realloc(list->disks, (list->count + 1) * sizeof(*grown));
    if (grown) {
        list->disks = grown;
    }
    if (!text || !grown) {
        report_error("out of memory");
        free(text);
        return false;
    }
    grown[list->count++] = (struct disk_options){ .spec = text, .is_operand = is_operand };
    return true;
}

bool disk_list_add(struct disk_list *list, const char *text)
{
    return keep_disk(list, strdup(text), false);
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

bool disk_list_add_file(struct disk_list *list, const char *path, bool is_operand)
{
    return keep_disk(list, file_text(path), is_operand);
}

/* ---- groups of limits ---- */

static struct limit_group_options *find_group(const struct disk_list *list, const char *name)
{
    for (unsigned i = 0; i < list->group_count; i++) {
        if (strcmp(list->groups[i].name, name) == 0) {
            return &list->groups[i];
        }
    }
    return NULL;
}

bool disk_list_add_group(struct disk_list *list, const char *text)
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

static bool join_group(const struct disk_list *list, struct disk_options *disk)
{
    const char *names[MAX_GROUPS + 1] = { NULL };
    if (!disk->limit_group) {
        return true;
    }
    disk->group = find_group(list, disk->limit_group);
    if (disk->group) {
        return true;
    }
    for (unsigned i = 0; i < list->group_count; i++) {
        names[i] = list->groups[i].name;
    }
    const char *nearest = tenon_nearest(disk->limit_group, names);
    report_error("disk '%s': there is no limit group '%s'; %s%s%s--limit-group "
                 "name=%s,iops=N makes one",
                 disk->name, disk->limit_group, nearest ? "did you mean '" : "",
                 nearest ? nearest : "", nearest ? "'? " : "", disk->limit_group);
    return false;
}

/* A group that limits nothing is a mistake that nobody would notice. */
static bool join_groups(struct disk_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!join_group(list, &list->disks[i])) {
            return false;
        }
    }
    for (unsigned g = 0; g < list->group_count; g++) {
        bool used = false;
        for (unsigned i = 0; i < list->count; i++) {
            used = used || list->disks[i].group == &list->groups[g];
        }
        if (!used) {
            report_error("no disk is in limit group '%s'; add limit-group=%s to those that share "
                         "it",
                         list->groups[g].name, list->groups[g].name);
            return false;
        }
    }
    return true;
}

/* ---- all of them ---- */

static bool read_disks(struct disk_list *list, bool read_only)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct disk_options *disk = &list->disks[i];
        char *text = disk->spec;
        bool is_operand = disk->is_operand;
        bool good = disk_options_read(disk, text, read_only);
        free(text);
        disk->is_operand = is_operand;
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool name_is_taken(const struct disk_list *list, unsigned before, const char *name)
{
    for (unsigned i = 0; i < before; i++) {
        if (strcmp(list->disks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Names stand in logs and statistics, and are serial numbers: two disks must not share one. */
static bool tell_names_apart(struct disk_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct disk_options *disk = &list->disks[i];
        char base[DISK_NAME_BYTES];
        memcpy(base, disk->name, sizeof(base));
        for (unsigned n = 2; name_is_taken(list, i, disk->name); n++) {
            if (disk->name_given) {
                report_error("two disks are named '%s'; give each its own name=", disk->name);
                return false;
            }
            snprintf(disk->name, sizeof(disk->name), "%.50s-%u", base, n);
        }
        if (disk->serial[0] == 0) {
            snprintf(disk->serial, sizeof(disk->serial), "%.*s", SERIAL_BYTES, disk->name);
        }
    }
    return true;
}

bool disk_list_read(struct disk_list *list, bool read_only)
{
    return read_disks(list, read_only) && tell_names_apart(list) && join_groups(list);
}

bool disk_list_check_errors(const struct disk_list *list, bool control)
{
    for (unsigned i = 0; i < list->count && !control; i++) {
        if (list->disks[i].on_error != TENON_ON_ERROR_REPORT) {
            report_error("disk '%s': on-error keeps requests until they are resumed over the "
                         "control socket, and there is none; add --control PATH",
                         list->disks[i].name);
            return false;
        }
    }
    return true;
}

void disk_list_free(struct disk_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        disk_options_free(&list->disks[i]);
    }
    for (unsigned i = 0; i < list->group_count; i++) {
        tenon_limit_group_free(list->groups[i].group);
    }
    free(list->groups);
    free(list->disks);
    *list = (struct disk_list){ 0 };
}
