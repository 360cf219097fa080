/*
 * Formatted output: lib/print.c and lib/format.c.
 *
 * Conversions: %d %i %u %x %o %c %s %p %%, with the flags `-` and `0`, a width, a precision for %s
 * (either may be `*`), and the lengths l, ll and z. There is no floating point.
 */
#ifndef PRINT_H
#define PRINT_H

#include <stdarg.h>
#include <stddef.h>

/** What is collected for standard output: written when full, before a fork and at exit. */
extern struct output {
  size_t used;
  char data[1024];
} out;
/** Name of the program, for messages; crt0 sets it from argv[0]. */
extern const char *program;

#define PRINTF_LIKE(text, first) __attribute__((__format__(printf, text, first)))

void printf(const char *format, ...) PRINTF_LIKE(1, 2);
/** Straight to the descriptor in one write, cut after 511 bytes. */
void fdprintf(int fd, const char *format, ...) PRINTF_LIKE(2, 3);
/** Like ISO C's, returns the length that the whole text has. */
size_t snprintf(char *to, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
size_t vsnprintf(char *to, size_t size, const char *format, va_list arguments);

void put_bytes(const void *bytes, size_t size);
void put_string(const char *text);
void put_char(char c);
/** Writes out what is collected. A reader that is gone ends the program, as it does elsewhere. */
void flush(void);

/** Says `program: message` on standard error. */
void warn(const char *format, ...) PRINTF_LIKE(1, 2);
/** The same, then exits with 1. */
_Noreturn void die(const char *format, ...) PRINTF_LIKE(1, 2);
/** Flushes, then exits. */
_Noreturn void exit(int code);
/** What a negated error number means, in words. */
const char *error_text(long error);

/** Receives formatted text piece by piece. */
struct sink {
  void (*put)(struct sink *sink, const char *bytes, size_t size);
};
void format_to(struct sink *sink, const char *format, va_list arguments);

#endif
