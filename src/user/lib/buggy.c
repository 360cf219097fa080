/*
 * The flaws of /dev/buggy. This file alone knows its ioctls.
 */
#include "cordon.h"

enum {
  BUGGY_WRITE = 0x4201,
  BUGGY_READ = 0x4202,
  BUGGY_CALL = 0x4203,
  BUGGY_LOOP = 0x4204,
};

int buggy_open(void) { return sys_open("/dev/buggy", O_RDWR, 0); }

int buggy_write(int fd, uint64_t address, uint64_t value) {
  struct {
    uint64_t address, value;
  } request = {address, value};
  return sys_ioctl(fd, BUGGY_WRITE, &request);
}

int buggy_read(int fd, uint64_t offset, uint64_t length, void *to) {
  struct {
    uint64_t offset, length, to;
  } request = {offset, length, (uint64_t)to};
  return sys_ioctl(fd, BUGGY_READ, &request);
}

int buggy_call(int fd, uint64_t address) { return sys_ioctl(fd, BUGGY_CALL, &address); }

int buggy_loop(int fd) { return sys_ioctl(fd, BUGGY_LOOP, NULL); }

int buggy_ask(int fd) {
  uint64_t first;
  return buggy_read(fd, 0, sizeof first, &first); /* within its buffer, hence no flaw */
}
