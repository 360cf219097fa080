/*
 * File system calls: file descriptors here, files in vfs. Bytes pass through the thread's bounce
 * page, since no other subsystem can see user memory.
 */
#include "buggy.h"
#include "syscalls.h"
#include "tty.h"
#include "vfs.h"

#define AT_FDCWD (-100L)
#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_DUPFD_CLOEXEC 1030
#define FD_CLOEXEC 1

#define IOCTL_BYTES_MAX 64

/* --- Descriptors --- */

/* Grows with each restart of vfs. Written by the watch thread. */
static volatile u64 files_epoch;

void files_new_epoch(void) {
  files_epoch++;
}

/* After a restart of vfs: the console is opened again; other descriptors stay, and are stale. */
static void reopen_console(struct process *process) {
  process->files_epoch = files_epoch;
  for (u32 i = 0; i < MAX_FILES; i++) {
    struct file_slot *slot = &process->files[i];
    if (!slot->is_console || slot->handle < 0) continue;
    long handle = vfs_open("/", "/dev/console", O_RDWR, 0);
    if (handle >= 0) slot->handle = handle;
  }
}

static long handle_of(u64 descriptor) {
  if (current_process()->files_epoch != files_epoch) reopen_console(current_process());
  if (descriptor >= MAX_FILES) return -EBADF;
  long handle = current_process()->files[descriptor].handle;
  return handle < 0 ? -EBADF : handle;
}

/* The lowest free descriptor from `from` on gets the handle; on failure the handle is closed. */
static long install(long handle, u64 from, bool close_on_exec, bool is_console) {
  if (handle < 0) return handle;
  for (u64 i = from; i < MAX_FILES; i++) {
    struct file_slot *slot = &current_process()->files[i];
    if (slot->handle >= 0) continue;
    *slot = (struct file_slot){handle, close_on_exec, is_console};
    return (long)i;
  }
  vfs_close(handle);
  return -EMFILE;
}

static void close_slot(struct file_slot *slot) {
  if (slot->handle >= 0) vfs_close(slot->handle);
  slot->handle = -1;
}

void files_close_all(struct process *process) {
  for (u32 i = 0; i < MAX_FILES; i++) close_slot(&process->files[i]);
}

void files_close_on_exec(struct process *process) {
  for (u32 i = 0; i < MAX_FILES; i++) {
    if (process->files[i].close_on_exec) close_slot(&process->files[i]);
  }
}

void files_copy(struct process *from, struct process *to) {
  for (u32 i = 0; i < MAX_FILES; i++) {
    if (from->files[i].handle < 0) continue;
    long copy = vfs_dup(from->files[i].handle);
    if (copy < 0) continue;
    to->files[i] = from->files[i];
    to->files[i].handle = copy;
  }
  to->files_epoch = from->files_epoch;
}

long files_open_console(struct process *process) {
  long handle = vfs_open("/", "/dev/console", O_RDWR, 0);
  if (handle < 0) return handle;
  process->files_epoch = files_epoch;
  for (u32 i = 0; i < 3; i++) process->files[i] = (struct file_slot){i == 0 ? handle : vfs_dup(handle), false, true};
  return 0;
}

long sys_close(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  close_slot(&current_process()->files[a[0]]);
  return 0;
}

long sys_dup(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  return install(vfs_dup(handle), 0, false, current_process()->files[a[0]].is_console);
}

long sys_dup3(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0 || a[1] >= MAX_FILES) return -EBADF;
  if (a[0] == a[1]) return -EINVAL;
  struct file_slot *slot = &current_process()->files[a[1]];
  long copy = vfs_dup(handle);
  if (copy < 0) return copy;
  close_slot(slot);
  *slot = (struct file_slot){copy, (a[2] & O_CLOEXEC) != 0, current_process()->files[a[0]].is_console};
  return (long)a[1];
}

long sys_fcntl(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  struct file_slot *slot = &current_process()->files[a[0]];
  switch (a[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (a[2] >= MAX_FILES) return -EINVAL;
      return install(vfs_dup(handle), a[2], a[1] == F_DUPFD_CLOEXEC, slot->is_console);
    case F_GETFD:
      return slot->close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
      slot->close_on_exec = (a[2] & FD_CLOEXEC) != 0;
      return 0;
    default:
      return -EINVAL;
  }
}

/* --- Paths --- */

struct named {
  char cwd[PATH_LIMIT];
  char path[PATH_LIMIT];
};

/* Reads a path and finds the directory it starts from. */
static long read_path(struct named *named, u64 directory, u64 path) {
  long length = user_read_string(named->path, path, sizeof named->path);
  if (length < 0) return length;
  if ((s32)directory == AT_FDCWD || named->path[0] == '/') {
    memcpy(named->cwd, current_process()->cwd, sizeof named->cwd);
    return length;
  }
  long handle = handle_of(directory);
  if (handle < 0) return handle;
  long status = vfs_path(handle, named->cwd);
  return status < 0 ? status : length;
}

long sys_openat(const u64 *a) {
  struct named named;
  long status = read_path(&named, a[0], a[1]);
  if (status < 0) return status;
  return install(vfs_open(named.cwd, named.path, (long)a[2], (long)a[3]), 0, (a[2] & O_CLOEXEC) != 0, false);
}

long sys_newfstatat(const u64 *a) {
  struct named named;
  struct stat stat;
  long status = read_path(&named, a[0], a[1]);
  if (status < 0) return status;
  if (status == 0 && (a[3] & AT_EMPTY_PATH) != 0) {
    long handle = handle_of(a[0]);
    status = handle < 0 ? handle : vfs_stat(handle, &stat);
  } else {
    status = vfs_stat_path(named.cwd, named.path, &stat);
  }
  return status < 0 ? status : user_write(a[2], &stat, sizeof stat);
}

long sys_mkdirat(const u64 *a) {
  struct named named;
  long status = read_path(&named, a[0], a[1]);
  return status < 0 ? status : vfs_mkdir(named.cwd, named.path, (long)a[2]);
}

long sys_unlinkat(const u64 *a) {
  struct named named;
  long status = read_path(&named, a[0], a[1]);
  return status < 0 ? status : vfs_unlink(named.cwd, named.path, (a[2] & AT_REMOVEDIR) != 0);
}

long sys_renameat(const u64 *a) {
  struct named from;
  struct named to;
  long status = read_path(&from, a[0], a[1]);
  if (status >= 0) status = read_path(&to, a[2], a[3]);
  return status < 0 ? status : vfs_rename(from.cwd, from.path, to.cwd, to.path);
}

long sys_renameat2(const u64 *a) {
  return a[4] != 0 ? -EINVAL : sys_renameat(a);
}

long sys_chdir(const u64 *a) {
  struct named named;
  char resolved[PATH_LIMIT];
  long status = read_path(&named, (u64)AT_FDCWD, a[0]);
  if (status >= 0) status = vfs_resolve(named.cwd, named.path, resolved);
  if (status >= 0) memcpy(current_process()->cwd, resolved, sizeof resolved);
  return status < 0 ? status : 0;
}

long sys_getcwd(const u64 *a) {
  const char *cwd = current_process()->cwd;
  size_t bytes = strlen(cwd) + 1;
  if (bytes > a[1]) return -ERANGE;
  long status = user_write(a[0], cwd, bytes);
  return status < 0 ? status : (long)bytes;
}

/* --- Bytes --- */

static size_t next_part(u64 left) {
  return left < TRANSFER_MAX ? left : TRANSFER_MAX;
}

/* Sleeps for the first part at most: what is there is better than a full buffer. */
static long read_parts(long handle, u64 to, u64 bytes) {
  u8 *bounce = current()->bounce;
  u64 done = 0;
  do {
    size_t part = next_part(bytes - done);
    long got = vfs_read(handle, bounce, part, done > 0 ? O_NONBLOCK : 0);
    if (got < 0) return done > 0 ? (long)done : got;
    if (user_write(to + done, bounce, (size_t)got) < 0) return -EFAULT;
    done += (u64)got;
    if ((size_t)got < part) break;
  } while (done < bytes);
  return (long)done;
}

long sys_read(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  process_set_waiting(true);
  long result = read_parts(handle, a[1], a[2]);
  process_set_waiting(false);
  return result;
}

long sys_pread64(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  u8 *bounce = current()->bounce;
  u64 done = 0;
  while (done < a[2]) {
    size_t part = next_part(a[2] - done);
    long got = vfs_pread(handle, bounce, part, (long)(a[3] + done));
    if (got < 0) return done > 0 ? (long)done : got;
    if (user_write(a[1] + done, bounce, (size_t)got) < 0) return -EFAULT;
    done += (u64)got;
    if ((size_t)got < part) break;
  }
  return (long)done;
}

long sys_write(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  u8 *bounce = current()->bounce;
  u64 done = 0;
  while (done < a[2]) {
    size_t part = next_part(a[2] - done);
    if (user_read(bounce, a[1] + done, part) < 0) return done > 0 ? (long)done : -EFAULT;
    long put = vfs_write(handle, bounce, part, 0);
    if (put == -EPIPE && (current_process()->ignored_signals >> SIGPIPE & 1) == 0) process_die(SIGPIPE);
    if (put < 0) return done > 0 ? (long)done : put;
    done += (u64)put;
    if ((size_t)put < part) break;
  }
  return (long)done;
}

long sys_writev(const u64 *a) {
  long done = 0;
  for (u64 i = 0; i < a[2]; i++) {
    u64 vector[2]; /* base, bytes */
    if (user_read(vector, a[1] + i * sizeof vector, sizeof vector) < 0) return -EFAULT;
    const u64 part[3] = {a[0], vector[0], vector[1]};
    long put = sys_write(part);
    if (put < 0) return done > 0 ? done : put;
    done += put;
    if ((u64)put < vector[1]) break;
  }
  return done;
}

long sys_lseek(const u64 *a) {
  long handle = handle_of(a[0]);
  return handle < 0 ? handle : vfs_seek(handle, (long)a[1], (long)a[2]);
}

long sys_ftruncate(const u64 *a) {
  long handle = handle_of(a[0]);
  return handle < 0 ? handle : vfs_truncate(handle, (long)a[1]);
}

long sys_fstat(const u64 *a) {
  struct stat stat;
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  long status = vfs_stat(handle, &stat);
  return status < 0 ? status : user_write(a[1], &stat, sizeof stat);
}

long sys_getdents64(const u64 *a) {
  long handle = handle_of(a[0]);
  if (handle < 0) return handle;
  long got = vfs_readdir(handle, current()->bounce, next_part(a[2]));
  if (got > 0 && user_write(a[1], current()->bounce, (size_t)got) < 0) return -EFAULT;
  return got;
}

/* How many bytes an ioctl's argument has; 0 = we know no such request. */
static size_t ioctl_bytes(u64 request) {
  switch (request) {
    case TCGETS:
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
      return sizeof(struct termios);
    case TIOCGWINSZ:
      return sizeof(struct winsize);
    case BUGGY_INFO:
    case BUGGY_WRITE:
    case BUGGY_READ:
    case BUGGY_CALL:
    case BUGGY_SPIN:
      return sizeof(struct buggy_request);
    default:
      return 0;
  }
}

long sys_ioctl(const u64 *a) {
  u8 argument[IOCTL_BYTES_MAX];
  long handle = handle_of(a[0]);
  size_t bytes = ioctl_bytes(a[1]);
  if (handle < 0) return handle;
  if (bytes == 0) return -ENOTTY;
  if (user_read(argument, a[2], bytes) < 0) return -EFAULT;
  long result = vfs_ioctl(handle, a[1], argument, bytes);
  if (result >= 0 && user_write(a[2], argument, bytes) < 0) return -EFAULT;
  return result;
}

long sys_pipe2(const u64 *a) {
  long handles[2];
  long status = vfs_pipe(handles, (long)(a[1] & O_NONBLOCK));
  if (status < 0) return status;
  bool close_on_exec = (a[1] & O_CLOEXEC) != 0;
  long read_end = install(handles[0], 0, close_on_exec, false);
  if (read_end < 0) {
    vfs_close(handles[1]);
    return read_end;
  }
  long write_end = install(handles[1], 0, close_on_exec, false);
  if (write_end < 0) {
    close_slot(&current_process()->files[read_end]);
    return write_end;
  }
  s32 descriptors[2] = {(s32)read_end, (s32)write_end};
  return user_write(a[0], descriptors, sizeof descriptors);
}

long sys_sync(const u64 *a) {
  (void)a;
  return vfs_sync();
}
