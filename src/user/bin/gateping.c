/*
 * gateping [-s SEED] [-n ROUNDS] [-t SECONDS]: bursts of null gate calls with 0, 1 and 6 arguments,
 * moving to another hart between two of them.
 */
#include "cordon.h"
#include "process.h"
#include "stressor.h"

enum { MAX_BURST = 200 };

/** Binds the process to one of the harts in the mask. */
static void move_somewhere(struct random *random, uint64_t mask, unsigned harts) {
  uint32_t skip = random_below(random, harts);
  for (; skip > 0; skip--) mask &= mask - 1;
  must(sys_set_affinity(0, mask & -mask), "sched_setaffinity");
}

int main(int argc, char **argv) {
  static const unsigned arguments[] = {0, 1, 6};
  struct stressor stressor;
  stressor_start(&stressor, argc, argv);
  uint64_t mask;
  unsigned harts = allowed_harts(&mask);
  while (stressor_next(&stressor)) {
    unsigned kind = arguments[random_below(&stressor.random, 3)];
    uint64_t count = 1 + random_below(&stressor.random, MAX_BURST);
    must(gate_call(kind, count), "gate_call");
    stressor_mix(&stressor, kind << 16 | count);
    move_somewhere(&stressor.random, mask, harts);
  }
  return stressor_end(&stressor);
}
