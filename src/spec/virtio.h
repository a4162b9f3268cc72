/*
 * virtio.h: numbers of the VIRTIO standard that hold for every device (sections 2.1, 2.2, 5 and 6).
 * No code.
 */
#ifndef TN_SPEC_VIRTIO_H
#define TN_SPEC_VIRTIO_H

/* Device IDs, section 5. */
enum { TN_VIRTIO_ID_NET = 1, TN_VIRTIO_ID_BLOCK = 2 };

/* Device status, section 2.1 (BASIC-01). */
enum {
    TN_STATUS_ACKNOWLEDGE = 1,
    TN_STATUS_DRIVER = 2,
    TN_STATUS_DRIVER_OK = 4,
    TN_STATUS_FEATURES_OK = 8,
    TN_STATUS_NEEDS_RESET = 64,
    TN_STATUS_FAILED = 128
};

/* Reserved feature bits, section 6 (BASIC-21). Bit numbers, not masks. */
enum {
    TN_F_INDIRECT_DESC = 28,
    TN_F_EVENT_IDX = 29,
    TN_F_VERSION_1 = 32,
    TN_F_ACCESS_PLATFORM = 33,
    TN_F_RING_PACKED = 34,
    TN_F_IN_ORDER = 35,
    TN_F_ORDER_PLATFORM = 36,
    TN_F_SR_IOV = 37,
    TN_F_NOTIFICATION_DATA = 38,
    TN_F_NOTIF_CONFIG_DATA = 39,
    TN_F_RING_RESET = 40,
    TN_F_ADMIN_VQ = 41
};

#endif
