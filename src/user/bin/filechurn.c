/*
 * filechurn [-s SEED] [-n ROUNDS] [-t SECONDS] [DIRECTORY]: creates, extends, overwrites, renames,
 * reads back and deletes files in a directory of its own below DIRECTORY (/tmp unless told), and
 * compares every file with a copy in memory.
 */
#include "files.h"
#include "process.h"
#include "stressor.h"
#include "string.h"

enum { FILES = 6, MAX_BYTES = 12 * 1024 };

/** What file number i must be. */
static struct {
  bool exists;
  uint32_t size;
  uint8_t data[MAX_BYTES];
} model[FILES];

static struct stressor stressor;
static char directory[200];

static const char *path_of(uint32_t file) {
  static char paths[2][220];
  static int turn;
  turn = !turn;
  snprintf(paths[turn], sizeof paths[turn], "%s/file%u", directory, file);
  return paths[turn];
}

static uint32_t below(uint32_t limit) { return random_below(&stressor.random, limit); }

/**
 * Writes random bytes at `offset`, in pieces. A full disk is no error: what fits is kept in the
 * model, so that it is checked that exactly the rest is missing.
 */
static void scribble(uint32_t file, int flags, uint32_t offset, uint32_t size) {
  int fd = (int)must(sys_open(path_of(file), O_WRONLY | flags, 0666), "open for writing");
  if (offset > 0 && !(flags & O_APPEND)) must(sys_lseek(fd, offset, SEEK_SET), "lseek");
  uint8_t *data = model[file].data + offset;
  random_fill(&stressor.random, data, size);
  while (size > 0) {
    uint32_t piece = 1 + below(2000);
    if (piece > size) piece = size;
    ssize written = sys_write(fd, data, piece);
    if (written == -ENOSPC) break;
    must(written, "write");
    data += written;
    size -= (uint32_t)written;
  }
  must(sys_close(fd), "close");
  uint32_t end = (uint32_t)(data - model[file].data);
  if (end > model[file].size) model[file].size = end;
  if (size > 0 && end < model[file].size) {
    /* The rest was not written, so the model does not know it any more. */
    must(sys_unlink(path_of(file)), "unlink");
    model[file].exists = false;
  }
}

static void create(uint32_t file) {
  model[file].exists = true;
  model[file].size = 0;
  scribble(file, O_CREAT | O_TRUNC, 0, below(MAX_BYTES / 2));
}

static void append(uint32_t file) {
  uint32_t room = MAX_BYTES - model[file].size;
  if (room > 0) scribble(file, O_APPEND, model[file].size, below(room < 3000 ? room : 3000));
}

static void overwrite(uint32_t file) {
  if (model[file].size == 0) return;
  uint32_t offset = below(model[file].size);
  scribble(file, 0, offset, below(model[file].size - offset));
}

static void rename_to(uint32_t file, uint32_t to) {
  must(sys_rename(path_of(file), path_of(to)), "rename");
  if (file == to) return;
  model[to] = model[file];
  model[file].exists = false;
}

static void delete(uint32_t file) {
  must(sys_unlink(path_of(file)), "unlink");
  model[file].exists = false;
}

static void check(uint32_t file) {
  static uint8_t data[MAX_BYTES + 1];
  struct stat stat;
  int error = sys_stat(path_of(file), &stat);
  if (!model[file].exists) {
    if (error != -ENOENT) stressor_fail("round %lu: file%u should be gone", stressor.round, file);
    return;
  }
  must(error, "stat");
  int fd = (int)must(sys_open(path_of(file), O_RDONLY, 0), "open for reading");
  ssize size = must(read_full(fd, data, sizeof data), "read");
  sys_close(fd);
  if (size != (ssize)model[file].size || stat.size != size)
    stressor_fail("round %lu: file%u has %ld bytes (stat %ld), not %u", stressor.round, file, size,
                  stat.size, model[file].size);
  if (memcmp(data, model[file].data, (size_t)size) != 0)
    stressor_fail("round %lu: file%u has wrong content", stressor.round, file);
  stressor_mix(&stressor, checksum(CHECKSUM_START, data, (size_t)size));
}

static void check_names(void) {
  struct list names = {0};
  ssize count = must(directory_names(directory, &names), "reading the directory");
  ssize expected = 0;
  for (uint32_t file = 0; file < FILES; file++) expected += model[file].exists;
  if (count != expected)
    stressor_fail("round %lu: %ld names, not %ld", stressor.round, count, expected);
  for (ssize i = 0; i < count; i++) release(names.items[i]);
  release(names.items);
}

int main(int argc, char **argv) {
  char **operands = stressor_start(&stressor, argc, argv);
  const char *parent = *operands ? *operands : "/tmp";
  sys_mkdir(parent, 0777); /* it may well exist */
  snprintf(directory, sizeof directory, "%s/churn%d", parent, sys_getpid());
  must(sys_mkdir(directory, 0777), "mkdir");

  while (stressor_next(&stressor)) {
    uint32_t file = below(FILES), choice = below(6), other = below(FILES);
    if (!model[file].exists) create(file);
    else if (choice == 0) append(file);
    else if (choice == 1) overwrite(file);
    else if (choice == 2) rename_to(file, other);
    else if (choice == 3) delete(file);
    check(file);
    if (choice == 2) check(other);
    if (stressor.round % 16 == 0) check_names();
  }
  for (uint32_t file = 0; file < FILES; file++) {
    check(file);
    if (model[file].exists) delete(file);
  }
  check_names();
  must(sys_rmdir(directory), "rmdir");
  return stressor_end(&stressor);
}
