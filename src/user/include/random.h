/*
 * Repeatable pseudo-random numbers and checksums: lib/random.c.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** State of a generator; any value is a good seed. */
struct random {
  uint64_t state;
};

uint64_t next_random(struct random *random);
/** Evenly from 0 to `limit` - 1, but for a bias below 2^-32 for the small limits used here. */
uint32_t random_below(struct random *random, uint32_t limit);
/** Fills memory; the bytes depend on the state alone, not on the alignment. */
void random_fill(struct random *random, void *to, size_t size);

/** Where a checksum starts. */
#define CHECKSUM_START 0xcbf29ce484222325UL
/** Carries a checksum on over further bytes: 64-bit FNV-1a. */
uint64_t checksum(uint64_t sum, const void *bytes, size_t size);

#endif
