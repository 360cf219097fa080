/*
 * System calls: Linux's numbers and conventions for riscv64, and Cordon's own from 1024. Arguments
 * arrive in a0-a5, the number in a7, the result leaves in a0.
 */
#include "syscalls.h"

#include "keyring.h"
#include "user_abi.h"
#include "vfs.h"

#define CLONE_VM 0x100
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_PRIVATE 0x02
#define CLOCK_COUNT 8
#define REBOOT_MAGIC 0xfee1deadU
#define REBOOT_RESTART 0x01234567U
#define REBOOT_HALT 0xcdef0123U
#define REBOOT_POWER_OFF 0x4321fedcU
#define SIG_IGN 1
#define TIMER_ABSTIME 1

/* --- Processes --- */

static long sys_exit(const u64 *a) {
  process_exit(STATUS_EXITED(a[0]));
}

static long sys_clone(const u64 *a) {
  /* fork, and vfork as fork; no threads. */
  return (a[0] & CLONE_VM) != 0 && (a[0] & 0x4000) == 0 ? -EINVAL : process_fork();
}

/* Appends the strings of a NULL-terminated vector of user pointers to the page. */
static long gather(u64 vector, char *page, struct exec_strings *strings, u32 *count) {
  for (; vector != 0; vector += sizeof(u64)) {
    u64 pointer;
    if (user_read(&pointer, vector, sizeof pointer) < 0) return -EFAULT;
    if (pointer == 0) break;
    if (strings->arguments + strings->environment == MAX_STRINGS) return -E2BIG;
    long length = user_read_string(page + strings->bytes, pointer, PAGE_BYTES - strings->bytes);
    if (length == -ENAMETOOLONG) return -E2BIG;
    if (length < 0) return length;
    strings->bytes += (size_t)length + 1;
    ++*count;
  }
  return 0;
}

static long sys_execve(const u64 *a) {
  char path[PATH_LIMIT];
  char *page = (char *)current()->bounce;
  struct exec_strings strings = {.text = page};
  long status = user_read_string(path, a[0], sizeof path);
  if (status >= 0) status = gather(a[1], page, &strings, &strings.arguments);
  if (status >= 0) status = gather(a[2], page, &strings, &strings.environment);
  return status < 0 ? status : process_exec(path, &strings);
}

static long sys_wait4(const u64 *a) {
  u32 status = 0;
  long pid = process_wait((s32)a[0], &status, (long)a[2]);
  if (pid > 0 && a[1] != 0 && user_write(a[1], &status, sizeof status) < 0) return -EFAULT;
  return pid;
}

static long sys_kill(const u64 *a) {
  return process_kill((s32)a[0], (long)a[1]);
}

/* Only whether a signal is ignored: there are no handlers. */
static long sys_rt_sigaction(const u64 *a) {
  struct process *process = current_process();
  if (a[0] == 0 || a[0] > 31) return -EINVAL;
  u64 handler;
  if (a[1] != 0) {
    if (user_read(&handler, a[1], sizeof handler) < 0) return -EFAULT;
    if (handler > SIG_IGN || a[0] == SIGKILL) return -EINVAL;
  }
  if (a[2] != 0) {
    u64 old[3] = {process->ignored_signals >> a[0] & 1, 0, 0}; /* handler, flags, mask */
    if (user_write(a[2], old, sizeof old) < 0) return -EFAULT;
  }
  if (a[1] == 0) return 0;
  if (handler == SIG_IGN) {
    process->ignored_signals |= 1UL << a[0];
  } else {
    process->ignored_signals &= ~(1UL << a[0]);
  }
  return 0;
}

static long sys_getpid(const u64 *a) {
  (void)a;
  return current_process()->pid;
}

static long sys_getppid(const u64 *a) {
  (void)a;
  const struct process *parent = current_process()->parent;
  return parent != 0 ? parent->pid : 0;
}

static long sys_zero(const u64 *a) {
  (void)a;
  return 0;
}

/* --- Memory --- */

static u64 perm_of(u64 protection) {
  u64 perm = 0;
  if ((protection & 1) != 0) perm |= PTE_R;
  if ((protection & 2) != 0) perm |= PTE_R | PTE_W;
  if ((protection & 4) != 0) perm |= PTE_R | PTE_X; /* the monitor maps nothing that cannot be read */
  return perm;
}

static long sys_brk(const u64 *a) {
  return memory_set_heap(current_process()->memory, a[0]);
}

static long sys_mmap(const u64 *a) {
  if ((a[3] & MAP_ANONYMOUS) == 0 || (a[3] & MAP_PRIVATE) == 0) return -ENODEV;
  return memory_map(current_process()->memory, a[0], a[1], perm_of(a[2]), (a[3] & MAP_FIXED) != 0);
}

static long sys_munmap(const u64 *a) {
  return memory_unmap(current_process()->memory, a[0], a[1]);
}

static long sys_mprotect(const u64 *a) {
  long status = memory_protect(current_process()->memory, a[0], a[1], perm_of(a[2]));
  if (status == 0 && (a[2] & 4) != 0) space_fence_text(&current_process()->memory->space, a[0]);
  return status;
}

/* --- Scheduling and time --- */

static long sys_sched_yield(const u64 *a) {
  (void)a;
  return thread_yield();
}

static long sys_sched_setaffinity(const u64 *a) {
  u64 wanted = 0;
  if (user_read(&wanted, a[2], a[1] < sizeof wanted ? a[1] : sizeof wanted) < 0) return -EFAULT;
  return process_set_affinity((s32)a[0], wanted);
}

static long sys_sched_getaffinity(const u64 *a) {
  if (a[1] < sizeof(u64)) return -EINVAL;
  u64 affinity; /* of 64 harts, all bits: no number that could also be an error */
  long status = process_affinity((s32)a[0], &affinity);
  if (status < 0) return status;
  return user_write(a[2], &affinity, sizeof affinity) < 0 ? -EFAULT : (long)sizeof affinity;
}

static long sys_getcpu(const u64 *a) {
  u32 hart = (u32)current()->hart->id;
  u32 node = 0;
  if (a[0] != 0 && user_write(a[0], &hart, sizeof hart) < 0) return -EFAULT;
  if (a[1] != 0 && user_write(a[1], &node, sizeof node) < 0) return -EFAULT;
  return 0;
}

/* There is no clock of the day: every clock counts from boot. */
static long sys_clock_gettime(const u64 *a) {
  if (a[0] >= CLOCK_COUNT) return -EINVAL;
  u64 now = (u64)time_now();
  u64 timespec[2] = {now / 1000000000, now % 1000000000};
  return user_write(a[1], timespec, sizeof timespec);
}

static long sleep_for(u64 request, bool absolute) {
  u64 timespec[2];
  if (user_read(timespec, request, sizeof timespec) < 0) return -EFAULT;
  if (timespec[1] >= 1000000000 || timespec[0] > 1UL << 31) return -EINVAL;
  u64 rate = machine.timebase;
  u64 ticks = timespec[0] * rate + timespec[1] * rate / 1000000000;
  return thread_sleep_until(absolute ? boot_ticks() + ticks : csr_read(time) + ticks);
}

static long sys_nanosleep(const u64 *a) {
  return sleep_for(a[0], false);
}

static long sys_clock_nanosleep(const u64 *a) {
  return sleep_for(a[2], (a[1] & TIMER_ABSTIME) != 0);
}

/* --- The system --- */

static long sys_reboot(const u64 *a) {
  if ((u32)a[0] != REBOOT_MAGIC) return -EINVAL;
  vfs_sync();
  switch ((u32)a[2]) {
    case REBOOT_RESTART:
      system_reset();
    case REBOOT_HALT:
    case REBOOT_POWER_OFF:
      system_exit(0);
    default:
      return -EINVAL;
  }
}

static long sys_uname(const u64 *a) {
  static const char names[6][65] = {"Cordon", "cordon", "1", "1", "riscv64", ""};
  return user_write(a[0], names, sizeof names);
}

/* --- Cordon's own --- */

static long sys_key_add(const u64 *a) {
  char name[KEY_NAME_MAX];
  u8 *bounce = current()->bounce;
  if (a[2] > KEY_VALUE_MAX) return -EINVAL;
  long status = user_read_string(name, a[0], sizeof name);
  if (status < 0) return status;
  status = user_read(bounce, a[1], a[2]);
  if (status == 0) status = key_add(name, bounce, a[2]);
  memset(bounce, 0, PAGE_BYTES); /* the secret is the keyring's alone from here on */
  return status;
}

static long sys_key_sign(const u64 *a) {
  u8 mac[KEY_MAC_BYTES];
  if (a[2] > TRANSFER_MAX) return -EINVAL;
  long status = user_read(current()->bounce, a[1], a[2]);
  if (status == 0) status = key_sign((long)a[0], current()->bounce, a[2], mac);
  return status < 0 ? status : user_write(a[3], mac, sizeof mac);
}

static long sys_key_delete(const u64 *a) {
  return key_delete((long)a[0]);
}

static long sys_cordon_mark(const u64 *a) {
  sbi_call(CORDON_EID, CORDON_MARK, a[0], a[1], 0, 0);
  return 0;
}

static long sys_cordon_info(const u64 *a) {
  struct cordon_info info = {
      .harts = machine.hart_count,
      .separated = separated,
      .free_frames = frames_free(),
      .total_frames = frames_total(),
      .uptime_ns = (u64)time_now(),
      .context_switches = sched_switches(),
      .processes = process_count(),
  };
  for (u64 i = 0; i < CORDON_DOMAINS; i++) info.restarts[i] = domain_restarts(i);
  return user_write(a[0], &info, sizeof info);
}

static long sys_gate_bench(const u64 *a) {
  if (a[2] > TRANSFER_MAX) return -EINVAL;
  const u8 *bounce = current()->bounce;
  long sum = 0;
  for (u64 i = 0; i < a[1] && !current()->killed; i++) {
    switch (a[0]) {
      case GATE_NULL:
        sum += gate_null();
        break;
      case GATE_1:
        sum += gate_1((long)i);
        break;
      case GATE_6:
        sum += gate_6((long)i, 1, 2, 3, 4, 5);
        break;
      case GATE_BYTES:
        sum += gate_bytes(bounce, a[2]);
        break;
      default:
        return -EINVAL;
    }
  }
  return sum < 0 ? sum : 0;
}

/* --- The tables --- */

typedef long (*system_call)(const u64 *a);

static const system_call linux_calls[] = {
    [17] = sys_getcwd,
    [23] = sys_dup,
    [24] = sys_dup3,
    [25] = sys_fcntl,
    [29] = sys_ioctl,
    [34] = sys_mkdirat,
    [35] = sys_unlinkat,
    [38] = sys_renameat,
    [46] = sys_ftruncate,
    [49] = sys_chdir,
    [56] = sys_openat,
    [57] = sys_close,
    [59] = sys_pipe2,
    [61] = sys_getdents64,
    [62] = sys_lseek,
    [63] = sys_read,
    [64] = sys_write,
    [66] = sys_writev,
    [67] = sys_pread64,
    [79] = sys_newfstatat,
    [80] = sys_fstat,
    [81] = sys_sync,
    [82] = sys_sync, /* fsync: the disk cache is written through */
    [93] = sys_exit,
    [94] = sys_exit, /* exit_group: one thread each */
    [96] = sys_getpid, /* set_tid_address */
    [101] = sys_nanosleep,
    [113] = sys_clock_gettime,
    [115] = sys_clock_nanosleep,
    [122] = sys_sched_setaffinity,
    [123] = sys_sched_getaffinity,
    [124] = sys_sched_yield,
    [129] = sys_kill,
    [134] = sys_rt_sigaction,
    [135] = sys_zero, /* rt_sigprocmask: nothing can be delivered */
    [142] = sys_reboot,
    [160] = sys_uname,
    [168] = sys_getcpu,
    [172] = sys_getpid,
    [173] = sys_getppid,
    [174] = sys_zero, /* getuid, geteuid, getgid, getegid: all is root's */
    [175] = sys_zero,
    [176] = sys_zero,
    [177] = sys_zero,
    [178] = sys_getpid, /* gettid */
    [214] = sys_brk,
    [215] = sys_munmap,
    [220] = sys_clone,
    [221] = sys_execve,
    [222] = sys_mmap,
    [226] = sys_mprotect,
    [260] = sys_wait4,
    [276] = sys_renameat2,
};
#define LINUX_CALLS (sizeof linux_calls / sizeof linux_calls[0])

static const system_call cordon_calls[] = {
    [SYS_key_add - SYS_key_add] = sys_key_add,
    [SYS_key_sign - SYS_key_add] = sys_key_sign,
    [SYS_key_delete - SYS_key_add] = sys_key_delete,
    [SYS_cordon_mark - SYS_key_add] = sys_cordon_mark,
    [SYS_cordon_info - SYS_key_add] = sys_cordon_info,
    [SYS_gate_bench - SYS_key_add] = sys_gate_bench,
    [SYS_cordon_attack - SYS_key_add] = sys_cordon_attack,
};
#define CORDON_CALLS (sizeof cordon_calls / sizeof cordon_calls[0])

static system_call find(u64 number) {
  if (number < LINUX_CALLS) return linux_calls[number];
  if (number >= SYS_key_add && number - SYS_key_add < CORDON_CALLS) return cordon_calls[number - SYS_key_add];
  return 0;
}

void syscall(struct frame *frame) {
  system_call call = find(frame->x[FRAME_A7]);
  u64 arguments[6];
  memcpy(arguments, &frame->x[FRAME_A0], sizeof arguments);
  long result = call != 0 ? call(arguments) : -ENOSYS;
  /* A successful exec has replaced the frame, and its a0 is 0 like its result. */
  frame->x[FRAME_A0] = (u64)result;
}
