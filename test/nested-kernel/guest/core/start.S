/* Every hart's first instructions, traps, and the switch between two threads. The monitor has paging on. */
  .section .text.start, "ax"
  .globl _start
_start:
  csrw sie, zero
  la sp, hart_stacks
  addi t0, a0, 1
  slli t0, t0, 13
  add sp, sp, t0
  la t0, trap_entry
  csrw stvec, t0
  mv tp, a0
  bnez a0, 1f
  call core_main
1:
  call core_secondary
2:
  wfi
  j 2b

  .globl trap_entry
  .balign 4
trap_entry:
  addi sp, sp, -272
  sd x1, 8(sp)
  sd x3, 24(sp)
  sd x4, 32(sp)
  sd x5, 40(sp)
  sd x6, 48(sp)
  sd x7, 56(sp)
  sd x10, 80(sp)
  sd x11, 88(sp)
  sd x12, 96(sp)
  sd x13, 104(sp)
  sd x14, 112(sp)
  sd x15, 120(sp)
  sd x16, 128(sp)
  sd x17, 136(sp)
  sd x28, 224(sp)
  sd x29, 232(sp)
  sd x30, 240(sp)
  sd x31, 248(sp)
  csrr t0, sepc
  csrr t1, sstatus
  sd t0, 256(sp)
  sd t1, 264(sp)
  mv a0, sp
  call core_trap
  ld t0, 256(sp)
  ld t1, 264(sp)
  csrw sepc, t0
  csrw sstatus, t1
  ld x1, 8(sp)
  ld x3, 24(sp)
  ld x4, 32(sp)
  ld x5, 40(sp)
  ld x6, 48(sp)
  ld x7, 56(sp)
  ld x10, 80(sp)
  ld x11, 88(sp)
  ld x12, 96(sp)
  ld x13, 104(sp)
  ld x14, 112(sp)
  ld x15, 120(sp)
  ld x16, 128(sp)
  ld x17, 136(sp)
  ld x28, 224(sp)
  ld x29, 232(sp)
  ld x30, 240(sp)
  ld x31, 248(sp)
  addi sp, sp, 272
  sret

/* void context_switch(uint64_t from[14], uint64_t to[14]) */
  .text
  .globl context_switch
context_switch:
  sd ra, 0(a0)
  sd sp, 8(a0)
  sd s0, 16(a0)
  sd s1, 24(a0)
  sd s2, 32(a0)
  sd s3, 40(a0)
  sd s4, 48(a0)
  sd s5, 56(a0)
  sd s6, 64(a0)
  sd s7, 72(a0)
  sd s8, 80(a0)
  sd s9, 88(a0)
  sd s10, 96(a0)
  sd s11, 104(a0)
  ld ra, 0(a1)
  ld sp, 8(a1)
  ld s0, 16(a1)
  ld s1, 24(a1)
  ld s2, 32(a1)
  ld s3, 40(a1)
  ld s4, 48(a1)
  ld s5, 56(a1)
  ld s6, 64(a1)
  ld s7, 72(a1)
  ld s8, 80(a1)
  ld s9, 88(a1)
  ld s10, 96(a1)
  ld s11, 104(a1)
  ret

/* Leaves that may fault: the trap handler returns -1 from them. long try_load(long), long try_store(long), long try_jump(long) */
  .globl try_load, try_store, try_jump, try_satp, try_sfence
try_satp:
  csrw satp, zero
  ret
try_sfence:
  sfence.vma
  ret
try_load:
  ld a0, 0(a0)
  ret
try_store:
  sd a0, 0(a0)
  li a0, 0
  ret
try_jump:
  jr a0

/* long call_regs(uint64_t *after, uint64_t *dump): junk everywhere, then the gate, then what is there. */
  .globl call_regs
call_regs:
  addi sp, sp, -128
  sd ra, 0(sp)
  sd s0, 8(sp)
  sd s1, 16(sp)
  sd s2, 24(sp)
  sd s11, 32(sp)
  sd tp, 40(sp)
  sd a0, 48(sp)
  sd gp, 56(sp)
  mv a0, a1
  li a1, 512
  li gp, 0x111
  li t0, 0x111
  li t6, 0x111
  li s0, 0x222
  li s1, 0x222
  li s2, 0x222
  li s11, 0x222
  li a2, 0x111
  li a7, 0x111
  call alpha_regs
  mv t1, a0
  ld a0, 48(sp)
  sd t0, 40(a0)
  sd t2, 56(a0)
  sd t6, 248(a0)
  sd s0, 64(a0)
  sd s1, 72(a0)
  sd a1, 88(a0)
  sd a2, 96(a0)
  sd s2, 144(a0)
  sd s11, 216(a0)
  sd gp, 24(a0)
  sd tp, 32(a0)
  mv a0, t1
  ld ra, 0(sp)
  ld s0, 8(sp)
  ld s1, 16(sp)
  ld s2, 24(sp)
  ld s11, 32(sp)
  ld gp, 56(sp)
  addi sp, sp, 128
  ret

  .section .bss.hart_stacks, "aw", @nobits
  .balign 16
  .globl hart_stacks
hart_stacks:
  .skip 8192 * 8
