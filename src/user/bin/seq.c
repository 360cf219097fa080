/*
 * seq [FIRST [STEP]] LAST: prints numbers, one a line; first and step are 1 unless told.
 */
#include "options.h"
#include "print.h"
#include "string.h"

static int64_t number(const char *text) {
  int64_t value;
  if (!parse_number(text, &value)) die("'%s' is not a number", text);
  return value;
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 4) usage("[FIRST [STEP]] LAST");
  int64_t first = argc > 2 ? number(argv[1]) : 1;
  int64_t step = argc > 3 ? number(argv[2]) : 1;
  int64_t last = number(argv[argc - 1]);
  if (step == 0) die("the step is 0");
  for (int64_t i = first; step > 0 ? i <= last : i >= last; i += step) printf("%ld\n", i);
  return 0;
}
