/*
 * The host on the other side of a guest's network, as a process that needs no privilege:
 *
 *   net_peer stream PATH DIRECTORY         listens; frames behind their length (QEMU, passt)
 *   net_peer dgram PATH PEER DIRECTORY     a frame a datagram: bound at PATH, sent to PEER
 *
 * It is 10.0.0.1: answers ARP and ping, and hands out and takes files of DIRECTORY by TFTP. Every
 * checksum of what comes is verified; a frame that has a wrong one is not answered, and counted.
 * At SIGTERM it says what it counted, and its status is 1 if anything was wrong.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { ETHER = 14, IP = 20, UDP = 8, TFTP = 4, ROOM = 65600, FRAME_MAX = 1514 };
enum { READ = 1, WRITE, DATA, ACK, TROUBLE, OPTIONS }; /* of TFTP */
enum { TFTP_PORT = 69, OUR_PORT = 40069 };

static const uint8_t our_mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
static const uint8_t our_ip[4] = { 10, 0, 0, 1 };

static int fd = -1;
static bool is_stream;
static struct sockaddr_un to; /* dgram */
static const char *directory;
static unsigned long frames_in, frames_out, pings, wrong;

/* The one transfer that is under way. */
static struct {
    int file;
    bool sends;
    uint16_t client, block, block_bytes;
    uint64_t at; /* bytes done */
    size_t last; /* bytes of the data that was sent last, without its header */
} transfer = { .file = -1 };

static void say(int number)
{
    char line[160];
    int bytes = snprintf(line, sizeof(line),
                         "net_peer: %lu frames came, %lu went, %lu pings, "
                         "%lu with something wrong\n",
                         frames_in, frames_out, pings, wrong);
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)bytes);
    (void)ignored;
    (void)number;
    _exit(wrong > 0);
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void complain(const char *what)
{
    wrong++;
    if (wrong <= 10) {
        fprintf(stderr, "net_peer: %s\n", what);
    }
}

/* ---- frames ---- */

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t add_up(uint32_t sum, const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    }
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* Of UDP, with the addresses and the length in front. */
static uint16_t udp_sum(const uint8_t *ip, const uint8_t *udp, size_t bytes)
{
    return fold(add_up(add_up(17 + (uint32_t)bytes, ip + 12, 8), udp, bytes));
}

static bool read_all(uint8_t *at, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = read(fd, at, bytes);
        if (n <= 0) {
            return false;
        }
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* The length of the next frame; -1: the other side has gone. */
static ssize_t next_frame(uint8_t *frame)
{
    uint32_t length;
    if (!is_stream) {
        return recv(fd, frame, ROOM, 0);
    }
    if (!read_all((uint8_t *)&length, sizeof(length))) {
        return -1;
    }
    length = ntohl(length);
    if (length > ROOM) {
        complain("a length that no frame has");
        return -1;
    }
    return read_all(frame, length) ? (ssize_t)length : -1;
}

static void send_frame(uint8_t *frame, size_t bytes)
{
    uint32_t length = htonl((uint32_t)bytes);
    struct iovec parts[] = { { &length, sizeof(length) }, { frame, bytes } };
    ssize_t n = is_stream ? writev(fd, parts, 2)
                          : sendto(fd, frame, bytes, 0, (struct sockaddr *)&to, sizeof(to));
    if (n != (ssize_t)(bytes + (is_stream ? sizeof(length) : 0))) {
        complain("a frame could not be sent");
    }
    frames_out++;
}

/* Turns a frame of IP around: it goes back to where it came from. */
static void send_back(uint8_t *frame, size_t ip_bytes)
{
    uint8_t *ip = frame + ETHER;
    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, our_mac, 6);
    memcpy(ip + 16, ip + 12, 4);
    memcpy(ip + 12, our_ip, 4);
    put16(ip + 2, (unsigned)ip_bytes);
    put16(ip + 6, 0);
    put16(ip + 10, 0);
    put16(ip + 10, fold(add_up(0, ip, IP)));
    send_frame(frame, ETHER + ip_bytes);
}

static void answer_arp(uint8_t *frame, size_t bytes)
{
    uint8_t *arp = frame + ETHER;
    bool asks = bytes >= ETHER + 28 && get16(arp + 6) == 1;
    if (asks && memcmp(arp + 14, arp + 24, 4) == 0) { /* for its own address */
        fprintf(stderr, "net_peer: somebody says where it is\n");
    }
    if (!asks || memcmp(arp + 24, our_ip, 4) != 0) {
        return;
    }
    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, our_mac, 6);
    put16(arp + 6, 2);
    memcpy(arp + 18, arp + 8, 10); /* the asker's addresses */
    memcpy(arp + 8, our_mac, 6);
    memcpy(arp + 14, our_ip, 4);
    send_frame(frame, ETHER + 28);
}

static void answer_ping(uint8_t *frame, size_t ip_bytes)
{
    uint8_t *icmp = frame + ETHER + IP;
    if (fold(add_up(0, icmp, ip_bytes - IP)) != 0) {
        complain("a ping with a wrong checksum");
        return;
    }
    if (icmp[0] != 8) {
        return;
    }
    icmp[0] = 0;
    put16(icmp + 2, 0);
    put16(icmp + 2, fold(add_up(0, icmp, ip_bytes - IP)));
    pings++;
    send_back(frame, ip_bytes);
}

/* ---- files ---- */

/* The payload is in its place. */
static void send_udp(uint8_t *frame, size_t payload)
{
    uint8_t *udp = frame + ETHER + IP;
    put16(udp, OUR_PORT);
    put16(udp + 2, transfer.client);
    put16(udp + 4, (unsigned)(UDP + payload));
    put16(udp + 6, 0);
    /* The addresses are turned around later: their sum stays. */
    uint16_t sum = udp_sum(frame + ETHER, udp, UDP + payload);
    put16(udp + 6, sum ? sum : 0xffff);
    send_back(frame, IP + UDP + payload);
}

static void send_trouble(uint8_t *frame, const char *words)
{
    uint8_t *tftp = frame + ETHER + IP + UDP;
    put16(tftp, TROUBLE);
    put16(tftp + 2, 1);
    strcpy((char *)tftp + TFTP, words);
    send_udp(frame, TFTP + strlen(words) + 1);
}

static void send_block(uint8_t *frame)
{
    uint8_t *tftp = frame + ETHER + IP + UDP;
    ssize_t n = pread(transfer.file, tftp + TFTP, transfer.block_bytes, (off_t)transfer.at);
    put16(tftp, DATA);
    put16(tftp + 2, transfer.block);
    transfer.last = n < 0 ? 0 : (size_t)n;
    send_udp(frame, TFTP + transfer.last);
}

static void send_ack(uint8_t *frame, uint16_t block)
{
    uint8_t *tftp = frame + ETHER + IP + UDP;
    put16(tftp, ACK);
    put16(tftp + 2, block);
    send_udp(frame, TFTP);
}

/* "NAME 0 octet 0", and perhaps "blksize 0 NUMBER 0": of this text, which a zero byte ends. */
static void begin(uint8_t *frame, bool sends, const char *text, size_t bytes)
{
    char path[512];
    const char *mode = text + strlen(text) + 1;
    const char *option = mode < text + bytes ? mode + strlen(mode) + 1 : text + bytes;
    bool has_option = option + 8 < text + bytes && strcmp(option, "blksize") == 0;
    unsigned long size = has_option ? strtoul(option + 8, NULL, 10) : 512;
    if (transfer.file >= 0) {
        close(transfer.file);
    }
    snprintf(path, sizeof(path), "%s/%s", directory, text);
    transfer.file = strchr(text, '/') ? -1
                    : sends           ? open(path, O_RDONLY)
                                      : open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    transfer.client = get16(frame + ETHER + IP);
    if (transfer.file < 0 || size < 8 || size > FRAME_MAX - ETHER - IP - UDP - TFTP) {
        send_trouble(frame, transfer.file < 0 ? "no such file" : "blocks of no such size");
        return;
    }
    transfer.sends = sends;
    transfer.block_bytes = (uint16_t)size;
    transfer.at = 0;
    transfer.last = 0;
    transfer.block = sends && !has_option; /* the client says 0 to what was agreed on */
    if (has_option) {
        uint8_t *tftp = frame + ETHER + IP + UDP;
        char *words = (char *)tftp + 2;
        put16(tftp, OPTIONS);
        strcpy(words, "blksize");
        int more = sprintf(words + 8, "%lu", size);
        send_udp(frame, 2 + 8 + (size_t)more + 1);
    } else if (sends) {
        send_block(frame);
    } else {
        send_ack(frame, 0);
    }
}

/* One packet of a transfer; `bytes` of it are behind the header. */
static void go_on(uint8_t *frame, unsigned what, uint16_t block, size_t bytes)
{
    uint8_t *tftp = frame + ETHER + IP + UDP;
    if (transfer.file < 0 || get16(frame + ETHER + IP) != transfer.client) {
        return;
    }
    if (transfer.sends && what == ACK) {
        bool end = block == transfer.block && block != 0 && transfer.last < transfer.block_bytes;
        if (block == transfer.block && !end) {
            transfer.at += transfer.last;
            transfer.block++;
        }
        if (!end) {
            send_block(frame); /* the next one, or once more: the client asks again */
        }
    } else if (!transfer.sends && what == DATA) {
        if (block == (uint16_t)(transfer.block + 1)) {
            if (pwrite(transfer.file, tftp + TFTP, bytes, (off_t)transfer.at) != (ssize_t)bytes) {
                complain("a file could not be written");
            }
            transfer.at += bytes;
            transfer.block++;
        }
        send_ack(frame, transfer.block);
    }
}

static void answer_udp(uint8_t *frame, size_t ip_bytes)
{
    uint8_t *udp = frame + ETHER + IP, *tftp = udp + UDP;
    size_t bytes = get16(udp + 4), payload = bytes - UDP;
    if (bytes < UDP + TFTP || bytes > ip_bytes - IP) {
        return;
    }
    if (get16(udp + 6) == 0 || udp_sum(frame + ETHER, udp, bytes) != 0) {
        complain("a datagram with a wrong checksum, or none");
        return;
    }
    unsigned what = get16(tftp);
    if (get16(udp + 2) == TFTP_PORT && (what == READ || what == WRITE)) {
        char text[256];
        size_t kept = payload - 2 < sizeof(text) - 1 ? payload - 2 : sizeof(text) - 1;
        memcpy(text, tftp + 2, kept);
        text[kept] = 0;
        begin(frame, what == READ, text, kept);
    } else if (get16(udp + 2) == OUR_PORT) {
        go_on(frame, what, get16(tftp + 2), payload - TFTP);
    }
}

static void answer(uint8_t *frame, size_t bytes)
{
    const uint8_t *ip = frame + ETHER;
    frames_in++;
    if (bytes >= ETHER && get16(frame + 12) == 0x806) {
        answer_arp(frame, bytes);
        return;
    }
    /* Options and fragments are nothing that a guest sends us. */
    if (bytes < ETHER + IP || get16(frame + 12) != 0x800 || ip[0] != 0x45 ||
        memcmp(ip + 16, our_ip, 4) != 0) {
        return;
    }
    size_t ip_bytes = get16(ip + 2);
    if (fold(add_up(0, ip, IP)) != 0 || ip_bytes > bytes - ETHER || ip_bytes < IP + UDP) {
        complain("a wrong header of IP");
    } else if (bytes > FRAME_MAX) {
        complain("a frame that is longer than Ethernet's");
    } else if (ip[9] == 1) {
        answer_ping(frame, ip_bytes);
    } else if (ip[9] == 17) {
        answer_udp(frame, ip_bytes);
    }
}

/* ---- the socket ---- */

static void set_path(struct sockaddr_un *address, const char *path)
{
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
}

int main(int argc, char **argv)
{
    static uint8_t frame[ROOM];
    struct sockaddr_un own = { 0 };
    is_stream = argc == 4 && strcmp(argv[1], "stream") == 0;
    if (!is_stream && !(argc == 5 && strcmp(argv[1], "dgram") == 0)) {
        fprintf(stderr, "usage: net_peer stream PATH DIRECTORY | dgram PATH PEER DIRECTORY\n");
        return 2;
    }
    directory = argv[argc - 1];
    set_path(&own, argv[2]);
    signal(SIGTERM, say);
    signal(SIGPIPE, SIG_IGN);
    int made = socket(AF_UNIX, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    unlink(own.sun_path);
    if (made < 0 || bind(made, (struct sockaddr *)&own, sizeof(own)) != 0 ||
        (is_stream && listen(made, 1) != 0)) {
        die(argv[2]);
    }
    if (!is_stream) {
        set_path(&to, argv[3]);
    }
    for (;;) {
        ssize_t bytes;
        fd = is_stream ? accept(made, NULL, NULL) : made;
        while (fd >= 0 && (bytes = next_frame(frame)) >= 0) {
            answer(frame, (size_t)bytes);
        }
        if (is_stream) {
            close(fd);
        }
    }
}
