/*
 * nproc: how many harts this process may run on.
 */
#include "print.h"
#include "process.h"

int main(void) {
  uint64_t mask;
  printf("%u\n", allowed_harts(&mask));
  return 0;
}
