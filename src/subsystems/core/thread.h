/* Threads, harts and the scheduler (sched.c); the layout is shared with entry.S. */
#ifndef THREAD_H
#define THREAD_H

#include "kernel.h"

#define THREAD_STACK_BYTES 16384UL
/* In the last word of each stack; gone if the stack was too small. */
#define STACK_CANARY 0x6b63617473646e65UL

enum thread_state { THREAD_UNUSED, THREAD_READY, THREAD_RUNNING, THREAD_SLEEPING, THREAD_DEAD };

/* The registers of a trap. x[0] is ra: register n is at x[n - 1]. */
struct frame {
  u64 x[31];
  u64 pc;
  u64 status;
  u64 pad;
};
#define FRAME_SP_INDEX 1
#define FRAME_A0 9
#define FRAME_A7 16

/* What a switch keeps: ra, sp, s0-s11. */
struct context {
  u64 ra;
  u64 sp;
  u64 s[12];
};

struct process;
struct space;

struct thread {
  u64 stack_top;
  u64 saved_sp; /* between two instructions of trap_entry */
  struct context context;
  u64 on_fault;    /* where the kernel goes on after a fault of its own, or 0: it panics (attack.S) */
  u64 on_fault_sp; /* and with which stack pointer */

  /* Own thread only. */
  u32 lock_depth;            /* spin locks held */
  bool interrupts_before;    /* to restore when the last one goes */
  struct process *process;   /* 0 for kernel threads */
  struct space *space;       /* the user half it runs with, or 0; read at each switch */
  void (*function)(long);    /* of a kernel thread */
  long argument;
  u8 *bounce;                /* a page for what passes between user memory and other subsystems */

  /* Guarded by scheduler.lock. */
  enum thread_state state;
  u64 affinity;              /* bitmap of harts */
  struct hart *hart;         /* where it runs, or ran last */
  const void *channel;       /* what it sleeps on */
  bool killable;             /* a kill ends its sleep */
  u64 deadline;              /* time at which its sleep ends, or 0 */
  struct thread *next;       /* in the queue of ready threads */

  /* Set by any thread, under scheduler.lock; never cleared. */
  volatile bool killed;
};

_Static_assert(offsetof(struct thread, stack_top) == 0, "entry.S: THREAD_STACK_TOP");
_Static_assert(offsetof(struct thread, saved_sp) == 8, "entry.S: THREAD_SAVED_SP");
_Static_assert(offsetof(struct thread, context) == 16, "entry.S: THREAD_CONTEXT");
_Static_assert(offsetof(struct thread, on_fault) == 128, "attack.S: THREAD_ON_FAULT");
_Static_assert(offsetof(struct thread, on_fault_sp) == 136, "attack.S: THREAD_ON_FAULT_SP");
_Static_assert(sizeof(struct frame) == 272, "entry.S: FRAME_BYTES");
_Static_assert(offsetof(struct frame, pc) == 248, "entry.S: FRAME_PC");
_Static_assert(offsetof(struct frame, status) == 256, "entry.S: FRAME_STATUS");
_Static_assert(THREAD_STACK_BYTES == 1UL << 14, "boot.S shifts by it");

struct hart {
  u64 id;
  /* Guarded by scheduler.lock. */
  bool online;
  bool idle; /* runs its idle thread and has not been sent an IPI since */
  struct thread *running;
  struct thread *previous; /* between a switch and finish_switch */
  struct space *space;     /* whose user half is active; own hart only */
};

extern struct thread threads[MAX_THREADS];
extern struct hart harts[MACHINE_HARTS];

static inline struct thread *current(void) {
  struct thread *thread;
  asm("mv %0, tp" : "=r"(thread));
  return thread;
}

/* Stable only while interrupts are off. */
static inline struct hart *this_hart(void) {
  return *(struct hart *volatile *)&current()->hart;
}

static inline u64 thread_id(const struct thread *thread) {
  return (u64)(thread - threads);
}

static inline struct frame *user_frame(struct thread *thread) {
  return (struct frame *)(thread->stack_top - sizeof(struct frame));
}

void sched_init_hart(u64 hart);
_Noreturn void sched_idle(void);
u64 sched_switches(void);

/* A thread that is not ready yet, or 0 if all slots are taken. */
struct thread *thread_create(void);
/* A thread that will first run `function(argument)` in the kernel. */
struct thread *thread_create_kernel(void (*function)(long), long argument);
/* Lets a created thread run. */
void thread_start(struct thread *thread);
/* Gives back a created thread that was never started. */
void thread_discard(struct thread *thread);
_Noreturn void thread_exit(void);

/*
 * Sleeps until thread_wake(channel); `guard` is released meanwhile and held again afterwards.
 * -EINTR if `killable` and the thread is killed.
 */
long thread_sleep(const void *channel, struct spinlock *guard, bool killable);
void thread_wake(const void *channel);
/* Sleeps until `time` reaches the deadline; -EINTR if killed. */
long thread_sleep_until(u64 deadline);
void thread_kill(struct thread *thread);
long thread_set_affinity(struct thread *thread, u64 harts);

/* Timer tick: ends sleeps whose time has come and gives others a turn. Interrupts are off. */
void sched_tick(void);
/* Another hart queued work for us. */
void sched_kicked(void);

void context_switch(struct thread *from, struct thread *to);
_Noreturn void trap_return(void);

#endif
