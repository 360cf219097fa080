/*
 * Pseudo-random numbers (splitmix64) and checksums (FNV-1a): short, repeatable, and good enough to
 * notice a wrong byte. Nothing here is a secret.
 */
#include "random.h"

uint64_t next_random(struct random *random) {
  uint64_t z = random->state += 0x9e3779b97f4a7c15UL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
  return z ^ (z >> 31);
}

uint32_t random_below(struct random *random, uint32_t limit) {
  return (uint32_t)(((next_random(random) >> 32) * limit) >> 32);
}

void random_fill(struct random *random, void *to, size_t size) {
  uint8_t *bytes = to;
  while (size > 0) {
    uint64_t value = next_random(random);
    for (int i = 0; i < 8 && size > 0; i++, size--, value >>= 8) *bytes++ = (uint8_t)value;
  }
}

uint64_t checksum(uint64_t sum, const void *bytes, size_t size) {
  const uint8_t *from = bytes;
  for (; size > 0; size--) sum = (sum ^ *from++) * 0x100000001b3UL;
  return sum;
}
