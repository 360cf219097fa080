/*
 * sort [-nru] [FILE...]: sorts lines by their bytes; -n by the number they start with, -r
 * downwards, -u only one of equal lines.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

static bool by_number, downwards, only_one;
static struct list all;

/** The number a line starts with, 0 if none. */
static int64_t leading_number(const char *line) {
  while (is_space(*line)) line++;
  bool negative = *line == '-';
  if (negative) line++;
  int64_t value = 0;
  while (is_digit(*line)) value = value * 10 + *line++ - '0';
  return negative ? -value : value;
}

static int compare(const void *left, const void *right) {
  int order = 0;
  if (by_number) {
    int64_t l = leading_number(left), r = leading_number(right);
    order = (l > r) - (l < r);
  }
  if (order == 0) order = strcmp(left, right);
  return downwards ? -order : order;
}

static int collect(int fd, const char *name) {
  (void)name;
  struct lines lines = {.fd = fd};
  size_t length;
  for (char *line; (line = next_line(&lines, &length));) list_push(&all, copy_bytes(line, length));
  lines_close(&lines);
  return 0;
}

int main(int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "nru")) != 0;)
    switch (c) {
      case 'n': by_number = true; break;
      case 'r': downwards = true; break;
      case 'u': only_one = true; break;
      default: usage("[-nru] [FILE...]");
    }
  int failed = for_each_input(argv + options.next, collect);
  sort_pointers(all.items, all.length, compare);
  for (size_t i = 0; i < all.length; i++) {
    if (only_one && i > 0 && same(all.items[i], all.items[i - 1])) continue;
    put_string(all.items[i]);
    put_char('\n');
  }
  return failed;
}
