/*
 * What the stressors share: lib/stressor.c.
 *
 * A stressor takes -s SEED, -n ROUNDS and -t SECONDS and works in rounds until one of the limits is
 * reached (100 rounds if there is none). It checks what it does. At the end it prints one line,
 *
 *   name: ok rounds=N sum=CHECKSUM        or        name: FAILED why
 *
 * and exits with 0 or 1. With the same seed and number of rounds the sum is always the same.
 */
#ifndef STRESSOR_H
#define STRESSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "print.h"
#include "random.h"

struct stressor {
  uint64_t seed;
  /** 0: no such limit. */
  uint64_t rounds, deadline_ms;
  uint64_t round;
  uint64_t sum;
  struct random random;
};

/** Takes the options; returns the operands. */
char **stressor_start(struct stressor *stressor, int argc, char **argv);
/** Begins the next round, if there is one. */
bool stressor_next(struct stressor *stressor);
/** Carries a value into the sum. Not for values that depend on timing. */
void stressor_mix(struct stressor *stressor, uint64_t value);
/** Prints the good line; the exit code. */
int stressor_end(const struct stressor *stressor);
_Noreturn void stressor_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/** Fails, naming the call, if the result is a negated error number; else returns it. */
long must(long result, const char *call);
/** Waits for a child and fails if it does not exit with this code. */
void must_exit_with(int pid, int code, const char *what);

#endif
