/*
 * The flaws of /dev/buggy: each an ioctl, and one structure for all of them.
 */
#include "cordon.h"

int buggy_open(void) { return sys_open("/dev/buggy", O_RDWR, 0); }

int buggy_write(int fd, uint64_t address, uint64_t value) {
  struct buggy_request request = {.address = address, .value = value};
  return sys_ioctl(fd, BUGGY_WRITE, &request);
}

int buggy_read(int fd, uint64_t address, uint64_t size, uint64_t *to) {
  struct buggy_request info = {0};
  int result = sys_ioctl(fd, BUGGY_INFO, &info);
  /* The driver does not compare the index with the table's size, so any address has one. */
  uint64_t first = (address - info.address) / sizeof *to;
  for (uint64_t i = 0; result >= 0 && i < size / sizeof *to; i++) {
    struct buggy_request request = {.index = first + i};
    result = sys_ioctl(fd, BUGGY_READ, &request);
    to[i] = request.result;
  }
  return result;
}

int buggy_call_with(int fd, uint64_t address, uint64_t argument, uint64_t *result) {
  struct buggy_request request = {.address = address, .value = argument};
  int error = sys_ioctl(fd, BUGGY_CALL, &request);
  if (result) *result = request.result;
  return error;
}

int buggy_call(int fd, uint64_t address) { return buggy_call_with(fd, address, 0, 0); }

int buggy_loop(int fd) {
  struct buggy_request request = {.value = 0}; /* no limit to its turns */
  return sys_ioctl(fd, BUGGY_SPIN, &request);
}

int buggy_ask(int fd) {
  uint64_t first; /* word 0 of the table: the generation in its upper half */
  ssize size = sys_read(fd, &first, sizeof first);
  if (size < 0) return (int)size;
  return size == sizeof first ? (int)(first >> 32) : -EINVAL;
}
