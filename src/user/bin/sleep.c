/*
 * sleep SECONDS: waits that long; tenths, hundredths and thousandths are allowed, as in 0.25.
 */
#include "options.h"
#include "print.h"
#include "process.h"
#include "string.h"

int main(int argc, char **argv) {
  if (argc != 2) usage("SECONDS");
  char *point = strchr(argv[1], '.');
  uint64_t milliseconds = 0;
  if (point) {
    *point = 0;
    uint64_t unit = 100;
    for (const char *digit = point + 1; *digit; digit++, unit /= 10) {
      if (!is_digit(*digit)) usage("SECONDS");
      milliseconds += unit * (uint64_t)(*digit - '0');
    }
  }
  if (argv[1][0]) milliseconds += (uint64_t)number_operand(argv[1]) * 1000;
  sleep_ms(milliseconds);
  return 0;
}
