/* Pages all over RAM that are filled over and over, those above 4 GiB through a window of PAE's page tables. */

#include "guest.h"

#define PAGE 4096
#define FIRST_FRAME 0x400           /* 4 MiB: the guest itself lies below */
#define FRAMES_4G 0x100000
#define WINDOW 0xF0000000u          /* 2 MiB of linear addresses where no machine has anything */
#define PAGES_A_RANGE 96
#define PAGES_A_STEP 4
#define PRESENT 1
#define WRITABLE 2
#define LARGE 0x80

struct range {
    uint32_t size;
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed));

static uint64_t directory[4][512] __attribute__((aligned(PAGE)));
static uint64_t pointers[4] __attribute__((aligned(32)));

/* Choose pages of frames [first, end), evenly. */
static void choose(uint32_t first, uint32_t end)
{
    uint32_t step = (end - first) / PAGES_A_RANGE;
    uint32_t left = PAGES_A_RANGE;
    if (!step)
        step = 1;
    for (uint32_t frame = first; left-- && frame < end && report.page_count < MAX_PAGES; frame += step)
        report.pages[report.page_count++] = frame;
    if (report.page_count < MAX_PAGES && report.pages[report.page_count - 1] < end - 1)
        report.pages[report.page_count++] = end - 1;
}

static void choose_all(const struct boot *boot)
{
    uint32_t at = boot->map;
    while (at < boot->map + boot->map_length) {
        const struct range *range = (const struct range *)at;
        uint64_t first = range->start >> 12, end = (range->start + range->length) >> 12;
        at += range->size + 4;
        if (first < FIRST_FRAME)
            first = FIRST_FRAME;
        if (range->type == 1 && end > first && (end <= FRAMES_4G || report.paging))
            choose((uint32_t)first, (uint32_t)end);
    }
}

/* Linear is physical below 4 GiB, but for the window. */
static void build_tables(void)
{
    for (uint32_t i = 0; i < 4 * 512; i++)
        directory[i / 512][i % 512] = (uint64_t)i << 21 | LARGE | WRITABLE | PRESENT;
    for (uint32_t i = 0; i < 4; i++)
        pointers[i] = (uint32_t)directory[i] | PRESENT;
}

void memory_load(void)
{
    if (!report.paging)
        return;
    uint32_t value;
    __asm__ volatile("mov %%cr4, %0; or $0x20, %0; mov %0, %%cr4" : "=r"(value));
    __asm__ volatile("mov %0, %%cr3" : : "r"(pointers));
    __asm__ volatile("mov %%cr0, %0; or $0x80000000, %0; mov %0, %%cr0" : "=r"(value) : : "memory");
}

void memory_start(const struct boot *boot)
{
    report.paging = has_feature(FEATURE_PAE);
    if (report.paging)
        build_tables();
    memory_load();
    choose_all(boot);
}

/* Where a frame can be written. */
static uint32_t *linear(uint32_t frame)
{
    if (frame < FRAMES_4G)
        return (uint32_t *)(frame << 12);
    directory[WINDOW >> 30][WINDOW >> 21 & 511] = (uint64_t)(frame >> 9) << 21 | LARGE | WRITABLE | PRESENT;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
    return (uint32_t *)(WINDOW | (frame & 511) << 12);
}

static void fill(uint32_t frame, uint32_t round)
{
    uint32_t *words = linear(frame);
    uint32_t word = frame * 0x9E3779B1u + round * 0x85EBCA6Bu;
    words[0] = 0x45474150; /* "PAGE" */
    words[1] = frame;
    words[2] = round;
    words[3] = ~round;
    for (uint32_t i = 4; i < PAGE / 4; i++)
        words[i] = word = next_word(word);
}

/* A few pages more. How far it is stands in one word, so that it is right whenever the machine is stopped. */
void memory_step(void)
{
    for (uint32_t i = 0; i < PAGES_A_STEP; i++) {
        fill(report.pages[report.step % report.page_count], report.step / report.page_count);
        report.step++;
    }
}
