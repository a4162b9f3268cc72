/*
 * args.c: the walk over argv. It knows no option by itself: the table of the subcommand does.
 */
#include "args.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "report.h"

enum { MAX_OPTIONS = 32, MAX_NAME = 64 };

void args_begin(struct args *args, int argc, char **argv, const struct args_option *table,
                const struct args_option *more)
{
    *args = (struct args){ .argc = argc, .argv = argv, .next = 1, .tables = { table, more } };
}

static const struct args_option *find(const struct args *args, const char *name, size_t bytes)
{
    for (int t = 0; t < 2; t++) {
        for (const struct args_option *at = args->tables[t]; at && at->name; at++) {
            if (strlen(at->name) == bytes && memcmp(at->name, name, bytes) == 0) {
                return at;
            }
        }
    }
    return NULL;
}

static void refuse_unknown(const struct args *args, const char *word, size_t bytes)
{
    const char *names[MAX_OPTIONS + 1] = { NULL };
    int count = 0;
    for (int t = 0; t < 2; t++) {
        for (const struct args_option *at = args->tables[t]; at && at->name && count < MAX_OPTIONS;
             at++) {
            names[count++] = at->name;
        }
    }
    char name[MAX_NAME];
    size_t kept = bytes < sizeof(name) - 1 ? bytes : sizeof(name) - 1;
    memcpy(name, word, kept);
    name[kept] = 0;
    const char *nearest = tenon_nearest(name, names);
    if (nearest) {
        report_error("unknown option --%s; did you mean --%s?", name, nearest);
    } else {
        report_error("unknown option --%s; --help lists the options", name);
    }
}

/* `word` begins with two dashes. */
static int long_option(struct args *args, const char *word)
{
    const char *name = word + 2;
    size_t bytes = strcspn(name, "=");
    const struct args_option *option = find(args, name, bytes);
    if (!option) {
        refuse_unknown(args, name, bytes);
        return ARGS_WRONG;
    }
    const char *attached = name[bytes] == '=' ? name + bytes + 1 : NULL;
    if (!option->value) {
        if (attached) {
            report_error("option --%s takes no value; give it without '=%s'", option->name,
                         attached);
            return ARGS_WRONG;
        }
        return option->id;
    }
    if (!attached) {
        if (args->next == args->argc) {
            report_error("option --%s needs a value: --%s %s", option->name, option->name,
                         option->value);
            return ARGS_WRONG;
        }
        attached = args->argv[args->next++];
    }
    args->value = attached;
    return option->id;
}

int args_next(struct args *args)
{
    args->value = NULL;
    if (args->next >= args->argc) {
        return ARGS_END;
    }
    const char *word = args->argv[args->next++];
    if (args->operands_only || word[0] != '-' || word[1] == 0) {
        args->value = word;
        return ARGS_OPERAND;
    }
    if (word[1] != '-') {
        if (strcmp(word, "-h") == 0) {
            word = "--help";
        } else {
            report_error("unknown option %s; options have two dashes, --help lists them", word);
            return ARGS_WRONG;
        }
    }
    if (strcmp(word, "--") == 0) {
        args->operands_only = true;
        return args_next(args);
    }
    return long_option(args, word);
}

bool args_number(const char *text, int base, unsigned long min, unsigned long max,
                 unsigned long *to)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    *to = strtoul(text, &end, base);
    return *end == 0 && *to >= min && *to <= max;
}

bool args_once(const char *name, const char *value, const char **to)
{
    if (*to) {
        report_error("--%s is given twice; keep one", name);
        return false;
    }
    *to = value;
    return true;
}
