/* What one hart asks of the others: IPI, fence and answer, with the others at work or asleep. */
#include "guest.h"

#define SSTATUS_SIE 2ul
#define INTERRUPT_SSI 2ul

static volatile u64 is_over;

/*
 * Hart 0 asks `count` times; the others answer, and meanwhile do `idle`. A request is the number of the last one, so an
 * interrupt that comes late or stands for two does no harm.
 */
static u64 ask(u64 hart, u8 *arena, u64 count, void (*idle)(u8 *)) {
  csr_set("sie", INTERRUPT_SSI);
  if (hart == 0) is_over = 0;
  barrier();
  if (hart != 0) {
    csr_set("sstatus", SSTATUS_SIE);
    while (!is_over) idle(arena);
    csr_clear("sstatus", SSTATUS_SIE);
    return count;
  }
  u64 others = (1ul << config.harts) - 2;
  for (u64 n = 0; n < count; n++) {
    u64 request = ++fence_request;
    monitor_call(MONITOR_SEND_IPI, others);
    fence_all();
    for (u64 other = 1; other < config.harts; other++) {
      while (fence_acked[other][0] < request) {
      }
    }
  }
  is_over = 1;
  /* Whoever sleeps has to see it. */
  monitor_call(MONITOR_SEND_IPI, others);
  return count;
}

static void work_on(u8 *arena) {
  volatile u64 *words = (volatile u64 *)arena;
  for (u64 n = 0; n < 512; n++) words[n] += n;
}

/* Looks before it sleeps with interrupts off: one that is pending ends a WFI all the same. */
static void sleep_on(u8 *arena) {
  (void)arena;
  csr_clear("sstatus", SSTATUS_SIE);
  if (!is_over) __asm__ volatile("wfi");
  csr_set("sstatus", SSTATUS_SIE);
}

u64 run_shootdown(u64 hart, u8 *arena, u64 count) { return ask(hart, arena, count, work_on); }
u64 run_wakeup(u64 hart, u8 *arena, u64 count) { return ask(hart, arena, count, sleep_on); }
