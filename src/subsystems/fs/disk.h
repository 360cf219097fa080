/* The disk's layout, and blocks and inodes one at a time (disk.c). Caller holds the lock of fs.c. */
#ifndef FS_DISK_H
#define FS_DISK_H

#include "core.h"
#include "errno.h"
#include "lib.h"
#include "stat.h"

#define BLOCK_BYTES 4096UL
#define SUPER_MAGIC 0x31534643U /* "CFS1" */

/* Block 0: super block; 1: bitmap of used blocks; then the inodes; then data. */
#define SUPER_BLOCK 0
#define BITMAP_BLOCK 1
#define INODE_BLOCK 2
#define INODES 1024U
#define INODES_PER_BLOCK (BLOCK_BYTES / sizeof(struct inode))
#define DATA_BLOCK (INODE_BLOCK + INODES / INODES_PER_BLOCK)
/* What one block of bitmap covers: 128 MiB. */
#define BLOCKS_MAX (BLOCK_BYTES * 8)

#define ROOT_INODE 1U

#define DIRECT_BLOCKS 25
#define POINTERS_PER_BLOCK (BLOCK_BYTES / sizeof(u32))
#define FILE_BYTES_MAX ((DIRECT_BLOCKS + POINTERS_PER_BLOCK) * BLOCK_BYTES)

struct super {
  u32 magic;
  u32 blocks;
  u32 inodes;
};

struct inode {
  u32 mode; /* 0 = free */
  u32 links;
  u64 size;
  u64 modified_ns;
  u32 direct[DIRECT_BLOCKS]; /* 0 = hole */
  u32 indirect;              /* a block of block numbers */
};
_Static_assert(sizeof(struct inode) == 128, "inodes fill blocks");

/* Reads the super block, formatting a drive that is all zeros in front. */
long disk_mount(void);

/*
 * A block in the cache. Valid until two further blocks were asked for: copy what must live longer.
 * 0 if the disk failed.
 */
u8 *block_get(u32 block);
/* The same, zeroed instead of read. */
u8 *block_get_new(u32 block);
/* Writes a cached block through to the disk. */
long block_put(u32 block);

/* A block that nobody used, marked used; 0 if the disk is full or failed. */
u32 block_allocate(void);
void block_free(u32 block);

long inode_read(u32 number, struct inode *out);
long inode_write(u32 number, const struct inode *inode);
/* -> number, with the mode set. */
long inode_allocate(u32 mode);

#endif
