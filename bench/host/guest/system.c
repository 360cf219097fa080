/* What a kernel does all day: calls, traps into M-mode, pages on demand, changes of the address space. */
#include "guest.h"

extern u8 user_program[];

/* U to S and back, through a handler that saves every register. */
u64 run_syscall(u64 hart, u8 *arena, u64 count) {
  (void)hart, (void)arena;
  return user_syscalls(count, (u64)user_program);
}

/* S to M and back: the least a firmware or a monitor can do. */
u64 run_trap(u64 hart, u8 *arena, u64 count) {
  (void)hart, (void)arena;
  for (u64 n = 0; n < count; n++) monitor_call(MONITOR_NOTHING, n);
  return count;
}

/* Touches pages that are not there; when all are, takes them away again. */
u64 run_page_fault(u64 hart, u8 *arena, u64 count) {
  (void)arena;
  u64 check = 0;
  for (u64 n = 0; n < count; n++) {
    u64 page = n % WINDOW_PAGES;
    if (page == 0) {
      window_unmap_all(hart, 0);
      fence_all();
    }
    volatile u64 *word = (volatile u64 *)(WINDOW + page * PAGE_BYTES) + page % 8;
    *word = n;
    check += *word;
  }
  return check;
}

#define CONTEXT_WORDS 14
#define TOUCHED 8
static u64 contexts[MAX_HARTS][2][CONTEXT_WORDS];
static u64 other_stacks[MAX_HARTS][512] __attribute__((aligned(16)));
static u64 checks[MAX_HARTS];

static void touch(u64 hart) {
  for (u64 page = 0; page < TOUCHED; page++) {
    volatile u64 *word = (volatile u64 *)(WINDOW + page * PAGE_BYTES) + page;
    *word += page + 1;
    checks[hart] += *word;
  }
}

/* The other thread: for ever touches its pages and gives the hart back. */
static void other_thread(void) {
  u64 hart = hart_of_space();
  for (;;) {
    touch(hart);
    switch_context(contexts[hart][1], contexts[hart][0], space_satp(hart, 0));
  }
}

/* Two threads in two address spaces, with an ASID each, take turns and touch pages of their own. */
u64 run_context_switch(u64 hart, u8 *arena, u64 count) {
  (void)arena;
  for (u64 space = 0; space < 2; space++)
    for (u64 page = 0; page < TOUCHED; page++) window_map(hart, space, page);
  fence_all();
  checks[hart] = 0;
  u64 *other = contexts[hart][1];
  memset(other, 0, sizeof contexts[hart][1]);
  other[0] = (u64)other_thread;
  other[1] = (u64)&other_stacks[hart][512];
  for (u64 page = 0; page < TOUCHED; page++) ((volatile u64 *)(WINDOW + page * PAGE_BYTES))[page] = 0;
  for (u64 n = 0; n < count; n++) {
    switch_context(contexts[hart][0], other, space_satp(hart, 1));
    touch(hart);
  }
  return checks[hart] > 0 ? count : 0;
}
