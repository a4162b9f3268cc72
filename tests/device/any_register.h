/*
 * any_register.h: some access to some register of a virtio-mmio window, mostly of those that do
 * something, as a driver would make them or not: item 57 of the conformance list.
 */
#ifndef TENON_TEST_ANY_REGISTER_H
#define TENON_TEST_ANY_REGISTER_H

#include "harness.h"

/* Fails when it takes long. `random` goes on. */
void any_register(struct rig *rig, uint32_t *random);

#endif
