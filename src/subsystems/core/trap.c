/* Every trap of the kernel and of user programs arrives here from entry.S. */
#include "process.h"

#define CAUSE_INTERRUPT (1UL << 63)
#define INTERRUPT_SOFTWARE 1
#define INTERRUPT_TIMER 5
#define INTERRUPT_EXTERNAL 9

#define CAUSE_FETCH_MISALIGNED 0
#define CAUSE_ILLEGAL 2
#define CAUSE_BREAKPOINT 3
#define CAUSE_USER_CALL 8
#define CAUSE_FETCH_PAGE_FAULT 12
#define CAUSE_LOAD_PAGE_FAULT 13
#define CAUSE_STORE_PAGE_FAULT 15

static void interrupt(u64 cause) {
  switch (cause) {
    case INTERRUPT_SOFTWARE:
      csr_clear(sip, SIP_SSIP);
      if (panicking()) panic("stopped");
      sched_kicked();
      break;
    case INTERRUPT_TIMER:
      timer_next_tick();
      if (panicking()) panic("stopped");
      if (this_hart()->id == machine.boot_hart) {
        tick_count++;
        kernel_clock.now_ns = (u64)time_now();
      }
      sched_tick();
      break;
    case INTERRUPT_EXTERNAL:
      plic_interrupt();
      break;
    default:
      panic("unexpected interrupt %lu", cause);
  }
}

/* With `faults` in bootargs each one is logged: a parent sees only the signal. */
static void kill_for_fault(const struct frame *frame, u64 cause, u64 value, u32 signal) {
  char unused[4];
  const struct process *process = current_process();
  bool wanted = process->pid == 1 || bootarg("faults", unused, sizeof unused);
  if (wanted) {
    log_line("%s (pid %u): cause %lu at %lx, stval %lx", process->name, process->pid, cause, frame->pc, value);
  }
  process_die(signal);
}

static void user_exception(struct frame *frame, u64 cause, u64 value) {
  u64 access = 0;
  switch (cause) {
    case CAUSE_USER_CALL:
      frame->pc += 4;
      syscall(frame);
      return;
    case CAUSE_FETCH_PAGE_FAULT:
      access = PTE_X;
      break;
    case CAUSE_LOAD_PAGE_FAULT:
      access = PTE_R;
      break;
    case CAUSE_STORE_PAGE_FAULT:
      access = PTE_W;
      break;
    case CAUSE_ILLEGAL:
    case CAUSE_BREAKPOINT:
      kill_for_fault(frame, cause, value, SIGILL);
      return;
    default:
      kill_for_fault(frame, cause, value, SIGBUS);
      return;
  }
  if (memory_fault(current_process()->memory, value, access) < 0) kill_for_fault(frame, cause, value, SIGSEGV);
}

/* `frame` lies on this thread's stack; entry.S returns to what it says. Interrupts are off. */
void trap(struct frame *frame);
void trap(struct frame *frame) {
  u64 cause = csr_read(scause);
  u64 value = csr_read(stval);
  bool from_user = (frame->status & SSTATUS_SPP) == 0;

  if ((cause & CAUSE_INTERRUPT) != 0) {
    interrupt(cause & ~CAUSE_INTERRUPT);
  } else if (from_user) {
    interrupts_on();
    user_exception(frame, cause, value);
  } else if (current()->on_fault != 0) {
    frame->pc = current()->on_fault;
    frame->x[FRAME_SP_INDEX] = current()->on_fault_sp;
    current()->on_fault = 0;
  } else {
    panic("kernel: cause %lu at %lx, stval %lx, ra %lx, thread %lu", cause, frame->pc, value, frame->x[0],
          thread_id(current()));
  }

  if (from_user && current()->killed) {
    interrupts_on();
    process_die(current_process()->fatal_signal);
  }
  interrupts_off();
}
