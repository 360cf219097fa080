/*
 * sum [FILE...]: checksum (64-bit FNV-1a), size and name of each input.
 */
#include "files.h"
#include "print.h"
#include "random.h"
#include "string.h"

static int show(int fd, const char *name) {
  static char data[4096];
  uint64_t sum = CHECKSUM_START, bytes = 0;
  ssize size;
  while ((size = sys_read(fd, data, sizeof data)) > 0) {
    sum = checksum(sum, data, (size_t)size);
    bytes += (uint64_t)size;
  }
  if (size < 0) return (int)size;
  printf(same(name, "-") ? "%016lx %lu\n" : "%016lx %lu %s\n", sum, bytes, name);
  return 0;
}

int main(int argc, char **argv) {
  (void)argc;
  return for_each_input(argv + 1, show);
}
