/*
 * head [-n COUNT] [FILE...]: the first lines of each input, 10 unless told.
 */
#include "files.h"
#include "options.h"
#include "print.h"

static int64_t limit = 10;

static int show(int fd, const char *name) {
  (void)name;
  struct lines lines = {.fd = fd};
  size_t length;
  char *line;
  for (int64_t i = 0; i < limit && (line = next_line(&lines, &length)); i++) {
    put_bytes(line, length);
    put_char('\n');
  }
  lines_close(&lines);
  return 0;
}

int main(int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "n:")) != 0;) {
    if (c != 'n') usage("[-n COUNT] [FILE...]");
    limit = number_option(&options);
  }
  return for_each_input(argv + options.next, show);
}
