/*
 * kill [-SIGNAL] PID...: ends processes. The kernel knows signals only as a reason to die; the
 * number (15 unless told) becomes part of the exit status.
 */
#include "options.h"
#include "print.h"
#include "string.h"
#include "sys.h"

int main(int argc, char **argv) {
  int first = 1, signal = SIGTERM;
  if (argc > 1 && argv[1][0] == '-') {
    signal = (int)number_operand(argv[1] + 1);
    first = 2;
  }
  if (first >= argc) usage("[-SIGNAL] PID...");
  int failed = 0;
  for (int i = first; i < argc; i++) {
    int error = sys_kill((int)number_operand(argv[i]), signal);
    if (error < 0) warn("%s: %s", argv[i], error_text(error));
    failed |= error < 0;
  }
  return failed;
}
