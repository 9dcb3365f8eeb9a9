/* What each processor does from its first line of C to the end. */

#include "guest.h"

#define TRAMPOLINE 0x8000
#define LOCAL_APIC 0xFEE00000
#define COMMAND_LOW 0x300
#define COMMAND_HIGH 0x310

__attribute__((section(".report"), aligned(4096))) volatile struct report report;

extern const char second_start[], second_end[];

void fail(enum error error, uint32_t detail)
{
    report.error = error;
    report.detail = detail;
    report.errors++;
}

void copy(void *to, const void *from, uint32_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* Whether the command line has a word. */
int told(const struct boot *boot, const char *word)
{
    for (const char *at = (const char *)boot->command_line; *at; at++) {
        uint32_t i = 0;
        while (word[i] && at[i] == word[i])
            i++;
        if (!word[i])
            return 1;
    }
    return 0;
}

static void wait_ticks(uint32_t ticks)
{
    uint32_t last = report.vcpu[0].ticks + ticks;
    while ((int32_t)(last - report.vcpu[0].ticks) > 0)
        wait_for_interrupt();
}

/* INIT, then SIPI with the trampoline's page; the second vCPU says that it lives by counting. */
static void start_second(void)
{
    copy((void *)TRAMPOLINE, second_start, (uint32_t)(second_end - second_start));
    mmio_write(LOCAL_APIC + COMMAND_HIGH, 1u << 24);
    mmio_write(LOCAL_APIC + COMMAND_LOW, 0x00004500);
    wait_ticks(3);
    mmio_write(LOCAL_APIC + COMMAND_HIGH, 1u << 24);
    mmio_write(LOCAL_APIC + COMMAND_LOW, 0x00004600 | TRAMPOLINE >> 12);
    for (uint32_t tried = 0; tried < 1000 && !report.vcpu[1].ticks; tried++)
        wait_ticks(1);
    if (!report.vcpu[1].ticks)
        fail(NO_SECOND, 1);
}

void second_main(void)
{
    memory_load();
    interrupts_load();
    second_timer_start();
    for (;;)
        wait_for_interrupt();
}

void guest_main(const struct boot *boot)
{
    for (uint32_t i = 0; i < sizeof(report) / 4; i++)
        ((volatile uint32_t *)&report)[i] = 0;
    report.vcpus = told(boot, "second") ? 2 : 1;
    report.timer = told(boot, "local-timer");
    serial_text("domctx guest\n");
    memory_start(boot);
    registers_start();
    interrupts_load();
    interrupts_start(report.timer);
    if (report.vcpus == 2)
        start_second();
    if (told(boot, "disk"))
        disk_start(boot);
    copy((void *)report.magic, "DCTXGST1", 8);
    report.ready = 1;
    for (;;) {
        wait_for_interrupt();
        memory_step();
        disk_submit();
        registers_check();
    }
}
