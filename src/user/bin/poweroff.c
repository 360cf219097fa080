/*
 * poweroff: writes back what is held and switches the machine off.
 */
#include "print.h"
#include "sys.h"

int main(void) {
  sys_sync();
  die("%s", error_text(sys_power_off()));
}
