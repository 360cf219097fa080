/* A small printf that writes into a buffer. */
#include "lib.h"

struct output {
  char *to;
  size_t left; /* without the NUL */
};

static void put(struct output *out, char c) {
  if (out->left == 0) return;
  *out->to++ = c;
  out->left--;
}

static void put_number(struct output *out, u64 value, u64 base, int width) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  for (int pad = width - count; pad > 0; pad--) put(out, '0');
  while (count > 0) put(out, digits[--count]);
}

size_t format_list(char *to, size_t to_bytes, const char *pattern, va_list arguments) {
  struct output out = {to, to_bytes - 1};
  for (; *pattern != 0; pattern++) {
    if (*pattern != '%') {
      put(&out, *pattern);
      continue;
    }
    pattern++;
    int width = 0;
    bool is_long = false;
    for (; *pattern >= '0' && *pattern <= '9'; pattern++) width = width * 10 + (*pattern - '0');
    for (; *pattern == 'l'; pattern++) is_long = true;
    switch (*pattern) {
      case 's':
        for (const char *s = va_arg(arguments, const char *); *s != 0; s++) put(&out, *s);
        break;
      case 'c':
        put(&out, (char)va_arg(arguments, int));
        break;
      case 'd': {
        s64 value = is_long ? va_arg(arguments, long) : va_arg(arguments, int);
        if (value < 0) put(&out, '-');
        put_number(&out, value < 0 ? -(u64)value : (u64)value, 10, width);
        break;
      }
      case 'u':
        put_number(&out, is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 10, width);
        break;
      case 'x':
        put_number(&out, is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 16, width);
        break;
      case 'p':
        put_number(&out, (u64)va_arg(arguments, void *), 16, 16);
        break;
      case 0: /* a lone % at the end */
        pattern--;
        break;
      default:
        put(&out, *pattern);
    }
  }
  *out.to = 0;
  return (size_t)(out.to - to);
}

size_t format(char *to, size_t to_bytes, const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  size_t length = format_list(to, to_bytes, pattern, arguments);
  va_end(arguments);
  return length;
}
