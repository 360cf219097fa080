/* Handles: bit 63 clear, generation in 62..48, serial in 47..16, index in 15..0. */
#include "lib.h"

#define GENERATION_MASK 0x7fffUL

long handle_make(u64 generation, u32 serial, u32 index) {
  return (long)((generation & GENERATION_MASK) << 48 | (u64)serial << 16 | index);
}

long handle_index(long handle, u64 generation, u32 limit) {
  u64 bits = (u64)handle;
  if (handle < 0 || bits >> 48 != (generation & GENERATION_MASK)) return -1;
  u64 index = bits & 0xffff;
  return index < limit ? (long)index : -1;
}

u32 handle_serial(long handle) {
  return (u32)((u64)handle >> 16);
}
