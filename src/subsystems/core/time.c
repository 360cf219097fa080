/* Time: the `time` CSR in nanoseconds, and the tick. */
#include "kernel.h"

volatile u64 tick_count;
struct kernel_clock kernel_clock;

static u64 ticks_to_ns(u64 ticks) {
  u64 rate = machine.timebase;
  return ticks / rate * 1000000000UL + ticks % rate * 1000000000UL / rate;
}

static u64 boot_time;

void time_init(void) {
  boot_time = csr_read(time);
}

u64 boot_ticks(void) {
  return boot_time;
}

long time_now(void) {
  return (long)ticks_to_ns(csr_read(time) - boot_time);
}

void timer_next_tick(void) {
  sbi_set_timer(csr_read(time) + machine.timebase / TICKS_PER_SECOND);
}
