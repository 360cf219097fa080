/*
 * Helpers that every subsystem links a copy of. None keeps state of its own.
 */
#ifndef LIB_H
#define LIB_H

#include "types.h"

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
/* Copies with a NUL always; -1 if it had to cut. */
int strcopy(char *to, const char *from, size_t to_bytes);

/* Formats %s %c %d %u %x %p, with `l` and a zero-padded width; returns the length written. */
size_t format(char *to, size_t to_bytes, const char *pattern, ...) __attribute__((format(printf, 3, 4)));
size_t format_list(char *to, size_t to_bytes, const char *pattern, va_list arguments);

/*
 * A lock that a thread may hold while it sleeps, is preempted or migrates. A contender yields to
 * other threads instead of spinning, so it costs a call to the core only when it is contended.
 */
struct mutex {
  int held;
};
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/*
 * Handles: what a subsystem gives out instead of a pointer. `generation` is the domain's (it grows
 * with every restart), `serial` the slot's (it grows with every reuse), so a stale handle never fits.
 */
long handle_make(u64 generation, u32 serial, u32 index);
/* The index if generation fits and index < limit, else -1; the caller compares the serial. */
long handle_index(long handle, u64 generation, u32 limit);
u32 handle_serial(long handle);

#endif
