/*
 * virtio_blk.h: the block device's numbers and layouts (section 5.2). No code.
 */
#ifndef TN_SPEC_VIRTIO_BLK_H
#define TN_SPEC_VIRTIO_BLK_H

#include <stdint.h>

#include "base/le.h"

/* Feature bits (BLK-02). */
enum {
    TN_BLK_F_SIZE_MAX = 1,
    TN_BLK_F_SEG_MAX = 2,
    TN_BLK_F_GEOMETRY = 4,
    TN_BLK_F_RO = 5,
    TN_BLK_F_BLK_SIZE = 6,
    TN_BLK_F_FLUSH = 9,
    TN_BLK_F_TOPOLOGY = 10,
    TN_BLK_F_CONFIG_WCE = 11,
    TN_BLK_F_MQ = 12,
    TN_BLK_F_DISCARD = 13,
    TN_BLK_F_WRITE_ZEROES = 14,
    TN_BLK_F_LIFETIME = 15,
    TN_BLK_F_SECURE_ERASE = 16,
    TN_BLK_F_ZONED = 17
};

/* Request types (BLK-25). */
enum {
    TN_BLK_T_IN = 0,
    TN_BLK_T_OUT = 1,
    TN_BLK_T_FLUSH = 4,
    TN_BLK_T_GET_ID = 8,
    TN_BLK_T_GET_LIFETIME = 10,
    TN_BLK_T_DISCARD = 11,
    TN_BLK_T_WRITE_ZEROES = 13,
    TN_BLK_T_SECURE_ERASE = 14
};

/* Status byte (BLK-26). */
enum { TN_BLK_S_OK = 0, TN_BLK_S_IOERR = 1, TN_BLK_S_UNSUPP = 2 };

enum { TN_BLK_SECTOR_BYTES = 512, TN_BLK_ID_BYTES = 20 };

/* Request header (BLK-24). */
struct tn_blk_header {
    le32 type;
    le32 reserved;
    le64 sector;
};

/* One range of DISCARD and WRITE_ZEROES (BLK-49). */
struct tn_blk_range {
    le64 sector;
    le32 sectors;
    le32 flags;
};
enum { TN_BLK_RANGE_F_UNMAP = 1 };

/* Config space (BLK-03..14), without the zoned part, which is never offered. */
struct tn_blk_config {
    le64 capacity;  /* 0x00 */
    le32 size_max;  /* 0x08 */
    le32 seg_max;   /* 0x0c */
    le16 cylinders; /* 0x10 */
    uint8_t heads;
    uint8_t sectors;
    le32 blk_size;              /* 0x14 */
    uint8_t physical_block_exp; /* 0x18 */
    uint8_t alignment_offset;
    le16 min_io_size;
    le32 opt_io_size;  /* 0x1c */
    uint8_t writeback; /* 0x20 */
    uint8_t unused0;
    le16 num_queues;          /* 0x22 */
    le32 max_discard_sectors; /* 0x24 */
    le32 max_discard_seg;
    le32 discard_sector_alignment;
    le32 max_write_zeroes_sectors; /* 0x30 */
    le32 max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap; /* 0x38 */
    uint8_t unused1[3];
    le32 max_secure_erase_sectors; /* 0x3c, always 0 */
    le32 max_secure_erase_seg;
    le32 secure_erase_sector_alignment;
};

#endif
