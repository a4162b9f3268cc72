/*
 * error.c: the sentence behind the last error, one for each thread.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include "vmm.h"

static _Thread_local char sentence[512];

int vmm_fail(int error, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(sentence, sizeof(sentence), format, values);
    va_end(values);
    return error;
}

const char *vmm_error(void)
{
    return sentence;
}
