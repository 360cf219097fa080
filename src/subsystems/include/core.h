/*
 * What the core does for the other subsystems: sleeping, pages, time, the log.
 * Every function may be called from any thread; none may be called with a spin lock held.
 */
#ifndef CORE_H
#define CORE_H

#include "types.h"

/* Writes one line to the firmware's console. */
long klog(const char *line);

/*
 * An event is a counter that threads can wait on. The pattern that loses no wake-up:
 *   seen = event_read(id); if (!condition) event_wait(id, seen, flags);
 */
long event_create(void);
long event_destroy(long id);
long event_read(long id);
/* Adds one and wakes all who wait. */
long event_signal(long id);
/* Sleeps until the count differs from `seen`. */
long event_wait(long id, long seen, long flags);
/* With this flag event_wait returns -EINTR when the thread's process was killed. */
#define EVENT_KILLABLE 1

long thread_yield(void);

/* Nanoseconds since boot. */
long time_now(void);

/* A zeroed page of the caller's own: its address, or negative. page_free gives it back. */
long page_alloc(void);
long page_free(long address);

/* The interrupt character was typed: ends the processes in the foreground. */
long process_interrupt(void);

/* The time of the last tick, for those who need no better: a page the core writes and others may read. */
struct kernel_clock {
  u64 now_ns;
  u8 rest_of_page[PAGE_BYTES - 8];
} __attribute__((aligned(4096)));
extern struct kernel_clock kernel_clock;

#endif
