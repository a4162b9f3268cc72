/*
 * test_spec.c: src/spec against the numbers of others: Linux's own headers, and where those have no
 * name for a thing (or an older one) the number as the standard prints it; vhost-user against
 * requirements VU-01..VU-92.
 *
 * Long because: it lists every number once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/vhost_user.h"
#include "spec/virtio.h"
#include "spec/virtio_blk.h"
#include "spec/virtio_mmio.h"
#include "spec/vring.h"

#ifdef __linux__
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#endif

struct number {
    const char *name;
    uint64_t ours, theirs;
};

static void compare(const struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i].ours != numbers[i].theirs) {
            fail_msg("%s is %#llx here and %#llx there", numbers[i].name,
                     (unsigned long long)numbers[i].ours, (unsigned long long)numbers[i].theirs);
        }
    }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifdef __linux__
static void numbers_of_every_device(void **state)
{
    static const struct number numbers[] = {
        { "TN_VIRTIO_ID_NET", TN_VIRTIO_ID_NET, VIRTIO_ID_NET },
        { "TN_VIRTIO_ID_BLOCK", TN_VIRTIO_ID_BLOCK, VIRTIO_ID_BLOCK },
        { "TN_STATUS_ACKNOWLEDGE", TN_STATUS_ACKNOWLEDGE, VIRTIO_CONFIG_S_ACKNOWLEDGE },
        { "TN_STATUS_DRIVER", TN_STATUS_DRIVER, VIRTIO_CONFIG_S_DRIVER },
        { "TN_STATUS_DRIVER_OK", TN_STATUS_DRIVER_OK, VIRTIO_CONFIG_S_DRIVER_OK },
        { "TN_STATUS_FEATURES_OK", TN_STATUS_FEATURES_OK, VIRTIO_CONFIG_S_FEATURES_OK },
        { "TN_STATUS_NEEDS_RESET", TN_STATUS_NEEDS_RESET, VIRTIO_CONFIG_S_NEEDS_RESET },
        { "TN_STATUS_FAILED", TN_STATUS_FAILED, VIRTIO_CONFIG_S_FAILED },
        { "TN_F_INDIRECT_DESC", TN_F_INDIRECT_DESC, VIRTIO_RING_F_INDIRECT_DESC },
        { "TN_F_EVENT_IDX", TN_F_EVENT_IDX, VIRTIO_RING_F_EVENT_IDX },
        { "TN_F_VERSION_1", TN_F_VERSION_1, VIRTIO_F_VERSION_1 },
        { "TN_F_ACCESS_PLATFORM", TN_F_ACCESS_PLATFORM, VIRTIO_F_ACCESS_PLATFORM },
        { "TN_F_RING_PACKED", TN_F_RING_PACKED, VIRTIO_F_RING_PACKED },
        { "TN_F_IN_ORDER", TN_F_IN_ORDER, VIRTIO_F_IN_ORDER },
        { "TN_F_ORDER_PLATFORM", TN_F_ORDER_PLATFORM, VIRTIO_F_ORDER_PLATFORM },
        { "TN_F_SR_IOV", TN_F_SR_IOV, VIRTIO_F_SR_IOV },
        { "TN_F_NOTIFICATION_DATA", TN_F_NOTIFICATION_DATA, 38 },
        { "TN_F_NOTIF_CONFIG_DATA", TN_F_NOTIF_CONFIG_DATA, 39 },
        { "TN_F_RING_RESET", TN_F_RING_RESET, VIRTIO_F_RING_RESET },
        { "TN_F_ADMIN_VQ", TN_F_ADMIN_VQ, 41 },
        { "TN_DESC_F_NEXT", TN_DESC_F_NEXT, VRING_DESC_F_NEXT },
        { "TN_DESC_F_WRITE", TN_DESC_F_WRITE, VRING_DESC_F_WRITE },
        { "TN_DESC_F_INDIRECT", TN_DESC_F_INDIRECT, VRING_DESC_F_INDIRECT },
        { "TN_AVAIL_F_NO_INTERRUPT", TN_AVAIL_F_NO_INTERRUPT, VRING_AVAIL_F_NO_INTERRUPT },
        { "TN_USED_F_NO_NOTIFY", TN_USED_F_NO_NOTIFY, VRING_USED_F_NO_NOTIFY },
        { "TN_DESC_ALIGN", TN_DESC_ALIGN, VRING_DESC_ALIGN_SIZE },
        { "TN_AVAIL_ALIGN", TN_AVAIL_ALIGN, VRING_AVAIL_ALIGN_SIZE },
        { "TN_USED_ALIGN", TN_USED_ALIGN, VRING_USED_ALIGN_SIZE },
    };

    (void)state;
    compare(numbers, COUNT(numbers));
}

static void numbers_of_mmio(void **state)
{
    static const struct number numbers[] = {
        { "TN_MMIO_MAGIC_VALUE", TN_MMIO_MAGIC_VALUE, VIRTIO_MMIO_MAGIC_VALUE },
        { "TN_MMIO_VERSION", TN_MMIO_VERSION, VIRTIO_MMIO_VERSION },
        { "TN_MMIO_DEVICE_ID", TN_MMIO_DEVICE_ID, VIRTIO_MMIO_DEVICE_ID },
        { "TN_MMIO_VENDOR_ID", TN_MMIO_VENDOR_ID, VIRTIO_MMIO_VENDOR_ID },
        { "TN_MMIO_DEVICE_FEATURES", TN_MMIO_DEVICE_FEATURES, VIRTIO_MMIO_DEVICE_FEATURES },
        { "TN_MMIO_DEVICE_FEATURES_SEL", TN_MMIO_DEVICE_FEATURES_SEL,
          VIRTIO_MMIO_DEVICE_FEATURES_SEL },
        { "TN_MMIO_DRIVER_FEATURES", TN_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_DRIVER_FEATURES },
        { "TN_MMIO_DRIVER_FEATURES_SEL", TN_MMIO_DRIVER_FEATURES_SEL,
          VIRTIO_MMIO_DRIVER_FEATURES_SEL },
        { "TN_MMIO_QUEUE_SEL", TN_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_SEL },
        { "TN_MMIO_QUEUE_SIZE_MAX", TN_MMIO_QUEUE_SIZE_MAX, VIRTIO_MMIO_QUEUE_NUM_MAX },
        { "TN_MMIO_QUEUE_SIZE", TN_MMIO_QUEUE_SIZE, VIRTIO_MMIO_QUEUE_NUM },
        { "TN_MMIO_QUEUE_READY", TN_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_READY },
        { "TN_MMIO_QUEUE_NOTIFY", TN_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_QUEUE_NOTIFY },
        { "TN_MMIO_INTERRUPT_STATUS", TN_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INTERRUPT_STATUS },
        { "TN_MMIO_INTERRUPT_ACK", TN_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INTERRUPT_ACK },
        { "TN_MMIO_STATUS", TN_MMIO_STATUS, VIRTIO_MMIO_STATUS },
        { "TN_MMIO_QUEUE_DESC_LOW", TN_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_LOW },
        { "TN_MMIO_QUEUE_DESC_HIGH", TN_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_DESC_HIGH },
        { "TN_MMIO_QUEUE_DRIVER_LOW", TN_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW },
        { "TN_MMIO_QUEUE_DRIVER_HIGH", TN_MMIO_QUEUE_DRIVER_HIGH, VIRTIO_MMIO_QUEUE_AVAIL_HIGH },
        { "TN_MMIO_QUEUE_DEVICE_LOW", TN_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_USED_LOW },
        { "TN_MMIO_QUEUE_DEVICE_HIGH", TN_MMIO_QUEUE_DEVICE_HIGH, VIRTIO_MMIO_QUEUE_USED_HIGH },
        { "TN_MMIO_SHM_SEL", TN_MMIO_SHM_SEL, VIRTIO_MMIO_SHM_SEL },
        { "TN_MMIO_SHM_LEN_LOW", TN_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_LOW },
        { "TN_MMIO_SHM_LEN_HIGH", TN_MMIO_SHM_LEN_HIGH, VIRTIO_MMIO_SHM_LEN_HIGH },
        { "TN_MMIO_SHM_BASE_LOW", TN_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_BASE_LOW },
        { "TN_MMIO_SHM_BASE_HIGH", TN_MMIO_SHM_BASE_HIGH, VIRTIO_MMIO_SHM_BASE_HIGH },
        { "TN_MMIO_QUEUE_RESET", TN_MMIO_QUEUE_RESET, 0x0c0 },
        { "TN_MMIO_CONFIG_GENERATION", TN_MMIO_CONFIG_GENERATION, VIRTIO_MMIO_CONFIG_GENERATION },
        { "TN_MMIO_CONFIG", TN_MMIO_CONFIG, VIRTIO_MMIO_CONFIG },
        { "TN_MMIO_MAGIC", TN_MMIO_MAGIC, 0x74726976 },
        { "TN_MMIO_INT_USED_BUFFER", TN_MMIO_INT_USED_BUFFER, VIRTIO_MMIO_INT_VRING },
        { "TN_MMIO_INT_CONFIG", TN_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_CONFIG },
    };

    (void)state;
    compare(numbers, COUNT(numbers));
}

static void numbers_of_blk(void **state)
{
    static const struct number numbers[] = {
        { "TN_BLK_F_SIZE_MAX", TN_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SIZE_MAX },
        { "TN_BLK_F_SEG_MAX", TN_BLK_F_SEG_MAX, VIRTIO_BLK_F_SEG_MAX },
        { "TN_BLK_F_GEOMETRY", TN_BLK_F_GEOMETRY, VIRTIO_BLK_F_GEOMETRY },
        { "TN_BLK_F_RO", TN_BLK_F_RO, VIRTIO_BLK_F_RO },
        { "TN_BLK_F_BLK_SIZE", TN_BLK_F_BLK_SIZE, VIRTIO_BLK_F_BLK_SIZE },
        { "TN_BLK_F_FLUSH", TN_BLK_F_FLUSH, VIRTIO_BLK_F_FLUSH },
        { "TN_BLK_F_TOPOLOGY", TN_BLK_F_TOPOLOGY, VIRTIO_BLK_F_TOPOLOGY },
        { "TN_BLK_F_CONFIG_WCE", TN_BLK_F_CONFIG_WCE, VIRTIO_BLK_F_CONFIG_WCE },
        { "TN_BLK_F_MQ", TN_BLK_F_MQ, VIRTIO_BLK_F_MQ },
        { "TN_BLK_F_DISCARD", TN_BLK_F_DISCARD, VIRTIO_BLK_F_DISCARD },
        { "TN_BLK_F_WRITE_ZEROES", TN_BLK_F_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES },
        { "TN_BLK_F_LIFETIME", TN_BLK_F_LIFETIME, 15 },
        { "TN_BLK_F_SECURE_ERASE", TN_BLK_F_SECURE_ERASE, VIRTIO_BLK_F_SECURE_ERASE },
        { "TN_BLK_F_ZONED", TN_BLK_F_ZONED, 17 },
        { "TN_BLK_T_IN", TN_BLK_T_IN, VIRTIO_BLK_T_IN },
        { "TN_BLK_T_OUT", TN_BLK_T_OUT, VIRTIO_BLK_T_OUT },
        { "TN_BLK_T_FLUSH", TN_BLK_T_FLUSH, VIRTIO_BLK_T_FLUSH },
        { "TN_BLK_T_GET_ID", TN_BLK_T_GET_ID, VIRTIO_BLK_T_GET_ID },
        { "TN_BLK_T_GET_LIFETIME", TN_BLK_T_GET_LIFETIME, 10 },
        { "TN_BLK_T_DISCARD", TN_BLK_T_DISCARD, VIRTIO_BLK_T_DISCARD },
        { "TN_BLK_T_WRITE_ZEROES", TN_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_WRITE_ZEROES },
        { "TN_BLK_T_SECURE_ERASE", TN_BLK_T_SECURE_ERASE, VIRTIO_BLK_T_SECURE_ERASE },
        { "TN_BLK_S_OK", TN_BLK_S_OK, VIRTIO_BLK_S_OK },
        { "TN_BLK_S_IOERR", TN_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
        { "TN_BLK_S_UNSUPP", TN_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP },
        { "TN_BLK_SECTOR_BYTES", TN_BLK_SECTOR_BYTES, 512 },
        { "TN_BLK_ID_BYTES", TN_BLK_ID_BYTES, VIRTIO_BLK_ID_BYTES },
        { "TN_BLK_RANGE_F_UNMAP", TN_BLK_RANGE_F_UNMAP, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP },
    };

    (void)state;
    compare(numbers, COUNT(numbers));
}

/* The same place and the same width in two structs. */
#define FIELD(ours, our_field, theirs, their_field)                                                \
    { #ours "." #our_field, offsetof(struct ours, our_field),                                      \
      offsetof(struct theirs, their_field) },                                                      \
    {                                                                                              \
        "width of " #ours "." #our_field, sizeof(((struct ours *)NULL)->our_field),                \
            sizeof(((struct theirs *)NULL)->their_field)                                           \
    }
#define BLK(our_field, their_field) FIELD(tn_blk_config, our_field, virtio_blk_config, their_field)

/* BLK-03..14 */
static void layout_of_blk_config(void **state)
{
    static const struct number numbers[] = {
        BLK(capacity, capacity),
        BLK(size_max, size_max),
        BLK(seg_max, seg_max),
        BLK(cylinders, geometry.cylinders),
        BLK(heads, geometry.heads),
        BLK(sectors, geometry.sectors),
        BLK(blk_size, blk_size),
        BLK(physical_block_exp, physical_block_exp),
        BLK(alignment_offset, alignment_offset),
        BLK(min_io_size, min_io_size),
        BLK(opt_io_size, opt_io_size),
        BLK(writeback, wce),
        BLK(num_queues, num_queues),
        BLK(max_discard_sectors, max_discard_sectors),
        BLK(max_discard_seg, max_discard_seg),
        BLK(discard_sector_alignment, discard_sector_alignment),
        BLK(max_write_zeroes_sectors, max_write_zeroes_sectors),
        BLK(max_write_zeroes_seg, max_write_zeroes_seg),
        BLK(write_zeroes_may_unmap, write_zeroes_may_unmap),
        BLK(max_secure_erase_sectors, max_secure_erase_sectors),
        BLK(max_secure_erase_seg, max_secure_erase_seg),
        BLK(secure_erase_sector_alignment, secure_erase_sector_alignment),
    };

    (void)state;
    compare(numbers, COUNT(numbers));
    /* Newer headers have the zoned part behind it, which is never offered. */
    assert_true(sizeof(struct tn_blk_config) <= sizeof(struct virtio_blk_config));
    assert_int_equal(sizeof(struct tn_blk_config), 0x48);
}

/* SPLIT-04..06, BLK-24, BLK-49 */
static void layout_of_rings_and_requests(void **state)
{
    static const struct number numbers[] = {
        FIELD(tn_desc, addr, vring_desc, addr),
        FIELD(tn_desc, len, vring_desc, len),
        FIELD(tn_desc, flags, vring_desc, flags),
        FIELD(tn_desc, next, vring_desc, next),
        FIELD(tn_avail, flags, vring_avail, flags),
        FIELD(tn_avail, idx, vring_avail, idx),
        FIELD(tn_avail, ring[0], vring_avail, ring[0]),
        FIELD(tn_used, flags, vring_used, flags),
        FIELD(tn_used, idx, vring_used, idx),
        FIELD(tn_used, ring[0], vring_used, ring[0]),
        FIELD(tn_used_elem, id, vring_used_elem, id),
        FIELD(tn_used_elem, len, vring_used_elem, len),
        FIELD(tn_blk_header, type, virtio_blk_outhdr, type),
        FIELD(tn_blk_header, reserved, virtio_blk_outhdr, ioprio),
        FIELD(tn_blk_header, sector, virtio_blk_outhdr, sector),
        FIELD(tn_blk_range, sector, virtio_blk_discard_write_zeroes, sector),
        FIELD(tn_blk_range, sectors, virtio_blk_discard_write_zeroes, num_sectors),
        FIELD(tn_blk_range, flags, virtio_blk_discard_write_zeroes, flags),
        { "size of tn_desc", sizeof(struct tn_desc), sizeof(struct vring_desc) },
        { "size of tn_used_elem", sizeof(struct tn_used_elem), sizeof(struct vring_used_elem) },
        { "size of tn_blk_header", sizeof(struct tn_blk_header), sizeof(struct virtio_blk_outhdr) },
        { "size of tn_blk_range", sizeof(struct tn_blk_range),
          sizeof(struct virtio_blk_discard_write_zeroes) },
    };

    (void)state;
    compare(numbers, COUNT(numbers));
}
#endif

/* SPLIT-01: the sizes as the standard's table gives them, with the event words. */
static void bytes_of_ring_areas(void **state)
{
    (void)state;
    assert_int_equal(TN_DESC_BYTES(32768), 16 * 32768);
    assert_int_equal(TN_AVAIL_BYTES(32768), 6 + 2 * 32768);
    assert_int_equal(TN_USED_BYTES(32768), 6 + 8 * 32768);
    assert_int_equal(TN_AVAIL_BYTES(1), 8);
    assert_int_equal(TN_USED_BYTES(1), 14);
}

#define AT(type, field, offset)                                                                    \
    {                                                                                              \
#type "." #field, offsetof(struct type, field), offset                                     \
    }
#define BYTES(type, bytes)                                                                         \
    {                                                                                              \
        "size of " #type, sizeof(struct type), bytes                                               \
    }

/* VU-01, VU-27, VU-34, VU-55, VU-73, VU-75 */
static void layout_of_vhost_user(void **state)
{
    static const struct number numbers[] = {
        BYTES(tn_vu_header, 12),
        AT(tn_vu_header, request, 0),
        AT(tn_vu_header, flags, 4),
        AT(tn_vu_header, size, 8),
        BYTES(tn_vu_vring_state, 8),
        AT(tn_vu_vring_state, index, 0),
        AT(tn_vu_vring_state, num, 4),
        BYTES(tn_vu_vring_addr, 40),
        AT(tn_vu_vring_addr, index, 0),
        AT(tn_vu_vring_addr, flags, 4),
        AT(tn_vu_vring_addr, desc_user, 8),
        AT(tn_vu_vring_addr, used_user, 16),
        AT(tn_vu_vring_addr, avail_user, 24),
        AT(tn_vu_vring_addr, log_gpa, 32),
        BYTES(tn_vu_region, 32),
        AT(tn_vu_region, gpa, 0),
        AT(tn_vu_region, bytes, 8),
        AT(tn_vu_region, user, 16),
        AT(tn_vu_region, mmap_offset, 24),
        AT(tn_vu_mem_table, count, 0),
        AT(tn_vu_mem_table, regions, 8),
        BYTES(tn_vu_mem_table, 8 + 8 * 32),
        BYTES(tn_vu_mem_reg, 40),
        AT(tn_vu_mem_reg, region, 8),
        BYTES(tn_vu_config, 12),
        AT(tn_vu_config, offset, 0),
        AT(tn_vu_config, size, 4),
        AT(tn_vu_config, flags, 8),
        BYTES(tn_vu_inflight, 24),
        AT(tn_vu_inflight, mmap_size, 0),
        AT(tn_vu_inflight, mmap_offset, 8),
        AT(tn_vu_inflight, queues, 16),
        AT(tn_vu_inflight, queue_size, 18),
        AT(tn_vu_inflight, padding, 20), /* the 20-byte form ends here */
        BYTES(tn_inflight_desc, 16),
        AT(tn_inflight_desc, inflight, 0),
        AT(tn_inflight_desc, next, 6),
        AT(tn_inflight_desc, counter, 8),
        BYTES(tn_inflight_split, 16),
        AT(tn_inflight_split, features, 0),
        AT(tn_inflight_split, version, 8),
        AT(tn_inflight_split, desc_num, 10),
        AT(tn_inflight_split, last_batch_head, 12),
        AT(tn_inflight_split, used_idx, 14),
        AT(tn_inflight_split, desc, 16),
    };

    (void)state;
    compare(numbers, COUNT(numbers));
}

/*
 * Each number where its requirement has it: VU-02, VU-04, VU-16, VU-41, VU-92.
 * Long because: a table.
 */
static void numbers_of_vhost_user(void **state)
{
    static const struct number numbers[] = {
        { "TN_VU_GET_FEATURES", TN_VU_GET_FEATURES, 1 },
        { "TN_VU_SET_FEATURES", TN_VU_SET_FEATURES, 2 },
        { "TN_VU_SET_OWNER", TN_VU_SET_OWNER, 3 },
        { "TN_VU_RESET_OWNER", TN_VU_RESET_OWNER, 4 },
        { "TN_VU_SET_MEM_TABLE", TN_VU_SET_MEM_TABLE, 5 },
        { "TN_VU_SET_LOG_BASE", TN_VU_SET_LOG_BASE, 6 },
        { "TN_VU_SET_LOG_FD", TN_VU_SET_LOG_FD, 7 },
        { "TN_VU_SET_VRING_NUM", TN_VU_SET_VRING_NUM, 8 },
        { "TN_VU_SET_VRING_ADDR", TN_VU_SET_VRING_ADDR, 9 },
        { "TN_VU_SET_VRING_BASE", TN_VU_SET_VRING_BASE, 10 },
        { "TN_VU_GET_VRING_BASE", TN_VU_GET_VRING_BASE, 11 },
        { "TN_VU_SET_VRING_KICK", TN_VU_SET_VRING_KICK, 12 },
        { "TN_VU_SET_VRING_CALL", TN_VU_SET_VRING_CALL, 13 },
        { "TN_VU_SET_VRING_ERR", TN_VU_SET_VRING_ERR, 14 },
        { "TN_VU_GET_PROTOCOL_FEATURES", TN_VU_GET_PROTOCOL_FEATURES, 15 },
        { "TN_VU_SET_PROTOCOL_FEATURES", TN_VU_SET_PROTOCOL_FEATURES, 16 },
        { "TN_VU_GET_QUEUE_NUM", TN_VU_GET_QUEUE_NUM, 17 },
        { "TN_VU_SET_VRING_ENABLE", TN_VU_SET_VRING_ENABLE, 18 },
        { "TN_VU_SEND_RARP", TN_VU_SEND_RARP, 19 },
        { "TN_VU_NET_SET_MTU", TN_VU_NET_SET_MTU, 20 },
        { "TN_VU_SET_BACKEND_REQ_FD", TN_VU_SET_BACKEND_REQ_FD, 21 },
        { "TN_VU_IOTLB_MSG", TN_VU_IOTLB_MSG, 22 },
        { "TN_VU_SET_VRING_ENDIAN", TN_VU_SET_VRING_ENDIAN, 23 },
        { "TN_VU_GET_CONFIG", TN_VU_GET_CONFIG, 24 },
        { "TN_VU_SET_CONFIG", TN_VU_SET_CONFIG, 25 },
        { "TN_VU_CREATE_CRYPTO_SESSION", TN_VU_CREATE_CRYPTO_SESSION, 26 },
        { "TN_VU_CLOSE_CRYPTO_SESSION", TN_VU_CLOSE_CRYPTO_SESSION, 27 },
        { "TN_VU_POSTCOPY_ADVISE", TN_VU_POSTCOPY_ADVISE, 28 },
        { "TN_VU_POSTCOPY_LISTEN", TN_VU_POSTCOPY_LISTEN, 29 },
        { "TN_VU_POSTCOPY_END", TN_VU_POSTCOPY_END, 30 },
        { "TN_VU_GET_INFLIGHT_FD", TN_VU_GET_INFLIGHT_FD, 31 },
        { "TN_VU_SET_INFLIGHT_FD", TN_VU_SET_INFLIGHT_FD, 32 },
        { "TN_VU_GPU_SET_SOCKET", TN_VU_GPU_SET_SOCKET, 33 },
        { "TN_VU_RESET_DEVICE", TN_VU_RESET_DEVICE, 34 },
        { "TN_VU_VRING_KICK", TN_VU_VRING_KICK, 35 },
        { "TN_VU_GET_MAX_MEM_SLOTS", TN_VU_GET_MAX_MEM_SLOTS, 36 },
        { "TN_VU_ADD_MEM_REG", TN_VU_ADD_MEM_REG, 37 },
        { "TN_VU_REM_MEM_REG", TN_VU_REM_MEM_REG, 38 },
        { "TN_VU_SET_STATUS", TN_VU_SET_STATUS, 39 },
        { "TN_VU_GET_STATUS", TN_VU_GET_STATUS, 40 },
        { "TN_VU_BACKEND_CONFIG_CHANGE", TN_VU_BACKEND_CONFIG_CHANGE, 2 },
        { "TN_VU_VERSION", TN_VU_VERSION, 1 },
        { "TN_VU_VERSION_MASK", TN_VU_VERSION_MASK, 3 },
        { "TN_VU_REPLY", TN_VU_REPLY, 4 },
        { "TN_VU_NEED_REPLY", TN_VU_NEED_REPLY, 8 },
        { "TN_VU_PF_MQ", TN_VU_PF_MQ, 0 },
        { "TN_VU_PF_LOG_SHMFD", TN_VU_PF_LOG_SHMFD, 1 },
        { "TN_VU_PF_REPLY_ACK", TN_VU_PF_REPLY_ACK, 3 },
        { "TN_VU_PF_BACKEND_REQ", TN_VU_PF_BACKEND_REQ, 5 },
        { "TN_VU_PF_CONFIG", TN_VU_PF_CONFIG, 9 },
        { "TN_VU_PF_BACKEND_SEND_FD", TN_VU_PF_BACKEND_SEND_FD, 10 },
        { "TN_VU_PF_INFLIGHT_SHMFD", TN_VU_PF_INFLIGHT_SHMFD, 12 },
        { "TN_VU_PF_RESET_DEVICE", TN_VU_PF_RESET_DEVICE, 13 },
        { "TN_VU_PF_INBAND_NOTIFICATIONS", TN_VU_PF_INBAND_NOTIFICATIONS, 14 },
        { "TN_VU_PF_CONFIGURE_MEM_SLOTS", TN_VU_PF_CONFIGURE_MEM_SLOTS, 15 },
        { "TN_VU_PF_STATUS", TN_VU_PF_STATUS, 16 },
        { "TN_VU_F_LOG_ALL", TN_VU_F_LOG_ALL, 26 },
        { "TN_VU_F_PROTOCOL_FEATURES", TN_VU_F_PROTOCOL_FEATURES, 30 },
        { "TN_VU_MAX_FDS", TN_VU_MAX_FDS, 8 },
        { "TN_VU_MAX_REGIONS", TN_VU_MAX_REGIONS, 8 },
        { "TN_VU_CONFIG_MAX", TN_VU_CONFIG_MAX, 256 },
        { "TN_VU_VRING_INDEX_MASK", TN_VU_VRING_INDEX_MASK, 0xff },
        { "TN_VU_VRING_NO_FD", TN_VU_VRING_NO_FD, 0x100 },
    };

    (void)state;
    compare(numbers, COUNT(numbers));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __linux__
        cmocka_unit_test(numbers_of_every_device),
        cmocka_unit_test(numbers_of_mmio),
        cmocka_unit_test(numbers_of_blk),
        cmocka_unit_test(layout_of_blk_config),
        cmocka_unit_test(layout_of_rings_and_requests),
#endif
        cmocka_unit_test(bytes_of_ring_areas),
        cmocka_unit_test(layout_of_vhost_user),
        cmocka_unit_test(numbers_of_vhost_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
