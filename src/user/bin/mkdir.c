/*
 * mkdir [-p] DIRECTORY...: makes directories; -p makes those above too and accepts existing ones.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

/** Makes what a path needs above it; what exists already is fine. */
static void make_parents(char *path) {
  for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = 0;
    sys_mkdir(path, 0777);
    *slash = '/';
  }
}

int main(int argc, char **argv) {
  bool parents = false;
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "p")) != 0;) {
    if (c != 'p') usage("[-p] DIRECTORY...");
    parents = true;
  }
  if (options.next == argc) usage("[-p] DIRECTORY...");
  int failed = 0;
  for (int i = options.next; i < argc; i++) {
    if (parents && argv[i][0]) make_parents(argv[i]);
    int error = sys_mkdir(argv[i], 0777);
    if (error == -EEXIST && parents && is_directory(argv[i])) continue;
    if (error < 0) warn("%s: %s", argv[i], error_text(error));
    failed |= error < 0;
  }
  return failed;
}
