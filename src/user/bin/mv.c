/*
 * mv FROM... TO: renames a file, or moves files into the directory TO. Within one file system.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

int main(int argc, char **argv) {
  if (argc < 3) usage("FROM... TO");
  const char *last = argv[argc - 1];
  bool into = is_directory(last);
  if (argc > 3 && !into) die("%s: not a directory", last);
  int failed = 0;
  for (int i = 1; i < argc - 1; i++) {
    const char *to = into ? join_path(last, basename(argv[i])) : last;
    int error = sys_rename(argv[i], to);
    if (error < 0) warn("%s to %s: %s", argv[i], to, error_text(error));
    failed |= error < 0;
  }
  return failed;
}
