/*
 * Page tables: 4 KiB leaves for all of RAM in the high half, shared by every space; a low half of one window per
 * hart and space. Built in M-mode, so everything here up to the window works on physical addresses.
 */
#include "guest.h"

#define RAM_BASE 0x80000000ul
#define RAM_TABLES 32ul /* of 2 MiB each */
#define SPACES 2
#define SATP_SV39 (8ul << 60)
#define ASID_SHIFT 44

#define V 0x01ul
#define R 0x02ul
#define W 0x04ul
#define X 0x08ul
#define U 0x10ul
#define G 0x20ul
#define A 0x40ul
#define D 0x80ul
#define ENTRIES 512

typedef u64 table[ENTRIES] __attribute__((aligned(PAGE_BYTES)));

static table ram_middle, ram_leaves[RAM_TABLES], device_middle;
static table roots[MAX_HARTS][SPACES], window_middle[MAX_HARTS][SPACES], window_leaves[MAX_HARTS][SPACES];
static u8 window_frames[MAX_HARTS][SPACES][WINDOW_PAGES][64] __attribute__((aligned(PAGE_BYTES)));
extern u8 user_start[], user_end[];

/* Of an address as this code has it: physical before paging, high half after. */
static u64 physical(const void *address) { return (u64)address & ~HIGH_HALF; }
static u64 entry(u64 address, u64 rights) { return address >> 12 << 10 | rights; }
static u64 index_of(u64 address, int level) { return address >> (12 + 9 * level) & (ENTRIES - 1); }

void build_page_tables(void) {
  for (u64 leaf = 0; leaf < RAM_TABLES; leaf++) {
    ram_middle[leaf] = entry(physical(ram_leaves[leaf]), V);
    for (u64 page = 0; page < ENTRIES; page++) {
      u64 address = RAM_BASE + (leaf * ENTRIES + page) * PAGE_BYTES;
      int is_user = address >= physical(user_start) && address < physical(user_end);
      u64 rights = is_user ? R | X | U : R | W | X;
      ram_leaves[leaf][page] = entry(address, V | rights | A | D | (is_user ? 0 : G));
    }
  }
  /* Megapages: the finisher, and the UART with its neighbours. */
  device_middle[index_of(0x100000, 1)] = entry(0, V | R | W | A | D | G);
  device_middle[index_of(0x10000000, 1)] = entry(0x10000000, V | R | W | A | D | G);
  for (int hart = 0; hart < MAX_HARTS; hart++) {
    for (int space = 0; space < SPACES; space++) {
      u64 *root = roots[hart][space];
      root[index_of(HIGH_HALF, 2)] = entry(physical(device_middle), V);
      root[index_of(HIGH_HALF + RAM_BASE, 2)] = entry(physical(ram_middle), V);
      root[index_of(WINDOW, 2)] = entry(physical(window_middle[hart][space]), V);
      window_middle[hart][space][index_of(WINDOW, 1)] = entry(physical(window_leaves[hart][space]), V);
    }
  }
}

/* Each hart has two spaces, each with an ASID of its own. */
u64 space_satp(u64 hart, u64 space) {
  u64 asid = 1 + hart * SPACES + space;
  return SATP_SV39 | asid << ASID_SHIFT | physical(roots[hart][space]) >> 12;
}

u64 first_satp(u64 hart) { return space_satp(hart, 0); }

/* The frames of a window are few: 64 of its pages share one. */
void window_map(u64 hart, u64 space, u64 page) {
  u64 frame = physical(window_frames[hart][space][page]) & ~(PAGE_BYTES - 1);
  window_leaves[hart][space][page] = entry(frame, V | R | W | A | D);
}

void window_unmap_all(u64 hart, u64 space) { memset(window_leaves[hart][space], 0, sizeof(table)); }
