/*
 * rm [-rf] PATH...: removes files; -r directories with all they hold, -f without a word about what
 * is not there.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

static bool recursive, quiet;

static int remove_path(const char *path) {
  int error;
  if (recursive && is_directory(path)) {
    struct list names = {0};
    ssize count = directory_names(path, &names);
    int failed = 0;
    for (ssize i = 0; i < count; i++) {
      char *inner = join_path(path, names.items[i]);
      failed |= remove_path(inner);
      release(inner);
      release(names.items[i]);
    }
    release(names.items);
    if (failed) return 1;
    error = sys_rmdir(path);
  } else {
    error = sys_unlink(path);
  }
  if (error == 0 || (quiet && error == -ENOENT)) return 0;
  warn("%s: %s", path, error_text(error));
  return 1;
}

int main(int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "rf")) != 0;)
    switch (c) {
      case 'r': recursive = true; break;
      case 'f': quiet = true; break;
      default: usage("[-rf] PATH...");
    }
  if (options.next == argc && !quiet) usage("[-rf] PATH...");
  int failed = 0;
  for (int i = options.next; i < argc; i++) failed |= remove_path(argv[i]);
  return failed;
}
