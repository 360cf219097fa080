/*
 * yes [WORD]: prints a word for ever, `y` unless told, until nobody reads any more.
 */
#include "print.h"

int main(int argc, char **argv) {
  for (;;) {
    put_string(argc > 1 ? argv[1] : "y");
    put_char('\n');
  }
}
