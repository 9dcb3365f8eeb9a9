/* The first instructions: of the boot processor by multiboot, of the others by INIT and SIPI. */

#define TRAMPOLINE 0x8000
#define STACK 0x4000

        .section .multiboot, "ax"
        .align 4
        .long 0x1BADB002, 2, -(0x1BADB002 + 2)  /* multiboot 1: magic, "memory information, please", checksum */

        .text
        .globl start, second_start, second_end
start:
        lgdt    descriptor
        ljmp    $0x08, $1f
1:      mov     $0x10, %ecx
        mov     %ecx, %ds
        mov     %ecx, %es
        mov     %ecx, %ss
        mov     %ecx, %fs
        mov     %ecx, %gs
        mov     $first_stack + STACK, %esp
        push    $0
        popf
        push    %ebx
        call    guest_main
2:      hlt
        jmp     2b

        .code16
second_start:                                   /* copied to TRAMPOLINE; cs is TRAMPOLINE / 16 */
        cli
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   near_descriptor - second_start
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $0x08, $3f
near_descriptor:
        .word   table_end - table - 1
        .long   table
second_end:
        .code32
3:      mov     $0x10, %ecx
        mov     %ecx, %ds
        mov     %ecx, %es
        mov     %ecx, %ss
        mov     %ecx, %fs
        mov     %ecx, %gs
        mov     $second_stack + STACK, %esp
        call    second_main
4:      hlt
        jmp     4b

        .data
        .align 8
table:                                          /* null, flat code, flat data */
        .quad   0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF
table_end:
        .align 8
descriptor:
        .word   table_end - table - 1
        .long   table

        .bss
        .align 16
first_stack:
        .skip   STACK
second_stack:
        .skip   STACK

        .section .note.GNU-stack, "", @progbits
