/*
 * date: date and time (UTC) by the machine's clock, and the seconds since 1970.
 */
#include <stdbool.h>

#include "print.h"
#include "sys.h"

/** Year, month and day of a day counted from 1970-01-01 (proleptic Gregorian calendar). */
static void civil(int64_t day, int64_t *year, int64_t *month, int64_t *day_of_month) {
  *year = 1970;
  for (;; ++*year) {
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    if (day < 365 + leap) {
      static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
      for (*month = 1;; ++*month) {
        int64_t length = lengths[*month - 1] + (*month == 2 && leap);
        if (day < length) break;
        day -= length;
      }
      *day_of_month = day + 1;
      return;
    }
    day -= 365 + leap;
  }
}

int main(void) {
  struct timespec now;
  int error = sys_clock(CLOCK_REALTIME, &now);
  if (error < 0) die("%s", error_text(error));
  int64_t year, month, day, second = now.sec % 86400;
  civil(now.sec / 86400, &year, &month, &day);
  printf("%ld-%02ld-%02ld %02ld:%02ld:%02ld UTC (%ld)\n", year, month, day, second / 3600,
         second / 60 % 60, second % 60, now.sec);
  return 0;
}
