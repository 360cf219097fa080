/* The sleeping-tolerant lock; what it guards is said where it is declared. */
#include "core.h"
#include "lib.h"

void mutex_lock(struct mutex *mutex) {
  while (__atomic_exchange_n(&mutex->held, 1, __ATOMIC_ACQUIRE) != 0) thread_yield();
}

void mutex_unlock(struct mutex *mutex) {
  __atomic_store_n(&mutex->held, 0, __ATOMIC_RELEASE);
}
