/* A boot sector that goes to long mode, sets registers to what a test knows, and halts.
   Linear addresses: 2 MiB from 0 on are physical; at 0xffff800000200000 stand the pages 0x15000 and 0x14000. */
    .code16
    .globl start
start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7000, %sp
    movw $0x1000, %ax
    movw %ax, %es
    movl $0x11003, %es:0x0000
    movl $0x11003, %es:0x0800
    movl $0x12003, %es:0x1000
    movl $0x00083, %es:0x2000
    movl $0x13003, %es:0x2008
    movl $0x15003, %es:0x3000
    movl $0x14003, %es:0x3008
    movl $0x15151515, %es:0x5000
    movl $0x14141414, %es:0x4ffc
    movl $0x77777777, %es:0x4000
    lgdt table
    movl $0x20, %eax
    movl %eax, %cr4
    movl $0x10000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    ljmp $8, $long_mode

    .code64
long_mode:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl $0xc0000100, %ecx
    movl $0x11110000, %eax
    movl $0xffff8000, %edx
    wrmsr
    incl %ecx
    movl $0x22220000, %eax
    wrmsr
    incl %ecx
    movl $0x33330000, %eax
    wrmsr
    movabsq $0x1112131415161718, %rax
    movabsq $0x2122232425262728, %rbx
    movabsq $0x3132333435363738, %rcx
    movabsq $0x4142434445464748, %rdx
    movabsq $0x5152535455565758, %rsi
    movabsq $0x6162636465666768, %rdi
    movabsq $0x7172737475767778, %rbp
    movabsq $0xffff800000200800, %rsp
    movabsq $0x0808080808080808, %r8
    movabsq $0x0f0f0f0f0f0f0f0f, %r15
    movq %rax, %r9
    notq %r9
    movb $0x5a, 0x6000
halt:
    hlt
    jmp halt

    .balign 8
entries:
    .quad 0
    .quad 0x00209a0000000000
    .quad 0x0000920000000000
table:
    .word 23
    .long entries
    .org 510
    .word 0xaa55
