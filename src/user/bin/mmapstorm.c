/*
 * mmapstorm [-s SEED] [-n ROUNDS] [-t SECONDS]: maps, fills, protects, unmaps in part and in whole,
 * and checks every page against its seed. Children find their parent's pages, write over them
 * without the parent noticing, and die of pages that they may not write or that are gone.
 */
#include "process.h"
#include "stressor.h"
#include "sys.h"

enum { REGIONS = 5, MAX_PAGES = 12, PAGE_BYTES = 4096, WORDS = PAGE_BYTES / 8 };

/** Exit codes of a child: all was well; it read a wrong word; it survived what should kill it. */
enum { CHILD_OK = 40, CHILD_WRONG, CHILD_SURVIVED };

static struct region {
  uint64_t (*pages)[WORDS];
  uint32_t count;
  bool writable;
  /** What page i was filled from; 0: never touched, hence all zero. */
  uint64_t seeds[MAX_PAGES];
} regions[REGIONS];

static struct stressor stressor;

static uint32_t below(uint32_t limit) { return random_below(&stressor.random, limit); }

/** The words of a page that are written and checked: every eighth, and the last. */
#define FOR_WORDS(word) for (int word = 0; word < WORDS; word += word == WORDS - 8 ? 7 : 8)

static void fill(struct region *region, uint32_t page, uint64_t seed) {
  struct random random = {seed};
  FOR_WORDS(word) region->pages[page][word] = next_random(&random);
  region->seeds[page] = seed;
}

static bool page_is_right(const struct region *region, uint32_t page) {
  struct random random = {region->seeds[page]};
  FOR_WORDS(word) {
    uint64_t expected = region->seeds[page] ? next_random(&random) : 0;
    if (region->pages[page][word] != expected) return false;
  }
  return true;
}

static bool all_right(void) {
  for (int i = 0; i < REGIONS; i++)
    for (uint32_t page = 0; page < regions[i].count; page++)
      if (!page_is_right(&regions[i], page)) return false;
  return true;
}

static void map(struct region *region) {
  *region = (struct region){.count = 1 + below(MAX_PAGES), .writable = true};
  long start = sys_mmap((size_t)region->count * PAGE_BYTES, PROT_READ | PROT_WRITE);
  region->pages = (uint64_t(*)[WORDS])must(start, "mmap");
}

/** Unmaps the last pages, or all. */
static void unmap(struct region *region) {
  uint32_t keep = below(2) ? 0 : below(region->count);
  must(sys_munmap(region->pages[keep], (size_t)(region->count - keep) * PAGE_BYTES), "munmap");
  region->count = keep;
}

static void protect(struct region *region) {
  region->writable = !region->writable;
  int protection = region->writable ? PROT_READ | PROT_WRITE : PROT_READ;
  must(sys_mprotect(region->pages, (size_t)region->count * PAGE_BYTES, protection), "mprotect");
}

static void touch(struct region *region) {
  if (!region->writable) return;
  for (uint32_t writes = 1 + below(4); writes > 0; writes--)
    fill(region, below(region->count), next_random(&stressor.random) | 1);
}

/** A child that checks its copy, writes over it and checks again. */
static int scribbling_child(uint64_t seed) {
  struct random random = {seed};
  if (!all_right()) return CHILD_WRONG;
  for (int i = 0; i < REGIONS; i++)
    if (regions[i].writable && regions[i].count > 0)
      fill(&regions[i], random_below(&random, regions[i].count), next_random(&random) | 1);
  return all_right() ? CHILD_OK : CHILD_WRONG;
}

static void fork_scribbler(void) {
  uint64_t seed = next_random(&stressor.random);
  int pid = (int)must(fork_process(), "fork");
  if (pid == 0) sys_exit(scribbling_child(seed));
  /* Meanwhile the parent writes too, so that both sides of a copy are hit. */
  for (int i = 0; i < REGIONS; i++)
    if (regions[i].count > 0) touch(&regions[i]);
  must_exit_with(pid, CHILD_OK, "a child");
}

/** A child that must die of a write to this page. */
static void fork_victim(volatile uint64_t *page, const char *what) {
  int pid = (int)must(fork_process(), "fork");
  if (pid == 0) {
    *page = 1;
    sys_exit(CHILD_SURVIVED);
  }
  int code = wait_for(pid);
  if (code <= 128) stressor_fail("round %lu: writing %s gave %d", stressor.round, what, code);
}

int main(int argc, char **argv) {
  stressor_start(&stressor, argc, argv);
  while (stressor_next(&stressor)) {
    struct region *region = &regions[below(REGIONS)];
    uint32_t choice = below(10);
    if (region->count == 0) map(region);
    touch(region);
    if (choice < 3) {
      protect(region);
    } else if (choice < 5) {
      fork_scribbler();
    } else if (choice < 7) {
      uint64_t *first = region->pages[0];
      unmap(region);
      if (region->count == 0 && below(4) == 0) fork_victim(first, "an unmapped page");
    } else if (choice == 7 && !region->writable && below(2) == 0) {
      fork_victim(region->pages[0], "a read-only page");
    }
    if (!all_right()) stressor_fail("round %lu: wrong content", stressor.round);
    for (uint32_t page = 0; page < region->count; page++)
      stressor_mix(&stressor, region->seeds[page]);
  }
  return stressor_end(&stressor);
}
