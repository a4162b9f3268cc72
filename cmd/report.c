/*
 * report.c: lines to stderr. The level and the form are set while there is one thread; after that
 * nothing here changes, and any thread prints.
 */
#include "report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 1024 };

static enum tenon_log_level top_level = TENON_LOG_INFO;
static bool to_journal;
static bool with_time;

/*
 * systemd sets JOURNAL_STREAM to "device:inode" of the stream that it made; stderr may have been
 * redirected since.
 */
static bool stderr_is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    struct stat found;
    if (!text || fstat(STDERR_FILENO, &found) != 0) {
        return false;
    }
    char expected[64];
    snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)found.st_dev,
             (uintmax_t)found.st_ino);
    return strcmp(text, expected) == 0;
}

void report_init(void)
{
    to_journal = stderr_is_journal();
}

void report_serving(void)
{
    with_time = true;
}

void report_set_level(enum tenon_log_level level)
{
    top_level = level;
}

bool report_take_level(const char *word)
{
    static const char *const levels[] = { "error", "warning", "info", "debug", NULL };
    for (int i = 0; levels[i]; i++) {
        if (strcmp(word, levels[i]) == 0) {
            report_set_level((enum tenon_log_level)i);
            return true;
        }
    }
    report_error("--log %s is not a level; there are error, warning, info and debug", word);
    return false;
}

/* What stands before the text; the bytes written. */
static size_t put_prefix(char *line, size_t bytes, enum tenon_log_level level)
{
    static const char *const words[] = { "error: ", "warning: ", "", "debug: " };
    static const int journal_levels[] = { 3, 4, 6, 7 };
    if (to_journal) {
        return (size_t)snprintf(line, bytes, "<%d>", journal_levels[level]);
    }
    if (!with_time) {
        return (size_t)snprintf(line, bytes, "tenon: ");
    }
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    size_t used = strftime(line, bytes, "%Y-%m-%d %H:%M:%S", &parts);
    return used + (size_t)snprintf(line + used, bytes - used, ".%03ld tenon: %s",
                                   now.tv_nsec / 1000000, words[level]);
}

static void put_line(enum tenon_log_level level, const char *format, va_list values)
{
    if (level > top_level) {
        return;
    }
    char line[LINE_BYTES];
    size_t used = put_prefix(line, sizeof(line) - 1, level);
    int wanted = vsnprintf(line + used, sizeof(line) - 1 - used, format, values);
    size_t room = sizeof(line) - 2 - used;
    used += wanted < 0 ? 0 : (size_t)wanted < room ? (size_t)wanted : room;
    /* A file name may hold anything; a line stays one line. */
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < ' ') {
            line[i] = '?';
        }
    }
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}

void report_error(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    put_line(TENON_LOG_ERROR, format, values);
    va_end(values);
}

void report_warning(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    put_line(TENON_LOG_WARNING, format, values);
    va_end(values);
}

void report_info(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    put_line(TENON_LOG_INFO, format, values);
    va_end(values);
}

static __attribute__((format(printf, 2, 3))) void put(enum tenon_log_level level,
                                                      const char *format, ...)
{
    va_list values;
    va_start(values, format);
    put_line(level, format, values);
    va_end(values);
}

void report_library(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    put(level, "%s", line);
}
