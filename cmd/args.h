/*
 * args.h: reading a command line: `--name value`, `--name=value`, operands, and `--` before
 * operands that begin with a dash. A name is never abbreviated: what works today must not become
 * ambiguous with the next option. What is wrong is reported here, with the nearest valid option.
 */
#ifndef TENON_ARGS_H
#define TENON_ARGS_H

#include <stdbool.h>

/* A table of these ends with a NULL name. Ids are those of one enum, also over several tables. */
struct args_option {
    const char *name;  /* without the dashes */
    const char *value; /* what its value is called in messages; NULL: it takes none */
    int id;            /* greater than 0 */
};

enum {
    ARGS_END = 0,      /* nothing is left */
    ARGS_OPERAND = -1, /* `value` is an operand */
    ARGS_WRONG = -2    /* was reported already */
};

struct args {
    int argc;
    char **argv;
    int next;
    bool operands_only; /* "--" has been seen */
    const struct args_option *tables[2];
    const char *value; /* of the option or operand returned last */
};

/* Begins behind argv[0]. `more`: a second table; NULL: none. */
void args_begin(struct args *args, int argc, char **argv, const struct args_option *table,
                const struct args_option *more);

/* The next option's id, or one of ARGS_*. */
int args_next(struct args *args);

/* Keeps an option's value; an option that was given before is reported, and false. */
bool args_once(const char *name, const char *value, const char **to);

/* A whole number in this base from min to max, nothing behind it; false if it is none. */
bool args_number(const char *text, int base, unsigned long min, unsigned long max,
                 unsigned long *to);

#endif
