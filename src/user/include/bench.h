/*
 * What the latency programs share: lib/bench.c. Their names and loads are lmbench's.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/**
 * The number of iterations at position `index` of the arguments, or `otherwise`. At least 1.
 */
uint64_t iterations(int argc, char **argv, int index, uint64_t otherwise);
/** Around the measured loop. A kernel without marks ignores them. */
void bench_begin(uint64_t count);
void bench_end(uint64_t count);
/** Prints the one line of a result: `program [kind]: count iterations`. */
void bench_report(const char *kind, uint64_t count);

#endif
