/*
 * Reading line by line.
 */
#include "files.h"
#include "string.h"

/** Makes room at the end and reads into it; false at the end of the file. */
static bool refill(struct lines *lines) {
  if (lines->start > 0) {
    memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
  }
  /* One byte stays free: the last line may need a terminator and have no newline. */
  if (lines->capacity < lines->end + 2) {
    lines->capacity = lines->capacity ? lines->capacity * 2 : 1008;
    lines->data = reallocate(lines->data, lines->capacity);
  }
  ssize size = sys_read(lines->fd, lines->data + lines->end, lines->capacity - lines->end - 1);
  if (size <= 0) return false;
  lines->end += (size_t)size;
  return true;
}

char *next_line(struct lines *lines, size_t *length) {
  size_t searched = 0;
  for (;;) {
    char *start = lines->data + lines->start;
    size_t held = lines->end - lines->start;
    char *newline = held > searched ? memchr(start + searched, '\n', held - searched) : NULL;
    if (newline) {
      *newline = 0;
      *length = (size_t)(newline - start);
      lines->start += *length + 1;
      return start;
    }
    searched = held;
    if (refill(lines)) continue;
    if (held == 0) return NULL;
    start = lines->data + lines->start;
    start[held] = 0;
    *length = held;
    lines->start = lines->end;
    return start;
  }
}

void lines_close(struct lines *lines) {
  release(lines->data);
  *lines = (struct lines){0};
}
