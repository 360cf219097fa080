/* System calls that are long enough to have a file of their own; `a` holds a0-a5. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include "process.h"

/* --- files.c --- */
long sys_openat(const u64 *a);
long sys_close(const u64 *a);
long sys_read(const u64 *a);
long sys_pread64(const u64 *a);
long sys_write(const u64 *a);
long sys_writev(const u64 *a);
long sys_lseek(const u64 *a);
long sys_ftruncate(const u64 *a);
long sys_fstat(const u64 *a);
long sys_newfstatat(const u64 *a);
long sys_getdents64(const u64 *a);
long sys_ioctl(const u64 *a);
long sys_fcntl(const u64 *a);
long sys_dup(const u64 *a);
long sys_dup3(const u64 *a);
long sys_pipe2(const u64 *a);
long sys_mkdirat(const u64 *a);
long sys_unlinkat(const u64 *a);
long sys_renameat(const u64 *a);
long sys_renameat2(const u64 *a);
long sys_chdir(const u64 *a);
long sys_getcwd(const u64 *a);
long sys_sync(const u64 *a);

/* --- attack.c --- */
long sys_cordon_attack(const u64 *a);

#endif
