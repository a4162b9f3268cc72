/*
 * Runs a command with one kind of ptrace request refused: reading and writing the extended
 * processor state.
 *
 *   uml_run linux.uml mem=256M ...
 *
 * User-mode Linux 6.1 keeps 4 KiB for that state. A processor with tile registers (AMX) has more,
 * the kernel then refuses to write a part of it, and the first process of the guest dies. When the
 * request fails from the start, User-mode Linux uses the older request for x87 and SSE registers
 * only; the guest's programs must then stay away from AVX, which lib.sh asks of the C library.
 */
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    AT_NUMBER = offsetof(struct seccomp_data, nr),
    AT_ARCH = offsetof(struct seccomp_data, arch),
    AT_REQUEST = offsetof(struct seccomp_data, args[0]),
    AT_KIND = offsetof(struct seccomp_data, args[2]),
};

int main(int argc, char **argv)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_ARCH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_NUMBER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_REQUEST),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PTRACE_GETREGSET, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_KIND),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NT_X86_XSTATE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

    if (argc < 2) {
        return 2;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        fprintf(stderr, "uml_run: no filter could be set: %s\n", strerror(errno));
        return 1;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "uml_run: %s: %s\n", argv[1], strerror(errno));
    return 1;
}
