/*
 * Heapsort of an array of pointers.
 */
#include "files.h"

/** Lets the item at `root` sink until it is no smaller than its children. */
static void sink_item(void **items, size_t root, size_t count,
                      int (*compare)(const void *, const void *)) {
  void *item = items[root];
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && compare(items[child], items[child + 1]) < 0) child++;
    if (compare(item, items[child]) >= 0) break;
    items[root] = items[child];
  }
  items[root] = item;
}

void sort_pointers(void **items, size_t count, int (*compare)(const void *, const void *)) {
  for (size_t root = count / 2; root-- > 0;) sink_item(items, root, count, compare);
  for (size_t end = count; end-- > 1;) {
    void *largest = items[0];
    items[0] = items[end];
    items[end] = largest;
    sink_item(items, 0, end, compare);
  }
}
