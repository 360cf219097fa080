/*
 * The kernel's first instructions, on every hart.
 *
 * Two ways in. From plain SBI firmware: paging off, pc physical, a0 = hartid, a1 = physical DTB (first
 * hart) or opaque (later ones); we turn paging on with the table that mmu.c keeps ready. From the
 * monitor: paging on already and pc virtual; satp is not ours to touch. The sign of pc tells them apart,
 * since virtual kernel addresses are in the upper half. Until paging is on every address here is
 * pc-relative, hence physical.
 */
  .section .text.boot, "ax"
  .globl _start
_start:
  csrw sie, zero
  la t0, _start
  bltz t0, in_high_half

  /* The store to satp makes the next fetch fault, and the trap vector is already the high address. */
  la t0, in_high_half
  li t1, -1
  slli t1, t1, 32               /* IMAGE_OFFSET; mmu.c asserts it */
  add t0, t0, t1
  csrw stvec, t0
  la t0, kernel_root
  srli t0, t0, 12
  li t1, 8                      /* Sv39 */
  slli t1, t1, 60
  or t0, t0, t1
  sfence.vma
  csrw satp, t0

  .balign 4                     /* stvec wants it */
in_high_half:
  /* Hart h starts in thread h, on that thread's stack. */
  la t0, thread_bytes
  ld t0, 0(t0)
  mul t0, t0, a0
  la tp, threads
  add tp, tp, t0
  la sp, __stacks_start
  addi t0, a0, 1
  slli t0, t0, 14               /* THREAD_STACK_BYTES; thread.h asserts it */
  add sp, sp, t0
  csrw sscratch, zero
  la t0, trap_entry
  csrw stvec, t0

  la t0, boot_taken
  li t1, 1
  amoswap.w.aqrl t1, t1, (t0)
  bnez t1, 1f
  call kernel_main              /* (hartid, dtb) */
1:
  call secondary_main           /* (hartid) */
2:
  wfi
  j 2b

  .section .data.boot, "aw"
  .balign 4
boot_taken:
  .word 0
