/*
 * vfs: names, mounts and open files. A file handle is an integer; every path comes with the
 * directory that relative paths start from, as a string.
 */
#ifndef VFS_H
#define VFS_H

#include "stat.h"

long vfs_init(u64 generation);
/* ramfs is mounted at / by vfs_init; this mounts the disk at /disk. */
long vfs_mount_disk(void);
/* Makes /dev and its nodes, and mount points: at boot and after ramfs lost everything. */
long vfs_populate(void);

long vfs_open(const char *cwd, const char *path, long flags, long mode);
long vfs_dup(long file);
long vfs_close(long file);
/* handles[0] reads what handles[1] writes. */
long vfs_pipe(long handles[2], long flags);

/* At most TRANSFER_MAX bytes; `flags` may hold O_NONBLOCK for this call. */
long vfs_read(long file, void *buffer, size_t bytes, long flags);
long vfs_write(long file, const void *buffer, size_t bytes, long flags);
/* Reads at an offset and leaves the file's own alone. */
long vfs_pread(long file, void *buffer, size_t bytes, long offset);
long vfs_seek(long file, long offset, long whence);
long vfs_truncate(long file, long size);
long vfs_stat(long file, struct stat *out);
/* struct linux_dirent64 records; 0 at the end. */
long vfs_readdir(long file, void *buffer, size_t bytes);
long vfs_ioctl(long file, u64 request, void *argument, size_t bytes);
/* The absolute path of an open directory, PATH_LIMIT bytes. */
long vfs_path(long file, char *out);

long vfs_stat_path(const char *cwd, const char *path, struct stat *out);
/* The normal form of a path that must be a directory, PATH_LIMIT bytes. */
long vfs_resolve(const char *cwd, const char *path, char *out);
long vfs_mkdir(const char *cwd, const char *path, long mode);
long vfs_unlink(const char *cwd, const char *path, long directory);
long vfs_rename(const char *old_cwd, const char *old_path, const char *new_cwd, const char *new_path);
long vfs_sync(void);

#endif
