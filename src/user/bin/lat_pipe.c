/*
 * lat_pipe [N]: N round trips of one byte between two processes over two pipes.
 */
#include <stdbool.h>

#include "bench.h"
#include "print.h"
#include "process.h"
#include "sys.h"

static void make_pipe(int ends[2]) {
  int error = sys_pipe(ends);
  if (error < 0) die("pipe: %s", error_text(error));
}

int main(int argc, char **argv) {
  uint64_t count = iterations(argc, argv, 1, 1000);
  int there[2], back[2];
  char byte = 'x';
  make_pipe(there);
  make_pipe(back);
  int pid = fork_process();
  if (pid < 0) die("fork: %s", error_text(pid));
  if (pid == 0) {
    sys_close(there[1]);
    while (sys_read(there[0], &byte, 1) == 1)
      if (sys_write(back[1], &byte, 1) != 1) return 1;
    return 0;
  }
  sys_close(there[0]);
  sys_close(back[1]);

  uint64_t done = 0;
  bool warm = sys_write(there[1], &byte, 1) == 1 && sys_read(back[0], &byte, 1) == 1;
  bench_begin(count);
  while (warm && done < count && sys_write(there[1], &byte, 1) == 1 &&
         sys_read(back[0], &byte, 1) == 1)
    done++;
  bench_end(count);
  sys_close(there[1]);
  if (wait_for(pid) != 0 || done < count) die("the pipe broke after %lu", done);
  bench_report(NULL, count);
  return 0;
}
