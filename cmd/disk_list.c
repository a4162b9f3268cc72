/*
 * disk_list.c: the disks of one command line: kept as text while options are read, since what holds
 * for all of them may come behind; then read, and told apart by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_options.h"
#include "report.h"

enum { MAX_DISKS = 1024 };

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
    return read_disks(list, read_only) && tell_names_apart(list);
}

void disk_list_free(struct disk_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        disk_options_free(&list->disks[i]);
    }
    free(list->disks);
    *list = (struct disk_list){ 0 };
}
