/* A chain of dependent loads, block copies and fills, and the sieve: what the translation of data addresses costs. */
#include "guest.h"

#define NODES 32768ul /* of 64 bytes: 2 MiB */
#define SIEVE_LIMIT (1u << 20)
#define BLOCK_BYTES (256ul << 10)

struct node {
  struct node *next;
  u64 number;
  u64 padding[6];
};

/* One cycle through all nodes, in random order (Sattolo); `count` steps along it. */
u64 run_chase(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  struct node *nodes = (struct node *)arena;
  u32 *order = (u32 *)(nodes + NODES);
  u32 random = 12345;
  for (u32 n = 0; n < NODES; n++) order[n] = n;
  for (u32 n = NODES - 1; n > 0; n--) {
    u32 other = (u32)((u64)next_random(&random) * n >> 32);
    u32 held = order[n];
    order[n] = order[other];
    order[other] = held;
  }
  for (u32 n = 0; n < NODES; n++) {
    nodes[order[n]].next = &nodes[order[(n + 1) % NODES]];
    nodes[order[n]].number = n;
  }
  u64 check = 0;
  struct node *at = nodes;
  for (u64 step = 0; step < count; step++) {
    check += at->number ^ step;
    at = at->next;
    if (step % 65536 == 0) fence_all();
  }
  return check;
}

/* Fills, an aligned copy, and one that is not. */
u64 run_copy(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  u8 *first = arena, *second = arena + (1ul << 20) + 0x57000, *third = arena + (2ul << 20) + 0x13001;
  u64 check = 0;
  for (u64 pass = 0; pass < count; pass++) {
    if (pass % 64 == 0) fence_all();
    memset(first, (int)pass, BLOCK_BYTES);
    first[pass % BLOCK_BYTES] ^= 0x55;
    memcpy(second, first, BLOCK_BYTES);
    memcpy(third, second, BLOCK_BYTES / 16);
    check = check * 3 + second[pass % BLOCK_BYTES] + third[77];
  }
  return check;
}

u64 run_sieve(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  u64 primes = 0;
  for (u64 pass = 0; pass < count; pass++) {
    fence_all();
    memset(arena, 1, SIEVE_LIMIT);
    for (u32 n = 2; n < SIEVE_LIMIT; n++) {
      if (arena[n] == 0) continue;
      primes++;
      for (u32 multiple = 2 * n; multiple < SIEVE_LIMIT; multiple += n) arena[multiple] = 0;
    }
  }
  return primes;
}
