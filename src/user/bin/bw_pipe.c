/*
 * bw_pipe [KIB]: moves so many KiB (1024 unless told) through a pipe, 4 KiB at a time. One
 * iteration is one KiB.
 */
#include "bench.h"
#include "files.h"
#include "print.h"
#include "process.h"

enum { BLOCK_BYTES = 4096 };

static char data[BLOCK_BYTES];

static int send(int fd, uint64_t bytes) {
  while (bytes > 0) {
    uint64_t part = bytes < BLOCK_BYTES ? bytes : BLOCK_BYTES;
    if (write_all(fd, data, part) < 0) return 1;
    bytes -= part;
  }
  return 0;
}

int main(int argc, char **argv) {
  uint64_t kib = iterations(argc, argv, 1, 1024), received = 0;
  int ends[2];
  int error = sys_pipe(ends);
  if (error < 0) die("pipe: %s", error_text(error));
  bench_begin(kib);
  int pid = fork_process();
  if (pid < 0) die("fork: %s", error_text(pid));
  if (pid == 0) {
    sys_close(ends[0]);
    return send(ends[1], kib * 1024);
  }
  sys_close(ends[1]);
  for (ssize size; (size = sys_read(ends[0], data, sizeof data)) > 0;) received += (uint64_t)size;
  bench_end(kib);
  if (wait_for(pid) != 0 || received != kib * 1024) die("only %lu bytes arrived", received);
  bench_report(NULL, kib);
  return 0;
}
