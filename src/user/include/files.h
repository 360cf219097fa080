/*
 * Files, lines and directories: lib/files.c, lib/lines.c and lib/directory.c.
 */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "alloc.h"
#include "sys.h"

/** Writes all of it, however many calls that takes. 0 or a negated error number. */
int write_all(int fd, const void *bytes, size_t size);
/** Reads until `size` bytes or the end; the number read or a negated error number. */
ssize read_full(int fd, void *to, size_t size);
/** Appends everything up to the end of `fd`; 0 or a negated error number. */
int read_to_buffer(int fd, struct buffer *to);
/** `directory` / `name`, freshly allocated. */
char *join_path(const char *directory, const char *name);
bool is_directory(const char *path);

/**
 * Calls `visit` for each operand's contents, for standard input if there is none or for `-`.
 * Returns 1 if a file could not be opened or a visit returned an error, else 0.
 */
int for_each_input(char **operands, int (*visit)(int fd, const char *name));

/** Reads a descriptor line by line. Zero-initialise it but for `fd`. */
struct lines {
  int fd;
  size_t start, end, capacity;
  char *data;
};
/**
 * The next line without its newline, terminated, or null at the end. It is the reader's own and
 * lives until the next call.
 */
char *next_line(struct lines *lines, size_t *length);
void lines_close(struct lines *lines);

/** An open directory. */
struct directory {
  int fd;
  ssize filled, next;
  _Alignas(struct dirent) char data[1024];
};
/** 0 or a negated error number. */
int directory_open(struct directory *directory, const char *path);
/** The next entry but for `.` and `..`, or null at the end. Lives until the next call. */
const struct dirent *directory_next(struct directory *directory);
void directory_close(struct directory *directory);
/** All names of a directory in order; the number of them or a negated error number. */
ssize directory_names(const char *path, struct list *names);

/** The two directions of qsort's comparison for lists of strings. */
int compare_strings(const void *left, const void *right);

/** Sorts pointers in place, heapsort: no recursion, no further memory. Not stable. */
void sort_pointers(void **items, size_t count, int (*compare)(const void *, const void *));

#endif
