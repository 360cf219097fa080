/* Calls that do nothing, to measure what calling costs; and calls that are good to attack. */
#include "keyring.h"

#include "core.h"
#include "errno.h"

#define PUBLIC_ENTRIES 8
#define WINDOW_TURNS 200

/* The upper half is nobody's business. */
static const u8 entries[2 * PUBLIC_ENTRIES] = {
    1, 2, 3, 4, 5, 6, 7, 8, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
};

long gate_null(void) {
  return 0;
}

long gate_1(long a) {
  return a;
}

long gate_6(long a, long b, long c, long d, long e, long f) {
  return a + b + c + d + e + f;
}

long gate_bytes(const void *data, size_t bytes) {
  const u8 *at = data;
  return bytes > 0 ? at[bytes - 1] : 0;
}

long gate_yield(long a, long turns) {
  long status = 0;
  for (long turn = 0; turn < turns && status == 0; turn++) status = thread_yield();
  return status == 0 ? a : status;
}

/* Reads its argument twice, as too many do: right as long as nobody else can write to the buffer. */
long gate_lookup(const u8 *data, size_t bytes) {
  const volatile u8 *index = data;
  if (bytes == 0 || *index >= PUBLIC_ENTRIES) return -EINVAL;
  for (volatile u32 turn = 0; turn < WINDOW_TURNS; turn++) continue;
  return entries[*index % sizeof entries];
}
