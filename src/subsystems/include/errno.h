/* Error numbers: Linux's, because user programs see them. A function returns them negated. */
#ifndef ERRNO_H
#define ERRNO_H

#include <stdbool.h>

/* Addresses of the upper half are negative too: only the last page of numbers are errors. */
static inline bool is_error(long value) {
  return value < 0 && value >= -4095;
}

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define ENFILE 23
#define EMFILE 24
#define ENOTTY 25
#define EFBIG 27
#define ENOSPC 28
#define ESPIPE 29
#define EROFS 30
#define EPIPE 32
#define ERANGE 34
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ENOTEMPTY 39
#define EIDRM 43
#define ESTALE 116

#endif
