/*
 * Spin locks. While a thread holds one, interrupts are off on its hart, so it is neither preempted
 * nor moved; this is also why kernel code with interrupts on may be preempted anywhere.
 */
#include "thread.h"

void spin_lock(struct spinlock *lock) {
  bool were_on = interrupts_are_on();
  interrupts_off();
  struct thread *thread = current();
  if (thread->lock_depth++ == 0) thread->interrupts_before = were_on;
  while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0) {
    while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0) cpu_relax();
  }
}

void spin_unlock(struct spinlock *lock) {
  __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
  struct thread *thread = current();
  if (--thread->lock_depth == 0 && thread->interrupts_before) interrupts_on();
}
