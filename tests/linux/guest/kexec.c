/*
 * Starts another kernel from the running one, by the two system calls that kexec-tools makes:
 *
 *   kexec load KERNEL INITRD COMMAND-LINE
 *   kexec jump                              does not return: nothing is synced or shut down
 */
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long status = -1;

    if (argc == 5 && !strcmp(argv[1], "load")) {
        int kernel = open(argv[2], O_RDONLY | O_CLOEXEC);
        int initrd = open(argv[3], O_RDONLY | O_CLOEXEC);
        status = syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[4]) + 1, argv[4], 0ul);
    } else if (argc == 2 && !strcmp(argv[1], "jump")) {
        status = syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                         LINUX_REBOOT_CMD_KEXEC, NULL);
    } else {
        fprintf(stderr, "usage: kexec load KERNEL INITRD COMMAND-LINE | kexec jump\n");
        return 2;
    }
    if (status) {
        perror("kexec");
    }
    return status ? 1 : 0;
}
