/*
 * dd [if=FILE] [of=FILE] [bs=BYTES] [count=BLOCKS] [skip=BLOCKS] [seek=BLOCKS]: copies
 * blocks from a file to another, standard input and output unless told. Sizes may end in k or M.
 * An output file is cut to nothing first unless seek is given. Reports to standard error.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

static const char how[] =
    "[if=FILE] [of=FILE] [bs=BYTES] [count=BLOCKS] [skip=BLOCKS] [seek=BLOCKS]";

struct setting {
  const char *name;
  int64_t value;
};
enum { BS, COUNT, SKIP, SEEK, SETTINGS };
static struct setting settings[SETTINGS] = {
    [BS] = {"bs=", 512}, [COUNT] = {"count=", -1}, [SKIP] = {"skip=", 0}, [SEEK] = {"seek=", 0}};

static int64_t size_operand(char *text) {
  size_t length = strlen(text);
  int64_t unit = 1;
  if (length > 1 && text[length - 1] == 'k') unit = 1024;
  if (length > 1 && text[length - 1] == 'M') unit = 1024 * 1024;
  if (unit > 1) text[length - 1] = 0;
  return number_operand(text) * unit;
}

static int open_or_die(const char *path, int flags) {
  int fd = sys_open(path, flags, 0666);
  if (fd < 0) die("%s: %s", path, error_text(fd));
  return fd;
}

int main(int argc, char **argv) {
  const char *input = NULL, *output = NULL;
  for (int i = 1; i < argc; i++) {
    int kind = 0;
    if (strncmp(argv[i], "if=", 3) == 0) {
      input = argv[i] + 3;
    } else if (strncmp(argv[i], "of=", 3) == 0) {
      output = argv[i] + 3;
    } else {
      size_t length = 0;
      for (; kind < SETTINGS; kind++) {
        length = strlen(settings[kind].name);
        if (strncmp(argv[i], settings[kind].name, length) == 0) break;
      }
      if (kind == SETTINGS) usage(how);
      settings[kind].value = size_operand(argv[i] + length);
    }
  }
  size_t block = (size_t)settings[BS].value;
  int64_t count = settings[COUNT].value, skip = settings[SKIP].value, seek = settings[SEEK].value;
  if (block == 0) usage(how);

  int in = input ? open_or_die(input, O_RDONLY) : 0;
  int to = output ? open_or_die(output, O_WRONLY | O_CREAT | (seek ? 0 : O_TRUNC)) : 1;
  if (skip && sys_lseek(in, skip * (int64_t)block, SEEK_SET) < 0) die("cannot skip");
  if (seek && sys_lseek(to, seek * (int64_t)block, SEEK_SET) < 0) die("cannot seek");

  char *data = allocate(block);
  uint64_t bytes = 0, blocks = 0;
  ssize size = 0;
  for (; count < 0 || (int64_t)blocks < count; blocks++) {
    size = read_full(in, data, block);
    if (size <= 0) break;
    int error = write_all(to, data, (size_t)size);
    if (error < 0) die("writing: %s", error_text(error));
    bytes += (uint64_t)size;
  }
  if (size < 0) die("reading: %s", error_text(size));
  fdprintf(2, "%lu bytes in %lu blocks\n", bytes, blocks);
  return 0;
}
