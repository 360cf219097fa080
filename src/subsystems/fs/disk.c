/*
 * Blocks and inodes. The cache writes through: what a call changed is on the disk when it returns, in
 * an order that loses space but never shares it if the machine stops between.
 */
#include "disk.h"

#include "block.h"

#define SECTORS_PER_BLOCK (BLOCK_BYTES / SECTOR_BYTES)
#define CACHE_MAX 64

extern char __heap_start[];
extern char __heap_end[];

static struct super super;

/* --- The cache: as many blocks as the policy's heap has room for --- */

static struct {
  u32 block;
  bool valid;
  u64 used; /* clock of the last use */
} entries[CACHE_MAX];
static u64 clock;

static u8 *data_of(u64 entry) {
  return (u8 *)__heap_start + entry * BLOCK_BYTES;
}

static u64 cache_size(void) {
  u64 room = (u64)(__heap_end - __heap_start) / BLOCK_BYTES;
  return room < CACHE_MAX ? room : CACHE_MAX;
}

static void cache_forget_all(void) {
  for (u64 i = 0; i < CACHE_MAX; i++) entries[i].valid = false;
}

/* The entry of the block, or the least recently used one with `*hit` false. */
static u64 cache_find(u32 block, bool *hit) {
  u64 oldest = 0;
  for (u64 i = 0; i < cache_size(); i++) {
    if (entries[i].valid && entries[i].block == block) {
      *hit = true;
      entries[i].used = ++clock;
      return i;
    }
    if (!entries[i].valid || (entries[oldest].valid && entries[i].used < entries[oldest].used)) oldest = i;
  }
  *hit = false;
  return oldest;
}

static void cache_set(u64 entry, u32 block) {
  entries[entry].block = block;
  entries[entry].valid = true;
  entries[entry].used = ++clock;
}

u8 *block_get(u32 block) {
  bool hit;
  u64 entry = cache_find(block, &hit);
  if (hit) return data_of(entry);
  entries[entry].valid = false;
  if (block_read(block * SECTORS_PER_BLOCK, data_of(entry), BLOCK_BYTES) < 0) return 0;
  cache_set(entry, block);
  return data_of(entry);
}

u8 *block_get_new(u32 block) {
  bool hit;
  u64 entry = cache_find(block, &hit);
  memset(data_of(entry), 0, BLOCK_BYTES);
  cache_set(entry, block);
  return data_of(entry);
}

long block_put(u32 block) {
  bool hit;
  u64 entry = cache_find(block, &hit);
  if (!hit) return -EIO;
  long status = block_write(block * SECTORS_PER_BLOCK, data_of(entry), BLOCK_BYTES);
  if (status < 0) entries[entry].valid = false; /* the disk and we disagree: read again next time */
  return status;
}

/* --- Used blocks --- */

static void set_bit(u8 *bitmap, u32 bit, bool value) {
  u8 mask = (u8)(1U << bit % 8);
  bitmap[bit / 8] = value ? bitmap[bit / 8] | mask : bitmap[bit / 8] & (u8)~mask;
}

u32 block_allocate(void) {
  u8 *bitmap = block_get(BITMAP_BLOCK);
  for (u32 block = DATA_BLOCK; bitmap != 0 && block < super.blocks; block++) {
    if ((bitmap[block / 8] >> block % 8 & 1) != 0) continue;
    set_bit(bitmap, block, true);
    return block_put(BITMAP_BLOCK) == 0 ? block : 0;
  }
  return 0;
}

void block_free(u32 block) {
  u8 *bitmap = block_get(BITMAP_BLOCK);
  if (bitmap == 0 || block < DATA_BLOCK || block >= super.blocks) return;
  set_bit(bitmap, block, false);
  block_put(BITMAP_BLOCK);
}

/* --- Inodes --- */

static u32 block_of_inode(u32 number) {
  return INODE_BLOCK + number / INODES_PER_BLOCK;
}

static u64 place_of_inode(u32 number) {
  return number % INODES_PER_BLOCK * sizeof(struct inode);
}

long inode_read(u32 number, struct inode *out) {
  if (number == 0 || number >= INODES) return -ESTALE;
  const u8 *block = block_get(block_of_inode(number));
  if (block == 0) return -EIO;
  memcpy(out, block + place_of_inode(number), sizeof *out);
  return out->mode != 0 ? 0 : -ESTALE;
}

long inode_write(u32 number, const struct inode *inode) {
  u8 *block = block_get(block_of_inode(number));
  if (block == 0) return -EIO;
  memcpy(block + place_of_inode(number), inode, sizeof *inode);
  return block_put(block_of_inode(number));
}

long inode_allocate(u32 mode) {
  for (u32 number = ROOT_INODE; number < INODES; number++) {
    struct inode inode;
    long status = inode_read(number, &inode);
    if (status == 0) continue;
    if (status != -ESTALE) return status;
    inode = (struct inode){.mode = mode, .links = 1, .modified_ns = kernel_clock.now_ns};
    status = inode_write(number, &inode);
    return status < 0 ? status : (long)number;
  }
  return -ENOSPC;
}

/* --- Mount --- */

static long format_disk(u32 blocks) {
  for (u32 block = INODE_BLOCK; block < DATA_BLOCK; block++) {
    block_get_new(block);
    if (block_put(block) < 0) return -EIO;
  }
  u8 *bitmap = block_get_new(BITMAP_BLOCK);
  for (u32 block = 0; block < DATA_BLOCK; block++) set_bit(bitmap, block, true);
  if (block_put(BITMAP_BLOCK) < 0) return -EIO;
  long root = inode_allocate(S_IFDIR | 0755);
  if (root != ROOT_INODE) return -EIO;
  /* Last: with it the disk is formatted. */
  super = (struct super){SUPER_MAGIC, blocks, INODES};
  memcpy(block_get_new(SUPER_BLOCK), &super, sizeof super);
  return block_put(SUPER_BLOCK);
}

static bool all_zero(const u8 *block) {
  for (u64 i = 0; i < BLOCK_BYTES; i++) {
    if (block[i] != 0) return false;
  }
  return true;
}

long disk_mount(void) {
  long sectors = block_capacity();
  if (sectors < 0) return sectors;
  u64 blocks = (u64)sectors / SECTORS_PER_BLOCK;
  if (blocks > BLOCKS_MAX) blocks = BLOCKS_MAX;
  if (blocks <= DATA_BLOCK) return -ENOSPC;
  cache_forget_all();
  const u8 *first = block_get(SUPER_BLOCK);
  if (first == 0) return -EIO;
  if (all_zero(first)) return format_disk((u32)blocks);
  memcpy(&super, first, sizeof super);
  bool ours = super.magic == SUPER_MAGIC && super.blocks <= blocks && super.inodes == INODES;
  if (ours) return 0;
  super = (struct super){0};
  return -EINVAL; /* somebody else's data: hands off */
}
