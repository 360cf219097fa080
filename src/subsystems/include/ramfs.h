/*
 * ramfs: files in memory; gone after a reboot. A node is a handle: it goes stale when the file is
 * gone or the subsystem restarted.
 */
#ifndef RAMFS_H
#define RAMFS_H

#include "stat.h"

long ramfs_init(u64 generation);

/* The root directory. */
long ramfs_root(void);
long ramfs_lookup(long directory, const char *name);
/* `mode` holds the type; `device` is for S_IFCHR. -> node */
long ramfs_create(long directory, const char *name, long mode, long device);
/* `is_directory`: remove an empty directory, else anything but a directory. */
long ramfs_remove(long directory, const char *name, long is_directory);
long ramfs_rename(long from_directory, const char *from, long to_directory, const char *to);
long ramfs_read(long node, u64 offset, void *buffer, size_t bytes);
long ramfs_write(long node, u64 offset, const void *buffer, size_t bytes);
long ramfs_truncate(long node, u64 size);
long ramfs_stat(long node, struct stat *out);
/* 1 and the entry at or after `position`, or 0 at the end. */
long ramfs_list(long directory, u64 position, struct dir_entry *out);
/* A held node outlives its last name until it is dropped. */
long ramfs_hold(long node);
long ramfs_drop(long node);
/* vfs lost its memory: nobody holds anything any more. */
long ramfs_drop_all(void);
long ramfs_sync(void);

#endif
