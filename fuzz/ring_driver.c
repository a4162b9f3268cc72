/*
 * ring_driver.c: the driver in fuzz_rings: chains by the rules, and the rules broken in one place.
 */
#include "ring_rig.h"
#include "spec/vring.h"

uint64_t ring_gpa(struct ring_rig *ring, enum area_name name)
{
    return ring->world.areas[name].gpa;
}

void ring_write16(struct ring_rig *ring, enum area_name name, uint32_t byte, uint16_t value)
{
    le16 wire = tn_to_le16(value);
    world_write(&ring->world, ring_gpa(ring, name) + byte, &wire, sizeof(wire));
}

static uint32_t pick_bytes(struct input *in)
{
    static const uint16_t lengths[] = { 0, 1, 2, 15, 16, 100, 512, 600 };
    uint8_t choice = input_u8(in);

    return choice == FUZZ_RARE ? input_u32(in) : lengths[choice & 7] + (choice >> 3 & 3u);
}

static uint64_t pick_gpa(struct ring_rig *ring)
{
    static const enum area_name data[] = { AREA_ZERO, AREA_ZERO, AREA_NEXT, AREA_LAST };
    struct input *in = &ring->in;
    uint8_t choice = input_u8(in);
    uint8_t offset = input_u8(in);

    if (choice == FUZZ_RARE) {
        return offset & 1 ? input_u64(in) : ring_gpa(ring, offset >> 1 & 7) + input_u16(in);
    }
    return ring_gpa(ring, data[choice & 3]) + offset * 3u * (choice >> 2 & 1);
}

/* Descriptors of one chain; links are set by the caller. */
static uint32_t make_buffers(struct ring_rig *ring, struct tn_desc *descs, uint32_t most)
{
    struct input *in = &ring->in;
    uint32_t count = 1 + input_below(in, most), readable = input_below(in, count + 1);

    for (uint32_t i = 0; i < count; i++) {
        bool write = i >= readable;
        uint64_t gpa = pick_gpa(ring);
        uint32_t bytes = pick_bytes(in);
        descs[i] = (struct tn_desc){ .addr = tn_to_le64(gpa),
                                     .len = tn_to_le32(bytes),
                                     .flags = tn_to_le16(write ? TN_DESC_F_WRITE : 0) };
    }
    return count;
}

static void link_desc(struct tn_desc *desc, uint16_t next)
{
    desc->flags = tn_to_le16(tn_from_le16(desc->flags) | TN_DESC_F_NEXT);
    desc->next = tn_to_le16(next);
}

/* Turns the last `tail` descriptors into one that points to a table of them. */
static uint32_t make_table(struct ring_rig *ring, struct tn_desc *descs, uint32_t count)
{
    uint32_t direct = input_below(&ring->in, count), entries = count - direct;
    uint64_t gpa = ring_gpa(ring, AREA_TABLE) + ring->table_next;

    ring->table_last = ring->table_next;
    ring->table_next = (ring->table_next + CHAIN_DESCS * 16) % 1920;
    for (uint32_t i = 0; i < entries; i++) {
        if (i + 1 < entries) {
            link_desc(&descs[direct + i], (uint16_t)(i + 1));
        }
    }
    world_write(&ring->world, gpa, &descs[direct], entries * (uint32_t)sizeof(descs[0]));
    descs[direct] = (struct tn_desc){ .addr = tn_to_le64(gpa),
                                      .len = tn_to_le32(entries * 16),
                                      .flags = tn_to_le16(TN_DESC_F_INDIRECT) };
    return direct + 1;
}

void ring_offer(struct ring_rig *ring, bool indirect)
{
    struct tn_desc descs[CHAIN_DESCS];
    uint16_t places[CHAIN_DESCS];
    uint32_t size = ring->oracle.size, found = 0;
    uint32_t first = input_u8(&ring->in);
    uint32_t count =
        make_buffers(ring, descs, size < CHAIN_DESCS && !indirect ? size : CHAIN_DESCS);

    if (indirect && ring->oracle.indirect) {
        count = make_table(ring, descs, count);
    }
    for (uint32_t i = 0; i < size && found < count; i++) {
        uint16_t place = (uint16_t)((first + i * 5) % size);
        if (ring->owner[place] == 0) {
            places[found++] = place;
        }
    }
    if (found < count) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count) {
            link_desc(&descs[i], places[i + 1]);
        }
        ring->owner[places[i]] = (uint8_t)(places[0] + 1);
        world_write(&ring->world, ring_gpa(ring, AREA_DESC) + 16u * places[i], &descs[i],
                    sizeof(descs[i]));
    }
    ring_write16(ring, AREA_AVAIL, 4 + 2 * (ring->avail_idx % size), places[0]);
    ring->avail_idx++;
}

/* Any bytes of any area, at any time. */
static void scribble(struct ring_rig *ring)
{
    enum area_name name = input_below(&ring->in, AREAS);
    uint16_t value = input_u16(&ring->in);
    uint32_t bytes = ring->world.areas[name].bytes;
    uint32_t offset = input_u16(&ring->in) % bytes;

    world_write(&ring->world, ring_gpa(ring, name) + offset, &value, offset + 1 < bytes ? 2 : 1);
}

void ring_spoil(struct ring_rig *ring)
{
    uint8_t kind = input_u8(&ring->in), value = input_u8(&ring->in), where = input_u8(&ring->in);
    uint32_t size = ring->oracle.size, desc = where % size * 16;
    uint16_t ahead = (uint16_t)(ring->oracle.next_avail + where % 4);
    uint16_t near_size = (uint16_t)(size - 1 + value % 3);
    uint32_t table = ring->table_last + where % CHAIN_DESCS * 16;

    switch (kind % 8) {
    case 0: /* the index jumps */
        ring_write16(ring, AREA_AVAIL, 2, (uint16_t)(ring->oracle.next_avail + value % 140));
        break;
    case 1: /* any head, perhaps one in flight */
        ring_write16(ring, AREA_AVAIL, 4 + 2 * (ahead % size), (uint16_t)(value % size));
        break;
    case 2: /* a head at the border */
        ring_write16(ring, AREA_AVAIL, 4 + 2 * (ahead % size), near_size);
        break;
    case 3:
        ring_write16(ring, AREA_DESC, desc + 12, value % 8);
        break;
    case 4:
        ring_write16(ring, AREA_DESC, desc + 14, (uint16_t)(kind & 8 ? near_size : value % size));
        break;
    case 5:
        ring_write16(ring, AREA_DESC, desc + 8, value);
        break;
    case 6:
        ring_write16(ring, AREA_TABLE, table + (kind & 8 ? 12 : 14), value % 9);
        break;
    default:
        scribble(ring);
    }
}
