/*
 * memcpy, memmove, memset, memcmp and memchr, by words where alignment allows: the machine is
 * emulated, and eight bytes cost as much as one.
 *
 * Compilers recognise these very loops and would replace them by calls to the function they stand
 * in; KEEP_LOOP hides one value from them, which is enough.
 */
#include "string.h"

#define KEEP_LOOP(value) __asm__("" : "+r"(value))

/** A word that may alias any object. */
typedef uint64_t __attribute__((may_alias)) word;

static bool aligned(const void *left, const void *right) {
  return (((uintptr_t)left | (uintptr_t)right) & 7) == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if ((((uintptr_t)d ^ (uintptr_t)s) & 7) == 0) {
    for (; size > 0 && ((uintptr_t)d & 7) != 0; size--) *d++ = *s++;
    for (; size >= 32; size -= 32, d += 32, s += 32) {
      word a = ((const word *)s)[0], b = ((const word *)s)[1];
      word c = ((const word *)s)[2], e = ((const word *)s)[3];
      ((word *)d)[0] = a, ((word *)d)[1] = b, ((word *)d)[2] = c, ((word *)d)[3] = e;
      KEEP_LOOP(size);
    }
  }
  for (; size > 0; size--) {
    *d++ = *s++;
    KEEP_LOOP(size);
  }
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if (d <= s || d >= s + size) {
    /* Forwards, and at least a word apart if words are used. */
    if (aligned(d, s))
      for (; size >= 8; size -= 8, d += 8, s += 8) {
        *(word *)d = *(const word *)s;
        KEEP_LOOP(size);
      }
    for (; size > 0; size--) {
      *d++ = *s++;
      KEEP_LOOP(size);
    }
  } else {
    while (size > 0) {
      size--;
      d[size] = s[size];
      KEEP_LOOP(size);
    }
  }
  return to;
}

void *memset(void *to, int byte, size_t size) {
  uint8_t *d = to;
  word pattern = (uint8_t)byte * 0x0101010101010101UL;
  for (; size > 0 && ((uintptr_t)d & 7) != 0; size--) *d++ = (uint8_t)byte;
  for (; size >= 32; size -= 32, d += 32) {
    ((word *)d)[0] = pattern, ((word *)d)[1] = pattern;
    ((word *)d)[2] = pattern, ((word *)d)[3] = pattern;
    KEEP_LOOP(size);
  }
  for (; size > 0; size--) {
    *d++ = (uint8_t)byte;
    KEEP_LOOP(size);
  }
  return to;
}

int memcmp(const void *left, const void *right, size_t size) {
  const uint8_t *l = left, *r = right;
  if (aligned(l, r))
    for (; size >= 8 && *(const word *)l == *(const word *)r; size -= 8) l += 8, r += 8;
  for (; size > 0; size--, l++, r++)
    if (*l != *r) return *l - *r;
  return 0;
}

void *memchr(const void *in, int byte, size_t size) {
  const uint8_t *s = in;
  for (; size > 0; size--, s++)
    if (*s == (uint8_t)byte) return (void *)(uintptr_t)s;
  return NULL;
}
