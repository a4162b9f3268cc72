/*
 * input.h: a fuzzer's input, read as a program: each byte is an action or an argument of one.
 *
 * Valid by default: arguments are reduced to what is legal, and only the byte 0xff makes an action
 * go wrong on purpose. So most inputs get deep into the code, and mutations of them stay there.
 */
#ifndef TN_FUZZ_INPUT_H
#define TN_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { FUZZ_RARE = 0xff };

struct input {
    const uint8_t *data;
    size_t left;
};

/* Behind the end everything is 0. */
static inline uint8_t input_u8(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

static inline uint16_t input_u16(struct input *in)
{
    uint16_t low = input_u8(in);
    return (uint16_t)(low | input_u8(in) << 8);
}

static inline uint32_t input_u32(struct input *in)
{
    uint32_t low = input_u16(in);
    return low | (uint32_t)input_u16(in) << 16;
}

static inline uint64_t input_u64(struct input *in)
{
    uint64_t low = input_u32(in);
    return low | (uint64_t)input_u32(in) << 32;
}

/* 0 to `end` - 1. */
static inline uint32_t input_below(struct input *in, uint32_t end)
{
    return input_u8(in) % end;
}

static inline bool input_rare(struct input *in)
{
    return input_u8(in) == FUZZ_RARE;
}

/* What a fuzzer claims about the library; when it is not so, that is a finding. */
#define FUZZ_CHECK(claim)                                                                          \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
