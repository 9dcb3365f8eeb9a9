/* Descriptors, both 8259s, the PIT, the local APICs and the I/O APIC: two timers and one disk. */

#include "guest.h"

#define MASTER 0x20
#define SLAVE 0xA0
#define FIRST_VECTOR 0x20
#define PIT_HERTZ 1193182
#define LOCAL_APIC 0xFEE00000
#define END_OF_INTERRUPT 0x0B0
#define SPURIOUS 0x0F0
#define LVT_TIMER 0x320
#define LVT_PIN0 0x350
#define LVT_EXTERNAL 0x700 /* the 8259s tell the vector */
#define LVT_MASKED 0x10000
#define INITIAL_COUNT 0x380
#define DIVIDE 0x3E0
#define BUS_HERTZ 1000000000u
#define IO_APIC 0xFEC00000
#define SECOND_IO_APIC 0xFEC10000
#define PINS 24
#define TIMER_VECTOR 0x40
#define DISK_VECTOR 0x41
#define SPURIOUS_VECTOR 0xFF

static uint64_t table[256] __attribute__((aligned(8)));

int has_feature(uint32_t bit)
{
    uint32_t a = 1, b, c, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return (d & bit) != 0;
}

static uint64_t time_stamp(void)
{
    uint64_t value = 0;
    if (has_feature(FEATURE_TSC))
        __asm__ volatile("rdtsc" : "=A"(value));
    return value;
}

/* One more tick of a vCPU. */
static void count(uint32_t vcpu)
{
    uint64_t now = time_stamp();
    if (now < report.vcpu[vcpu].tsc)
        fail(TSC_BACKWARDS, vcpu);
    report.vcpu[vcpu].tsc = now;
    report.vcpu[vcpu].ticks++;
    report.vcpu[vcpu].inverse = ~report.vcpu[vcpu].ticks;
}

static void count_first(void)
{
    count(0);
    if (report.vcpu[0].ticks % TICKS_A_LINE == 0)
        serial_line("count ", report.vcpu[0].ticks);
}

__attribute__((interrupt)) static void on_pit(struct frame *frame)
{
    (void)frame;
    count_first();
    out8(MASTER, 0x20);
}

__attribute__((interrupt)) static void on_local_timer(struct frame *frame)
{
    (void)frame;
    if (mmio_read(LOCAL_APIC + 0x20) >> 24)
        count(1);
    else
        count_first();
    mmio_write(LOCAL_APIC + END_OF_INTERRUPT, 0);
}

__attribute__((interrupt)) static void on_disk_line(struct frame *frame)
{
    (void)frame;
    disk_interrupt();
    if (report.line >= 8)
        out8(SLAVE, 0x20);
    out8(MASTER, 0x20);
}

__attribute__((interrupt)) static void on_disk_message(struct frame *frame)
{
    (void)frame;
    disk_interrupt();
    mmio_write(LOCAL_APIC + END_OF_INTERRUPT, 0);
}

__attribute__((interrupt)) static void on_nothing(struct frame *frame) { (void)frame; }

__attribute__((interrupt)) static void on_fault(struct frame *frame)
{
    (void)frame;
    fail(FAULT, 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void gate(uint32_t vector, void (*handler)(struct frame *))
{
    uint32_t at = (uint32_t)handler;
    table[vector] = (uint64_t)(at & 0xFFFF0000u) << 32 | 0x8E0000080000ull | (at & 0xFFFF);
}

void interrupts_load(void)
{
    struct { uint16_t limit; uint32_t base; } __attribute__((packed)) where = {sizeof table - 1, (uint32_t)table};
    __asm__ volatile("lidt %0" : : "m"(where));
}

/* Both 8259s, everything masked but the cascade. */
static void start_lines(void)
{
    out8(MASTER, 0x11);
    out8(SLAVE, 0x11);
    out8(MASTER + 1, FIRST_VECTOR);
    out8(SLAVE + 1, FIRST_VECTOR + 8);
    out8(MASTER + 1, 4);
    out8(SLAVE + 1, 2);
    out8(MASTER + 1, 1);
    out8(SLAVE + 1, 1);
    out8(MASTER + 1, 0xFB);
    out8(SLAVE + 1, 0xFF);
}

static void start_pit(void)
{
    out8(0x43, 0x34);
    out8(0x40, (PIT_HERTZ / TICKS_A_SECOND) & 0xFF);
    out8(0x40, PIT_HERTZ / TICKS_A_SECOND >> 8);
    out8(MASTER + 1, in8(MASTER + 1) & ~1);
}

static void start_local_timer(void)
{
    mmio_write(LOCAL_APIC + DIVIDE, 3); /* by 16 */
    mmio_write(LOCAL_APIC + LVT_TIMER, 1u << 17 | TIMER_VECTOR);
    mmio_write(LOCAL_APIC + INITIAL_COUNT, BUS_HERTZ / 16 / TICKS_A_SECOND);
}

void second_timer_start(void)
{
    mmio_write(LOCAL_APIC + SPURIOUS, 0x100 | SPURIOUS_VECTOR);
    start_local_timer();
}

void interrupts_start(int local_timer)
{
    for (uint32_t vector = 0; vector < 256; vector++)
        gate(vector, vector < FIRST_VECTOR ? on_fault : on_nothing);
    gate(FIRST_VECTOR, on_pit);
    gate(TIMER_VECTOR, on_local_timer);
    gate(DISK_VECTOR, on_disk_message);
    /* First the 8259s: what they still ask for is taken back only while their line leads to this processor. */
    if (local_timer) {
        out8(MASTER + 1, 0xFF);
        out8(SLAVE + 1, 0xFF);
    } else {
        start_lines();
    }
    if (has_feature(FEATURE_APIC)) {
        mmio_write(LOCAL_APIC + SPURIOUS, 0x100 | SPURIOUS_VECTOR);
        mmio_write(LOCAL_APIC + LVT_PIN0, local_timer ? LVT_MASKED : LVT_EXTERNAL);
    }
    if (local_timer)
        start_local_timer();
    else
        start_pit();
    interrupts_on();
}

static void route_by_io_apic(uint32_t at, uint32_t pin)
{
    mmio_write(at, 0x11 + 2 * pin);
    mmio_write(at + 0x10, 0);
    mmio_write(at, 0x10 + 2 * pin);
    mmio_write(at + 0x10, DISK_VECTOR);
}

/* Let the disk's line through: by an I/O APIC where there is no 8259, or where it ends at the second I/O APIC. */
void interrupts_route(uint32_t line, int local)
{
    if (line >= PINS || local) {
        route_by_io_apic(line >= PINS ? SECOND_IO_APIC : IO_APIC, line % PINS);
        return;
    }
    gate(FIRST_VECTOR + line, on_disk_line);
    if (line < 8)
        out8(MASTER + 1, in8(MASTER + 1) & ~(1 << line));
    else
        out8(SLAVE + 1, in8(SLAVE + 1) & ~(1 << (line - 8)));
}
