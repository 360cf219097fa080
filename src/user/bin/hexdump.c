/*
 * hexdump [FILE...]: offset, 16 bytes in hexadecimal and as characters, a line each.
 */
#include "files.h"
#include "print.h"

static int dump(int fd, const char *name) {
  (void)name;
  uint8_t line[16];
  uint64_t offset = 0;
  ssize size;
  while ((size = read_full(fd, line, sizeof line)) > 0) {
    printf("%08lx ", offset);
    for (ssize i = 0; i < 16; i++)
      if (i < size)
        printf(" %02x", line[i]);
      else
        put_string("   ");
    put_string("  |");
    for (ssize i = 0; i < size; i++)
      put_char(line[i] >= ' ' && line[i] <= '~' ? (char)line[i] : '.');
    put_string("|\n");
    offset += (uint64_t)size;
  }
  if (size == 0) printf("%08lx\n", offset);
  return (int)size;
}

int main(int argc, char **argv) {
  (void)argc;
  return for_each_input(argv + 1, dump);
}
