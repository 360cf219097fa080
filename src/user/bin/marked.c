/*
 * marked N COMMAND [ARGUMENT...]: runs a command N times between two marks, so that the bench can
 * measure programs that set none themselves.
 */
#include "bench.h"
#include "options.h"
#include "print.h"
#include "process.h"

int main(int argc, char **argv) {
  if (argc < 3) usage("N COMMAND [ARGUMENT...]");
  uint64_t count = iterations(argc, argv, 1, 1);
  bench_begin(count);
  for (uint64_t i = 0; i < count; i++) {
    int pid = spawn(argv + 2);
    if (pid < 0) die("fork: %s", error_text(pid));
    int code = wait_for(pid);
    if (code != 0) {
      warn("%s: exit code %d", argv[2], code);
      return code > 0 ? code : 1;
    }
  }
  bench_end(count);
  bench_report(argv[2], count);
  return 0;
}
