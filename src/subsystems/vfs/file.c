/*
 * Open files: what a handle means, and the calls that take one.
 *
 * The table's lock is held for moments only. A call that may sleep (a pipe, the terminal, the disk)
 * takes a reference, so a close by another process cannot take the file away under it.
 */
#include "buggy.h"
#include "internal.h"
#include "pipe.h"
#include "tty.h"

#define MAX_OPEN 128

enum kind { KIND_NODE, KIND_PIPE, KIND_NULL, KIND_ZERO, KIND_TTY, KIND_BUGGY };

struct file {
  u32 refs; /* handles and calls in progress; 0 = slot is free */
  u32 serial;
  enum kind kind;
  long flags;
  struct place place;    /* of anything with a name */
  bool is_directory;
  long pipe;             /* KIND_PIPE */
  u64 offset;            /* guarded by `using` */
  struct mutex using;    /* one read or write of a node at a time */
  char path[PATH_LIMIT]; /* of directories */
};

/* Guards refs and serial of every file. */
static struct mutex table_lock;
static struct file table[MAX_OPEN];
static u64 table_generation;

void file_init(u64 generation) {
  table_generation = generation;
}

static struct file *find(long handle) {
  long index = handle_index(handle, table_generation, MAX_OPEN);
  if (index < 0) return 0;
  struct file *file = &table[index];
  return file->refs > 0 && file->serial == handle_serial(handle) ? file : 0;
}

/* A reference for the time of a call, or 0. */
static struct file *get(long handle) {
  mutex_lock(&table_lock);
  struct file *file = find(handle);
  if (file != 0) file->refs++;
  mutex_unlock(&table_lock);
  return file;
}

static long last_close(struct file *file) {
  if (file->kind == KIND_PIPE) {
    return pipe_close(file->pipe, (file->flags & O_ACCMODE) == O_WRONLY ? PIPE_WRITE_END : PIPE_READ_END);
  }
  return file->place.fs->drop(file->place.node);
}

static void put(struct file *file) {
  mutex_lock(&table_lock);
  bool last = file->refs == 1;
  if (last) {
    file->serial++; /* no handle fits any more; the slot itself is freed below */
  } else {
    file->refs--;
  }
  mutex_unlock(&table_lock);
  if (!last) return;
  last_close(file);
  mutex_lock(&table_lock);
  file->refs = 0;
  mutex_unlock(&table_lock);
}

/* A new file with one reference; its handle, or -ENFILE. */
static long allocate(struct file **out) {
  long handle = -ENFILE;
  mutex_lock(&table_lock);
  for (u32 i = 0; i < MAX_OPEN; i++) {
    struct file *file = &table[i];
    if (file->refs > 0) continue;
    u32 serial = file->serial + 1;
    memset(file, 0, sizeof *file);
    file->refs = 1;
    file->serial = serial;
    *out = file;
    handle = handle_make(table_generation, serial, i);
    break;
  }
  mutex_unlock(&table_lock);
  return handle;
}

static void forget(struct file *file) {
  mutex_lock(&table_lock);
  file->refs = 0;
  mutex_unlock(&table_lock);
}

/* --- Open, dup, close --- */

static long kind_of_device(u64 device, enum kind *kind) {
  switch (device) {
    case DEVICE_NULL:
      *kind = KIND_NULL;
      return 0;
    case DEVICE_ZERO:
      *kind = KIND_ZERO;
      return 0;
    case DEVICE_TTY:
    case DEVICE_CONSOLE:
      *kind = KIND_TTY;
      return 0;
    case DEVICE_BUGGY:
      *kind = KIND_BUGGY;
      return 0;
    default:
      return -ENODEV;
  }
}

/* Finds the node of a normal path, making it if `flags` ask for that. */
static long find_or_create(const char *path, long flags, long mode, struct place *out) {
  char parent_path[PATH_LIMIT];
  char name[NAME_LIMIT];
  struct place parent;
  for (;;) {
    long status = mount_walk(path, out);
    if (status == 0 && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return -EEXIST;
    if (status != -ENOENT || (flags & O_CREAT) == 0) return status;
    status = path_split(path, parent_path, name);
    if (status == 0) status = mount_walk(parent_path, &parent);
    if (status < 0) return status;
    long node = parent.fs->create(parent.node, name, S_IFREG | (mode & 0777), 0);
    if (node >= 0) {
      *out = (struct place){parent.fs, node};
      return 0;
    }
    if (node != -EEXIST) return node; /* else somebody was faster: look again */
  }
}

/* What must hold before the node may be opened with these flags. */
static long check_open(const struct stat *stat, long flags) {
  bool is_directory = (stat->mode & S_IFMT) == S_IFDIR;
  if (is_directory && (flags & O_ACCMODE) != O_RDONLY) return -EISDIR;
  if (!is_directory && (flags & O_DIRECTORY) != 0) return -ENOTDIR;
  return 0;
}

static long open_node(struct file *file, const char *path, long flags, long mode) {
  struct stat stat;
  long status = find_or_create(path, flags, mode, &file->place);
  if (status < 0) return status;
  status = file->place.fs->hold(file->place.node);
  if (status < 0) return status;
  status = file->place.fs->stat(file->place.node, &stat);
  if (status == 0) status = check_open(&stat, flags);
  file->kind = KIND_NODE;
  file->flags = flags;
  file->is_directory = (stat.mode & S_IFMT) == S_IFDIR;
  if (file->is_directory) strcopy(file->path, path, sizeof file->path);
  if (status == 0 && (stat.mode & S_IFMT) == S_IFCHR) status = kind_of_device(stat.rdev, &file->kind);
  if (status == 0 && (stat.mode & S_IFMT) == S_IFREG && (flags & O_TRUNC) != 0) {
    status = file->place.fs->truncate(file->place.node, 0);
  }
  if (status < 0) file->place.fs->drop(file->place.node);
  return status;
}

long vfs_open(const char *cwd, const char *path, long flags, long mode) {
  char normal[PATH_LIMIT];
  struct file *file;
  long status = path_normalize(cwd, path, normal);
  if (status < 0) return status;
  long handle = allocate(&file);
  if (handle < 0) return handle;
  status = open_node(file, normal, flags, mode);
  if (status == 0) return handle;
  forget(file);
  return status;
}

long vfs_pipe(long handles[2], long flags) {
  struct file *ends[2];
  long made[2];
  made[0] = allocate(&ends[0]);
  if (made[0] < 0) return made[0];
  made[1] = allocate(&ends[1]);
  long pipe = made[1] < 0 ? made[1] : pipe_create();
  if (pipe < 0) {
    forget(ends[0]);
    if (made[1] >= 0) forget(ends[1]);
    return pipe;
  }
  for (u32 i = 0; i < 2; i++) {
    ends[i]->kind = KIND_PIPE;
    ends[i]->pipe = pipe;
    ends[i]->flags = (i == 0 ? O_RDONLY : O_WRONLY) | flags;
    handles[i] = made[i];
  }
  return 0;
}

long vfs_dup(long handle) {
  return get(handle) != 0 ? handle : -EBADF;
}

long vfs_close(long handle) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  put(file); /* the one just taken */
  put(file); /* the handle's own */
  return 0;
}

/* --- Read and write --- */

/* At the file's own offset, which moves. */
static long read_node(struct file *file, void *buffer, size_t bytes) {
  if (file->is_directory) return -EISDIR;
  mutex_lock(&file->using);
  long got = file->place.fs->read(file->place.node, file->offset, buffer, bytes);
  if (got > 0) file->offset += (u64)got;
  mutex_unlock(&file->using);
  return got;
}

static long write_node(struct file *file, const void *buffer, size_t bytes) {
  struct stat stat;
  bool append = (file->flags & O_APPEND) != 0;
  mutex_lock(&file->using);
  long put = file->place.fs->write(file->place.node, append ? OFFSET_END : file->offset, buffer, bytes);
  if (put > 0) file->offset += (u64)put;
  if (put > 0 && append && file->place.fs->stat(file->place.node, &stat) == 0) file->offset = (u64)stat.size;
  mutex_unlock(&file->using);
  return put;
}

static long read_file(struct file *file, void *buffer, size_t bytes, long flags) {
  long nowait = (flags | file->flags) & O_NONBLOCK;
  if ((file->flags & O_ACCMODE) == O_WRONLY) return -EBADF;
  switch (file->kind) {
    case KIND_NODE:
      return read_node(file, buffer, bytes);
    case KIND_PIPE:
      return pipe_read(file->pipe, buffer, bytes, nowait);
    case KIND_ZERO:
      memset(buffer, 0, bytes);
      return (long)bytes;
    case KIND_TTY:
      return tty_read(buffer, bytes, nowait);
    case KIND_BUGGY:
      return buggy_read(buffer, bytes);
    default:
      return 0;
  }
}

static long write_file(struct file *file, const void *buffer, size_t bytes, long flags) {
  if ((file->flags & O_ACCMODE) == O_RDONLY) return -EBADF;
  switch (file->kind) {
    case KIND_NODE:
      return write_node(file, buffer, bytes);
    case KIND_PIPE:
      return pipe_write(file->pipe, buffer, bytes, (flags | file->flags) & O_NONBLOCK);
    case KIND_TTY:
      return tty_write(buffer, bytes);
    default:
      return (long)bytes;
  }
}

long vfs_read(long handle, void *buffer, size_t bytes, long flags) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = read_file(file, buffer, bytes, flags);
  put(file);
  return result;
}

long vfs_write(long handle, const void *buffer, size_t bytes, long flags) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = write_file(file, buffer, bytes, flags);
  put(file);
  return result;
}

long vfs_pread(long handle, void *buffer, size_t bytes, long offset) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = -ESPIPE;
  if (offset < 0) {
    result = -EINVAL;
  } else if (file->is_directory) {
    result = -EISDIR;
  } else if ((file->flags & O_ACCMODE) == O_WRONLY) {
    result = -EBADF;
  } else if (file->kind == KIND_NODE) {
    result = file->place.fs->read(file->place.node, (u64)offset, buffer, bytes);
  }
  put(file);
  return result;
}

/* --- The rest --- */

static long seek(struct file *file, long offset, long whence) {
  struct stat stat;
  long base = 0;
  if (file->kind != KIND_NODE) return -ESPIPE;
  if (whence == SEEK_CUR) {
    base = (long)file->offset;
  } else if (whence == SEEK_END) {
    long status = file->place.fs->stat(file->place.node, &stat);
    if (status < 0) return status;
    base = stat.size;
  } else if (whence != SEEK_SET) {
    return -EINVAL;
  }
  long target;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return -EINVAL;
  file->offset = (u64)target;
  return target;
}

long vfs_seek(long handle, long offset, long whence) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  mutex_lock(&file->using);
  long result = seek(file, offset, whence);
  mutex_unlock(&file->using);
  put(file);
  return result;
}

long vfs_truncate(long handle, long size) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = -EINVAL;
  if (file->kind == KIND_NODE && (file->flags & O_ACCMODE) != O_RDONLY && size >= 0) {
    result = file->place.fs->truncate(file->place.node, (u64)size);
  }
  put(file);
  return result;
}

long vfs_stat(long handle, struct stat *out) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = 0;
  if (file->kind == KIND_PIPE) {
    *out = (struct stat){.mode = S_IFIFO | 0600, .nlink = 1, .blksize = (s32)PAGE_BYTES};
  } else {
    result = file->place.fs->stat(file->place.node, out);
  }
  put(file);
  return result;
}

/* Linux's struct linux_dirent64, without its name. */
struct dirent64 {
  u64 ino;
  s64 offset;
  u16 bytes;
  u8 type;
} __attribute__((packed));

/* Adds one record; its length, or 0 if it does not fit. */
static size_t add_record(u8 *at, size_t left, const struct dir_entry *entry) {
  size_t name_bytes = strnlen(entry->name, NAME_LIMIT - 1) + 1;
  size_t bytes = (sizeof(struct dirent64) + name_bytes + 7) & ~7UL;
  if (bytes > left) return 0;
  struct dirent64 record = {entry->ino, (s64)entry->next, (u16)bytes, (u8)(entry->mode >> 12)};
  memset(at, 0, bytes);
  memcpy(at, &record, sizeof record);
  memcpy(at + sizeof record, entry->name, name_bytes - 1);
  return bytes;
}

static long read_directory(struct file *file, u8 *buffer, size_t bytes) {
  struct dir_entry entry;
  size_t done = 0;
  if (!file->is_directory) return -ENOTDIR;
  for (;;) {
    long status = file->place.fs->list(file->place.node, file->offset, &entry);
    if (status < 0) return status;
    if (status == 0) return (long)done;
    size_t record = add_record(buffer + done, bytes - done, &entry);
    if (record == 0) return done > 0 ? (long)done : -EINVAL;
    done += record;
    file->offset = entry.next;
  }
}

long vfs_readdir(long handle, void *buffer, size_t bytes) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  mutex_lock(&file->using);
  long result = read_directory(file, buffer, bytes);
  mutex_unlock(&file->using);
  put(file);
  return result;
}

long vfs_ioctl(long handle, u64 request, void *argument, size_t bytes) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = -ENOTTY;
  if (file->kind == KIND_TTY) result = tty_ioctl(request, argument, bytes);
  if (file->kind == KIND_BUGGY) result = buggy_ioctl(request, argument, bytes);
  put(file);
  return result;
}

long vfs_path(long handle, char *out) {
  struct file *file = get(handle);
  if (file == 0) return -EBADF;
  long result = file->is_directory ? 0 : -ENOTDIR;
  if (result == 0) memcpy(out, file->path, PATH_LIMIT);
  put(file);
  return result;
}
