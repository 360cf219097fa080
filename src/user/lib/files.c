/*
 * Whole reads and writes, paths, and the input operands that most tools take.
 */
#include "files.h"

#include "print.h"
#include "string.h"

int write_all(int fd, const void *bytes, size_t size) {
  const char *from = bytes;
  while (size > 0) {
    ssize written = sys_write(fd, from, size);
    if (written < 0) return (int)written;
    if (written == 0) return -EIO; /* else this would go on for ever */
    from += written;
    size -= (size_t)written;
  }
  return 0;
}

ssize read_full(int fd, void *to, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize part = sys_read(fd, (char *)to + done, size - done);
    if (part < 0) return part;
    if (part == 0) break;
    done += (size_t)part;
  }
  return (ssize)done;
}

int read_to_buffer(int fd, struct buffer *to) {
  char part[1024];
  for (;;) {
    ssize size = sys_read(fd, part, sizeof part);
    if (size <= 0) return (int)size;
    buffer_append(to, part, (size_t)size);
  }
}

char *join_path(const char *directory, const char *name) {
  size_t length = strlen(directory);
  struct buffer path = {0};
  buffer_append(&path, directory, length);
  if (length > 0 && directory[length - 1] != '/') buffer_push(&path, '/');
  buffer_append(&path, name, strlen(name));
  return path.data;
}

bool is_directory(const char *path) {
  struct stat stat;
  return sys_stat(path, &stat) == 0 && (stat.mode & S_IFMT) == S_IFDIR;
}

static int visit_one(const char *name, int (*visit)(int fd, const char *name)) {
  if (same(name, "-")) return visit(0, name);
  int fd = sys_open(name, O_RDONLY, 0);
  int error = fd < 0 ? fd : visit(fd, name);
  if (error < 0) warn("%s: %s", name, error_text(error));
  if (fd >= 0) sys_close(fd);
  return error;
}

int for_each_input(char **operands, int (*visit)(int fd, const char *name)) {
  if (!*operands) return visit_one("-", visit) != 0;
  int failed = 0;
  for (; *operands; operands++) failed |= visit_one(*operands, visit) != 0;
  return failed;
}
