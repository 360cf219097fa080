/*
 * Address spaces. One interface, two back ends chosen at boot: without a monitor we write the page
 * tables that the hart walks; under a monitor the same tables are only our record, and it is told
 * about each change.
 */
#ifndef MMU_H
#define MMU_H

#include "kernel.h"

#define PTE_V (1UL << 0)
#define PTE_R (1UL << 1)
#define PTE_W (1UL << 2)
#define PTE_X (1UL << 3)
#define PTE_U (1UL << 4)
#define PTE_G (1UL << 5)
#define PTE_A (1UL << 6)
#define PTE_D (1UL << 7)
/* Software bit: a store must first get a copy of its own. */
#define PTE_COW (1UL << 8)
#define PTE_PERM (PTE_R | PTE_W | PTE_X)

static inline u64 pte_frame(u64 pte) {
  return pte << 10 >> 20 << 12;
}

struct space {
  u64 *table;     /* level 1, a page: 512 tables of 512 leaf entries. Own process only */
  u64 root;       /* frame of level 2; 0 under a monitor */
  u64 monitor_id; /* 0 without one */
  u64 active;     /* bitmap of harts where it is active; atomic */
};

void mmu_init(void);

long space_create(struct space *space);
/* Must not be active anywhere. Its frames lose a reference each. */
void space_destroy(struct space *space);
/* Makes the user half of this hart's view that space, or nothing if 0. Interrupts are off. */
void space_activate(struct space *space);

/* The leaf PTE, 0 if the page is not mapped. */
u64 space_get(const struct space *space, u64 address);
/* Maps a page that was not; takes over the caller's reference to the frame. `flags`: PTE_PERM and PTE_COW. */
long space_map(struct space *space, u64 address, u64 frame, u64 flags);
/* Removes what is mapped in the range; returns when no hart can use it any more. */
void space_unmap(struct space *space, u64 address, u64 pages);
/* Sets permissions of what is mapped in the range. Shared frames stay copy-on-write. The monitor may refuse. */
long space_protect(struct space *space, u64 address, u64 pages, u64 perm);
/* Maps every page of `from` in the empty `to`; writable ones become copy-on-write in both. */
long space_copy(struct space *from, struct space *to);
/* The page's text was written: every hart's next fetch sees it. */
void space_fence_text(const struct space *space, u64 address);

#endif
