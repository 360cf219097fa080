#include "guest.h"

long alpha_secret = 0x5ec2e7;
static volatile long count = 1;
static volatile long kept[2];

long alpha_init(long generation) {
  kept[0] = generation;
  return 0;
}

long alpha_add(long a, long b) {
  return a + b;
}

long alpha_sum(const uint8_t *data, size_t n) {
  long sum = 0;
  for (size_t i = 0; i < n; i++) sum += data[i];
  return sum;
}

/* Half of it: the rest is whatever the gate left there. */
long alpha_fill(uint8_t *data, size_t n) {
  for (size_t i = 0; i < n / 2; i++) data[i] = 7;
  return 0;
}

long alpha_flip(uint8_t *data) {
  for (int i = 0; i < 16; i++) data[i] = (uint8_t)~data[i];
  return 0;
}

long alpha_name(const char *name) {
  long n = 0;
  while (name[n] != 0) n++;
  return n;
}

long alpha_many(uint8_t *a, uint8_t *b, uint8_t *c, uint8_t *d, uint8_t *e, uint8_t *f, uint8_t *g, uint8_t *h) {
  uint8_t *all[] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) all[i][7] = (uint8_t)(i + 1);
  return 0;
}

long alpha_probe(long what, long address) {
  switch (what) {
    case SIE_THEN_CORE:
      asm volatile("csrs sstatus, %0" ::"r"(2));
      return core_interrupts();
    case FORGED_STACK: {
      /* Leaves with a stack pointer of its choice; the core calls back with a buffer. */
      long result;
      asm volatile(
          "mv s2, sp; mv sp, %1; li a0, 1; call core_note; mv sp, s2; mv %0, a0"
          : "=r"(result)
          : "r"(address)
          : "ra", "s2", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4",
            "t5", "t6", "memory");
      return result;
    }
    case RETURN_ELSEWHERE:
      /* The return gate takes it back to its caller, whatever its own stack and ra say. */
      asm volatile("mv t0, ra; li ra, 0; mv sp, zero; jr t0");
      __builtin_unreachable();
    case LOG_SECRET:
      return core_log((const char *)&alpha_secret);
  }
  return probe(what, address);
}

long alpha_wait(void) {
  kept[1] = 41;
  long hart = core_wait();
  /* Its own data and stack, on whichever hart that is. */
  kept[1]++;
  return kept[1] * 100 + hart;
}

long alpha_deep(long n) {
  return n == 0 ? 1000 : beta_deep(n - 1);
}

long alpha_count(void) {
  return count++;
}

long alpha_nested(long what) {
  switch (what) {
    case 0: {
      long page = core_page();
      if (page < 0 && page > -4096) return page; /* addresses are in the upper half */
      *(volatile long *)page = 12345;
      long value = *(volatile long *)page;
      core_page_free(page);
      return value;
    }
    case 1:
      return core_page();
    case 2:
      return core_log("a line of alpha's");
    case 3:
      return beta_board[0];
    case 4:
      beta_board[0] = 9;
      return 0;
    case 5:
      return beta_probe(SPIN, 0);
    case 6:
      return beta_probe(LOAD, (long)&alpha_secret);
    case 7:
      /* A call of the core's that changes its mind about this domain meanwhile. */
      return core_note(2);
    default:
      return core_note(what);
  }
}
