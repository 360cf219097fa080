/*
 * Reading directories.
 */
#include "files.h"
#include "string.h"

int directory_open(struct directory *directory, const char *path) {
  directory->fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
  directory->filled = directory->next = 0;
  return directory->fd < 0 ? directory->fd : 0;
}

const struct dirent *directory_next(struct directory *directory) {
  for (;;) {
    if (directory->next >= directory->filled) {
      directory->next = 0;
      directory->filled = sys_getdents(directory->fd, directory->data, sizeof directory->data);
      if (directory->filled <= 0) return NULL;
    }
    struct dirent *entry = (struct dirent *)(directory->data + directory->next);
    directory->next += entry->size;
    if (!same(entry->name, ".") && !same(entry->name, "..")) return entry;
  }
}

void directory_close(struct directory *directory) { sys_close(directory->fd); }

int compare_strings(const void *left, const void *right) { return strcmp(left, right); }

ssize directory_names(const char *path, struct list *names) {
  struct directory directory;
  int error = directory_open(&directory, path);
  if (error < 0) return error;
  for (const struct dirent *entry; (entry = directory_next(&directory));)
    list_push(names, copy_string(entry->name));
  directory_close(&directory);
  sort_pointers(names->items, names->length, compare_strings);
  return (ssize)names->length;
}
