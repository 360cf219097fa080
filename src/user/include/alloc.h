/*
 * Heap memory: lib/alloc.c.
 *
 * All of these end the program with a message if memory runs out, so nobody tests for null.
 */
#ifndef ALLOC_H
#define ALLOC_H

#include <stddef.h>

/** At least `size` bytes, aligned to 16. */
void *allocate(size_t size);
/** Moves a block to one of another size; `block` may be null. */
void *reallocate(void *block, size_t size);
/** Gives a block back; null is fine. */
void release(void *block);

char *copy_string(const char *text);
/** A copy of the first `length` bytes of `text`, terminated. */
char *copy_bytes(const char *text, size_t length);

/** A growing string: zero-initialise it, push into it, take `data` (terminated once not null). */
struct buffer {
  char *data;
  size_t length, capacity;
};
void buffer_push(struct buffer *buffer, char c);
void buffer_append(struct buffer *buffer, const char *text, size_t length);

/** A growing list of pointers, always followed by a null: an argv once `items` is not null. */
struct list {
  void **items;
  size_t length, capacity;
};
void list_push(struct list *list, void *item);

#endif
