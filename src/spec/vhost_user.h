/*
 * vhost_user.h (spec): messages of the vhost-user protocol (QEMU's docs/interop/vhost-user.rst) in
 * machine byte order. No code.
 */
#ifndef TN_SPEC_VHOST_USER_H
#define TN_SPEC_VHOST_USER_H

#include <stdint.h>

/* Front-end requests. */
enum {
    TN_VU_GET_FEATURES = 1,
    TN_VU_SET_FEATURES = 2,
    TN_VU_SET_OWNER = 3,
    TN_VU_RESET_OWNER = 4,
    TN_VU_SET_MEM_TABLE = 5,
    TN_VU_SET_LOG_BASE = 6,
    TN_VU_SET_LOG_FD = 7,
    TN_VU_SET_VRING_NUM = 8,
    TN_VU_SET_VRING_ADDR = 9,
    TN_VU_SET_VRING_BASE = 10,
    TN_VU_GET_VRING_BASE = 11,
    TN_VU_SET_VRING_KICK = 12,
    TN_VU_SET_VRING_CALL = 13,
    TN_VU_SET_VRING_ERR = 14,
    TN_VU_GET_PROTOCOL_FEATURES = 15,
    TN_VU_SET_PROTOCOL_FEATURES = 16,
    TN_VU_GET_QUEUE_NUM = 17,
    TN_VU_SET_VRING_ENABLE = 18,
    TN_VU_SEND_RARP = 19,
    TN_VU_NET_SET_MTU = 20,
    TN_VU_SET_BACKEND_REQ_FD = 21,
    TN_VU_IOTLB_MSG = 22,
    TN_VU_SET_VRING_ENDIAN = 23,
    TN_VU_GET_CONFIG = 24,
    TN_VU_SET_CONFIG = 25,
    TN_VU_CREATE_CRYPTO_SESSION = 26,
    TN_VU_CLOSE_CRYPTO_SESSION = 27,
    TN_VU_POSTCOPY_ADVISE = 28,
    TN_VU_POSTCOPY_LISTEN = 29,
    TN_VU_POSTCOPY_END = 30,
    TN_VU_GET_INFLIGHT_FD = 31,
    TN_VU_SET_INFLIGHT_FD = 32,
    TN_VU_GPU_SET_SOCKET = 33,
    TN_VU_RESET_DEVICE = 34,
    TN_VU_VRING_KICK = 35,
    TN_VU_GET_MAX_MEM_SLOTS = 36,
    TN_VU_ADD_MEM_REG = 37,
    TN_VU_REM_MEM_REG = 38,
    TN_VU_SET_STATUS = 39,
    TN_VU_GET_STATUS = 40
};

/* Back-end requests (VU-92). */
enum { TN_VU_BACKEND_CONFIG_CHANGE = 2 };

/* Header flags (VU-02). */
enum { TN_VU_VERSION = 1, TN_VU_VERSION_MASK = 3, TN_VU_REPLY = 4, TN_VU_NEED_REPLY = 8 };

/* Protocol feature bits (VU-16). */
enum {
    TN_VU_PF_MQ = 0,
    TN_VU_PF_LOG_SHMFD = 1,
    TN_VU_PF_REPLY_ACK = 3,
    TN_VU_PF_BACKEND_REQ = 5,
    TN_VU_PF_CONFIG = 9,
    TN_VU_PF_BACKEND_SEND_FD = 10,
    TN_VU_PF_INFLIGHT_SHMFD = 12,
    TN_VU_PF_RESET_DEVICE = 13,
    TN_VU_PF_INBAND_NOTIFICATIONS = 14,
    TN_VU_PF_CONFIGURE_MEM_SLOTS = 15,
    TN_VU_PF_STATUS = 16
};

/* Feature bit 30 of GET_FEATURES: the protocol features above exist (VU-11, VU-50). */
enum { TN_VU_F_LOG_ALL = 26, TN_VU_F_PROTOCOL_FEATURES = 30 };

enum {
    TN_VU_MAX_FDS = 8,     /* per message (VU-04) */
    TN_VU_MAX_REGIONS = 8, /* in SET_MEM_TABLE (VU-21) */
    TN_VU_CONFIG_MAX = 256 /* bytes of GET_CONFIG and SET_CONFIG */
};

struct tn_vu_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of the payload */
};

struct tn_vu_vring_state {
    uint32_t index;
    uint32_t num;
};

struct tn_vu_vring_addr {
    uint32_t index;
    uint32_t flags; /* bit 0: log used-ring writes */
    uint64_t desc_user;
    uint64_t used_user; /* used before avail (VU-34) */
    uint64_t avail_user;
    uint64_t log_gpa;
};

struct tn_vu_region {
    uint64_t gpa;
    uint64_t bytes;
    uint64_t user;
    uint64_t mmap_offset;
};

struct tn_vu_mem_table {
    uint32_t count;
    uint32_t padding;
    struct tn_vu_region regions[TN_VU_MAX_REGIONS];
};

struct tn_vu_mem_reg {
    uint64_t padding;
    struct tn_vu_region region;
};

/* Followed by `size` bytes of config space (VU-55). */
struct tn_vu_config {
    uint32_t offset;
    uint32_t size;
    uint32_t flags; /* 0 writable fields, 1 migration */
};

/* 20 bytes of content; QEMU sends the 24 with padding (VU-73). */
struct tn_vu_inflight {
    uint64_t mmap_size;
    uint64_t mmap_offset;
    uint16_t queues;
    uint16_t queue_size;
    uint32_t padding;
};

/* u64 of the SET_VRING_KICK/CALL/ERR messages (VU-41). */
enum { TN_VU_VRING_INDEX_MASK = 0xff, TN_VU_VRING_NO_FD = 0x100 };

/* A queue's part of the inflight region, split ring (VU-75); machine byte order. */
struct tn_inflight_desc {
    uint8_t inflight;
    uint8_t padding[5];
    uint16_t next;
    uint64_t counter;
};

struct tn_inflight_split {
    uint64_t features;
    uint16_t version; /* 0: new, 1 */
    uint16_t desc_num;
    uint16_t last_batch_head;
    uint16_t used_idx;
    struct tn_inflight_desc desc[];
};

#endif
