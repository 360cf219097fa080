/*
 * lat_pagefault [N]: the first write to each of N pages of fresh anonymous memory.
 */
#include "bench.h"
#include "print.h"
#include "sys.h"

enum { PAGE_BYTES = 4096 };

int main(int argc, char **argv) {
  uint64_t count = iterations(argc, argv, 1, 256);
  long mapped = sys_mmap(count * PAGE_BYTES, PROT_READ | PROT_WRITE);
  if (mapped < 0) die("mmap: %s", error_text(mapped));
  volatile char *memory = (volatile char *)mapped;
  bench_begin(count);
  for (uint64_t i = 0; i < count; i++) memory[i * PAGE_BYTES] = 1;
  bench_end(count);
  bench_report(NULL, count);
  return 0;
}
