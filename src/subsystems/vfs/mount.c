/* Which file system is where, and the walk from a path to a node. */
#include "fs.h"
#include "internal.h"
#include "ramfs.h"

static const struct file_system ramfs = {
    ramfs_root, ramfs_lookup, ramfs_create, ramfs_remove, ramfs_rename, ramfs_read, ramfs_write,
    ramfs_truncate, ramfs_stat, ramfs_list, ramfs_hold, ramfs_drop, ramfs_sync,
};

static const struct file_system disk = {
    fs_root, fs_lookup, fs_create, fs_remove, fs_rename, fs_read, fs_write,
    fs_truncate, fs_stat, fs_list, fs_hold, fs_drop, fs_sync,
};

#define DISK_POINT "/disk"

/* Set once; read without a lock. */
static bool disk_mounted;

void mount_init(void) {
  disk_mounted = false;
}

/* The file system that a normal path is on; `*rest` is what is left to walk there. */
static const struct file_system *find(const char *path, const char **rest) {
  size_t length = strlen(DISK_POINT);
  if (disk_mounted && strncmp(path, DISK_POINT, length) == 0 && (path[length] == 0 || path[length] == '/')) {
    *rest = path + length;
    return &disk;
  }
  *rest = path;
  return &ramfs;
}

long mount_walk(const char *path, struct place *out) {
  char name[NAME_LIMIT];
  const struct file_system *fs = find(path, &path);
  long node = fs->root();
  long status = 0;
  while (node >= 0 && path_next(&path, name, &status)) node = fs->lookup(node, name);
  if (node < 0) return node;
  if (status < 0) return status;
  *out = (struct place){fs, node};
  return 0;
}

bool mount_is_point(const char *path) {
  return strcmp(path, "/") == 0 || (disk_mounted && strcmp(path, DISK_POINT) == 0);
}

long vfs_mount_disk(void) {
  long status = fs_mount();
  if (status < 0) return status;
  disk_mounted = true;
  return 0;
}

/* Creates what is not there yet. */
static long ensure(long directory, const char *name, long mode, long device) {
  long node = ramfs.create(directory, name, mode, device);
  return node == -EEXIST ? ramfs.lookup(directory, name) : node;
}

long vfs_populate(void) {
  static const struct {
    const char *name;
    long device;
  } nodes[] = {
      {"null", DEVICE_NULL}, {"zero", DEVICE_ZERO},   {"tty", DEVICE_TTY},
      {"console", DEVICE_CONSOLE}, {"buggy", DEVICE_BUGGY},
  };
  long root = ramfs.root();
  if (root < 0) return root;
  ensure(root, "disk", S_IFDIR | 0755, 0);
  ensure(root, "tmp", S_IFDIR | 0777, 0);
  long dev = ensure(root, "dev", S_IFDIR | 0755, 0);
  if (dev < 0) return dev;
  for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
    long node = ensure(dev, nodes[i].name, S_IFCHR | 0666, nodes[i].device);
    if (node < 0) return node;
  }
  return 0;
}

long mount_sync(void) {
  return disk_mounted ? disk.sync() : 0;
}
