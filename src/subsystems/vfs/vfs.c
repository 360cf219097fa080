/* Calls that take paths. */
#include "vfs.h"

#include "fs.h"
#include "internal.h"
#include "pipe.h"
#include "ramfs.h"

long vfs_init(u64 generation) {
  mount_init();
  file_init(generation);
  if (generation > 1) {
    /* What the files of our last life held. */
    ramfs_drop_all();
    fs_drop_all();
    pipe_drop_all();
  }
  return 0;
}

/* The directory that holds, or will hold, the path's last component, and that component. */
static long find_parent(const char *normal, struct place *parent, char *name) {
  char parent_path[PATH_LIMIT];
  long status = path_split(normal, parent_path, name);
  return status < 0 ? status : mount_walk(parent_path, parent);
}

long vfs_stat_path(const char *cwd, const char *path, struct stat *out) {
  char normal[PATH_LIMIT];
  struct place place;
  long status = path_normalize(cwd, path, normal);
  if (status == 0) status = mount_walk(normal, &place);
  return status < 0 ? status : place.fs->stat(place.node, out);
}

long vfs_resolve(const char *cwd, const char *path, char *out) {
  char normal[PATH_LIMIT] = {0};
  struct stat stat;
  long status = path_normalize(cwd, path, normal);
  if (status == 0) status = vfs_stat_path("/", normal, &stat);
  if (status < 0) return status;
  if ((stat.mode & S_IFMT) != S_IFDIR) return -ENOTDIR;
  memcpy(out, normal, PATH_LIMIT);
  return 0;
}

long vfs_mkdir(const char *cwd, const char *path, long mode) {
  char normal[PATH_LIMIT];
  char name[NAME_LIMIT];
  struct place parent;
  long status = path_normalize(cwd, path, normal);
  if (status == 0) status = find_parent(normal, &parent, name);
  if (status < 0) return status;
  long node = parent.fs->create(parent.node, name, S_IFDIR | (mode & 0777), 0);
  return node < 0 ? node : 0;
}

long vfs_unlink(const char *cwd, const char *path, long directory) {
  char normal[PATH_LIMIT];
  char name[NAME_LIMIT];
  struct place parent;
  long status = path_normalize(cwd, path, normal);
  if (status < 0) return status;
  if (mount_is_point(normal)) return -EBUSY;
  status = find_parent(normal, &parent, name);
  return status < 0 ? status : parent.fs->remove(parent.node, name, directory);
}

long vfs_rename(const char *old_cwd, const char *old_path, const char *new_cwd, const char *new_path) {
  char normal[PATH_LIMIT];
  char from_name[NAME_LIMIT];
  char to_name[NAME_LIMIT];
  char from_path[PATH_LIMIT];
  struct place from;
  struct place to;
  long status = path_normalize(old_cwd, old_path, from_path);
  if (status == 0) status = path_normalize(new_cwd, new_path, normal);
  if (status < 0) return status;
  if (mount_is_point(from_path) || mount_is_point(normal)) return -EBUSY;
  /* A directory cannot move into itself. */
  size_t length = strlen(from_path);
  if (strncmp(normal, from_path, length) == 0 && normal[length] == '/') return -EINVAL;
  status = find_parent(from_path, &from, from_name);
  if (status == 0) status = find_parent(normal, &to, to_name);
  if (status < 0) return status;
  if (from.fs != to.fs) return -EXDEV;
  return from.fs->rename(from.node, from_name, to.node, to_name);
}

long vfs_sync(void) {
  return mount_sync();
}
