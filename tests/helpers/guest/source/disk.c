/* A virtio disk in its legacy form: eight requests under way at any time, three writes and one that reads back. */

#include "guest.h"

#define SECTOR 512
#define FIRST_SECTOR 8
#define STRIDE 37           /* has no divisor in common with the number of sectors */
#define BEHIND 64           /* a request that reads reads what the request so many before it wrote */
#define MAX_QUEUE 1024
#define PAGE 4096
#define NEXT 1
#define DEVICE_WRITES 2
#define QUEUE_SPACE (PAGE * 8)

/* Legacy registers, by PCI's I/O window; virtio-mmio has its own. */
#define PCI_QUEUE_FRAME 8
#define PCI_QUEUE_SIZE 12
#define PCI_QUEUE_SELECT 14
#define PCI_NOTIFY 16
#define PCI_STATUS 18
#define PCI_ISR 19
#define PCI_CONFIG 20
#define MMIO_FIRST 0xFEB00000u
#define MMIO_STEP 0x200
#define MMIO_FEW 8
#define MMIO_MANY 24
#define MMIO_MAGIC 0x74726976

struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };
struct used { uint32_t id, length; };

static uint8_t queue[QUEUE_SPACE] __attribute__((aligned(PAGE)));
static struct { uint32_t type, reserved; uint64_t sector; uint8_t status; } headers[SLOTS] __attribute__((aligned(32)));
static uint32_t data[SLOTS][SECTOR / 4] __attribute__((aligned(SECTOR)));
static volatile uint16_t *available, *used_index;
static volatile struct used *used_ring;
static uint32_t base, size;
static uint16_t seen;

static uint32_t config_read(uint32_t device, uint32_t offset)
{
    out32(0xCF8, 0x80000000u | device << 11 | offset);
    return in32(0xCFC);
}

static void config_write(uint32_t device, uint32_t offset, uint32_t value)
{
    out32(0xCF8, 0x80000000u | device << 11 | offset);
    out32(0xCFC, value);
}

static void lay_out_queue(void)
{
    uint32_t behind = 16 * size + 6 + 2 * size;
    available = (volatile uint16_t *)(queue + 16 * size);
    behind = (behind + PAGE - 1) & ~(PAGE - 1u);
    used_index = (volatile uint16_t *)(queue + behind + 2);
    used_ring = (volatile struct used *)(queue + behind + 4);
}

/* Virtio block of legacy device id 0x1001 on bus 0. */
static int find_pci(void)
{
    for (uint32_t device = 0; device < 32; device++) {
        if (config_read(device, 0) != 0x10011AF4)
            continue;
        config_write(device, 4, (config_read(device, 4) & ~0x400u) | 7);
        base = config_read(device, 0x10) & ~3u;
        report.line = config_read(device, 0x3C) & 0xFF;
        report.disk = 1;
        return 1;
    }
    return 0;
}

static uint32_t start_pci(void)
{
    out8(base + PCI_STATUS, 0);
    out8(base + PCI_STATUS, 3);
    out32(base + 4, 0);
    out16(base + PCI_QUEUE_SELECT, 0);
    size = in16(base + PCI_QUEUE_SIZE);
    out32(base + PCI_QUEUE_FRAME, (uint32_t)queue >> 12);
    out8(base + PCI_STATUS, 7);
    return in32(base + PCI_CONFIG);
}

/* Virtio block among microvm's transports: eight from line 5, or twenty-four at the second I/O APIC. */
static int find_mmio(void)
{
    uint32_t many = mmio_read(MMIO_FIRST + MMIO_FEW * MMIO_STEP) == MMIO_MAGIC;
    for (uint32_t i = 0; i < (many ? MMIO_MANY : MMIO_FEW); i++) {
        base = MMIO_FIRST + i * MMIO_STEP;
        if (mmio_read(base) != MMIO_MAGIC || mmio_read(base + 8) != 2)
            continue;
        report.line = (many ? 24 : 5) + i;
        report.disk = 2;
        return 1;
    }
    return 0;
}

static uint32_t start_mmio(void)
{
    mmio_write(base + 0x70, 0);
    mmio_write(base + 0x70, 3);
    mmio_write(base + 0x20, 0);
    mmio_write(base + 0x28, PAGE);
    mmio_write(base + 0x30, 0);
    size = 64;
    mmio_write(base + 0x38, size);
    mmio_write(base + 0x3C, PAGE);
    mmio_write(base + 0x40, (uint32_t)queue >> 12);
    mmio_write(base + 0x70, 7);
    return mmio_read(base + 0x100);
}

static uint32_t sector_of(uint32_t request) { return FIRST_SECTOR + request * STRIDE % report.sectors; }

/* Requests 3, 7, 11, ... read, once there is something to read: what a write of long before put there. */
static int reads(uint32_t request) { return request % 4 == 3 && request > BEHIND; }
static uint32_t written_by(uint32_t request) { return reads(request) ? request - BEHIND - 1 : request; }

static void fill(uint32_t *words, uint32_t request)
{
    uint32_t word = request * 0x9E3779B1u + sector_of(request), sum = 0;
    words[0] = 0x54434553; /* "SECT" */
    words[1] = request;
    words[2] = sector_of(request);
    for (uint32_t i = 3; i < SECTOR / 4 - 1; i++)
        words[i] = word = next_word(word);
    for (uint32_t i = 0; i < SECTOR / 4 - 1; i++)
        sum = sum * 31 + words[i];
    words[SECTOR / 4 - 1] = sum;
}

static void check(uint32_t slot, uint32_t request)
{
    static uint32_t expected[SECTOR / 4];
    if (headers[slot].status)
        fail(DISK_STATUS, request);
    if (!reads(request))
        return;
    fill(expected, written_by(request));
    for (uint32_t i = 0; i < SECTOR / 4; i++) {
        if (expected[i] == data[slot][i])
            continue;
        fail(DISK_CONTENTS, request);
        break;
    }
}

/* Give one request to the device; its three descriptors are the slot's own. */
static void give(uint32_t slot, uint32_t request)
{
    volatile struct descriptor *three = (volatile struct descriptor *)queue + 3 * slot;
    uint16_t at = available[1];
    fill(data[slot], reads(request) ? ~request : request);
    headers[slot].type = reads(request) ? 0 : 1;
    headers[slot].sector = sector_of(written_by(request));
    headers[slot].status = 0xFF;
    three[0] = (struct descriptor){(uint32_t)&headers[slot], 16, NEXT, (uint16_t)(3 * slot + 1)};
    three[1] = (struct descriptor){(uint32_t)data[slot], SECTOR, NEXT | (reads(request) ? DEVICE_WRITES : 0), (uint16_t)(3 * slot + 2)};
    three[2] = (struct descriptor){(uint32_t)&headers[slot].status, 1, DEVICE_WRITES, 0};
    available[2 + at % size] = (uint16_t)(3 * slot);
    report.slots[slot] = request + 1;
    report.issued = request + 1;
    __sync_synchronize();
    available[1] = (uint16_t)(at + 1);
}

static void notify(void)
{
    __sync_synchronize();
    if (report.disk == 1)
        out16(base + PCI_NOTIFY, 0);
    else
        mmio_write(base + 0x50, 0);
}

void disk_submit(void)
{
    uint32_t given = 0;
    if (!report.disk)
        return;
    interrupts_off();
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (!report.slots[slot]) {
            give(slot, report.issued);
            given++;
        }
    if (given)
        notify();
    interrupts_on();
}

static void take_back(void)
{
    while (seen != *used_index) {
        uint32_t slot = used_ring[seen++ % size].id / 3;
        check(slot, report.slots[slot] - 1);
        report.completed++;
        report.slots[slot] = 0;
    }
}

/* Requests come back by the interrupt alone: one that is lost stops the disk, and is seen. */
void disk_interrupt(void)
{
    if (report.disk == 1)
        in8(base + PCI_ISR);
    else
        mmio_write(base + 0x64, mmio_read(base + 0x60));
    report.interrupts++;
    take_back();
}

void disk_start(const struct boot *boot)
{
    if (!(told(boot, "mmio") ? find_mmio() : find_pci())) {
        fail(NO_DISK, 0);
        return;
    }
    uint32_t sectors = report.disk == 1 ? start_pci() : start_mmio();
    if (size > MAX_QUEUE || 3 * SLOTS > size || sectors < FIRST_SECTOR + 3 * STRIDE) {
        report.disk = 0;
        fail(NO_DISK, size);
        return;
    }
    report.sectors = (sectors - FIRST_SECTOR) / STRIDE * STRIDE - 1;
    lay_out_queue();
    interrupts_route(report.line, report.timer == 1);
}
