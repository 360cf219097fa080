/*
 * Attempts that must go wrong without bringing the kernel down: a fault goes on at the thread's on_fault
 * (trap.c), which answers -EFAULT. For attack.c.
 */

/* Offsets in struct thread; thread.h asserts them. */
#define THREAD_ON_FAULT 128
#define THREAD_ON_FAULT_SP 136
#define EFAULT 14
#define SAVED_BYTES 112

  .text

failed:                           /* trap() has cleared on_fault */
  li a0, -EFAULT
  ret

/* long probe_load(u64 address, u64 *value) */
  .globl probe_load
probe_load:
  la t0, failed
  sd sp, THREAD_ON_FAULT_SP(tp)
  sd t0, THREAD_ON_FAULT(tp)
  ld t1, 0(a0)
  sd zero, THREAD_ON_FAULT(tp)
  sd t1, 0(a1)
  li a0, 0
  ret

/* long probe_store(u64 address, u64 value) */
  .globl probe_store
probe_store:
  la t0, failed
  sd sp, THREAD_ON_FAULT_SP(tp)
  sd t0, THREAD_ON_FAULT(tp)
  sd a1, 0(a0)
  sd zero, THREAD_ON_FAULT(tp)
  li a0, 0
  ret

/* long probe_jump(u64 address, u64 argument): what comes back in a0. */
  .globl probe_jump
probe_jump:
  addi sp, sp, -SAVED_BYTES
  sd ra, 0(sp)
  sd s0, 8(sp)
  sd s1, 16(sp)
  sd s2, 24(sp)
  sd s3, 32(sp)
  sd s4, 40(sp)
  sd s5, 48(sp)
  sd s6, 56(sp)
  sd s7, 64(sp)
  sd s8, 72(sp)
  sd s9, 80(sp)
  sd s10, 88(sp)
  sd s11, 96(sp)
  la t0, 1f
  sd sp, THREAD_ON_FAULT_SP(tp)
  sd t0, THREAD_ON_FAULT(tp)
  mv t1, a0
  mv a0, a1
  jalr t1
  sd zero, THREAD_ON_FAULT(tp)
  j 2f
1:
  li a0, -EFAULT
2:
  ld ra, 0(sp)
  ld s0, 8(sp)
  ld s1, 16(sp)
  ld s2, 24(sp)
  ld s3, 32(sp)
  ld s4, 40(sp)
  ld s5, 48(sp)
  ld s6, 56(sp)
  ld s7, 64(sp)
  ld s8, 72(sp)
  ld s9, 80(sp)
  ld s10, 88(sp)
  ld s11, 96(sp)
  addi sp, sp, SAVED_BYTES
  ret

/*
 * long probe_satp(u64 satp, u64 physical, u64 *value): goes to a root that maps this image where it is
 * and RAM at its physical addresses as well; from there to no translation at all, takes the word, and
 * comes back. Interrupts are off. Between the two swaps nothing may be stored: under keys the pages of
 * such a root are nobody's to write.
 */
  .globl probe_satp
probe_satp:
  la t0, failed
  sd sp, THREAD_ON_FAULT_SP(tp)
  sd t0, THREAD_ON_FAULT(tp)
  csrrw t3, satp, a0
  sfence.vma
  li t1, -1
  slli t1, t1, 32               /* IMAGE_OFFSET */
  la t0, 1f
  sub t0, t0, t1
  jr t0                         /* the same code at its physical address */
1:
  csrw satp, zero
  sfence.vma
  ld t2, 0(a1)
  csrw satp, a0
  sfence.vma
  la t0, 2f
  add t0, t0, t1
  jr t0
2:
  csrw satp, t3
  sfence.vma
  sd zero, THREAD_ON_FAULT(tp)
  sd t2, 0(a2)
  li a0, 0
  ret

/* long probe_return(u64 through_gate): 1 if the callee returned behind a check that it has not passed. */
  .globl probe_return
probe_return:
  addi sp, sp, -16
  sd ra, 0(sp)
  mv a1, a0
  la a0, 1f
  call buggy_return
  li a0, 0
  j 2f
1:
  li a0, 1
2:
  ld ra, 0(sp)
  addi sp, sp, 16
  ret
