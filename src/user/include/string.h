/*
 * Memory and strings: lib/memory.c and lib/string.c. The names mean what they mean in ISO C.
 */
#ifndef STRING_H
#define STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *left, const void *right, size_t size);
void *memchr(const void *in, int byte, size_t size);

size_t strlen(const char *text);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t limit);
char *strchr(const char *in, int wanted);
char *strrchr(const char *in, int wanted);
char *strstr(const char *in, const char *wanted);

static inline bool same(const char *left, const char *right) { return strcmp(left, right) == 0; }

bool is_space(int c);
bool is_digit(int c);
bool is_letter(int c);
/** May stand in an identifier after its first character. */
static inline bool is_word(int c) { return is_letter(c) || is_digit(c) || c == '_'; }

/** The part of a path after its last slash. */
const char *basename(const char *path);

/**
 * Reads a number in full: decimal, or hexadecimal after 0x, with an optional minus. False, and
 * nothing stored, if `text` is anything else.
 */
bool parse_number(const char *text, int64_t *to);

#endif
