/* What S-mode does with a trap: calls from U, pages on demand, requests to fence. */
#include "guest.h"

#define CAUSE_ECALL_U 8
#define CAUSE_LOAD_PAGE 13
#define CAUSE_STORE_PAGE 15
#define CAUSE_SOFTWARE ((1ul << 63) | 1)
#define INTERRUPT_SSI 2ul
#define SSTATUS_SPP 0x100ul

volatile u64 fence_request, fence_acked[MAX_HARTS][8];
void leave_user(void);

/* The spaces of a hart are its own: the active one says which hart this is. */
u64 hart_of_space(void) { return ((csr_read("satp") >> 44 & 0xffff) - 1) / 2; }

static void serve_call(struct trap_frame *frame) {
  frame->pc += 4;
  if (frame->x[17] == 0) {
    frame->x[10] = frame->x[10] * 5 + 1;
    return;
  }
  /* The program ends: goes on behind user_syscalls, on the stack that it left. */
  frame->pc = (u64)leave_user;
  frame->x[2] = (u64)(frame + 1);
  frame->status |= SSTATUS_SPP;
}

static void serve_fault(struct trap_frame *frame, u64 cause) {
  u64 address = csr_read("stval");
  if (address - WINDOW >= WINDOW_PAGES * PAGE_BYTES) panic("fault", cause, frame->pc, address);
  window_map(hart_of_space(), 0, (address - WINDOW) / PAGE_BYTES);
  __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}

void handle_trap(struct trap_frame *frame) {
  u64 cause = csr_read("scause");
  switch (cause) {
    case CAUSE_ECALL_U:
      serve_call(frame);
      return;
    case CAUSE_LOAD_PAGE:
    case CAUSE_STORE_PAGE:
      serve_fault(frame, cause);
      return;
    case CAUSE_SOFTWARE: {
      csr_clear("sip", INTERRUPT_SSI);
      u64 request = fence_request;
      fence_all();
      fence_acked[hart_of_space()][0] = request;
      return;
    }
    default:
      panic("trap", cause, frame->pc, csr_read("stval"));
  }
}
