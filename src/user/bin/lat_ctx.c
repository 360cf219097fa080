/*
 * lat_ctx [PROCESSES [N]]: a token goes round a ring of processes (2 unless told) over pipes, for
 * at least N hand-overs, each of which is a context switch if they share a hart. N is rounded up
 * to whole laps.
 */
#include <stdbool.h>

#include "bench.h"
#include "print.h"
#include "process.h"
#include "sys.h"

enum { MAX_PROCESSES = 32 };

/** Everybody but the first: hands on what comes until nothing comes any more. */
static int pass_on(int from, int to) {
  char token;
  while (sys_read(from, &token, 1) == 1)
    if (sys_write(to, &token, 1) != 1) return 1;
  return 0;
}

int main(int argc, char **argv) {
  uint64_t processes = iterations(argc, argv, 1, 2);
  uint64_t laps = (iterations(argc, argv, 2, 1000) + processes - 1) / processes;
  uint64_t count = laps * processes;
  int pids[MAX_PROCESSES], ends[2];
  if (processes < 2 || processes > MAX_PROCESSES) die("2 to %d processes", MAX_PROCESSES);

  int error = sys_pipe(ends);
  int from = ends[0], first = ends[1];
  for (uint64_t i = 1; i < processes && error >= 0; i++) {
    if ((error = sys_pipe(ends)) < 0) break;
    error = pids[i] = fork_process();
    if (error == 0) {
      sys_close(first);
      sys_close(ends[0]);
      return pass_on(from, ends[1]);
    }
    sys_close(from);
    sys_close(ends[1]);
    from = ends[0];
  }
  if (error < 0) die("%s", error_text(error));

  char token = 't';
  bool whole = sys_write(first, &token, 1) == 1 && sys_read(from, &token, 1) == 1;
  bench_begin(count);
  for (uint64_t lap = 0; lap < laps && whole; lap++)
    whole = sys_write(first, &token, 1) == 1 && sys_read(from, &token, 1) == 1;
  bench_end(count);
  sys_close(first);
  for (uint64_t i = 1; i < processes; i++) whole &= wait_for(pids[i]) == 0;
  if (!whole) die("the token was lost");
  bench_report(NULL, count);
  return 0;
}
