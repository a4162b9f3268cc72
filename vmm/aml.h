/*
 * aml.h: writing ACPI's byte code (ACPI 6.4, chapter 20): as much of it as a device with resources
 * needs. What does not fit is left out, and `overflow` says so.
 *
 *   aml_begin(&aml, AML_DEVICE) ... aml_end(&aml)     a package: its length is known at its end
 */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AML_DEPTH = 4 };

struct aml {
    uint8_t *to;
    size_t used, room;
    bool overflow;
    size_t open[AML_DEPTH]; /* where the length of each open package belongs */
    unsigned depth;
};

void aml_init(struct aml *aml, void *to, size_t room);

void aml_byte(struct aml *aml, uint8_t value);
void aml_bytes(struct aml *aml, const void *bytes, size_t count);
/* A name of four characters; shorter ones end in underscores. */
void aml_name(struct aml *aml, const char *name);
/* An integer object, as short as it can be. */
void aml_integer(struct aml *aml, uint32_t value);
void aml_string(struct aml *aml, const char *text);

/* Scope(name) { ... } and Device(name) { ... } */
void aml_scope_begin(struct aml *aml, const char *name);
void aml_device_begin(struct aml *aml, const char *name);
void aml_end(struct aml *aml);

/* Name(name, ...): the object follows. */
void aml_named(struct aml *aml, const char *name);

/* Name(_CRS, ResourceTemplate() { ... }) */
void aml_resources_begin(struct aml *aml);
void aml_memory(struct aml *aml, uint32_t base, uint32_t bytes);
void aml_ports(struct aml *aml, uint16_t base, uint8_t count);
void aml_interrupt(struct aml *aml, uint32_t line, bool level, bool shared);
void aml_resources_end(struct aml *aml);

#endif
