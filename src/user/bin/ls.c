/*
 * ls [-la1] [PATH...]: lists directories and files, one name a line; -l adds type, permissions,
 * links and size, -a the names that start with a dot. -1 is always so.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

static bool show_all, show_long;

static char type_letter(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    case S_IFIFO: return 'p';
    default: return '-';
  }
}

static int show(const char *path, const char *name) {
  if (show_long) {
    struct stat stat;
    int error = sys_stat(path, &stat);
    if (error < 0) {
      warn("%s: %s", path, error_text(error));
      return 1;
    }
    char text[] = "?rwxrwxrwx";
    text[0] = type_letter(stat.mode);
    for (int bit = 0; bit < 9; bit++)
      if (!(stat.mode & (0400U >> bit))) text[1 + bit] = '-';
    printf("%s %3u %9ld  ", text, stat.nlink, stat.size);
  }
  printf("%s\n", name);
  return 0;
}

static int list_directory(const char *path) {
  struct list names = {0};
  ssize count = directory_names(path, &names);
  if (count < 0) {
    warn("%s: %s", path, error_text(count));
    return 1;
  }
  int failed = 0;
  for (ssize i = 0; i < count; i++) {
    const char *name = names.items[i];
    if (name[0] == '.' && !show_all) continue;
    char *full = join_path(path, name);
    failed |= show(full, name);
    release(full);
  }
  return failed;
}

int main(int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "al1")) != 0;)
    switch (c) {
      case 'a': show_all = true; break;
      case 'l': show_long = true; break;
      case '1': break;
      default: usage("[-la1] [PATH...]");
    }
  char **paths = argv + options.next;
  if (!*paths) return list_directory(".");

  bool several = paths[1] != NULL;
  int failed = 0;
  for (; *paths; paths++) {
    if (!is_directory(*paths)) {
      struct stat stat;
      int error = sys_stat(*paths, &stat);
      if (error < 0) warn("%s: %s", *paths, error_text(error));
      failed |= error < 0 || show(*paths, *paths);
      continue;
    }
    if (several) printf("%s:\n", *paths);
    failed |= list_directory(*paths);
  }
  return failed;
}
