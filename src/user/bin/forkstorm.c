/*
 * forkstorm [-s SEED] [-n ROUNDS] [-t SECONDS]: a few children a round, each of which scribbles
 * over inherited memory, may have a child of its own or become another program, and exits with a
 * code that the parent knows. The parent's memory must stay as it was.
 */
#include "process.h"
#include "stressor.h"
#include "string.h"
#include "sys.h"

enum { MAX_CHILDREN = 4, MEMORY_BYTES = 3 * 4096 };

static uint8_t memory[MEMORY_BYTES], copy[MEMORY_BYTES];

static uint64_t sum_of(const uint8_t *bytes) {
  return checksum(CHECKSUM_START, bytes, MEMORY_BYTES);
}

/** Overwrites some bytes; what a child with this seed exits with. */
static int scribble(uint8_t *bytes, uint64_t seed) {
  struct random random = {seed};
  for (int i = 0; i < 8; i++)
    bytes[random_below(&random, MEMORY_BYTES)] = (uint8_t)next_random(&random);
  return (int)(sum_of(bytes) & 63);
}

/** What scribbling on the memory would lead to, the memory left as it is. */
static int expected_of(uint64_t seed) {
  memcpy(copy, memory, MEMORY_BYTES);
  return scribble(copy, seed);
}

/** Exit codes of a child that could not do its work, above all that scribbling leads to. */
enum { CHILD_NO_FORK = 100, CHILD_WRONG, CHILD_NO_EXEC };

/** What a child does, and its exit code; with a generation left its own child does it first. */
static int child(uint64_t seed, int generations) {
  if (generations > 0) {
    int pid = fork_process();
    if (pid < 0) return CHILD_NO_FORK;
    if (pid == 0) sys_exit(child(seed + 1, generations - 1));
    if (wait_for(pid) != expected_of(seed + 1)) return CHILD_WRONG;
  }
  return scribble(memory, seed);
}

static _Noreturn void become(int code) {
  char *command[] = {code ? "false" : "true", NULL};
  run_program(command, environ);
  sys_exit(CHILD_NO_EXEC);
}

int main(int argc, char **argv) {
  struct stressor stressor;
  stressor_start(&stressor, argc, argv);
  struct random *random = &stressor.random;
  while (stressor_next(&stressor)) {
    random_fill(random, memory, sizeof memory);
    uint64_t before = sum_of(memory);
    stressor_mix(&stressor, before);

    uint32_t count = 1 + random_below(random, MAX_CHILDREN);
    int pids[MAX_CHILDREN], expected[MAX_CHILDREN];
    for (uint32_t i = 0; i < count; i++) {
      uint64_t seed = next_random(random);
      bool exec = random_below(random, 4) == 0;
      int generations = (int)random_below(random, 3);
      pids[i] = (int)must(fork_process(), "fork");
      if (pids[i] == 0 && exec) become((int)(seed & 1));
      if (pids[i] == 0) sys_exit(child(seed, generations));
      expected[i] = exec ? (int)(seed & 1) : expected_of(seed);
      stressor_mix(&stressor, (uint64_t)expected[i]);
    }
    /* Last born first, so that the others are zombies for a while. */
    for (uint32_t i = count; i-- > 0;) must_exit_with(pids[i], expected[i], "a child");
    if (sum_of(memory) != before) stressor_fail("round %lu: memory changed", stressor.round);
  }
  return stressor_end(&stressor);
}
