/* Quicksort through a pointer to a function, as the C library's: the median of three, then insertion for short runs. */
#include "guest.h"

#define ITEMS 10000
#define SHORT 10

typedef int compare(const void *, const void *);

static NOINLINE int by_value(const void *a, const void *b) {
  u32 x = *(const u32 *)a, y = *(const u32 *)b;
  return x < y ? -1 : x > y;
}

static void swap(u32 *a, u32 *b) {
  u32 held = *a;
  *a = *b;
  *b = held;
}

static void insert(u32 *items, s64 count, compare *compare) {
  for (s64 n = 1; n < count; n++) {
    u32 item = items[n];
    s64 to = n;
    for (; to > 0 && compare(&items[to - 1], &item) > 0; to--) items[to] = items[to - 1];
    items[to] = item;
  }
}

static NOINLINE void sort(u32 *items, s64 count, compare *compare) {
  while (count > SHORT) {
    u32 *middle = &items[count / 2], *last = &items[count - 1];
    if (compare(middle, items) < 0) swap(middle, items);
    if (compare(last, items) < 0) swap(last, items);
    if (compare(last, middle) < 0) swap(last, middle);
    u32 pivot = *middle;
    s64 low = 0, high = count - 1;
    while (low <= high) {
      while (compare(&items[low], &pivot) < 0) low++;
      while (compare(&items[high], &pivot) > 0) high--;
      if (low <= high) swap(&items[low++], &items[high--]);
    }
    /* The shorter part by recursion, so that the stack stays small. */
    if (high + 1 < count - low) {
      sort(items, high + 1, compare);
      items += low;
      count -= low;
    } else {
      sort(items + low, count - low, compare);
      count = high + 1;
    }
  }
  insert(items, count, compare);
}

u64 run_qsort(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  u32 *items = (u32 *)arena;
  u64 check = 0;
  for (u64 pass = 0; pass < count; pass++) {
    fence_all();
    u32 random = 99 + (u32)pass;
    for (int n = 0; n < ITEMS; n++) items[n] = next_random(&random);
    sort(items, ITEMS, by_value);
    for (int n = 1; n < ITEMS; n++)
      if (items[n - 1] > items[n]) panic("not sorted", (u64)n, items[n - 1], items[n]);
    check = check * 31 + items[ITEMS / 2];
  }
  return check;
}
