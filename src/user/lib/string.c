/*
 * Strings, character classes and numbers.
 */
#include "string.h"

size_t strlen(const char *text) {
  const char *end = text;
  while (*end) {
    end++;
    __asm__("" : "+r"(end)); /* else a compiler may call strlen here */
  }
  return (size_t)(end - text);
}

int strcmp(const char *left, const char *right) {
  while (*left && *left == *right) left++, right++;
  return (uint8_t)*left - (uint8_t)*right;
}

int strncmp(const char *left, const char *right, size_t limit) {
  while (limit > 0 && *left && *left == *right) left++, right++, limit--;
  return limit == 0 ? 0 : (uint8_t)*left - (uint8_t)*right;
}

char *strchr(const char *in, int wanted) {
  for (;; in++) {
    if (*in == (char)wanted) return (char *)(uintptr_t)in;
    if (!*in) return NULL;
  }
}

char *strrchr(const char *in, int wanted) {
  char *found = NULL;
  for (;; in++) {
    if (*in == (char)wanted) found = (char *)(uintptr_t)in;
    if (!*in) return found;
  }
}

char *strstr(const char *in, const char *wanted) {
  size_t length = strlen(wanted);
  for (;; in++) {
    if (strncmp(in, wanted, length) == 0) return (char *)(uintptr_t)in;
    if (!*in) return NULL;
  }
}

bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(int c) { return c >= '0' && c <= '9'; }
bool is_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

const char *basename(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

bool parse_number(const char *text, int64_t *to) {
  bool negative = *text == '-';
  if (negative) text++;
  int base = 10;
  if (text[0] == '0' && (text[1] | 0x20) == 'x') base = 16, text += 2;
  if (!*text) return false;
  uint64_t value = 0;
  for (; *text; text++) {
    int digit = digit_value(*text);
    if (digit >= base) return false;
    value = value * (uint64_t)base + (uint64_t)digit;
  }
  *to = (int64_t)(negative ? -value : value);
  return true;
}
