/* buggy: a driver with planted flaws. */
#ifndef BUGGY_H
#define BUGGY_H

#include "types.h"
#include "user_abi.h"

long buggy_init(u64 generation);
long buggy_read(void *buffer, size_t bytes);
/* Returns to `to` instead of its caller: by `ret`, or through the gate it was entered by (attack.S). */
long buggy_return(u64 to, u64 through_gate);
long buggy_ioctl(u64 request, void *argument, size_t bytes);

#endif
