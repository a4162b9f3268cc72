/*
 * kvm.h: calls into KVM.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

/* ioctl, tried again when a signal came between: its result, or a negative errno. */
long vmm_ioctl(int fd, unsigned int request, void *argument);

#endif
