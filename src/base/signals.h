/*
 * signals.h: which signals a thread of the library takes.
 */
#ifndef TN_BASE_SIGNALS_H
#define TN_BASE_SIGNALS_H

#include <signal.h>
#include <stddef.h>

/*
 * What a thread of ours blocks: everything that is meant for the program. What its own instructions
 * raise has to reach it, though: guest memory can vanish under a copy (tenon_sigbus).
 */
static inline void tn_signals_of_others(sigset_t *set)
{
    static const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };

    sigfillset(set);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        sigdelset(set, own[i]);
    }
}

#endif
