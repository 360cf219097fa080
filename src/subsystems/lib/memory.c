/* Copying, filling and comparing memory; the compiler calls these too. */
#include "lib.h"

static bool word_aligned(const void *a, const void *b) {
  return (((u64)a | (u64)b) & 7) == 0;
}

void *memcpy(void *to, const void *from, size_t bytes) {
  u8 *target = to;
  const u8 *source = from;
  if (word_aligned(to, from)) {
    for (; bytes >= 8; bytes -= 8, target += 8, source += 8) *(u64 *)target = *(const u64 *)source;
  }
  while (bytes-- > 0) *target++ = *source++;
  return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
  if (to <= from || (const u8 *)to >= (const u8 *)from + bytes) return memcpy(to, from, bytes);
  u8 *target = to;
  const u8 *source = from;
  while (bytes-- > 0) target[bytes] = source[bytes];
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  u8 *target = to;
  if (word_aligned(to, to)) {
    u64 word = (u8)value * 0x0101010101010101UL;
    for (; bytes >= 8; bytes -= 8, target += 8) *(u64 *)target = word;
  }
  while (bytes-- > 0) *target++ = (u8)value;
  return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
  const u8 *x = a;
  const u8 *y = b;
  for (; bytes > 0; bytes--, x++, y++) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}
