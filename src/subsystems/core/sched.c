/*
 * The scheduler: one queue of ready threads for all harts, first come first served among those that
 * may run on the asking hart. A tick ends a turn. A hart with nothing to do waits in its idle thread
 * and is woken by an IPI when work is queued.
 *
 * One queue, not one per hart: with so few threads the lock is held for a short scan, and no
 * thread can starve because it sits in the wrong queue.
 */
#include "mmu.h"
#include "thread.h"

struct thread threads[MAX_THREADS];
struct hart harts[MACHINE_HARTS];
const u64 thread_bytes = sizeof(struct thread); /* for boot.S */

/* The core's stacks, one a thread, where the linker and the monitor expect them. */
extern u8 __stacks_start[][THREAD_STACK_BYTES];
extern u8 __stack_bytes[];

static struct {
  struct spinlock lock; /* guards what thread.h says and the rest of this */
  struct thread *first;
  struct thread *last;
  u64 switches;
} scheduler;

/* --- The queue. Caller holds scheduler.lock. --- */

static void kick_an_idle_hart(u64 affinity) {
  for (u32 i = 0; i < MACHINE_HARTS; i++) {
    struct hart *hart = &harts[i];
    if (!hart->online || !hart->idle || (affinity >> i & 1) == 0) continue;
    hart->idle = false;
    if (hart != this_hart()) sbi_send_ipi(hart->id);
    return;
  }
}

static void enqueue(struct thread *thread) {
  thread->state = THREAD_READY;
  thread->next = 0;
  if (scheduler.last != 0) {
    scheduler.last->next = thread;
  } else {
    scheduler.first = thread;
  }
  scheduler.last = thread;
  kick_an_idle_hart(thread->affinity);
}

/* Takes the first thread that may run on the hart, or 0. */
static struct thread *dequeue(const struct hart *hart) {
  struct thread *before = 0;
  for (struct thread *thread = scheduler.first; thread != 0; before = thread, thread = thread->next) {
    if ((thread->affinity >> hart->id & 1) == 0) continue;
    if (before != 0) {
      before->next = thread->next;
    } else {
      scheduler.first = thread->next;
    }
    if (scheduler.last == thread) scheduler.last = before;
    return thread;
  }
  return 0;
}

/* --- Switching. Caller holds scheduler.lock and nothing else. --- */

static u64 *canary_of(u64 id) {
  return (u64 *)__stacks_start[id];
}

/* Frees the slot of a thread that will never run again. */
static void release(struct thread *thread) {
  if (separated) monitor_call(CORDON_THREAD_EXIT, thread_id(thread), 0, 0, 0);
  frame_unref(physical_of_direct((u64)thread->bounce));
  *thread = (struct thread){.state = THREAD_UNUSED};
}

/* First thing after a switch, in the thread that was switched to. */
static void finish_switch(void) {
  struct thread *previous = this_hart()->previous;
  if (previous->state == THREAD_DEAD) release(previous);
}

/* Switches to `next`; returns when the current thread runs again, maybe on another hart. */
static void switch_to(struct thread *next) {
  struct thread *thread = current();
  struct hart *hart = this_hart();
  if (*canary_of(thread_id(thread)) != STACK_CANARY) panic("thread %lu overflowed its stack", thread_id(thread));
  scheduler.switches++;
  next->state = THREAD_RUNNING;
  next->hart = hart;
  hart->running = next;
  hart->previous = thread;
  hart->idle = thread_id(next) == hart->id;
  space_activate(next->space);
  if (separated) monitor_call(CORDON_THREAD_SWITCH, thread_id(next), 0, 0, 0);
  context_switch(thread, next);
  finish_switch();
}

/* Gives up the hart. The thread's state says why: still running = a turn ended. */
static void reschedule(void) {
  struct thread *thread = current();
  struct hart *hart = this_hart();
  struct thread *idle = &threads[hart->id];
  struct thread *next = dequeue(hart);
  if (thread->state == THREAD_RUNNING && thread != idle) {
    bool may_stay = (thread->affinity >> hart->id & 1) != 0;
    if (next == 0 && may_stay) return;
    enqueue(thread);
  }
  if (next == 0) next = idle;
  if (next != thread) switch_to(next);
}

/* --- Threads --- */

/* Where a new thread starts, as if it had just returned from context_switch. */
static void thread_entry(void) {
  finish_switch();
  spin_unlock(&scheduler.lock);
  struct thread *thread = current();
  if (thread->function != 0) {
    interrupts_on();
    thread->function(thread->argument);
    if (thread->process == 0) thread_exit();
    interrupts_off();
  }
  /* A user thread: its frame is at the top of the stack. */
  asm volatile("mv sp, %0\n\tj trap_return" ::"r"(user_frame(thread)));
  __builtin_unreachable();
}

/* Takes a slot, which nobody wakes or schedules: a sleeper without a channel. 0 if there is none. */
static struct thread *take_slot(void) {
  struct thread *taken = 0;
  spin_lock(&scheduler.lock);
  for (u32 i = machine.idle_threads; i < MAX_THREADS && taken == 0; i++) {
    if (threads[i].state != THREAD_UNUSED) continue;
    if (separated && monitor_call(CORDON_THREAD_CREATE, i, 0, 0, 0) < 0) break;
    taken = &threads[i];
    taken->state = THREAD_SLEEPING;
  }
  spin_unlock(&scheduler.lock);
  return taken;
}

struct thread *thread_create(void) {
  u64 bounce = frame_alloc();
  if (bounce == 0) return 0;
  struct thread *created = take_slot();
  if (created == 0) {
    frame_unref(bounce);
    return 0;
  }
  u64 id = thread_id(created);
  created->stack_top = (u64)__stacks_start[id + 1];
  *canary_of(id) = STACK_CANARY;
  created->affinity = ~0UL;
  created->bounce = direct(bounce);
  created->context.ra = (u64)thread_entry;
  created->context.sp = (u64)user_frame(created);
  created->lock_depth = 1; /* scheduler.lock, released in thread_entry */
  created->interrupts_before = false;
  return created;
}

struct thread *thread_create_kernel(void (*function)(long), long argument) {
  struct thread *thread = thread_create();
  if (thread == 0) return 0;
  thread->function = function;
  thread->argument = argument;
  return thread;
}

void thread_start(struct thread *thread) {
  spin_lock(&scheduler.lock);
  enqueue(thread);
  spin_unlock(&scheduler.lock);
}

void thread_discard(struct thread *thread) {
  spin_lock(&scheduler.lock);
  release(thread);
  spin_unlock(&scheduler.lock);
}

void thread_exit(void) {
  spin_lock(&scheduler.lock);
  current()->state = THREAD_DEAD;
  reschedule();
  panic("a dead thread ran");
}

long thread_yield(void) {
  spin_lock(&scheduler.lock);
  reschedule();
  spin_unlock(&scheduler.lock);
  cpu_relax(); /* if nobody else was ready, what the caller waits for happens on another hart */
  return 0;
}

long thread_set_affinity(struct thread *thread, u64 wanted) {
  if ((wanted & machine.harts) == 0) return -EINVAL;
  spin_lock(&scheduler.lock);
  thread->affinity = wanted;
  if (thread == current()) reschedule(); /* another hart's thread moves at its next tick */
  spin_unlock(&scheduler.lock);
  return 0;
}

/* --- Sleeping --- */

/* Caller holds scheduler.lock. */
static void wake(struct thread *thread) {
  thread->channel = 0;
  thread->deadline = 0;
  enqueue(thread);
}

/* Caller holds scheduler.lock. */
static long sleep_locked(const void *channel, u64 deadline, bool killable) {
  struct thread *thread = current();
  if (killable && thread->killed) return -EINTR;
  thread->channel = channel;
  thread->deadline = deadline;
  thread->killable = killable;
  thread->state = THREAD_SLEEPING;
  reschedule();
  return killable && thread->killed ? -EINTR : 0;
}

long thread_sleep(const void *channel, struct spinlock *guard, bool killable) {
  /* Taken before the guard goes, so that no wake-up falls between. */
  spin_lock(&scheduler.lock);
  __atomic_store_n(&guard->held, 0, __ATOMIC_RELEASE);
  current()->lock_depth--;
  long result = sleep_locked(channel, 0, killable);
  spin_unlock(&scheduler.lock);
  spin_lock(guard);
  return result;
}

void thread_wake(const void *channel) {
  spin_lock(&scheduler.lock);
  for (u32 i = 0; i < MAX_THREADS; i++) {
    struct thread *thread = &threads[i];
    if (thread->state == THREAD_SLEEPING && thread->channel == channel) wake(thread);
  }
  spin_unlock(&scheduler.lock);
}

long thread_sleep_until(u64 deadline) {
  long result = 0;
  spin_lock(&scheduler.lock);
  while (result == 0 && csr_read(time) < deadline) result = sleep_locked(current(), deadline, true);
  spin_unlock(&scheduler.lock);
  return result;
}

void thread_kill(struct thread *thread) {
  spin_lock(&scheduler.lock);
  thread->killed = true;
  if (thread->state == THREAD_SLEEPING && thread->channel != 0 && thread->killable) wake(thread);
  spin_unlock(&scheduler.lock);
}

/* --- Harts --- */

void sched_tick(void) {
  u64 now = csr_read(time);
  spin_lock(&scheduler.lock);
  for (u32 i = 0; i < MAX_THREADS; i++) {
    struct thread *thread = &threads[i];
    if (thread->state == THREAD_SLEEPING && thread->deadline != 0 && thread->deadline <= now) wake(thread);
  }
  reschedule();
  spin_unlock(&scheduler.lock);
}

void sched_kicked(void) {
  spin_lock(&scheduler.lock);
  reschedule();
  spin_unlock(&scheduler.lock);
}

u64 sched_switches(void) {
  return scheduler.switches;
}

void sched_init_hart(u64 id) {
  if ((u64)__stack_bytes != THREAD_STACK_BYTES) panic("core.policy gives stacks of %lu bytes", (u64)__stack_bytes);
  struct thread *thread = current();
  struct hart *hart = &harts[id];
  hart->id = id;
  hart->running = thread;
  thread->stack_top = (u64)__stacks_start[id + 1];
  *canary_of(id) = STACK_CANARY;
  thread->affinity = 1UL << id;
  thread->hart = hart;
  thread->state = THREAD_RUNNING;
  spin_lock(&scheduler.lock);
  hart->online = true;
  spin_unlock(&scheduler.lock);
}

void sched_idle(void) {
  struct hart *hart = &harts[thread_id(current())];
  for (;;) {
    /* Interrupts stay off from the look at the queue to wfi; a pending one ends wfi all the same. */
    interrupts_off();
    spin_lock(&scheduler.lock);
    hart->idle = true;
    reschedule();
    spin_unlock(&scheduler.lock);
    asm volatile("wfi" ::: "memory");
    interrupts_on();
  }
}
