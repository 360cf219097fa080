/*
 * From reset to S-mode with paging on, the trap entries of both modes, and what only assembler can say.
 *
 * Until `satp` is written the pc is physical and every address comes from the pc; then the code goes on in the
 * high half. M-mode stays physical: its handler touches the CLINT and its own registers only.
 */
#define HIGH_HALF 0xffffffc000000000
#define CLINT 0x2000000
#define MAX_HARTS 4
#define STACK_SHIFT 16
#define FRAME_BYTES (34 * 8)

#define MSTATUS_MPP 0x1800
#define MSTATUS_MPP_S 0x0800
#define MSTATUS_FS 0x6000
#define SSTATUS_SPP 0x100
#define SSTATUS_SUM 0x40000
#define INTERRUPT_SSI 2
#define INTERRUPT_MSI 8

.section .text.start, "ax"
.globl _start
_start:
  csrr s0, mhartid
  lla t0, config
  ld t1, 0(t0)
  bgeu s0, t1, park
  li t1, MAX_HARTS
  bgeu s0, t1, park
  lla sp, stacks
  addi t0, s0, 1
  slli t0, t0, STACK_SHIFT
  add sp, sp, t0
  # All of memory belongs to S and U (PMP: one NAPOT entry over everything).
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  li t0, 7
  csrw mcounteren, t0
  # Page faults, breakpoints and calls from U go to S; calls from S come here.
  li t0, 0xb1ff
  csrw medeleg, t0
  li t0, INTERRUPT_SSI
  csrw mideleg, t0
  li t0, INTERRUPT_MSI
  csrw mie, t0
  lla t0, machine_trap
  csrw mtvec, t0
  lla t0, machine_scratch
  slli t1, s0, 4
  add t0, t0, t1
  csrw mscratch, t0
  bnez s0, 1f
  call build_page_tables
  lla t0, are_tables_ready
  li t1, 1
  fence rw, rw
  sw t1, 0(t0)
1:
  lla t0, are_tables_ready
2:
  lw t1, 0(t0)
  beqz t1, 2b
  fence rw, rw
  mv a0, s0
  call first_satp
  csrw satp, a0
  sfence.vma
  li t0, MSTATUS_MPP
  csrc mstatus, t0
  li t0, MSTATUS_MPP_S | MSTATUS_FS
  csrs mstatus, t0
  li t1, HIGH_HALF
  lla t0, supervisor_entry
  add t0, t0, t1
  csrw mepc, t0
  add sp, sp, t1
  mv a0, s0
  csrr a1, misa
  mret
park:
  wfi
  j park

supervisor_entry:
  lla t0, supervisor_trap
  csrw stvec, t0
  csrw sscratch, zero
  li t0, SSTATUS_SUM
  csrs sstatus, t0
  call supervisor_main
3:
  j 3b

/* M-mode: an IPI is passed on to S; a call of S does what a7 says. mscratch points at two words of this hart. */
.balign 4
machine_trap:
  csrrw t6, mscratch, t6
  sd t4, 0(t6)
  sd t5, 8(t6)
  csrr t4, mcause
  bltz t4, 5f
  li t5, 9
  bne t4, t5, machine_panic
  csrr t4, mepc
  addi t4, t4, 4
  csrw mepc, t4
  beqz a7, 6f
  # MONITOR_SEND_IPI: to every hart in the mask a0.
  mv t4, a0
  li t5, CLINT
4:
  andi a7, t4, 1
  beqz a7, 7f
  sw a7, 0(t5)
7:
  addi t5, t5, 4
  srli t4, t4, 1
  bnez t4, 4b
  li a7, 1
  j 6f
5:
  # The IPI of this hart: taken off the CLINT, put on S.
  csrr t4, mhartid
  slli t4, t4, 2
  li t5, CLINT
  add t5, t5, t4
  sw zero, 0(t5)
  csrsi mip, INTERRUPT_SSI
6:
  ld t4, 0(t6)
  ld t5, 8(t6)
  csrrw t6, mscratch, t6
  mret

/* Nothing else is expected: the cause is the exit code. */
machine_panic:
  slli t4, t4, 16
  li t5, 0x3333
  or t4, t4, t5
  li t5, 0x100000
  sw t4, 0(t5)
8:
  j 8b

/* S-mode: all registers onto the kernel stack (sscratch has it while U runs, 0 else), then C. */
.balign 4
supervisor_trap:
  csrrw sp, sscratch, sp
  bnez sp, 1f
  csrr sp, sscratch
1:
  addi sp, sp, -FRAME_BYTES
  sd x1, 8(sp)
  .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  sd x\n, 8*\n(sp)
  .endr
  csrrw t0, sscratch, zero
  sd t0, 8*2(sp)
  csrr t1, sepc
  sd t1, 8*32(sp)
  csrr t2, sstatus
  sd t2, 8*33(sp)
  mv a0, sp
  call handle_trap
  ld t1, 8*32(sp)
  csrw sepc, t1
  ld t2, 8*33(sp)
  csrw sstatus, t2
  andi t2, t2, SSTATUS_SPP
  bnez t2, 2f
  addi t0, sp, FRAME_BYTES
  csrw sscratch, t0
2:
  ld x1, 8(sp)
  .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  ld x\n, 8*\n(sp)
  .endr
  ld sp, 8*2(sp)
  sret

/* Runs U-mode at `entry` with `count` in a0 until it calls with a7 = 1; returns its a0. */
.globl user_syscalls
user_syscalls:
  addi sp, sp, -112
  sd ra, 0(sp)
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
  sd s\n, 8+8*\n(sp)
  .endr
  csrw sscratch, sp
  csrw sepc, a1
  li t0, SSTATUS_SPP
  csrc sstatus, t0
  sret

/* Where handle_trap sends the frame of the last call: back to whoever called user_syscalls. */
.globl leave_user
leave_user:
  ld ra, 0(sp)
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
  ld s\n, 8+8*\n(sp)
  .endr
  addi sp, sp, 112
  ret

.globl monitor_call
monitor_call:
  mv a7, a0
  mv a0, a1
  ecall
  ret

/* Saves what the psABI lets a caller rely on, takes the other's, changes the address space. */
.globl switch_context
switch_context:
  sd ra, 0(a0)
  sd sp, 8(a0)
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
  sd s\n, 16+8*\n(a0)
  .endr
  csrw satp, a2
  ld ra, 0(a1)
  ld sp, 8(a1)
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
  ld s\n, 16+8*\n(a1)
  .endr
  ret

.section .user, "ax"
.globl user_program
user_program:
  mv s0, a0
  li s1, 0
1:
  mv a0, s1
  li a7, 0
  ecall
  mv s1, a0
  addi s0, s0, -1
  bnez s0, 1b
  mv a0, s1
  li a7, 1
  ecall

.section .bss
.balign 16
machine_scratch:
  .skip 16 * MAX_HARTS
are_tables_ready:
  .skip 4
