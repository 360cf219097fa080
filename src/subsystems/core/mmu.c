/*
 * Address spaces (mmu.h). "Sv39: Page-Based 39-bit Virtual-Memory System", RISC-V privileged
 * architecture. User space is the first gigabyte, so each space is one level-1 table and the leaf
 * tables under it.
 *
 * The tables of a space are written by its own thread only. That thread may have run on other harts
 * before, but a hart forgets a space's translations when it activates one; so what must be fenced are
 * the harts where the space is active now.
 */
#include "mmu.h"

#include "thread.h"

#define TABLE_ENTRIES 512UL
#define SATP_SV39 (8UL << 60)

/* Every leaf has A and D set from the start: nobody here reads them. */
#define LEAF_USER (PTE_U | PTE_A | PTE_D)
#define LEAF_KERNEL (PTE_V | PTE_R | PTE_W | PTE_G | PTE_A | PTE_D)

#define VPN2(address) ((address) >> 30 & 0x1ff)
#define VPN1(address) ((address) >> 21 & 0x1ff)
#define VPN0(address) ((address) >> 12 & 0x1ff)
#define PPN_TO_PTE(physical) ((physical) >> 12 << 10)

_Static_assert(IMAGE_OFFSET == -1UL << 32, "boot.S computes it");

/*
 * The kernel's own view without a monitor: RAM, devices and image as gigabyte pages. boot.S turns
 * paging on with it; each space's root is a copy with an entry for the user half.
 */
u64 kernel_root[TABLE_ENTRIES] __attribute__((aligned(4096))) = {
    [VPN2(DIRECT_BASE)] = PPN_TO_PTE(RAM_BASE) | LEAF_KERNEL,
    [VPN2(MMIO_BASE)] = PPN_TO_PTE(0UL) | LEAF_KERNEL,
    [VPN2(IMAGE_BASE)] = PPN_TO_PTE(RAM_BASE) | LEAF_KERNEL | PTE_X,
};

static u64 kernel_satp;

static void fence_all_local(void) {
  asm volatile("sfence.vma" ::: "memory");
}

void mmu_init(void) {
  if (!separated) kernel_satp = SATP_SV39 | ((u64)kernel_root - IMAGE_OFFSET) >> 12;
}

/* --- The tables --- */

static u64 *table_at(u64 pte) {
  return direct(pte_frame(pte));
}

/* The entry of a page (0 = nothing there), 0 if it has no leaf table. */
static u64 *find(const struct space *space, u64 address) {
  u64 pointer = space->table[VPN1(address)];
  return pointer == 0 ? 0 : &table_at(pointer)[VPN0(address)];
}

static u64 *find_or_make(struct space *space, u64 address) {
  u64 *pointer = &space->table[VPN1(address)];
  if (*pointer == 0) {
    u64 frame = frame_alloc();
    if (frame == 0) return 0;
    *pointer = PPN_TO_PTE(frame) | PTE_V;
  }
  return &table_at(*pointer)[VPN0(address)];
}

/* Every hart that may use the space's old translations forgets them. Without a monitor only. */
static void fence(struct space *space, u64 address, u64 pages) {
  u64 active = __atomic_load_n(&space->active, __ATOMIC_SEQ_CST);
  bool was_on = interrupts_are_on();
  interrupts_off();
  u64 here = 1UL << this_hart()->id;
  if (active & here) fence_all_local();
  if (was_on) interrupts_on();
  if (active & ~here) sbi_remote_sfence(active & ~here, address, pages * PAGE_BYTES);
}

/* --- Spaces --- */

long space_create(struct space *space) {
  u64 table = frame_alloc();
  if (table == 0) return -ENOMEM;
  *space = (struct space){.table = direct(table)};
  if (separated) {
    long id = monitor_call(CORDON_SPACE_CREATE, 0, 0, 0, 0);
    if (id < 0) {
      frame_unref(table);
      return -ENOMEM;
    }
    space->monitor_id = (u64)id;
    return 0;
  }
  space->root = frame_alloc();
  if (space->root == 0) {
    frame_unref(table);
    return -ENOMEM;
  }
  u64 *root = direct(space->root);
  memcpy(root, kernel_root, PAGE_BYTES);
  root[VPN2(0UL)] = PPN_TO_PTE(table) | PTE_V;
  return 0;
}

void space_destroy(struct space *space) {
  if (separated) monitor_call(CORDON_SPACE_DESTROY, space->monitor_id, 0, 0, 0);
  for (u64 i = 0; i < TABLE_ENTRIES; i++) {
    if (space->table[i] == 0) continue;
    u64 *leaves = table_at(space->table[i]);
    for (u64 j = 0; j < TABLE_ENTRIES; j++) {
      if (leaves[j] != 0) frame_unref(pte_frame(leaves[j]));
    }
    frame_unref(pte_frame(space->table[i]));
  }
  frame_unref(physical_of_direct((u64)space->table));
  if (space->root != 0) frame_unref(space->root);
  *space = (struct space){0};
}

void space_activate(struct space *space) {
  struct hart *hart = this_hart();
  if (hart->space == space) return;
  u64 bit = 1UL << hart->id;
  if (separated) {
    monitor_call(CORDON_SPACE_ACTIVATE, space != 0 ? space->monitor_id : 0, 0, 0, 0);
  } else {
    csr_write(satp, space != 0 ? SATP_SV39 | space->root >> 12 : kernel_satp);
    fence_all_local();
  }
  if (hart->space != 0) __atomic_fetch_and(&hart->space->active, ~bit, __ATOMIC_SEQ_CST);
  if (space != 0) __atomic_fetch_or(&space->active, bit, __ATOMIC_SEQ_CST);
  hart->space = space;
}

/* --- Pages --- */

u64 space_get(const struct space *space, u64 address) {
  const u64 *entry = address < USER_TOP ? find(space, address) : 0;
  return entry == 0 ? 0 : *entry;
}

/* A page without permissions keeps its frame but is not valid. */
static u64 leaf(u64 frame, u64 flags) {
  return PPN_TO_PTE(frame) | LEAF_USER | flags | ((flags & PTE_PERM) != 0 ? PTE_V : 0);
}

/* Tells the monitor that a page's permissions change from those of one leaf to those of another. */
static long tell_monitor(const struct space *space, u64 address, u64 from, u64 to) {
  if ((from & PTE_V) == 0 && (to & PTE_V) == 0) return 0;
  if ((from & PTE_V) == 0) {
    return monitor_call(CORDON_MAP, space->monitor_id, address, pte_frame(to), to & PTE_PERM);
  }
  if ((to & PTE_V) == 0) return monitor_call(CORDON_UNMAP, space->monitor_id, address, 1, 0);
  return monitor_call(CORDON_PROTECT, space->monitor_id, address, 1, to & PTE_PERM);
}

long space_map(struct space *space, u64 address, u64 frame, u64 flags) {
  u64 *entry = find_or_make(space, address);
  if (entry == 0) return -ENOMEM;
  if (separated) {
    long status = tell_monitor(space, address, 0, leaf(frame, flags));
    if (status < 0) return status;
  }
  *entry = leaf(frame, flags);
  if (!separated) fence(space, address, 1); /* V = 0 may have been cached */
  return 0;
}

/* The next mapped page in [address, end), or `end`. */
static u64 next_mapped(const struct space *space, u64 address, u64 end) {
  while (address < end) {
    const u64 *entry = find(space, address);
    if (entry == 0) {
      address = ((address >> 21) + 1) << 21; /* the whole leaf table is missing */
      continue;
    }
    if (*entry != 0) return address;
    address += PAGE_BYTES;
  }
  return end;
}

void space_unmap(struct space *space, u64 address, u64 pages) {
  u64 end = address + pages * PAGE_BYTES;
  u64 first = next_mapped(space, address, end);
  if (first == end) return;
  /* Invalid first, then fenced, and only then may the frames be anybody else's. */
  if (separated) {
    monitor_call(CORDON_UNMAP, space->monitor_id, address, pages, 0);
  } else {
    for (u64 at = first; at < end; at = next_mapped(space, at + PAGE_BYTES, end)) *find(space, at) &= ~PTE_V;
    fence(space, address, pages);
  }
  for (u64 at = first; at < end; at = next_mapped(space, at + PAGE_BYTES, end)) {
    u64 *entry = find(space, at);
    frame_unref(pte_frame(*entry));
    *entry = 0;
  }
}

/* What a page's flags become when it is to have `perm`. */
static u64 permitted(u64 pte, u64 perm) {
  if ((perm & PTE_W) != 0 && frame_refs(pte_frame(pte)) > 1) return (perm & ~PTE_W) | PTE_COW;
  return perm;
}

long space_protect(struct space *space, u64 address, u64 pages, u64 perm) {
  u64 end = address + pages * PAGE_BYTES;
  for (u64 at = next_mapped(space, address, end); at < end; at = next_mapped(space, at + PAGE_BYTES, end)) {
    u64 *entry = find(space, at);
    u64 changed = leaf(pte_frame(*entry), permitted(*entry, perm));
    if (changed == *entry) continue;
    if (separated) {
      long status = tell_monitor(space, at, *entry, changed);
      if (status < 0) return status;
    }
    *entry = changed;
  }
  if (!separated) fence(space, address, pages);
  return 0;
}

/*
 * Takes the right to write from a run of writable pages with equal permissions, for copy-on-write: one
 * call of the monitor for the whole run. -> pages
 */
static u64 protect_run(struct space *space, u64 start) {
  u64 perm = *find(space, start) & PTE_PERM;
  u64 at = start;
  for (; at < USER_TOP; at += PAGE_BYTES) {
    u64 *entry = find(space, at);
    if (entry == 0 || *entry == 0 || (*entry & PTE_PERM) != perm) break;
    *entry = (*entry & ~PTE_W) | PTE_COW;
  }
  u64 pages = (at - start) / PAGE_BYTES;
  if (separated && monitor_call(CORDON_PROTECT, space->monitor_id, start, pages, perm & ~PTE_W) < 0) {
    panic("the monitor would not take a right to write");
  }
  return pages;
}

long space_copy(struct space *from, struct space *to) {
  for (u64 at = next_mapped(from, 0, USER_TOP); at < USER_TOP; at = next_mapped(from, at, USER_TOP)) {
    at += PAGE_BYTES * ((*find(from, at) & PTE_W) != 0 ? protect_run(from, at) : 1);
  }
  if (!separated) fence(from, 0, USER_TOP / PAGE_BYTES);

  for (u64 at = next_mapped(from, 0, USER_TOP); at < USER_TOP; at = next_mapped(from, at + PAGE_BYTES, USER_TOP)) {
    u64 pte = *find(from, at);
    frame_ref(pte_frame(pte));
    long status = space_map(to, at, pte_frame(pte), pte & (PTE_PERM | PTE_COW));
    if (status < 0) {
      frame_unref(pte_frame(pte));
      return status;
    }
  }
  return 0;
}

void space_fence_text(const struct space *space, u64 address) {
  asm volatile("fence.i" ::: "memory");
  if (!separated) {
    sbi_remote_fence_i(machine.harts);
    return;
  }
  u64 pte = space_get(space, address);
  if (pte != 0) monitor_call(CORDON_FENCE_I, pte_frame(pte), 0, 0, 0);
}
