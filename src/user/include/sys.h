/*
 * System calls: numbers, structures and wrappers of Linux's riscv64 interface, as far as the kernel
 * offers it (include/uapi/asm-generic/unistd.h, fcntl.h, stat.h and errno.h of Linux; RISC-V uses
 * the generic tables).
 *
 * Every wrapper returns what the kernel returned: a value >= 0 or a negated error number. There is
 * no errno. The same binaries therefore run under `qemu-riscv64` on any Linux machine.
 */
#ifndef SYS_H
#define SYS_H

#include <stddef.h>
#include <stdint.h>

typedef long ssize;

enum {
  SYS_getcwd = 17,
  SYS_dup = 23,
  SYS_dup3 = 24,
  SYS_ioctl = 29,
  SYS_mkdirat = 34,
  SYS_unlinkat = 35,
  SYS_renameat = 38,
  SYS_chdir = 49,
  SYS_openat = 56,
  SYS_close = 57,
  SYS_pipe2 = 59,
  SYS_getdents64 = 61,
  SYS_lseek = 62,
  SYS_read = 63,
  SYS_write = 64,
  SYS_newfstatat = 79,
  SYS_fstat = 80,
  SYS_sync = 81,
  SYS_exit = 93,
  SYS_exit_group = 94,
  SYS_nanosleep = 101,
  SYS_clock_gettime = 113,
  SYS_sched_setaffinity = 122,
  SYS_sched_getaffinity = 123,
  SYS_sched_yield = 124,
  SYS_kill = 129,
  SYS_reboot = 142,
  SYS_getcpu = 168,
  SYS_getpid = 172,
  SYS_getppid = 173,
  SYS_brk = 214,
  SYS_munmap = 215,
  SYS_clone = 220,
  SYS_execve = 221,
  SYS_mmap = 222,
  SYS_mprotect = 226,
  SYS_wait4 = 260,
  SYS_renameat2 = 276,
};

enum {
  EPERM = 1,
  ENOENT = 2,
  ESRCH = 3,
  EINTR = 4,
  EIO = 5,
  E2BIG = 7,
  ENOEXEC = 8,
  EBADF = 9,
  ECHILD = 10,
  EAGAIN = 11,
  ENOMEM = 12,
  EACCES = 13,
  EFAULT = 14,
  EBUSY = 16,
  EEXIST = 17,
  EXDEV = 18,
  ENODEV = 19,
  ENOTDIR = 20,
  EISDIR = 21,
  EINVAL = 22,
  EMFILE = 24,
  ENOTTY = 25,
  ENOSPC = 28,
  EROFS = 30,
  EPIPE = 32,
  ERANGE = 34,
  ENAMETOOLONG = 36,
  ENOSYS = 38,
  ENOTEMPTY = 39,
};

#define AT_FDCWD (-100)
#define AT_REMOVEDIR 0x200

#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_DIRECTORY 0200000

enum { SEEK_SET, SEEK_CUR, SEEK_END };

#define S_IFMT 0170000
#define S_IFDIR 0040000
#define S_IFREG 0100000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_IFIFO 0010000

struct stat {
  uint64_t dev, ino;
  uint32_t mode, nlink, uid, gid;
  uint64_t rdev, pad1;
  int64_t size;
  int32_t blksize, pad2;
  int64_t blocks;
  int64_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
  uint32_t unused[2];
};

/** One record of getdents64; `size` is the distance to the next. */
struct dirent {
  uint64_t ino;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

struct timespec {
  int64_t sec, nsec;
};

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 32

#define SIGCHLD 17
#define SIGKILL 9
#define SIGTERM 15
#define WNOHANG 1

#define REBOOT_MAGIC1 0xfee1deadUL
#define REBOOT_MAGIC2 672274793UL
#define REBOOT_POWER_OFF 0x4321fedcUL

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a5 __asm__("a5") = f;
  __asm__ volatile("ecall"
                   : "+r"(a0)
                   : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
                   : "memory");
  return a0;
}

static inline long syscall3(long number, long a, long b, long c) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
  return a0;
}

static inline long syscall4(long number, long a, long b, long c, long d) {
  return syscall6(number, a, b, c, d, 0, 0);
}

static inline ssize sys_read(int fd, void *to, size_t size) {
  return syscall3(SYS_read, fd, (long)to, (long)size);
}
static inline ssize sys_write(int fd, const void *from, size_t size) {
  return syscall3(SYS_write, fd, (long)from, (long)size);
}
static inline int sys_open(const char *path, int flags, int mode) {
  return (int)syscall4(SYS_openat, AT_FDCWD, (long)path, flags, mode);
}
static inline int sys_close(int fd) { return (int)syscall3(SYS_close, fd, 0, 0); }
static inline int sys_pipe(int ends[2]) { return (int)syscall3(SYS_pipe2, (long)ends, 0, 0); }
static inline int sys_dup(int fd) { return (int)syscall3(SYS_dup, fd, 0, 0); }
/** Makes `to` the same open file as `from`. Unlike dup3 it accepts equal numbers. */
static inline int sys_dup_to(int from, int to) {
  return from == to ? to : (int)syscall3(SYS_dup3, from, to, 0);
}
/** clone with no flags but the signal sent at exit: a plain fork. lib/process.c wraps it. */
static inline int sys_fork(void) { return (int)syscall6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0); }
static inline int sys_execve(const char *path, char *const argv[], char *const envp[]) {
  return (int)syscall3(SYS_execve, (long)path, (long)argv, (long)envp);
}
static inline int sys_wait(int pid, int *status, int options) {
  return (int)syscall4(SYS_wait4, pid, (long)status, options, 0);
}
static inline _Noreturn void sys_exit(int code) {
  for (;;) syscall3(SYS_exit_group, code, 0, 0);
}
static inline uintptr_t sys_brk(uintptr_t end) {
  return (uintptr_t)syscall3(SYS_brk, (long)end, 0, 0);
}
/** Anonymous private memory; a negated error number if there is none. */
static inline long sys_mmap(size_t size, int protection) {
  return syscall6(SYS_mmap, 0, (long)size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static inline int sys_munmap(void *start, size_t size) {
  return (int)syscall3(SYS_munmap, (long)start, (long)size, 0);
}
static inline int sys_mprotect(void *start, size_t size, int protection) {
  return (int)syscall3(SYS_mprotect, (long)start, (long)size, protection);
}
static inline int sys_yield(void) { return (int)syscall3(SYS_sched_yield, 0, 0, 0); }
static inline int sys_getpid(void) { return (int)syscall3(SYS_getpid, 0, 0, 0); }
static inline int sys_getppid(void) { return (int)syscall3(SYS_getppid, 0, 0, 0); }
static inline int sys_fstat(int fd, struct stat *to) {
  return (int)syscall3(SYS_fstat, fd, (long)to, 0);
}
static inline int sys_stat(const char *path, struct stat *to) {
  return (int)syscall4(SYS_newfstatat, AT_FDCWD, (long)path, (long)to, 0);
}
static inline ssize sys_getdents(int fd, void *to, size_t size) {
  return syscall3(SYS_getdents64, fd, (long)to, (long)size);
}
static inline int sys_unlink(const char *path) {
  return (int)syscall3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}
static inline int sys_rmdir(const char *path) {
  return (int)syscall3(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR);
}
static inline int sys_mkdir(const char *path, int mode) {
  return (int)syscall3(SYS_mkdirat, AT_FDCWD, (long)path, mode);
}
static inline int sys_chdir(const char *path) {
  return (int)syscall3(SYS_chdir, (long)path, 0, 0);
}
static inline int sys_getcwd(char *to, size_t size) {
  return (int)syscall3(SYS_getcwd, (long)to, (long)size, 0);
}
static inline int64_t sys_lseek(int fd, int64_t offset, int whence) {
  return syscall3(SYS_lseek, fd, offset, whence);
}
static inline int sys_nanosleep(const struct timespec *duration) {
  return (int)syscall3(SYS_nanosleep, (long)duration, 0, 0);
}
static inline int sys_clock(int clock, struct timespec *to) {
  return (int)syscall3(SYS_clock_gettime, clock, (long)to, 0);
}
static inline int sys_kill(int pid, int signal) {
  return (int)syscall3(SYS_kill, pid, signal, 0);
}
/** Affinity masks here are one word: at most 64 harts. */
static inline int sys_set_affinity(int pid, uint64_t mask) {
  return (int)syscall3(SYS_sched_setaffinity, pid, sizeof mask, (long)&mask);
}
static inline int sys_get_affinity(int pid, void *to, size_t size) {
  return (int)syscall3(SYS_sched_getaffinity, pid, (long)size, (long)to);
}
static inline int sys_getcpu(unsigned *hart) {
  return (int)syscall3(SYS_getcpu, (long)hart, 0, 0);
}
static inline int sys_power_off(void) {
  return (int)syscall4(SYS_reboot, (long)REBOOT_MAGIC1, (long)REBOOT_MAGIC2,
                       (long)REBOOT_POWER_OFF, 0);
}
static inline void sys_sync(void) { syscall3(SYS_sync, 0, 0, 0); }
static inline int sys_ioctl(int fd, unsigned request, void *argument) {
  return (int)syscall3(SYS_ioctl, fd, request, (long)argument);
}

/** Linux's RISC-V has only renameat2; Cordon's kernel has only the older and simpler renameat. */
static inline int sys_rename(const char *from, const char *to) {
  long result = syscall4(SYS_renameat, AT_FDCWD, (long)from, AT_FDCWD, (long)to);
  if (result == -ENOSYS)
    result = syscall6(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0, 0);
  return (int)result;
}

#endif
