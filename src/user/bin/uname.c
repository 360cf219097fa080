/*
 * uname [-a]: the kernel's name; -a with harts and separation.
 */
#include "cordon.h"
#include "print.h"
#include "string.h"

int main(int argc, char **argv) {
  put_string("Cordon");
  struct cordon_info info;
  if (argc > 1 && same(argv[1], "-a") && cordon_info(&info) >= 0)
    printf(" riscv64 %lu harts %s", info.harts, info.separated ? "separated" : "monolith");
  put_char('\n');
  return 0;
}
