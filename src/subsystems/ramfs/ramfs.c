/*
 * Files in memory.
 *
 * A file's bytes are in pages from the core, found through index pages; a directory is a file of
 * fixed-size records. Everything is lost with a reboot or a restart, and every handle goes stale.
 */
#include "ramfs.h"

#include "core.h"
#include "errno.h"
#include "lib.h"

#define MAX_NODES 512
#define PAGES_PER_INDEX (PAGE_BYTES / sizeof(u64))
#define INDEX_PAGES 8
#define FILE_BYTES_MAX (INDEX_PAGES * PAGES_PER_INDEX * PAGE_BYTES)

struct node {
  u32 mode; /* 0 = slot is free */
  u32 serial;
  u32 links;
  u32 held;
  u64 device;
  u64 size;
  u64 modified_ns;
  u64 *index[INDEX_PAGES]; /* pages of page addresses; 0 = hole */
  u32 pages;
};

/* What a directory is made of. node 0 = free; the root is nobody's entry. */
struct record {
  u32 node;
  char name[NAME_LIMIT];
};
_Static_assert(sizeof(struct record) == 64, "records must not cross pages");

/* Guards everything below. */
static struct mutex lock;
static struct node nodes[MAX_NODES];
static u64 generation;

/* --- Nodes and handles --- */

static long handle_of(u32 index) {
  return handle_make(generation, nodes[index].serial, index);
}

static struct node *find(long handle) {
  long index = handle_index(handle, generation, MAX_NODES);
  if (index < 0) return 0;
  struct node *node = &nodes[index];
  return node->mode != 0 && node->serial == handle_serial(handle) ? node : 0;
}

static bool is_directory(const struct node *node) {
  return (node->mode & S_IFMT) == S_IFDIR;
}

static void touch(struct node *node) {
  node->modified_ns = kernel_clock.now_ns;
}

/* --- Pages --- */

/* The page that holds the offset, 0 for a hole. */
static u8 *page_at(const struct node *node, u64 offset) {
  u64 page = offset / PAGE_BYTES;
  const u64 *index = node->index[page / PAGES_PER_INDEX];
  return index == 0 ? 0 : (u8 *)index[page % PAGES_PER_INDEX];
}

static u8 *make_page_at(struct node *node, u64 offset) {
  u64 page = offset / PAGE_BYTES;
  u64 **index = &node->index[page / PAGES_PER_INDEX];
  if (*index == 0) {
    long fresh = page_alloc();
    if (is_error(fresh)) return 0;
    *index = (u64 *)fresh;
  }
  u64 *slot = &(*index)[page % PAGES_PER_INDEX];
  if (*slot == 0) {
    long fresh = page_alloc();
    if (is_error(fresh)) return 0;
    *slot = (u64)fresh;
    node->pages++;
  }
  return (u8 *)*slot;
}

static size_t left_in_page(u64 offset, size_t bytes) {
  size_t left = PAGE_BYTES - offset % PAGE_BYTES;
  return left < bytes ? left : bytes;
}

static long read_bytes(const struct node *node, u64 offset, void *buffer, size_t bytes) {
  if (offset >= node->size) return 0;
  if (bytes > node->size - offset) bytes = node->size - offset;
  u8 *to = buffer;
  for (size_t left = bytes; left > 0;) {
    size_t part = left_in_page(offset, left);
    const u8 *page = page_at(node, offset);
    if (page != 0) {
      memcpy(to, page + offset % PAGE_BYTES, part);
    } else {
      memset(to, 0, part);
    }
    to += part, offset += part, left -= part;
  }
  return (long)bytes;
}

static long write_bytes(struct node *node, u64 offset, const void *buffer, size_t bytes) {
  if (offset == OFFSET_END) offset = node->size;
  if (offset > FILE_BYTES_MAX || bytes > FILE_BYTES_MAX - offset) return -EFBIG;
  const u8 *from = buffer;
  size_t done = 0;
  while (done < bytes) {
    size_t part = left_in_page(offset, bytes - done);
    u8 *page = make_page_at(node, offset);
    if (page == 0) break;
    memcpy(page + offset % PAGE_BYTES, from + done, part);
    done += part, offset += part;
  }
  if (offset > node->size) node->size = offset;
  touch(node);
  return done > 0 || bytes == 0 ? (long)done : -ENOSPC;
}

/* Frees the pages from `first` on, and index pages that lose their last use. */
static void free_pages(struct node *node, u64 first) {
  for (u64 i = 0; i < INDEX_PAGES; i++) {
    u64 *index = node->index[i];
    if (index == 0) continue;
    for (u64 j = 0; j < PAGES_PER_INDEX; j++) {
      if (i * PAGES_PER_INDEX + j < first || index[j] == 0) continue;
      page_free((long)index[j]);
      index[j] = 0;
      node->pages--;
    }
    if (i * PAGES_PER_INDEX >= first) {
      page_free((long)index);
      node->index[i] = 0;
    }
  }
}

static void set_size(struct node *node, u64 size) {
  if (size < node->size) {
    free_pages(node, (size + PAGE_BYTES - 1) / PAGE_BYTES);
    /* What a later growth uncovers must read as zeros. */
    u8 *last = size % PAGE_BYTES != 0 ? page_at(node, size) : 0;
    if (last != 0) memset(last + size % PAGE_BYTES, 0, PAGE_BYTES - size % PAGE_BYTES);
  }
  node->size = size;
  touch(node);
}

static void free_if_unused(struct node *node) {
  if (node->links > 0 || node->held > 0) return;
  free_pages(node, 0);
  node->mode = 0;
}

/* --- Directories --- */

static struct record *record_at(const struct node *directory, u64 offset) {
  u8 *page = page_at(directory, offset);
  return page == 0 ? 0 : (struct record *)(page + offset % PAGE_BYTES);
}

static struct record *find_record(const struct node *directory, const char *name) {
  for (u64 offset = 0; offset < directory->size; offset += sizeof(struct record)) {
    struct record *record = record_at(directory, offset);
    if (record != 0 && record->node != 0 && strcmp(record->name, name) == 0) return record;
  }
  return 0;
}

static long add_record(struct node *directory, const char *name, u32 index) {
  u64 offset = 0;
  for (; offset < directory->size; offset += sizeof(struct record)) {
    const struct record *record = record_at(directory, offset);
    if (record != 0 && record->node == 0) break;
  }
  struct record record = {.node = index};
  if (strcopy(record.name, name, sizeof record.name) < 0) return -ENAMETOOLONG;
  long put = write_bytes(directory, offset, &record, sizeof record);
  return put < 0 ? put : 0;
}

static bool is_empty(const struct node *directory) {
  for (u64 offset = 0; offset < directory->size; offset += sizeof(struct record)) {
    const struct record *record = record_at(directory, offset);
    if (record != 0 && record->node != 0) return false;
  }
  return true;
}

/* --- Exports --- */

long ramfs_init(u64 new_generation) {
  generation = new_generation;
  nodes[0] = (struct node){.mode = S_IFDIR | 0755, .links = 1};
  return 0;
}

long ramfs_root(void) {
  return handle_of(0);
}

long ramfs_lookup(long directory, const char *name) {
  mutex_lock(&lock);
  long result = -ESTALE;
  const struct node *node = find(directory);
  if (node != 0 && !is_directory(node)) {
    result = -ENOTDIR;
  } else if (node != 0) {
    const struct record *record = find_record(node, name);
    result = record != 0 ? handle_of(record->node) : -ENOENT;
  }
  mutex_unlock(&lock);
  return result;
}

static long create(struct node *parent, const char *name, u32 mode, u64 device) {
  if (!is_directory(parent)) return -ENOTDIR;
  if (parent->links == 0) return -ENOENT;
  if (find_record(parent, name) != 0) return -EEXIST;
  for (u32 i = 1; i < MAX_NODES; i++) {
    if (nodes[i].mode != 0) continue;
    nodes[i] = (struct node){.mode = mode, .serial = nodes[i].serial + 1, .links = 1, .device = device};
    touch(&nodes[i]);
    long status = add_record(parent, name, i);
    if (status < 0) {
      nodes[i].mode = 0;
      return status;
    }
    return handle_of(i);
  }
  return -ENOSPC;
}

long ramfs_create(long directory, const char *name, long mode, long device) {
  mutex_lock(&lock);
  struct node *parent = find(directory);
  long result = parent == 0 ? -ESTALE : create(parent, name, (u32)mode, (u64)device);
  mutex_unlock(&lock);
  return result;
}

/* May the record's node lose its name to `rmdir` or `unlink`? */
static long check_remove(const struct record *record, bool want_directory) {
  if (record == 0) return -ENOENT;
  const struct node *node = &nodes[record->node];
  if (is_directory(node) && !want_directory) return -EISDIR;
  if (!is_directory(node) && want_directory) return -ENOTDIR;
  return is_directory(node) && !is_empty(node) ? -ENOTEMPTY : 0;
}

static void remove_record(struct node *directory, struct record *record) {
  struct node *node = &nodes[record->node];
  record->node = 0;
  touch(directory);
  node->links--;
  free_if_unused(node);
}

long ramfs_remove(long directory, const char *name, long want_directory) {
  mutex_lock(&lock);
  struct node *parent = find(directory);
  long result = parent == 0 ? -ESTALE : 0;
  if (result == 0) {
    struct record *record = find_record(parent, name);
    result = check_remove(record, want_directory != 0);
    if (result == 0) remove_record(parent, record);
  }
  mutex_unlock(&lock);
  return result;
}

static long rename_node(struct node *from, const char *old, struct node *to, const char *new) {
  const struct record *source = find_record(from, old);
  if (source == 0) return -ENOENT;
  if (!is_directory(to)) return -ENOTDIR;
  u32 index = source->node;
  struct record *target = find_record(to, new);
  if (target != 0 && target->node == index) return 0;
  if (target != 0) {
    long status = check_remove(target, is_directory(&nodes[index]));
    if (status < 0) return status;
    remove_record(to, target);
  }
  long status = add_record(to, new, index);
  if (status < 0) return status;
  find_record(from, old)->node = 0; /* found again: `to` may be `from` and have grown */
  touch(from);
  return 0;
}

long ramfs_rename(long from_directory, const char *from, long to_directory, const char *to) {
  mutex_lock(&lock);
  struct node *source = find(from_directory);
  struct node *target = find(to_directory);
  long result = source == 0 || target == 0 ? -ESTALE : rename_node(source, from, target, to);
  mutex_unlock(&lock);
  return result;
}

long ramfs_read(long handle, u64 offset, void *buffer, size_t bytes) {
  mutex_lock(&lock);
  const struct node *node = find(handle);
  long result = node == 0 ? -ESTALE : read_bytes(node, offset, buffer, bytes);
  mutex_unlock(&lock);
  return result;
}

long ramfs_write(long handle, u64 offset, const void *buffer, size_t bytes) {
  mutex_lock(&lock);
  struct node *node = find(handle);
  long result = node == 0 ? -ESTALE : is_directory(node) ? -EISDIR : write_bytes(node, offset, buffer, bytes);
  mutex_unlock(&lock);
  return result;
}

long ramfs_truncate(long handle, u64 size) {
  mutex_lock(&lock);
  struct node *node = find(handle);
  long result = node == 0 ? -ESTALE : is_directory(node) ? -EISDIR : size > FILE_BYTES_MAX ? -EFBIG : 0;
  if (result == 0) set_size(node, size);
  mutex_unlock(&lock);
  return result;
}

long ramfs_stat(long handle, struct stat *out) {
  mutex_lock(&lock);
  const struct node *node = find(handle);
  long result = node == 0 ? -ESTALE : 0;
  if (result == 0) {
    *out = (struct stat){
        .dev = 1,
        .ino = (u64)(node - nodes) + 1,
        .mode = node->mode,
        .nlink = node->links,
        .rdev = node->device,
        .size = (s64)node->size,
        .blksize = (s32)PAGE_BYTES,
        .blocks = (s64)(node->pages * (PAGE_BYTES / 512)),
        .mtime = (s64)(node->modified_ns / 1000000000),
        .mtime_nsec = node->modified_ns % 1000000000,
    };
  }
  mutex_unlock(&lock);
  return result;
}

static long list(const struct node *directory, u64 position, struct dir_entry *out) {
  if (!is_directory(directory)) return -ENOTDIR;
  for (u64 offset = position * sizeof(struct record); offset < directory->size; offset += sizeof(struct record)) {
    const struct record *record = record_at(directory, offset);
    if (record == 0 || record->node == 0) continue;
    *out = (struct dir_entry){
        .ino = record->node + 1,
        .next = offset / sizeof(struct record) + 1,
        .mode = nodes[record->node].mode & S_IFMT,
    };
    memcpy(out->name, record->name, sizeof out->name);
    return 1;
  }
  return 0;
}

long ramfs_list(long directory, u64 position, struct dir_entry *out) {
  mutex_lock(&lock);
  const struct node *node = find(directory);
  long result = node == 0 ? -ESTALE : list(node, position, out);
  mutex_unlock(&lock);
  return result;
}

long ramfs_hold(long handle) {
  mutex_lock(&lock);
  struct node *node = find(handle);
  if (node != 0) node->held++;
  mutex_unlock(&lock);
  return node == 0 ? -ESTALE : 0;
}

long ramfs_drop(long handle) {
  mutex_lock(&lock);
  struct node *node = find(handle);
  if (node != 0 && node->held > 0) {
    node->held--;
    free_if_unused(node);
  }
  mutex_unlock(&lock);
  return node == 0 ? -ESTALE : 0;
}

long ramfs_drop_all(void) {
  mutex_lock(&lock);
  for (u32 i = 0; i < MAX_NODES; i++) {
    if (nodes[i].mode == 0 || nodes[i].held == 0) continue;
    nodes[i].held = 0;
    free_if_unused(&nodes[i]);
  }
  mutex_unlock(&lock);
  return 0;
}

long ramfs_sync(void) {
  return 0;
}
