/*
 * tail [-n COUNT] [FILE...]: the last lines of each input, 10 unless told.
 */
#include "files.h"
#include "options.h"
#include "print.h"

static size_t limit = 10;

static int show(int fd, const char *name) {
  (void)name;
  if (limit == 0) return 0;
  char **ring = allocate(limit * sizeof *ring);
  size_t seen = 0, length;
  struct lines lines = {.fd = fd};
  for (char *line; (line = next_line(&lines, &length)); seen++) {
    if (seen >= limit) release(ring[seen % limit]);
    ring[seen % limit] = copy_bytes(line, length);
  }
  lines_close(&lines);
  for (size_t i = seen > limit ? seen - limit : 0; i < seen; i++) printf("%s\n", ring[i % limit]);
  return 0;
}

int main(int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "n:")) != 0;) {
    if (c != 'n') usage("[-n COUNT] [FILE...]");
    limit = (size_t)number_option(&options);
  }
  return for_each_input(argv + options.next, show);
}
