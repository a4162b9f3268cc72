/*
 * memory.h: the functions of <string.h> that a compiler may call by itself, and that we use.
 */
#ifndef BARE_MEMORY_H
#define BARE_MEMORY_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);

#endif
