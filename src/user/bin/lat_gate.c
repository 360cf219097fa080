/*
 * lat_gate 0|1|6 [N]: N calls of a null gate with so many arguments, made inside the kernel.
 */
#include "bench.h"
#include "cordon.h"
#include "options.h"
#include "print.h"
#include "string.h"

int main(int argc, char **argv) {
  if (argc < 2 || !(same(argv[1], "0") || same(argv[1], "1") || same(argv[1], "6")))
    usage("0|1|6 [N]");
  unsigned arguments = (unsigned)(argv[1][0] - '0');
  uint64_t count = iterations(argc, argv, 2, 1000);
  long result = gate_call(arguments, 1);
  if (result < 0) die("gate_call: %s", error_text(result));
  bench_begin(count);
  result = gate_call(arguments, count);
  bench_end(count);
  if (result < 0) die("gate_call: %s", error_text(result));
  bench_report(argv[1], count);
  return 0;
}
