/*
 * log.h: the library's only voice. Nothing is printed unless the embedder gave a target
 * (tenon_set_log); one call, one line, no line end. Never on the path of a request: what a guest
 * can repeat is counted, and logged once until reset.
 */
#ifndef TN_BASE_LOG_H
#define TN_BASE_LOG_H

#include "tenon/base.h"

void tn_log(enum tenon_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
