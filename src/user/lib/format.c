/*
 * The formatter behind every printf. See print.h for the conversions.
 */
#include <stdbool.h>

#include "print.h"
#include "string.h"

struct conversion {
  bool left, zeros;
  int width, precision;
  bool is_long;
};

static void put_padding(struct sink *sink, char c, int count) {
  for (; count > 0; count--) sink->put(sink, &c, 1);
}

/** Prefix (a sign or 0x), then the body, padded to the width. */
static void put_field(struct sink *sink, const struct conversion *conversion, const char *prefix,
                      const char *body, size_t length) {
  size_t prefix_length = strlen(prefix);
  int padding = conversion->width - (int)(prefix_length + length);
  if (!conversion->left && !conversion->zeros) put_padding(sink, ' ', padding);
  sink->put(sink, prefix, prefix_length);
  if (!conversion->left && conversion->zeros) put_padding(sink, '0', padding);
  sink->put(sink, body, length);
  if (conversion->left) put_padding(sink, ' ', padding);
}

static void put_number(struct sink *sink, const struct conversion *conversion, const char *prefix,
                       uint64_t value, unsigned base) {
  char digits[24];
  char *first = digits + sizeof digits;
  do *--first = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  put_field(sink, conversion, prefix, first, (size_t)(digits + sizeof digits - first));
}

static void put_text(struct sink *sink, struct conversion *conversion, const char *text) {
  if (!text) text = "(null)";
  size_t length = 0;
  while (text[length] && (conversion->precision < 0 || length < (size_t)conversion->precision))
    length++;
  conversion->zeros = false;
  put_field(sink, conversion, "", text, length);
}

/** Digits at `*at`, which moves past them. */
static int decimal(const char **at) {
  int value = 0;
  while (is_digit(**at)) value = value * 10 + *(*at)++ - '0';
  return value;
}

/*
 * Takes one argument, with the sign or without. Macros, because a va_list that is passed on by
 * value cannot be used again afterwards.
 */
#define SIGNED(c, list) ((c).is_long ? va_arg(list, int64_t) : va_arg(list, int))
#define UNSIGNED(c, list) ((c).is_long ? va_arg(list, uint64_t) : va_arg(list, unsigned))

void format_to(struct sink *sink, const char *format, va_list arguments) {
  while (*format) {
    const char *start = format;
    while (*format && *format != '%') format++;
    if (format > start) sink->put(sink, start, (size_t)(format - start));
    if (!*format++) return;

    struct conversion conversion = {.precision = -1};
    for (;; format++) {
      if (*format == '-') conversion.left = true;
      else if (*format == '0') conversion.zeros = true;
      else break;
    }
    if (*format == '*') conversion.width = va_arg(arguments, int), format++;
    else conversion.width = decimal(&format);
    if (*format == '.') {
      format++;
      if (*format == '*') conversion.precision = va_arg(arguments, int), format++;
      else conversion.precision = decimal(&format);
    }
    for (; *format == 'l' || *format == 'z'; format++) conversion.is_long = true;

    switch (*format++) {
      case 'd':
      case 'i': {
        int64_t value = SIGNED(conversion, arguments);
        uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
        put_number(sink, &conversion, value < 0 ? "-" : "", magnitude, 10);
        break;
      }
      case 'u': put_number(sink, &conversion, "", UNSIGNED(conversion, arguments), 10); break;
      case 'x': put_number(sink, &conversion, "", UNSIGNED(conversion, arguments), 16); break;
      case 'o': put_number(sink, &conversion, "", UNSIGNED(conversion, arguments), 8); break;
      case 'p': put_number(sink, &conversion, "0x", va_arg(arguments, uintptr_t), 16); break;
      case 's': put_text(sink, &conversion, va_arg(arguments, const char *)); break;
      case 'c': {
        char c = (char)va_arg(arguments, int);
        put_field(sink, &conversion, "", &c, 1);
        break;
      }
      case '%': sink->put(sink, "%", 1); break;
      default: return; /* not a conversion: the compiler has warned */
    }
  }
}
