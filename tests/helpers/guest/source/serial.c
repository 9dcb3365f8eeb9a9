/* The first serial port, 16550: text out, octet by octet. */

#include "guest.h"

#define PORT 0x3F8
#define LINE_STATUS (PORT + 5)
#define EMPTY 0x20

static void put(char octet)
{
    while (!(in8(LINE_STATUS) & EMPTY))
        ;
    out8(PORT, (uint8_t)octet);
    report.octets++;
}

void serial_text(const char *text)
{
    while (*text)
        put(*text++);
}

/* The text, eight digits in hex, a line's end. */
void serial_line(const char *text, uint32_t number)
{
    serial_text(text);
    for (int shift = 28; shift >= 0; shift -= 4)
        put("0123456789abcdef"[number >> shift & 15]);
    put('\n');
}
