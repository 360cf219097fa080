/*
 * cp FROM... TO: copies a file, or files into the directory TO.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

static int copy(const char *from, const char *to) {
  static char data[4096];
  int in = sys_open(from, O_RDONLY, 0);
  if (in < 0) {
    warn("%s: %s", from, error_text(in));
    return 1;
  }
  int error = sys_open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (error >= 0) {
    int fd = error;
    ssize size = 0;
    error = 0;
    while (error == 0 && (size = sys_read(in, data, sizeof data)) > 0)
      error = write_all(fd, data, (size_t)size);
    if (size < 0) error = (int)size;
    sys_close(fd);
  }
  sys_close(in);
  if (error < 0) warn("%s to %s: %s", from, to, error_text(error));
  return error < 0;
}

int main(int argc, char **argv) {
  if (argc < 3) usage("FROM... TO");
  const char *last = argv[argc - 1];
  bool into = is_directory(last);
  if (argc > 3 && !into) die("%s: not a directory", last);
  int failed = 0;
  for (int i = 1; i < argc - 1; i++)
    failed |= copy(argv[i], into ? join_path(last, basename(argv[i])) : last);
  return failed;
}
