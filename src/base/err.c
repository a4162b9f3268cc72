/*
 * err.c: the last sentence of each thread, in a thread-local buffer: no allocation, no lock, and
 * nothing that one thread's failure can do to another's message.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char sentence[512];

int tn_error(int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    return error;
}

const char *tenon_error(void)
{
    return sentence;
}
