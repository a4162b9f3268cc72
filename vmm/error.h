/*
 * error.h: how the files of vmm/ say what went wrong: a negative errno, and the sentence behind it.
 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

/*
 * Keeps the sentence for vmm_error() on this thread and returns `error`, so that one line does
 * both: return vmm_fail(-ENOMEM, "...").
 */
int vmm_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
