/* Calls and returns, direct and through tables of pointers: what guessing the target of a jump is worth. */
#include "guest.h"

static NOINLINE u64 fibonacci(u64 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

/* Two functions that call each other, to a depth of 64. */
static u64 odd(u64 depth, u64 value);
static NOINLINE u64 even(u64 depth, u64 value) { return depth == 0 ? value : odd(depth - 1, value * 3 + 1) ^ depth; }
static NOINLINE u64 odd(u64 depth, u64 value) { return depth == 0 ? value : even(depth - 1, value + depth) ^ value; }

u64 run_calls(u64 hart, u8 *arena, u64 count) {
  (void)hart, (void)arena;
  u64 check = 0;
  for (u64 pass = 0; pass < count; pass++) {
    check += fibonacci(18);
    for (u64 n = 0; n < 100; n++) check = even(64, check + n);
  }
  return check;
}

#define STEP(name, expression) \
  static NOINLINE u64 name(u64 v) { return expression; }
STEP(step_0, v + 0x9e3779b97f4a7c15ul)
STEP(step_1, v ^ v >> 29)
STEP(step_2, v * 0xbf58476d1ce4e5b9ul)
STEP(step_3, v << 7 | v >> 57)
STEP(step_4, ~v + 3)
STEP(step_5, v ^ v << 13)
STEP(step_6, v - (v >> 5))
STEP(step_7, v + (v << 3))

typedef u64 step(u64);
static step *const STEPS[] = {step_0, step_1, step_2, step_3, step_4, step_5, step_6, step_7};

/* The first half of the calls goes round the table; where each of the others goes depends on the value. */
u64 run_indirect(u64 hart, u8 *arena, u64 count) {
  (void)hart, (void)arena;
  u64 value = 1;
  for (u64 n = 0; n < count / 2; n++) value = STEPS[n & 7](value);
  for (u64 n = count / 2; n < count; n++) value = STEPS[(value >> 7 ^ n) & 7](value);
  return value;
}

u64 chain_blocks(u64 *words, u64 count);

u64 run_blocks(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  memset(arena, 0, 64 * sizeof(u64));
  return chain_blocks((u64 *)arena, count);
}
