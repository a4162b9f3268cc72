/*
 * start.S: what C cannot say: the entry, the door of every interrupt, and the way of a second
 * processor from real mode to C. Flat segments and identity page tables are the boot protocol's.
 */
    .section .text.start, "ax"
    .globl _start
_start:                         # 64-bit boot protocol: RSI points to boot_params, interrupts are off
    movq $stack_top, %rsp
    movq %rsi, %rdi
    xorl %ebp, %ebp
    call guest_main
1:  cli
    hlt
    jmp 1b

    .text

# ---- interrupts: 256 doors of 16 bytes each --------------------------------------------------

    .balign 16
    .globl trap_doors
trap_doors:
    number = 0
    .rept 256
    .balign 16
    # These push an error code by themselves.
    .if number == 8 || (number >= 10 && number <= 14) || number == 17 || number == 21
    .else
    pushq $0
    .endif
    pushq $number
    jmp trap_enter
    number = number + 1
    .endr

trap_enter:                     # lays out struct trap
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    cld
    call trap
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

# ---- the second processor: copied to SECOND_AT, where it wakes in real mode ------------------

    .set SECOND_AT, 0x30000     # as in second.c
    .globl second_begin, second_end, second_cr3
    .balign 8
second_begin:
    .code16
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl (second_gdt_pointer - second_begin)
    movl (second_cr3 - second_begin), %eax
    movl %eax, %cr3
    movl $0x20, %eax            # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx      # EFER: long mode
    movl $0x100, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x80000001, %eax      # paging and protection at once
    movl %eax, %cr0
    ljmpl $0x10, $(SECOND_AT + second_long - second_begin)
    .code64
second_long:
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movq $second_stack_top, %rsp
    xorl %ebp, %ebp
    movq $second_main, %rax
    call *%rax
1:  cli
    hlt
    jmp 1b
    .balign 8
second_cr3:
    .long 0
second_gdt_pointer:
    .word 31
    .long SECOND_AT + second_gdt - second_begin
    .balign 8
second_gdt:
    .quad 0, 0
    .quad 0x00af9a000000ffff    # 0x10: code, 64 bits
    .quad 0x00cf92000000ffff    # 0x18: data
second_end:

    .bss
    .balign 16
    .skip 16384
stack_top:
    .skip 8192
second_stack_top:

    .section .note.GNU-stack, "", @progbits
