/*
 * Marks around a measured loop, and the line that says it was run. Time is not taken here: the
 * machine counts between the marks.
 */
#include "bench.h"

#include "cordon.h"
#include "options.h"
#include "print.h"

uint64_t iterations(int argc, char **argv, int index, uint64_t otherwise) {
  if (index >= argc) return otherwise;
  int64_t count = number_operand(argv[index]);
  return count < 1 ? 1 : (uint64_t)count;
}

void bench_begin(uint64_t count) { cordon_mark(MARK_BEGIN, count); }
void bench_end(uint64_t count) { cordon_mark(MARK_END, count); }

void bench_report(const char *kind, uint64_t count) {
  printf("%s%s%s: %lu iterations\n", program, kind ? " " : "", kind ? kind : "", count);
}
