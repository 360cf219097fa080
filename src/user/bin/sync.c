/*
 * sync: writes everything that the file systems hold back to their devices.
 */
#include "sys.h"

int main(void) {
  sys_sync();
  return 0;
}
