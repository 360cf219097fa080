/*
 * echo [-n] [WORD...]: prints its arguments, a space between two of them; -n leaves the line open.
 */
#include "print.h"
#include "string.h"

int main(int argc, char **argv) {
  int first = argc > 1 && same(argv[1], "-n") ? 2 : 1;
  for (int i = first; i < argc; i++) {
    if (i > first) put_char(' ');
    put_string(argv[i]);
  }
  if (first == 1) put_char('\n');
  return 0;
}
