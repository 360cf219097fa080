/*
 * tee [-a] [FILE...]: copies standard input to standard output and to files; -a appends to them.
 */
#include "alloc.h"
#include "files.h"
#include "options.h"
#include "print.h"

int main(int argc, char **argv) {
  static char data[4096];
  int flags = O_WRONLY | O_CREAT | O_TRUNC;
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "a")) != 0;) {
    if (c != 'a') usage("[-a] [FILE...]");
    flags = O_WRONLY | O_CREAT | O_APPEND;
  }
  int failed = 0, count = 1;
  int *fds = allocate((size_t)(argc + 1) * sizeof *fds);
  fds[0] = 1;
  for (int i = options.next; i < argc; i++) {
    int fd = sys_open(argv[i], flags, 0666);
    if (fd < 0) {
      warn("%s: %s", argv[i], error_text(fd));
      failed = 1;
    } else {
      fds[count++] = fd;
    }
  }
  for (ssize size; (size = sys_read(0, data, sizeof data)) > 0;)
    for (int i = 0; i < count; i++) failed |= write_all(fds[i], data, (size_t)size) < 0;
  return failed;
}
