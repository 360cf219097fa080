/*
 * The platform-level interrupt controller, and a thread for each device that interrupts.
 *
 * A driver lives in another domain and may sleep, so it is not called from a trap. The trap claims
 * the interrupt, which keeps that source quiet, and wakes the device's thread; the thread calls the
 * driver and completes the interrupt ("RISC-V Platform-Level Interrupt Controller Specification").
 */
#include "block.h"
#include "thread.h"
#include "tty.h"

#define PLIC 0x0c000000UL
#define PLIC_PRIORITY(source) (PLIC + 4 * (source))
#define PLIC_ENABLE(context) (PLIC + 0x2000 + 0x80 * (context))
#define PLIC_THRESHOLD(context) (PLIC + 0x200000 + 0x1000 * (context))
#define PLIC_CLAIM(context) (PLIC_THRESHOLD(context) + 4)

#define SOURCE_BLOCK 1
#define SOURCE_UART 10

struct interrupt_source {
  u32 number;
  long (*handler)(void);
  /* Guarded by plic_lock: claimed and not yet completed. */
  bool pending;
};

static struct spinlock plic_lock;
static struct interrupt_source sources[] = {
    {.number = SOURCE_BLOCK, .handler = block_interrupt},
    {.number = SOURCE_UART, .handler = tty_interrupt},
};
#define SOURCE_COUNT (sizeof sources / sizeof sources[0])

/* Contexts 2h and 2h + 1 are hart h's M- and S-mode. */
static u64 context_of(u64 hart) {
  return 2 * hart + 1;
}

/* The boot hart takes all device interrupts; there are few. */
void plic_init(u64 hart) {
  u64 context = context_of(hart);
  u32 enabled = 0;
  for (u32 i = 0; i < SOURCE_COUNT; i++) {
    *device(PLIC_PRIORITY(sources[i].number)) = 1;
    enabled |= 1U << sources[i].number;
  }
  *device(PLIC_ENABLE(context)) = enabled;
  *device(PLIC_THRESHOLD(context)) = 0;
}

static struct interrupt_source *find(u32 number) {
  for (u32 i = 0; i < SOURCE_COUNT; i++) {
    if (sources[i].number == number) return &sources[i];
  }
  return 0;
}

void plic_interrupt(void) {
  u32 number = *device(PLIC_CLAIM(context_of(this_hart()->id)));
  struct interrupt_source *source = find(number);
  if (source == 0) return;
  spin_lock(&plic_lock);
  source->pending = true;
  thread_wake(source);
  spin_unlock(&plic_lock);
}

static void serve(long index) {
  struct interrupt_source *source = &sources[index];
  for (;;) {
    spin_lock(&plic_lock);
    while (!source->pending) thread_sleep(source, &plic_lock, false);
    source->pending = false;
    spin_unlock(&plic_lock);

    /* A stopped driver leaves its device asking: try again at the next tick, not at once. */
    if (source->handler() < 0) thread_sleep_until(csr_read(time) + machine.timebase / TICKS_PER_SECOND);
    *device(PLIC_CLAIM(context_of(machine.boot_hart))) = source->number;
  }
}

void plic_start_threads(void) {
  for (u32 i = 0; i < SOURCE_COUNT; i++) {
    struct thread *thread = thread_create_kernel(serve, i);
    if (thread == 0) panic("no thread for interrupt %u", sources[i].number);
    thread_start(thread);
  }
}
