/*
 * A driver with four planted flaws, each of a kind that real drivers have had. They are the point:
 * in the monolith each one owns the kernel, in a separated kernel none reaches beyond this subsystem.
 * Nothing else here may be wrong. All are reached by ioctl on /dev/buggy (see user_abi.h).
 */
#include "buggy.h"

#include "errno.h"
#include "lib.h"

#define TABLE_WORDS 16

/* The "device registers" that the driver lets user programs look at. */
static u64 table[TABLE_WORDS];

long buggy_init(u64 generation) {
  for (u64 i = 0; i < TABLE_WORDS; i++) table[i] = generation << 32 | i;
  return 0;
}

long buggy_read(void *buffer, size_t bytes) {
  if (bytes > sizeof table) bytes = sizeof table;
  memcpy(buffer, table, bytes);
  return (long)bytes;
}

/* Flaw 1, arbitrary write: stores to an address that the user chose. */
static long write_register(const struct buggy_request *request) {
  *(volatile u64 *)request->address = request->value;
  return 0;
}

/* Flaw 2, out-of-bounds read: the index is never compared with TABLE_WORDS. */
static long read_register(struct buggy_request *request) {
  request->result = ((volatile u64 *)table)[request->index];
  return 0;
}

/* Flaw 3, wild call: takes a "completion callback" from the user. */
static long call_back(struct buggy_request *request) {
  u64 (*callback)(u64) = (u64(*)(u64))request->address;
  request->result = callback(request->value);
  return 0;
}

/* Flaw 4, infinite loop: waits for a device that never becomes ready, and 0 means no limit. */
static long wait_ready(const struct buggy_request *request) {
  volatile u64 *status = &table[0];
  for (u64 turns = 1; *status != ~0UL; turns++) {
    if (turns == request->value) return -EIO;
  }
  return 0;
}

static long dispatch(u64 number, struct buggy_request *request) {
  switch (number) {
    case BUGGY_INFO:
      request->address = (u64)table;
      request->index = TABLE_WORDS;
      return 0;
    case BUGGY_WRITE:
      return write_register(request);
    case BUGGY_READ:
      return read_register(request);
    case BUGGY_CALL:
      return call_back(request);
    case BUGGY_SPIN:
      return wait_ready(request);
    default:
      return -ENOTTY;
  }
}

long buggy_ioctl(u64 number, void *argument, size_t bytes) {
  struct buggy_request request;
  if (bytes != sizeof request) return -EINVAL;
  memcpy(&request, argument, sizeof request);
  long result = dispatch(number, &request);
  memcpy(argument, &request, sizeof request);
  return result;
}
