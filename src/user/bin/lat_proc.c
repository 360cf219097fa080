/*
 * lat_proc fork|exec [N]: N processes made, ended and waited for; with exec each runs `true`.
 */
#include <stdbool.h>

#include "bench.h"
#include "options.h"
#include "print.h"
#include "process.h"
#include "string.h"
#include "sys.h"

static int one_process(bool exec) {
  static char *command[] = {"true", NULL};
  int pid = fork_process();
  if (pid < 0) die("fork: %s", error_text(pid));
  if (pid == 0) {
    if (exec) run_program(command, environ);
    sys_exit(exec ? 127 : 0);
  }
  return wait_for(pid);
}

int main(int argc, char **argv) {
  bool exec = argc > 1 && same(argv[1], "exec");
  if (argc < 2 || (!exec && !same(argv[1], "fork"))) usage("fork|exec [N]");
  uint64_t count = iterations(argc, argv, 2, 50);
  int status = one_process(exec);
  bench_begin(count);
  for (uint64_t i = 0; i < count; i++) status |= one_process(exec);
  bench_end(count);
  if (status != 0) die("a process failed");
  bench_report(argv[1], count);
  return 0;
}
