/*
 * hart: the number of the hart it runs on.
 */
#include "print.h"
#include "sys.h"

int main(void) {
  unsigned hart;
  int error = sys_getcpu(&hart);
  if (error < 0) die("%s", error_text(error));
  printf("%u\n", hart);
  return 0;
}
