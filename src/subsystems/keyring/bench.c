/* Calls that do nothing, to measure what calling costs. */
#include "keyring.h"

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
