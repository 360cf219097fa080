/* vfs inside: path names (path.c), mounted file systems (mount.c), open files (file.c). */
#ifndef VFS_INTERNAL_H
#define VFS_INTERNAL_H

#include "core.h"
#include "errno.h"
#include "lib.h"
#include "vfs.h"

/* What a file system offers. In a separated image each of these is a gate. */
struct file_system {
  long (*root)(void);
  long (*lookup)(long directory, const char *name);
  long (*create)(long directory, const char *name, long mode, long device);
  long (*remove)(long directory, const char *name, long is_directory);
  long (*rename)(long from_directory, const char *from, long to_directory, const char *to);
  long (*read)(long node, u64 offset, void *buffer, size_t bytes);
  long (*write)(long node, u64 offset, const void *buffer, size_t bytes);
  long (*truncate)(long node, u64 size);
  long (*stat)(long node, struct stat *out);
  long (*list)(long directory, u64 position, struct dir_entry *out);
  long (*hold)(long node);
  long (*drop)(long node);
  long (*sync)(void);
};

/* --- path.c --- */

/* Joins and cleans: the result is absolute, without ".", ".." and doubled slashes. PATH_LIMIT bytes. */
long path_normalize(const char *cwd, const char *path, char *out);
/* Takes the next component of `*path` and moves on; false at the end, -ENAMETOOLONG in `*status`. */
bool path_next(const char **path, char *name, long *status);
/* Splits a normal path other than "/" at its last component. */
long path_split(const char *path, char *parent, char *name);

/* --- mount.c --- */

/* Where a path leads. */
struct place {
  const struct file_system *fs;
  long node;
};

/* `path` is normal. */
long mount_walk(const char *path, struct place *out);
bool mount_is_point(const char *path);
long mount_sync(void);
void mount_init(void);

/* --- file.c --- */

void file_init(u64 generation);

#endif
