/*
 * Files and directories on the disk.
 *
 * An inode is copied out, changed and written back; no pointer into the cache lives across a call of
 * disk.c. One lock for everything: the disk is the bottleneck anyhow.
 */
#include "fs.h"

#include "block.h"
#include "disk.h"

/* What a directory is made of. inode 0 = free. */
struct record {
  u32 inode;
  char name[NAME_LIMIT];
};
_Static_assert(sizeof(struct record) == 64, "records must not cross blocks");

/* Guards the disk, the cache and what follows. */
static struct mutex lock;
static bool mounted;
static u16 held[INODES]; /* how often vfs holds each inode */

static bool is_directory(const struct inode *inode) {
  return (inode->mode & S_IFMT) == S_IFDIR;
}

static void touch(struct inode *inode) {
  inode->modified_ns = kernel_clock.now_ns;
}

/* --- Bytes of an inode --- */

/* A new block of zeros, or 0. */
static u32 fresh_block(void) {
  u32 block = block_allocate();
  if (block == 0) return 0;
  block_get_new(block); /* whatever it held before reads as zeros */
  return block_put(block) == 0 ? block : 0;
}

/* The block that holds the offset; 0 for a hole, or if `make` and there is no room. */
static u32 map_block(struct inode *inode, u64 offset, bool make) {
  u64 index = offset / BLOCK_BYTES;
  if (index < DIRECT_BLOCKS) {
    if (inode->direct[index] == 0 && make) inode->direct[index] = fresh_block();
    return inode->direct[index];
  }
  index -= DIRECT_BLOCKS;
  if (inode->indirect == 0 && make) inode->indirect = fresh_block();
  if (inode->indirect == 0) return 0;
  const u32 *pointers = (const u32 *)block_get(inode->indirect);
  u32 block = pointers == 0 ? 0 : pointers[index];
  if (pointers == 0 || block != 0 || !make) return block;
  block = fresh_block();
  u32 *again = (u32 *)block_get(inode->indirect);
  if (block == 0 || again == 0) return 0;
  again[index] = block;
  return block_put(inode->indirect) == 0 ? block : 0;
}

static size_t left_in_block(u64 offset, size_t bytes) {
  size_t left = BLOCK_BYTES - offset % BLOCK_BYTES;
  return left < bytes ? left : bytes;
}

static long read_bytes(struct inode *inode, u64 offset, void *buffer, size_t bytes) {
  if (offset >= inode->size) return 0;
  if (bytes > inode->size - offset) bytes = inode->size - offset;
  u8 *to = buffer;
  for (size_t left = bytes; left > 0;) {
    size_t part = left_in_block(offset, left);
    u32 block = map_block(inode, offset, false);
    const u8 *data = block != 0 ? block_get(block) : 0;
    if (block != 0 && data == 0) return -EIO;
    if (data != 0) {
      memcpy(to, data + offset % BLOCK_BYTES, part);
    } else {
      memset(to, 0, part);
    }
    to += part, offset += part, left -= part;
  }
  return (long)bytes;
}

/* Writes the inode back too. */
static long write_bytes(u32 number, struct inode *inode, u64 offset, const void *buffer, size_t bytes) {
  if (offset == OFFSET_END) offset = inode->size;
  if (offset > FILE_BYTES_MAX || bytes > FILE_BYTES_MAX - offset) return -EFBIG;
  const u8 *from = buffer;
  size_t done = 0;
  long status = 0;
  while (done < bytes && status == 0) {
    size_t part = left_in_block(offset, bytes - done);
    u32 block = map_block(inode, offset, true);
    u8 *data = block != 0 ? block_get(block) : 0;
    if (data == 0) {
      status = block == 0 ? -ENOSPC : -EIO;
      break;
    }
    memcpy(data + offset % BLOCK_BYTES, from + done, part);
    status = block_put(block);
    if (status == 0) done += part, offset += part;
  }
  if (offset > inode->size) inode->size = offset;
  touch(inode);
  long written = inode_write(number, inode);
  if (written < 0) return written;
  return done > 0 || bytes == 0 ? (long)done : status;
}

/* Frees the blocks from index `first` on. The caller writes the inode first: see shrink. */
static void free_blocks(const struct inode *old, u64 first) {
  for (u64 i = first; i < DIRECT_BLOCKS; i++) {
    if (old->direct[i] != 0) block_free(old->direct[i]);
  }
  if (old->indirect == 0) return;
  u64 first_indirect = first > DIRECT_BLOCKS ? first - DIRECT_BLOCKS : 0;
  for (u64 i = first_indirect; i < POINTERS_PER_BLOCK; i++) {
    u32 *pointers = (u32 *)block_get(old->indirect);
    if (pointers == 0) return;
    u32 block = pointers[i];
    if (block == 0) continue;
    pointers[i] = 0;
    block_put(old->indirect);
    block_free(block);
  }
  if (first_indirect == 0) block_free(old->indirect);
}

static long set_size(u32 number, struct inode *inode, u64 size) {
  struct inode old = *inode;
  u64 first = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
  bool shrinks = size < old.size;
  if (shrinks && size % BLOCK_BYTES != 0) {
    /* What a later growth uncovers must read as zeros. */
    u32 block = map_block(inode, size, false);
    u8 *data = block != 0 ? block_get(block) : 0;
    if (data != 0) {
      memset(data + size % BLOCK_BYTES, 0, BLOCK_BYTES - size % BLOCK_BYTES);
      block_put(block);
    }
  }
  if (shrinks) {
    for (u64 i = first; i < DIRECT_BLOCKS; i++) inode->direct[i] = 0;
    if (first <= DIRECT_BLOCKS) inode->indirect = 0;
  }
  inode->size = size;
  touch(inode);
  /* The inode lets go before the blocks are free, so that no block ever has two owners. */
  long status = inode_write(number, inode);
  if (status == 0 && shrinks) free_blocks(&old, first);
  return status;
}

static long free_if_unused(u32 number, struct inode *inode) {
  if (inode->links > 0 || held[number] > 0) return inode_write(number, inode);
  struct inode old = *inode;
  *inode = (struct inode){0};
  long status = inode_write(number, inode);
  if (status == 0) free_blocks(&old, 0);
  return status;
}

/* --- Directories --- */

/* Finds a name; its record's offset, or -ENOENT. */
static long find_record(struct inode *directory, const char *name, struct record *out) {
  if (!is_directory(directory)) return -ENOTDIR;
  for (u64 offset = 0; offset < directory->size; offset += sizeof *out) {
    long got = read_bytes(directory, offset, out, sizeof *out);
    if (got < 0) return got;
    if (out->inode != 0 && strncmp(out->name, name, NAME_LIMIT) == 0) return (long)offset;
  }
  return -ENOENT;
}

static long add_record(u32 number, struct inode *directory, const char *name, u32 inode) {
  struct record record;
  u64 offset = 0;
  for (; offset < directory->size; offset += sizeof record) {
    long got = read_bytes(directory, offset, &record, sizeof record);
    if (got < 0) return got;
    if (record.inode == 0) break;
  }
  record = (struct record){.inode = inode};
  if (strcopy(record.name, name, sizeof record.name) < 0) return -ENAMETOOLONG;
  long put = write_bytes(number, directory, offset, &record, sizeof record);
  return put < 0 ? put : 0;
}

static long clear_record(u32 number, struct inode *directory, u64 offset) {
  struct record record = {0};
  long put = write_bytes(number, directory, offset, &record, sizeof record);
  return put < 0 ? put : 0;
}

static bool is_empty(struct inode *directory) {
  struct record record;
  for (u64 offset = 0; offset < directory->size; offset += sizeof record) {
    if (read_bytes(directory, offset, &record, sizeof record) < 0 || record.inode != 0) return false;
  }
  return true;
}

/* --- Exports --- */

/* Every export but the first two begins and ends with these. */
static long enter(u32 number, struct inode *inode) {
  mutex_lock(&lock);
  return mounted ? inode_read(number, inode) : -ENODEV;
}

static long leave(long result) {
  mutex_unlock(&lock);
  return result;
}

long fs_init(u64 generation) {
  (void)generation;
  return 0;
}

long fs_mount(void) {
  mutex_lock(&lock);
  long status = disk_mount();
  mounted = status == 0;
  return leave(status);
}

long fs_root(void) {
  return ROOT_INODE;
}

long fs_lookup(long directory, const char *name) {
  struct inode inode;
  struct record record;
  long status = enter((u32)directory, &inode);
  if (status == 0) status = find_record(&inode, name, &record);
  return leave(status < 0 ? status : (long)record.inode);
}

long fs_create(long directory, const char *name, long mode, long device) {
  struct inode parent;
  struct record record;
  long status = enter((u32)directory, &parent);
  if (status == 0 && device != 0) status = -EINVAL;
  if (status == 0) status = find_record(&parent, name, &record);
  if (status >= 0) return leave(-EEXIST);
  if (status != -ENOENT) return leave(status);
  if (parent.links == 0) return leave(-ENOENT);
  long number = inode_allocate((u32)mode);
  if (number < 0) return leave(number);
  status = add_record((u32)directory, &parent, name, (u32)number);
  if (status < 0) {
    struct inode unused = {0};
    inode_write((u32)number, &unused);
    return leave(status);
  }
  return leave(number);
}

/* May the node lose its name to `rmdir` or `unlink`? */
static long check_remove(struct inode *inode, bool want_directory) {
  if (is_directory(inode) && !want_directory) return -EISDIR;
  if (!is_directory(inode) && want_directory) return -ENOTDIR;
  return is_directory(inode) && !is_empty(inode) ? -ENOTEMPTY : 0;
}

static long drop_link(u32 number, struct inode *inode) {
  inode->links--;
  return free_if_unused(number, inode);
}

long fs_remove(long directory, const char *name, long want_directory) {
  struct inode parent;
  struct inode inode;
  struct record record;
  long status = enter((u32)directory, &parent);
  if (status < 0) return leave(status);
  long offset = find_record(&parent, name, &record);
  if (offset < 0) return leave(offset);
  status = inode_read(record.inode, &inode);
  if (status == 0) status = check_remove(&inode, want_directory != 0);
  if (status == 0) status = clear_record((u32)directory, &parent, (u64)offset);
  if (status == 0) status = drop_link(record.inode, &inode);
  return leave(status);
}

/* Makes room for the name a node is renamed to. */
static long replace_target(u32 number, struct inode *directory, const char *name, const struct inode *source) {
  struct record record;
  struct inode inode;
  long offset = find_record(directory, name, &record);
  if (offset == -ENOENT) return 0;
  if (offset < 0) return offset;
  long status = inode_read(record.inode, &inode);
  if (status == 0) status = check_remove(&inode, is_directory(source));
  if (status == 0) status = clear_record(number, directory, (u64)offset);
  return status < 0 ? status : drop_link(record.inode, &inode);
}

static long rename_node(u32 from_number, const char *from, u32 to_number, const char *to) {
  struct inode directory;
  struct inode source;
  struct record record;
  struct record existing;
  long status = inode_read(from_number, &directory);
  if (status < 0) return status;
  long offset = find_record(&directory, from, &record);
  if (offset < 0) return offset;
  status = inode_read(record.inode, &source);
  if (status == 0) status = inode_read(to_number, &directory);
  if (status < 0) return status;
  if (find_record(&directory, to, &existing) >= 0 && existing.inode == record.inode) return 0;
  status = replace_target(to_number, &directory, to, &source);
  if (status == 0) status = add_record(to_number, &directory, to, record.inode);
  /* The old name goes last: a stop between leaves two names, not none. */
  if (status == 0) status = inode_read(from_number, &directory);
  return status < 0 ? status : clear_record(from_number, &directory, (u64)offset);
}

long fs_rename(long from_directory, const char *from, long to_directory, const char *to) {
  struct inode unused;
  long status = enter((u32)from_directory, &unused);
  if (status == 0) status = rename_node((u32)from_directory, from, (u32)to_directory, to);
  return leave(status);
}

long fs_read(long node, u64 offset, void *buffer, size_t bytes) {
  struct inode inode;
  long status = enter((u32)node, &inode);
  return leave(status < 0 ? status : read_bytes(&inode, offset, buffer, bytes));
}

long fs_write(long node, u64 offset, const void *buffer, size_t bytes) {
  struct inode inode;
  long status = enter((u32)node, &inode);
  if (status == 0 && is_directory(&inode)) status = -EISDIR;
  return leave(status < 0 ? status : write_bytes((u32)node, &inode, offset, buffer, bytes));
}

long fs_truncate(long node, u64 size) {
  struct inode inode;
  long status = enter((u32)node, &inode);
  if (status == 0 && is_directory(&inode)) status = -EISDIR;
  if (status == 0 && size > FILE_BYTES_MAX) status = -EFBIG;
  return leave(status < 0 ? status : set_size((u32)node, &inode, size));
}

long fs_stat(long node, struct stat *out) {
  struct inode inode;
  long status = enter((u32)node, &inode);
  if (status < 0) return leave(status);
  *out = (struct stat){
      .dev = 2,
      .ino = (u64)node,
      .mode = inode.mode,
      .nlink = inode.links,
      .size = (s64)inode.size,
      .blksize = (s32)BLOCK_BYTES,
      .blocks = (s64)((inode.size + BLOCK_BYTES - 1) / BLOCK_BYTES * (BLOCK_BYTES / 512)),
      .mtime = (s64)(inode.modified_ns / 1000000000),
      .mtime_nsec = inode.modified_ns % 1000000000,
  };
  return leave(0);
}

static long list(struct inode *directory, u64 position, struct dir_entry *out) {
  struct record record;
  struct inode inode;
  if (!is_directory(directory)) return -ENOTDIR;
  for (u64 offset = position * sizeof record; offset < directory->size; offset += sizeof record) {
    long got = read_bytes(directory, offset, &record, sizeof record);
    if (got < 0) return got;
    if (record.inode == 0 || inode_read(record.inode, &inode) < 0) continue;
    *out = (struct dir_entry){
        .ino = record.inode,
        .next = offset / sizeof record + 1,
        .mode = inode.mode & S_IFMT,
    };
    memcpy(out->name, record.name, sizeof out->name);
    return 1;
  }
  return 0;
}

long fs_list(long directory, u64 position, struct dir_entry *out) {
  struct inode inode;
  long status = enter((u32)directory, &inode);
  return leave(status < 0 ? status : list(&inode, position, out));
}

long fs_hold(long node) {
  struct inode inode;
  long status = enter((u32)node, &inode);
  if (status == 0) held[node]++;
  return leave(status);
}

long fs_drop(long node) {
  struct inode inode;
  long status = enter((u32)node, &inode);
  if (status < 0 || held[node] == 0) return leave(status);
  held[node]--;
  return leave(inode.links == 0 ? free_if_unused((u32)node, &inode) : 0);
}

long fs_drop_all(void) {
  struct inode inode;
  mutex_lock(&lock);
  for (u32 number = ROOT_INODE; number < INODES; number++) {
    if (held[number] == 0) continue;
    held[number] = 0;
    if (mounted && inode_read(number, &inode) == 0 && inode.links == 0) free_if_unused(number, &inode);
  }
  return leave(0);
}

long fs_sync(void) {
  mutex_lock(&lock);
  return leave(mounted ? block_flush() : 0);
}
