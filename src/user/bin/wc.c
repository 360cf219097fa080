/*
 * wc [-lwc] [FILE...]: counts lines, words and bytes; all three unless told which.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

enum { LINES, WORDS, BYTES, KINDS };

static bool wanted[KINDS];
static uint64_t total[KINDS];

static void show(const uint64_t counts[KINDS], const char *name) {
  const char *before = "";
  for (int kind = 0; kind < KINDS; kind++)
    if (wanted[kind]) {
      printf("%s%lu", before, counts[kind]);
      before = " ";
    }
  printf(same(name, "-") ? "\n" : " %s\n", name);
}

static int count(int fd, const char *name) {
  static char data[4096];
  uint64_t counts[KINDS] = {0};
  bool in_word = false;
  ssize size;
  while ((size = sys_read(fd, data, sizeof data)) > 0) {
    counts[BYTES] += (uint64_t)size;
    for (ssize i = 0; i < size; i++) {
      counts[LINES] += data[i] == '\n';
      bool space = is_space(data[i]);
      counts[WORDS] += !space && !in_word;
      in_word = !space;
    }
  }
  if (size < 0) return (int)size;
  for (int kind = 0; kind < KINDS; kind++) total[kind] += counts[kind];
  show(counts, name);
  return 0;
}

int main(int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  bool chosen = false;
  for (int c; (c = next_option(&options, "lwc")) != 0; chosen = true)
    switch (c) {
      case 'l': wanted[LINES] = true; break;
      case 'w': wanted[WORDS] = true; break;
      case 'c': wanted[BYTES] = true; break;
      default: usage("[-lwc] [FILE...]");
    }
  if (!chosen)
    for (int kind = 0; kind < KINDS; kind++) wanted[kind] = true;
  int failed = for_each_input(argv + options.next, count);
  if (argc - options.next > 1) show(total, "total");
  return failed;
}
