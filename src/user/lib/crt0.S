/*
 * Where a program starts. The kernel enters with sp at argc, followed by argv, a null, envp, a null
 * (RISC-V ELF psABI, "Process Initialization"); lib/start.c does the rest.
 */
        .section .text._start, "ax", @progbits
        .globl  _start
        .type   _start, @function
_start:
        mv      a0, sp
        andi    sp, sp, -16
        call    start
        unimp
        .size   _start, . - _start

        .section .note.GNU-stack, "", @progbits
