/* Strings that end in NUL. */
#include "lib.h"

size_t strlen(const char *s) {
  size_t length = 0;
  while (s[length] != 0) length++;
  return length;
}

size_t strnlen(const char *s, size_t limit) {
  size_t length = 0;
  while (length < limit && s[length] != 0) length++;
  return length;
}

int strcmp(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t limit) {
  for (; limit > 0; limit--, a++, b++) {
    if (*a != *b || *a == 0) return (u8)*a - (u8)*b;
  }
  return 0;
}

int strcopy(char *to, const char *from, size_t to_bytes) {
  size_t length = strnlen(from, to_bytes);
  bool cut = length == to_bytes;
  if (cut) length = to_bytes - 1;
  memcpy(to, from, length);
  to[length] = 0;
  return cut ? -1 : 0;
}
