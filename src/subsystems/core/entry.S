/*
 * Traps in, traps out, and the switch from one thread to another.
 *
 * tp is this hart's current thread whenever kernel code runs. sscratch is 0 in the kernel and the
 * thread in user mode, so that the first instruction both finds the thread and tells where we come from.
 *
 * An interrupt taken while the thread was inside another domain looks like any interrupt of kernel
 * code: the monitor enters here with this thread's tp and stack, and `sret` goes back to it.
 */

/* Offsets in struct thread and struct frame; thread.h asserts them. */
#define THREAD_STACK_TOP 0
#define THREAD_SAVED_SP 8
#define THREAD_CONTEXT 16
#define FRAME_BYTES 272
#define FRAME_SP 8
#define FRAME_TP 24
#define FRAME_PC 248
#define FRAME_STATUS 256

  .text
  .globl trap_entry
  .balign 4
trap_entry:
  csrrw tp, sscratch, tp
  bnez tp, 1f
  csrr tp, sscratch             /* from the kernel: tp was right */
  sd sp, THREAD_SAVED_SP(tp)
  j 2f
1:
  sd sp, THREAD_SAVED_SP(tp)    /* from user mode: start at the top of the kernel stack */
  ld sp, THREAD_STACK_TOP(tp)
2:
  addi sp, sp, -FRAME_BYTES
  sd x1, 0(sp)
  sd x3, 16(sp)
  sd x5, 32(sp)
  sd x6, 40(sp)
  sd x7, 48(sp)
  sd x8, 56(sp)
  sd x9, 64(sp)
  sd x10, 72(sp)
  sd x11, 80(sp)
  sd x12, 88(sp)
  sd x13, 96(sp)
  sd x14, 104(sp)
  sd x15, 112(sp)
  sd x16, 120(sp)
  sd x17, 128(sp)
  sd x18, 136(sp)
  sd x19, 144(sp)
  sd x20, 152(sp)
  sd x21, 160(sp)
  sd x22, 168(sp)
  sd x23, 176(sp)
  sd x24, 184(sp)
  sd x25, 192(sp)
  sd x26, 200(sp)
  sd x27, 208(sp)
  sd x28, 216(sp)
  sd x29, 224(sp)
  sd x30, 232(sp)
  sd x31, 240(sp)
  ld t0, THREAD_SAVED_SP(tp)
  csrrw t1, sscratch, zero      /* the old tp, whichever way we came */
  csrr t2, sepc
  csrr t3, sstatus
  sd t0, FRAME_SP(sp)
  sd t1, FRAME_TP(sp)
  sd t2, FRAME_PC(sp)
  sd t3, FRAME_STATUS(sp)
  mv a0, sp
  call trap

  /* Interrupts are off here. sp = the frame to return to. */
  .globl trap_return
trap_return:
  ld t2, FRAME_PC(sp)
  ld t3, FRAME_STATUS(sp)
  csrw sepc, t2
  csrw sstatus, t3
  andi t3, t3, 0x100            /* SPP: back to the kernel keeps tp and sscratch = 0 */
  bnez t3, 3f
  csrw sscratch, tp
  ld tp, FRAME_TP(sp)
3:
  ld x1, 0(sp)
  ld x3, 16(sp)
  ld x5, 32(sp)
  ld x6, 40(sp)
  ld x7, 48(sp)
  ld x8, 56(sp)
  ld x9, 64(sp)
  ld x10, 72(sp)
  ld x11, 80(sp)
  ld x12, 88(sp)
  ld x13, 96(sp)
  ld x14, 104(sp)
  ld x15, 112(sp)
  ld x16, 120(sp)
  ld x17, 128(sp)
  ld x18, 136(sp)
  ld x19, 144(sp)
  ld x20, 152(sp)
  ld x21, 160(sp)
  ld x22, 168(sp)
  ld x23, 176(sp)
  ld x24, 184(sp)
  ld x25, 192(sp)
  ld x26, 200(sp)
  ld x27, 208(sp)
  ld x28, 216(sp)
  ld x29, 224(sp)
  ld x30, 232(sp)
  ld x31, 240(sp)
  ld sp, FRAME_SP(sp)
  sret

/* void context_switch(struct thread *from, struct thread *to): returns in `to`, later in `from`. */
  .globl context_switch
context_switch:
  sd ra, THREAD_CONTEXT + 0(a0)
  sd sp, THREAD_CONTEXT + 8(a0)
  sd s0, THREAD_CONTEXT + 16(a0)
  sd s1, THREAD_CONTEXT + 24(a0)
  sd s2, THREAD_CONTEXT + 32(a0)
  sd s3, THREAD_CONTEXT + 40(a0)
  sd s4, THREAD_CONTEXT + 48(a0)
  sd s5, THREAD_CONTEXT + 56(a0)
  sd s6, THREAD_CONTEXT + 64(a0)
  sd s7, THREAD_CONTEXT + 72(a0)
  sd s8, THREAD_CONTEXT + 80(a0)
  sd s9, THREAD_CONTEXT + 88(a0)
  sd s10, THREAD_CONTEXT + 96(a0)
  sd s11, THREAD_CONTEXT + 104(a0)
  mv tp, a1
  ld ra, THREAD_CONTEXT + 0(tp)
  ld sp, THREAD_CONTEXT + 8(tp)
  ld s0, THREAD_CONTEXT + 16(tp)
  ld s1, THREAD_CONTEXT + 24(tp)
  ld s2, THREAD_CONTEXT + 32(tp)
  ld s3, THREAD_CONTEXT + 40(tp)
  ld s4, THREAD_CONTEXT + 48(tp)
  ld s5, THREAD_CONTEXT + 56(tp)
  ld s6, THREAD_CONTEXT + 64(tp)
  ld s7, THREAD_CONTEXT + 72(tp)
  ld s8, THREAD_CONTEXT + 80(tp)
  ld s9, THREAD_CONTEXT + 88(tp)
  ld s10, THREAD_CONTEXT + 96(tp)
  ld s11, THREAD_CONTEXT + 104(tp)
  ret
