/*
 * What files look like: to user programs (Linux riscv64 layouts) and between vfs and the file systems.
 */
#ifndef STAT_H
#define STAT_H

#include "types.h"

/* Longest path and longest name of one component, both with their NUL. */
#define PATH_LIMIT 256
#define NAME_LIMIT 60

#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFREG 0100000

#define O_ACCMODE 03
#define O_RDONLY 00
#define O_WRONLY 01
#define O_RDWR 02
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_DIRECTORY 0200000
#define O_CLOEXEC 02000000

/* As the offset of a write to a file system: at the end, wherever that is by then. */
#define OFFSET_END (~0UL)

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

/* `struct stat` of asm-generic, 64-bit. */
struct stat {
  u64 dev;
  u64 ino;
  u32 mode;
  u32 nlink;
  u32 uid;
  u32 gid;
  u64 rdev;
  u64 pad1;
  s64 size;
  s32 blksize;
  s32 pad2;
  s64 blocks;
  s64 atime;
  u64 atime_nsec;
  s64 mtime;
  u64 mtime_nsec;
  s64 ctime;
  u64 ctime_nsec;
  u32 unused[2];
};
_Static_assert(sizeof(struct stat) == 128, "Linux's stat on riscv64");

/* One directory entry on its way from a file system to vfs. */
struct dir_entry {
  u64 ino;
  /* Position to ask for next. */
  u64 next;
  /* S_IFDIR, S_IFREG or S_IFCHR. */
  u32 mode;
  char name[NAME_LIMIT];
};
_Static_assert(sizeof(struct dir_entry) == 80, "policies say out bytes[80]");

/* Device numbers: major << 8 | minor. */
#define DEVICE_NULL 0x103
#define DEVICE_ZERO 0x105
#define DEVICE_TTY 0x500
#define DEVICE_CONSOLE 0x501
#define DEVICE_BUGGY 0xf000

#endif
