/* The core: does what the host wrote into `program` before the start, one list of steps for each hart. */
#include "guest.h"

#define HARTS 4
#define STEPS 48
#define CTX 14
#define EID_HSM 0x48534d
#define EID_SRST 0x53525354
#define EID_TIME 0x54494d45

struct step {
  long op, a[5], value, result;
};
volatile struct step program[HARTS][STEPS];
uint8_t buffer[16384] __attribute__((aligned(4096)));
uint8_t page_for_use[8192] __attribute__((aligned(4096)));
volatile long flags[16];
volatile long interrupts, interrupt_calls, interrupt_preempts, interrupt_leak, last_cause;
static uint64_t contexts[16][CTX];
static uint8_t thread_stack[8192] __attribute__((aligned(16)));
static volatile long waiting = -1, thread_done, thread_result, hart_of[16];
static volatile long thread_work;

extern long try_load(long), try_store(long), try_jump(long);
extern long call_regs(uint64_t *after, uint64_t *dump);
extern void context_switch(uint64_t *from, uint64_t *to);

static long thread_now(void) {
  long tp;
  asm volatile("mv %0, tp" : "=r"(tp));
  return tp;
}

static long second_value;
static long ecall(long eid, long fid, long b0, long b1, long b2, long b3, long b4) {
  register long a0 asm("a0") = b0;
  register long a1 asm("a1") = b1;
  register long a2 asm("a2") = b2;
  register long a3 asm("a3") = b3;
  register long a4 asm("a4") = b4;
  register long a6 asm("a6") = fid;
  register long a7 asm("a7") = eid;
  asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
  second_value = a1;
  return a0;
}
#define MONITOR(...) MONITOR_(__VA_ARGS__, 0, 0, 0, 0, 0)
#define MONITOR_(f, a, b, c, d, ...) ecall(CORDON_EID, CORDON_##f, a, b, c, d, 0)

/* --- what domains call --- */

static void switch_to(long next) {
  long now = thread_now(), hart = hart_of[now];
  if (ecall(CORDON_EID, CORDON_THREAD_SWITCH, next, 0, 0, 0, 0) != 0) return;
  hart_of[next] = hart;
  asm volatile("mv tp, %0" ::"r"(next));
  context_switch(contexts[now], contexts[next]);
}

long core_wait(void) {
  switch_to(hart_of[thread_now()]); /* thread h is hart h's idle one */
  return hart_of[thread_now()];
}

long core_interrupts(void) {
  long status;
  asm volatile("csrr %0, sstatus" : "=r"(status));
  return status >> 1 & 1;
}

long core_log(const char *line) {
  long n = 0;
  while (line[n] != 0) n++;
  return n * 1000 + (uint8_t)line[0];
}

long core_page(void) {
  long status = ecall(CORDON_EID, CORDON_GRANT, (long)page_for_use - (long)IMAGE_OFFSET + flags[15], 0, 0, 0, 0);
  return status != 0 ? status : second_value;
}

long core_page_free(long address) {
  return ecall(CORDON_EID, CORDON_REVOKE, address, 0, 0, 0, 0);
}

long core_note(long value) {
  switch (value) {
    case 1:
      return alpha_sum(buffer, 64);
    case 2: /* Its caller faults in another call, and is restarted below it. */
      flags[1] = alpha_probe(LOAD, 0);
      flags[2] = ecall(CORDON_EID, CORDON_RESTART, 1, 0, 0, 0, 0);
      flags[3] = second_value;
      return 0;
    case 3:
      ecall(CORDON_EID, CORDON_CALLER, 0, 0, 0, 0, 0);
      return second_value;
    case 11: /* Takes back what its caller was given first. */
      return core_page_free((long)(WINDOW_BASE + WINDOW_BYTES));
    case 9:
      return ecall(CORDON_EID, CORDON_THREAD_EXIT, thread_now(), 0, 0, 0, 0);
  }
  return value + 1;
}

/* --- traps --- */

void core_trap(uint64_t *frame);
void core_trap(uint64_t *frame) {
  long cause;
  asm volatile("csrr %0, scause" : "=r"(cause));
  if (cause >= 0) {
    /* A leaf that may fault: go on behind its call. */
    last_cause = cause;
    frame[32] = frame[1];
    frame[10] = (uint64_t)-1;
    return;
  }
  interrupts++;
  asm volatile("csrc sip, %0" ::"r"(2));
  if ((cause & 0xff) == 5) ecall(EID_TIME, 0, -1, 0, 0, 0, 0);
  static const uint8_t seen[] = {1, 3, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31};
  extern char __gates_start[], __gates_end[];
  if (frame[32] >= (uint64_t)__gates_start && frame[32] < (uint64_t)__gates_end) {
    flags[4]++;
    for (size_t i = 0; i < sizeof seen; i++)
      if (seen[i] != 3) interrupt_leak |= (long)frame[seen[i]];
    ecall(CORDON_EID, CORDON_CALLER, 0, 0, 0, 0, 0);
    flags[5] = second_value;
    if (interrupt_calls) flags[6] = alpha_add(40, 2);
    if (interrupt_preempts) {
      interrupt_preempts = 0;
      core_wait();
    }
  }
}

/* --- what the core itself can be told to do --- */

static void thread_main(void) {
  thread_result = thread_work == 0 ? alpha_wait() : alpha_probe(SPIN, 0);
  thread_done = 1;
  core_wait();
}

/* Runs thread 8 until it waits, and gives it away. */
static long start_thread(long work) {
  thread_work = work;
  if (MONITOR(THREAD_CREATE, 8) != 0) return -1;
  contexts[8][0] = (uint64_t)thread_main;
  contexts[8][1] = (uint64_t)(thread_stack + sizeof thread_stack);
  switch_to(8);
  if (!thread_done) waiting = 8;
  return thread_done;
}

/* Takes the thread that waits, and runs it until it is done. */
static long take_thread(void) {
  while (waiting < 0) asm volatile("");
  switch_to(waiting);
  return thread_result;
}

static long poll_user(long address) {
  long n = 0, status = 0x40000;
  asm volatile("csrs sstatus, %0" ::"r"(status));
  flags[7] = 1;
  while (try_load(address) != -1) n++;
  asm volatile("csrc sstatus, %0" ::"r"(status));
  return n;
}

static long many(void) {
  return alpha_many(buffer, buffer + 8, buffer + 16, buffer + 24, buffer + 32, buffer + 40, buffer + 48, buffer + 56);
}

static long regs(void) {
  return call_regs((uint64_t *)(buffer + 1024), (uint64_t *)buffer);
}

/* A mapping, until somebody else takes it away. */
static long gates_while(long flag) {
  long n = 0;
  while (!flags[flag]) n += alpha_add(1, 0) == 1;
  return n;
}

static long call_until(long want, long tries) {
  long result = 0;
  while (tries-- > 0 && (result = alpha_add(1, 1)) != want);
  return result;
}

enum { END, GATE, ECALL, TRY_LOAD, TRY_STORE, TRY_JUMP, SIE, SIP, SET, WAIT, TIMER, OWN, WRITE, READ };
typedef long (*fn)(long, long, long, long, long);

/* By the numbers that the tests use (guest.ts reads their names from here). */
void *const functions[] = {
  /* gates */ alpha_init, alpha_add, alpha_sum, alpha_fill, alpha_flip, alpha_name, alpha_many, alpha_probe, alpha_wait,
  alpha_deep, alpha_regs, alpha_count, alpha_nested, beta_deep, beta_probe,
  /* own */ start_thread, take_thread, poll_user, many, regs, gates_while, call_until, core_interrupts,
};

static void run(long hart) {
  for (long n = 0; n < STEPS; n++) {
    volatile struct step *s = &program[hart][n];
    long a = s->a[0], b = s->a[1], c = s->a[2];
    switch (s->op) {
      case END:
        return;
      case GATE:
        s->result = ((fn)functions[a])(b, c, s->a[3], s->a[4], 0);
        break;
      case ECALL:
        s->result = ecall(a, b, c, s->a[3], s->a[4], s->value, 0);
        s->value = second_value;
        break;
      case TRY_LOAD:
        s->result = try_load(a);
        break;
      case TRY_STORE:
        s->result = try_store(a);
        break;
      case TRY_JUMP:
        s->result = try_jump(a);
        break;
      case SIE:
        if (a) asm volatile("csrs sstatus, %0" ::"r"(2));
        else asm volatile("csrc sstatus, %0" ::"r"(2));
        break;
      case SIP:
        asm volatile("csrs sip, %0" ::"r"(2));
        break;
      case SET:
        flags[a] = b;
        break;
      case WAIT:
        while (flags[a] != b) asm volatile("");
        break;
      case TIMER: {
        long now;
        asm volatile("csrr %0, time" : "=r"(now));
        ecall(EID_TIME, 0, now + a, 0, 0, 0, 0);
        break;
      }
      case WRITE:
        *(volatile long *)a = b;
        break;
      case READ:
        s->result = *(volatile long *)a;
        break;
    }
    if (s->op == TRY_LOAD || s->op == TRY_STORE || s->op == TRY_JUMP) {
      s->value = last_cause;
      last_cause = -1;
    }
  }
}

void core_secondary(long hart);
void core_secondary(long hart) {
  hart_of[hart] = hart;
  asm volatile("csrw sie, %0" ::"r"(0x22));
  run(hart);
  for (;;) asm volatile("wfi");
}

void core_main(long hart);
void core_main(long hart) {
  last_cause = -1;
  hart_of[hart] = hart;
  asm volatile("csrw sie, %0" ::"r"(0x22));
  extern char _start[];
  for (long h = 1; h < HARTS; h++)
    if (program[h][0].op != END) ecall(EID_HSM, 0, h, (long)_start - (long)IMAGE_OFFSET, 0, 0, 0);
  run(hart);
  ecall(EID_SRST, 0, 0, 0, 0, 0, 0);
  for (;;) asm volatile("wfi");
}
