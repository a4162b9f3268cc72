/*
 * numbers.c: reads lists of numbers (numbers.h).
 */
#include "numbers.h"

#include <stdlib.h>

#include "report.h"

/* A number from `*at` on; -1: there is none that is small enough. */
static int take(const char **at)
{
    int value = 0;

    if (**at < '0' || **at > '9') {
        return -1;
    }
    for (; **at >= '0' && **at <= '9'; ++*at) {
        value = value * 10 + (**at - '0');
        if (value >= NUMBERS_MAX) {
            return -1;
        }
    }
    return value;
}

/* One number or range, and what separates it from the next. */
static bool take_part(struct numbers *numbers, const char **at)
{
    int first = take(at), last = first;

    if (first >= 0 && **at == '-') {
        ++*at;
        last = take(at);
    }
    if (first < 0 || last < first || (unsigned)(last - first) >= NUMBERS_MAX - numbers->count) {
        return false;
    }
    for (int value = first; value <= last; value++) {
        numbers->values[numbers->count++] = value;
    }
    if (**at == ':' || **at == ',') {
        ++*at;
        return **at != 0;
    }
    return **at == 0;
}

bool numbers_read(struct numbers *numbers, const char *what, const char *text)
{
    const char *at = text;
    bool good = *at != 0;

    numbers_free(numbers);
    numbers->values = malloc(NUMBERS_MAX * sizeof(*numbers->values));
    if (!numbers->values) {
        report_error("out of memory");
        return false;
    }
    while (good && *at != 0) {
        good = take_part(numbers, &at);
    }
    if (!good) {
        report_error("%s=%s is no list of numbers from 0 to %d; 2-5:8 is, for instance", what, text,
                     NUMBERS_MAX - 1);
        return false;
    }
    int *exact = realloc(numbers->values, numbers->count * sizeof(*exact));
    numbers->values = exact ? exact : numbers->values;
    return true;
}

void numbers_free(struct numbers *numbers)
{
    free(numbers->values);
    *numbers = (struct numbers){ .values = NULL };
}
