/*
 * touch FILE...: makes files that are not there yet. It leaves the times of the others alone.
 */
#include "options.h"
#include "print.h"
#include "sys.h"

int main(int argc, char **argv) {
  if (argc < 2) usage("FILE...");
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    int fd = sys_open(argv[i], O_WRONLY | O_CREAT, 0666);
    if (fd >= 0)
      sys_close(fd);
    else
      warn("%s: %s", argv[i], error_text(fd));
    failed |= fd < 0;
  }
  return failed;
}
