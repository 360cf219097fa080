/*
 * fs: files on the block device. A node is its number on the disk.
 */
#ifndef FS_H
#define FS_H

#include "stat.h"

long fs_init(u64 generation);
/* Reads the superblock; formats a drive that is all zeros. -ENODEV without a drive. */
long fs_mount(void);

/* The root directory. */
long fs_root(void);
long fs_lookup(long directory, const char *name);
/* `mode` holds the type; `device` is for S_IFCHR. -> node */
long fs_create(long directory, const char *name, long mode, long device);
/* `is_directory`: remove an empty directory, else anything but a directory. */
long fs_remove(long directory, const char *name, long is_directory);
long fs_rename(long from_directory, const char *from, long to_directory, const char *to);
long fs_read(long node, u64 offset, void *buffer, size_t bytes);
long fs_write(long node, u64 offset, const void *buffer, size_t bytes);
long fs_truncate(long node, u64 size);
long fs_stat(long node, struct stat *out);
/* 1 and the entry at or after `position`, or 0 at the end. */
long fs_list(long directory, u64 position, struct dir_entry *out);
/* A held node outlives its last name until it is dropped. */
long fs_hold(long node);
long fs_drop(long node);
/* vfs lost its memory: nobody holds anything any more. */
long fs_drop_all(void);
long fs_sync(void);

#endif
