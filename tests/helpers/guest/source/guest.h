/* A guest of our own: it counts, fills pages, writes to its disk, and keeps a report of all that at a fixed address. */

#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

#define REPORT_ADDRESS 0x200000
#define TICKS_A_SECOND 200
#define TICKS_A_LINE 8
#define MAX_PAGES 512
#define SLOTS 8

/* Read by helpers/guest/report.py: what changes here changes there. */
struct report {
    char magic[8];          /* 0x000 "DCTXGST1" */
    uint32_t ready;         /* 0x008 1 when everything runs */
    uint32_t vcpus;         /* 0x00C how many count */
    uint32_t timer;         /* 0x010 0 PIT, 1 local APIC */
    uint32_t errors;        /* 0x014 how many times something was not as it was left */
    uint32_t error;         /* 0x018 the last such thing, enum error */
    uint32_t detail;        /* 0x01C and a word about it */
    uint32_t octets;        /* 0x020 written to the serial port */
    uint32_t paging;        /* 0x024 1 with PAE */
    uint32_t checks;        /* 0x028 how many times the registers were compared with what was put in */
    uint32_t reserved0[5];
    struct {
        uint32_t ticks;     /* timer interrupts that this vCPU has seen */
        uint32_t inverse;   /* the same, every bit turned, written a moment later */
        uint64_t tsc;       /* its time-stamp counter at the last one */
    } vcpu[2];              /* 0x040 */
    uint32_t page_count;    /* 0x060 pages that are filled over and over */
    uint32_t step;          /* 0x064 pages filled until now: the next is page step % page_count, of round step / page_count */
    uint32_t reserved1[2];
    uint32_t disk;          /* 0x070 0 none, 1 virtio-pci, 2 virtio-mmio */
    uint32_t sectors;       /* 0x074 how many of it are used */
    uint32_t issued;        /* 0x078 requests given to the device */
    uint32_t completed;     /* 0x07C and given back */
    uint32_t interrupts;    /* 0x080 by how many interrupts */
    uint32_t line;          /* 0x084 the interrupt's line */
    uint32_t reserved2[6];
    uint32_t slots[SLOTS];  /* 0x0A0 request number + 1 of each request that is under way, 0 for none */
    uint32_t reserved3[80];
    uint32_t pages[MAX_PAGES]; /* 0x200 their frame numbers, ascending */
    uint32_t reserved4[384];
};
_Static_assert(sizeof(struct report) == 4096, "the report is one page");

enum error {
    FAULT = 1,          /* an exception: the processor stands still */
    DISK_STATUS,        /* the device says that a request failed; detail is the request */
    DISK_CONTENTS,      /* what was read is not what was written; detail is the request */
    TSC_BACKWARDS,      /* detail is the vCPU */
    FLOATING_POINT,     /* x87 or SSE registers changed; detail is the octet */
    SPECIAL_REGISTERS,  /* debug registers or MSRs changed; detail tells which */
    NO_SECOND,          /* the second vCPU does not start */
    NO_DISK,            /* the disk that the command line promises is not there */
};

extern volatile struct report report;

struct frame;

/* What the boot loader said. */
struct boot {
    uint32_t flags, lower, upper, device, command_line, modules, modules_at, symbols[4], map_length, map;
};

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t mmio_read(uint32_t address) { return *(volatile uint32_t *)address; }
static inline void mmio_write(uint32_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
static inline void interrupts_off(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void interrupts_on(void) { __asm__ volatile("sti" : : : "memory"); }
static inline void wait_for_interrupt(void) { __asm__ volatile("sti; hlt" : : : "memory"); }

/* x -> a x + c: the contents of every page and sector, known from their first word. */
static inline uint32_t next_word(uint32_t word) { return word * 1664525u + 1013904223u; }

void fail(enum error error, uint32_t detail);
int told(const struct boot *boot, const char *word);
void copy(void *to, const void *from, uint32_t size);

void serial_text(const char *text);
void serial_line(const char *text, uint32_t number);

void interrupts_start(int local_timer);
void interrupts_load(void);
void interrupts_route(uint32_t line, int local);
void second_timer_start(void);
int has_feature(uint32_t bit);

void memory_start(const struct boot *boot);
void memory_load(void);
void memory_step(void);

void registers_start(void);
void registers_check(void);

void disk_start(const struct boot *boot);
void disk_submit(void);
void disk_interrupt(void);

#define FEATURE_TSC (1u << 4)
#define FEATURE_PAE (1u << 6)
#define FEATURE_APIC (1u << 9)
#define FEATURE_SEP (1u << 11)
#define FEATURE_FXSR (1u << 24)
#define FEATURE_SSE (1u << 25)

#endif
