/*
 * A process's memory: which ranges may be touched, pages at first touch, copy-on-write, and the only
 * way between the kernel and user memory.
 *
 * Only the process's own thread comes here (or, at fork and exec, the thread that builds it).
 */
#include "process.h"

/* Where mmap looks for room, from the top down, below the stack. */
#define MAP_TOP 0x3f000000UL
#define MAP_BOTTOM 0x20000000UL

static u64 round_down(u64 value) {
  return value & ~(PAGE_BYTES - 1);
}

static u64 round_up(u64 value) {
  return round_down(value + PAGE_BYTES - 1);
}

/* --- Regions --- */

void memory_init(struct memory *memory) {
  memset(memory, 0, sizeof *memory);
}

static struct region *region_at(struct memory *memory, u64 address) {
  for (u32 i = 0; i < MAX_REGIONS; i++) {
    struct region *region = &memory->regions[i];
    if (region->start <= address && address < region->end) return region;
  }
  return 0;
}

long memory_add(struct memory *memory, u64 start, u64 end, u64 perm) {
  if (start >= end) return 0;
  for (u32 i = 0; i < MAX_REGIONS; i++) {
    struct region *region = &memory->regions[i];
    /* Growing a neighbour with the same rights saves a slot. */
    if (region->start < region->end && region->end == start && region->perm == perm) {
      region->end = end;
      return 0;
    }
  }
  for (u32 i = 0; i < MAX_REGIONS; i++) {
    struct region *region = &memory->regions[i];
    if (region->start < region->end) continue;
    *region = (struct region){start, end, perm};
    return 0;
  }
  return -ENOMEM;
}

/* Cuts [start, end) out of every region; one that has it inside is split. */
static long carve(struct memory *memory, u64 start, u64 end) {
  for (u32 i = 0; i < MAX_REGIONS; i++) {
    struct region *region = &memory->regions[i];
    if (region->start >= end || start >= region->end) continue;
    struct region whole = *region;
    *region = (struct region){0};
    if (whole.start < start) *region = (struct region){whole.start, start, whole.perm};
    if (whole.end <= end) continue;
    if (region->start == region->end) {
      *region = (struct region){end, whole.end, whole.perm};
    } else if (memory_add(memory, end, whole.end, whole.perm) < 0) {
      *region = whole;
      return -ENOMEM;
    }
  }
  return 0;
}

static bool is_free(struct memory *memory, u64 start, u64 end) {
  for (u32 i = 0; i < MAX_REGIONS; i++) {
    struct region *region = &memory->regions[i];
    if (region->start < end && start < region->end) return false;
  }
  return true;
}

long memory_copy(struct memory *from, struct memory *to) {
  memcpy(to->regions, from->regions, sizeof to->regions);
  to->heap_start = from->heap_start;
  to->heap_end = from->heap_end;
  return space_copy(&from->space, &to->space);
}

/* --- Faults --- */

/* A store to a page that others may still read: the last holder keeps it, the rest get copies. */
static long break_sharing(struct space *space, u64 page, u64 pte) {
  u64 frame = pte_frame(pte);
  u64 perm = (pte & PTE_PERM) | PTE_W;
  if (frame_refs(frame) == 1) {
    return space_protect(space, page, 1, perm);
  }
  u64 copy = frame_alloc();
  if (copy == 0) return -ENOMEM;
  memcpy(direct(copy), direct(frame), PAGE_BYTES);
  space_unmap(space, page, 1);
  long status = space_map(space, page, copy, perm);
  if (status < 0) frame_unref(copy);
  return status;
}

long memory_fault(struct memory *memory, u64 address, u64 access) {
  if (address >= USER_TOP) return -EFAULT;
  u64 page = round_down(address);
  u64 pte = space_get(&memory->space, page);
  if (pte != 0) {
    if ((pte & access) != 0) return 0; /* an old translation: it is fenced by now */
    if (access == PTE_W && (pte & PTE_COW) != 0) return break_sharing(&memory->space, page, pte);
    return -EFAULT;
  }
  const struct region *region = region_at(memory, address);
  if (region == 0 || (region->perm & access) == 0) return -EFAULT;
  u64 frame = frame_alloc();
  if (frame == 0) return -ENOMEM;
  long status = space_map(&memory->space, page, frame, region->perm);
  if (status < 0) frame_unref(frame);
  return status;
}

/* --- brk, mmap, munmap, mprotect --- */

long memory_set_heap(struct memory *memory, u64 end) {
  if (end < memory->heap_start || end >= MAP_BOTTOM) return (long)memory->heap_end;
  u64 old_top = round_up(memory->heap_end);
  u64 new_top = round_up(end);
  if (new_top > old_top) {
    if (!is_free(memory, old_top, new_top)) return (long)memory->heap_end;
    if (memory_add(memory, old_top, new_top, PTE_R | PTE_W) < 0) return (long)memory->heap_end;
  } else if (new_top < old_top) {
    if (memory_unmap(memory, new_top, old_top - new_top) < 0) return (long)memory->heap_end;
  }
  memory->heap_end = end;
  return (long)end;
}

/* The highest free range of that size, 0 if there is none. */
static u64 find_room(struct memory *memory, u64 bytes) {
  u64 end = MAP_TOP;
  while (end >= MAP_BOTTOM + bytes) {
    u64 start = end - bytes;
    u64 lowest = end;
    for (u32 i = 0; i < MAX_REGIONS; i++) {
      struct region *region = &memory->regions[i];
      if (region->start < end && start < region->end && region->start < lowest) lowest = region->start;
    }
    if (lowest == end) return start;
    end = lowest;
  }
  return 0;
}

long memory_map(struct memory *memory, u64 hint, u64 bytes, u64 perm, bool fixed) {
  bytes = round_up(bytes);
  if (bytes == 0 || bytes > USER_TOP) return -EINVAL;
  u64 start = round_down(hint);
  if (fixed) {
    if (hint != start || start == 0 || start + bytes > USER_TOP) return -EINVAL;
    long status = memory_unmap(memory, start, bytes);
    if (status < 0) return status;
  } else if (start == 0 || start + bytes > USER_TOP || !is_free(memory, start, start + bytes)) {
    start = find_room(memory, bytes);
    if (start == 0) return -ENOMEM;
  }
  long status = memory_add(memory, start, start + bytes, perm);
  return status < 0 ? status : (long)start;
}

/* Is this a range of user pages? */
static bool valid_range(u64 start, u64 bytes) {
  return start == round_down(start) && bytes > 0 && bytes <= USER_TOP && start <= USER_TOP - bytes;
}

long memory_unmap(struct memory *memory, u64 start, u64 bytes) {
  bytes = round_up(bytes);
  if (!valid_range(start, bytes)) return -EINVAL;
  long status = carve(memory, start, start + bytes);
  if (status < 0) return status;
  space_unmap(&memory->space, start, bytes / PAGE_BYTES);
  return 0;
}

long memory_protect(struct memory *memory, u64 start, u64 bytes, u64 perm) {
  bytes = round_up(bytes);
  if (!valid_range(start, bytes)) return -EINVAL;
  u64 end = start + bytes;
  for (u64 at = start; at < end;) {
    struct region *region = region_at(memory, at);
    if (region == 0) return -ENOMEM;
    at = region->end;
  }
  long status = carve(memory, start, end);
  if (status == 0) status = memory_add(memory, start, end, perm);
  if (status < 0) return status;
  return space_protect(&memory->space, start, bytes / PAGE_BYTES, perm);
}

/* --- User memory --- */

/* The kernel's address of a user byte, after making it usable; 0 if it is not. */
static u8 *reach(struct memory *memory, u64 address, u64 access) {
  if (address >= USER_TOP) return 0;
  u64 pte = space_get(&memory->space, address);
  if ((pte & access) == 0) {
    if (memory_fault(memory, address, access) < 0) return 0;
    pte = space_get(&memory->space, address);
  }
  return (u8 *)direct(pte_frame(pte)) + (address & (PAGE_BYTES - 1));
}

static size_t left_in_page(u64 address) {
  return PAGE_BYTES - (address & (PAGE_BYTES - 1));
}

long user_read(void *to, u64 from, size_t bytes) {
  for (u8 *target = to; bytes > 0;) {
    size_t part = left_in_page(from) < bytes ? left_in_page(from) : bytes;
    const u8 *source = reach(current_process()->memory, from, PTE_R);
    if (source == 0) return -EFAULT;
    memcpy(target, source, part);
    target += part, from += part, bytes -= part;
  }
  return 0;
}

long memory_write(struct memory *memory, u64 to, const void *from, size_t bytes) {
  for (const u8 *source = from; bytes > 0;) {
    size_t part = left_in_page(to) < bytes ? left_in_page(to) : bytes;
    u8 *target = reach(memory, to, PTE_W);
    if (target == 0) return -EFAULT;
    memcpy(target, source, part);
    source += part, to += part, bytes -= part;
  }
  return 0;
}

long user_write(u64 to, const void *from, size_t bytes) {
  return memory_write(current_process()->memory, to, from, bytes);
}

long user_read_string(char *to, u64 from, size_t to_bytes) {
  size_t length = 0;
  while (length < to_bytes) {
    const char *source = (const char *)reach(current_process()->memory, from + length, PTE_R);
    if (source == 0) return -EFAULT;
    for (size_t part = left_in_page(from + length); part > 0 && length < to_bytes; part--, length++) {
      to[length] = *source++;
      if (to[length] == 0) return (long)length;
    }
  }
  return -ENAMETOOLONG;
}
