/*
 * Heap memory over brk: power-of-two size classes with one free list each.
 *
 * A block is preceded by a 16-byte header with its class. Blocks are carved off the end of the heap
 * and never merged: programs here are short-lived, and a reader sees at once that it is correct.
 */
#include "alloc.h"

#include "print.h"
#include "string.h"
#include "sys.h"

/** The heap grows by at least this much, so that brk is called rarely. */
#define GROWTH_BYTES 16384UL

enum { SMALLEST_CLASS = 5, CLASSES = 31 };

struct block {
  uint64_t class;
  struct block *next_free;
};
#define HEADER_BYTES sizeof(struct block)

static struct block *free_blocks[CLASSES];
static uintptr_t heap_next, heap_end;

static void *grow_heap(size_t size) {
  if (heap_end == 0) heap_end = heap_next = (sys_brk(0) + 15) & ~15UL;
  if (heap_end - heap_next < size) {
    uintptr_t end = heap_next + (size > GROWTH_BYTES ? size : GROWTH_BYTES);
    if (sys_brk(end) < end) die("out of memory");
    heap_end = end;
  }
  void *block = (void *)heap_next;
  heap_next += size;
  return block;
}

void *allocate(size_t size) {
  unsigned class = SMALLEST_CLASS;
  while (class < CLASSES && (1UL << class) - HEADER_BYTES < size) class++;
  if (class == CLASSES) die("out of memory");
  struct block *block = free_blocks[class];
  if (block)
    free_blocks[class] = block->next_free;
  else
    block = grow_heap(1UL << class);
  block->class = class;
  return block + 1;
}

void release(void *memory) {
  if (!memory) return;
  struct block *block = (struct block *)memory - 1;
  block->next_free = free_blocks[block->class];
  free_blocks[block->class] = block;
}

void *reallocate(void *memory, size_t size) {
  if (!memory) return allocate(size);
  size_t room = (1UL << ((struct block *)memory - 1)->class) - HEADER_BYTES;
  if (size <= room) return memory;
  void *larger = allocate(size);
  memcpy(larger, memory, room);
  release(memory);
  return larger;
}

char *copy_bytes(const char *text, size_t length) {
  char *copy = allocate(length + 1);
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

char *copy_string(const char *text) { return copy_bytes(text, strlen(text)); }

static void buffer_reserve(struct buffer *buffer, size_t more) {
  size_t needed = buffer->length + more + 1;
  if (needed <= buffer->capacity) return;
  buffer->capacity = needed < 48 ? 48 : needed * 2;
  buffer->data = reallocate(buffer->data, buffer->capacity);
}

void buffer_append(struct buffer *buffer, const char *text, size_t length) {
  buffer_reserve(buffer, length);
  memcpy(buffer->data + buffer->length, text, length);
  buffer->length += length;
  buffer->data[buffer->length] = 0;
}

void buffer_push(struct buffer *buffer, char c) { buffer_append(buffer, &c, 1); }

void list_push(struct list *list, void *item) {
  if (list->length + 2 > list->capacity) {
    list->capacity = list->capacity * 2 + 6;
    list->items = reallocate(list->items, list->capacity * sizeof *list->items);
  }
  list->items[list->length++] = item;
  list->items[list->length] = NULL;
}
