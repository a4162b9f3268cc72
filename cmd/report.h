/*
 * report.h: every line that the program prints to stderr.
 *
 *   before it serves    "tenon: what is wrong"                              one line, then it exits
 *   while it serves     "2026-01-31 12:00:00.123 tenon: warning: what"      the time for people
 *   under systemd       "<4>what"       the journal knows time and program, and reads the <level>
 *
 * A line goes out with one write(2), so lines of several threads never mix. Any thread.
 */
#ifndef TENON_REPORT_H
#define TENON_REPORT_H

#include <stdbool.h>

#include <tenon/base.h>

/* Looks whether stderr is the journal's. First of all. */
void report_init(void);

/* From now on lines carry the time. */
void report_serving(void);

/* Lines above this level are not printed. The default is TENON_LOG_INFO. */
void report_set_level(enum tenon_log_level level);
/* The same by the word of --log; a wrong one is reported, and false. */
bool report_take_level(const char *word);

void report_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The target for tenon_set_log. */
void report_library(void *opaque, enum tenon_log_level level, const char *line);

#endif
