/* Registers that nothing of the guest uses hold known values, and are looked at again and again. */

#include "guest.h"

#define SYSENTER_CS 0x174
#define SYSENTER_ESP 0x175
#define SYSENTER_EIP 0x176
#define SAVED_FROM 32       /* of FXSAVE's 512 octets: ST0 to ST7 and XMM0 to XMM7 */
#define SAVED_TO 288
#define OLD_SIZE 108        /* of FNSAVE's */
#define OLD_FROM 28         /* ST0 to ST7 */

static uint8_t put_in[512] __attribute__((aligned(16)));
static uint8_t found[512] __attribute__((aligned(16)));
static int modern;

static void write_msr(uint32_t number, uint32_t value)
{
    __asm__ volatile("wrmsr" : : "c"(number), "a"(value), "d"(0));
}

static uint32_t read_msr(uint32_t number)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return low;
}

static void keep(uint8_t *goal)
{
    if (modern)
        __asm__ volatile("fxsave (%0)" : : "r"(goal) : "memory");
    else
        __asm__ volatile("fnsave (%0); frstor (%0)" : : "r"(goal) : "memory");
}

static void fill_floating_point(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr0, %0; and $~0xC, %0; or $2, %0; mov %0, %%cr0; fninit" : "=r"(value));
    __asm__ volatile("fldpi; fldl2e; fldln2; fld1; fldlg2; fldl2t");
    if (!modern)
        return;
    __asm__ volatile("mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4" : "=r"(value));
    keep(put_in);
    for (uint32_t i = 160; i < SAVED_TO; i++)
        put_in[i] = (uint8_t)(i * 37 + 11);
    __asm__ volatile("fxrstor (%0)" : : "r"(put_in) : "memory");
}

void registers_start(void)
{
    modern = has_feature(FEATURE_FXSR) && has_feature(FEATURE_SSE);
    fill_floating_point();
    keep(put_in);
    __asm__ volatile("mov %0, %%dr0" : : "r"(0x11223344));
    __asm__ volatile("mov %0, %%dr3" : : "r"(0x55667788));
    if (has_feature(FEATURE_SEP)) {
        write_msr(SYSENTER_CS, 0x08);
        write_msr(SYSENTER_ESP, 0x00ABC000);
        write_msr(SYSENTER_EIP, 0x00DEF000);
    }
}

static void check_special(void)
{
    uint32_t first, last;
    __asm__ volatile("mov %%dr0, %0; mov %%dr3, %1" : "=r"(first), "=r"(last));
    if (first != 0x11223344 || last != 0x55667788)
        fail(SPECIAL_REGISTERS, 0);
    if (!has_feature(FEATURE_SEP))
        return;
    if (read_msr(SYSENTER_CS) != 0x08)
        fail(SPECIAL_REGISTERS, SYSENTER_CS);
    if (read_msr(SYSENTER_ESP) != 0x00ABC000)
        fail(SPECIAL_REGISTERS, SYSENTER_ESP);
    if (read_msr(SYSENTER_EIP) != 0x00DEF000)
        fail(SPECIAL_REGISTERS, SYSENTER_EIP);
}

void registers_check(void)
{
    keep(found);
    for (uint32_t i = modern ? SAVED_FROM : OLD_FROM; i < (modern ? SAVED_TO : OLD_SIZE); i++) {
        if (put_in[i] == found[i])
            continue;
        fail(FLOATING_POINT, i);
        break;
    }
    check_special();
    report.checks++;
}
