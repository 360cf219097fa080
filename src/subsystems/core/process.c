/* Processes: birth, death, and who waits for whom. */
#include "process.h"

#include "vfs.h"

#define WNOHANG 1

static struct spinlock processes_lock; /* guards what process.h says, and next_pid */
static struct process processes[MAX_PROCESSES];
static u32 next_pid = 1;

static struct process *find(u32 pid) {
  for (u32 i = 0; i < MAX_PROCESSES; i++) {
    if (processes[i].state != PROCESS_UNUSED && processes[i].pid == pid) return &processes[i];
  }
  return 0;
}

static struct process *allocate(struct process *parent) {
  struct process *process = 0;
  spin_lock(&processes_lock);
  for (u32 i = 0; i < MAX_PROCESSES; i++) {
    if (processes[i].state != PROCESS_UNUSED) continue;
    process = &processes[i];
    memset(process, 0, sizeof *process);
    process->state = PROCESS_ALIVE;
    process->pid = next_pid++;
    process->parent = parent;
    break;
  }
  spin_unlock(&processes_lock);
  if (process == 0) return 0;
  process->memory = &process->memory_storage[0];
  for (u32 i = 0; i < MAX_FILES; i++) process->files[i].handle = -1;
  return process;
}

static void release(struct process *process) {
  spin_lock(&processes_lock);
  process->state = PROCESS_UNUSED;
  spin_unlock(&processes_lock);
}

/* Ties a thread to its process; from here on a kill reaches it. */
static void attach(struct process *process, struct thread *thread) {
  thread->process = process;
  thread->space = &process->memory->space;
  spin_lock(&processes_lock);
  process->thread = thread;
  spin_unlock(&processes_lock);
}

/* --- pid 1 --- */

static struct {
  char path[PATH_LIMIT];
  char text[512];
  struct exec_strings strings;
} first;

static void add_string(const char *text, size_t length) {
  struct exec_strings *strings = &first.strings;
  if (strings->bytes + length + 1 > sizeof first.text) return;
  memcpy(first.text + strings->bytes, text, length);
  strings->bytes += length + 1;
}

/* The words after `--` in bootargs are arguments. */
static void collect_arguments(const char *path) {
  add_string(path, strlen(path));
  first.strings.arguments = 1;
  bool seen = false;
  for (const char *at = machine.bootargs; *at != 0;) {
    size_t length = 0;
    while (at[length] != 0 && at[length] != ' ') length++;
    if (seen && length > 0 && first.strings.arguments < MAX_STRINGS - 8) {
      add_string(at, length);
      first.strings.arguments++;
    }
    if (length == 2 && strncmp(at, "--", 2) == 0) seen = true;
    at += length;
    while (*at == ' ') at++;
  }
  add_string("PATH=/bin:/", 11);
  first.strings.environment = 1;
  first.strings.text = first.text;
}

static void run_first(long unused) {
  (void)unused;
  long status = process_exec(first.path, &first.strings);
  if (status < 0) panic("cannot run %s: error %ld", first.path, -status);
}

long process_start_init(const char *path) {
  strcopy(first.path, path, sizeof first.path);
  collect_arguments(path);
  struct process *process = allocate(0);
  struct thread *thread = thread_create_kernel(run_first, 0);
  if (process == 0 || thread == 0) return -ENOMEM;
  strcopy(process->cwd, "/", sizeof process->cwd);
  memory_init(process->memory);
  long status = space_create(&process->memory->space);
  if (status == 0) status = files_open_console(process);
  if (status < 0) return status;
  attach(process, thread);
  thread_start(thread);
  return 0;
}

/* --- fork --- */

long process_fork(void) {
  struct process *parent = current_process();
  struct process *child = allocate(parent);
  if (child == 0) return -EAGAIN;
  struct thread *thread = thread_create();
  if (thread == 0) {
    release(child);
    return -EAGAIN;
  }
  memory_init(child->memory);
  long status = space_create(&child->memory->space);
  if (status == 0) {
    status = memory_copy(parent->memory, child->memory);
    if (status < 0) space_destroy(&child->memory->space);
  }
  if (status == 0) files_copy(parent, child);
  if (status < 0) {
    thread_discard(thread);
    release(child);
    return status;
  }
  memcpy(child->cwd, parent->cwd, sizeof child->cwd);
  memcpy(child->name, parent->name, sizeof child->name);
  child->ignored_signals = parent->ignored_signals;
  *user_frame(thread) = *user_frame(current());
  user_frame(thread)->x[FRAME_A0] = 0;
  thread->affinity = current()->affinity;
  u32 pid = child->pid; /* the child may be gone once it runs */
  attach(child, thread);
  thread_start(thread);
  return pid;
}

/* --- exit and wait --- */

/* Gives our children to pid 1. Caller holds processes_lock. */
static void orphan_children(struct process *process) {
  struct process *heir = find(1);
  for (u32 i = 0; i < MAX_PROCESSES; i++) {
    if (processes[i].state == PROCESS_UNUSED || processes[i].parent != process) continue;
    processes[i].parent = heir;
    if (processes[i].state == PROCESS_ZOMBIE) thread_wake(heir);
  }
}

void process_exit(u32 status) {
  struct process *process = current_process();
  if (process->pid == 1) {
    vfs_sync();
    u32 signal = status & 0x7f;
    system_exit(signal != 0 ? 128 + signal : status >> 8);
  }
  files_close_all(process);

  interrupts_off();
  current()->space = 0;
  space_activate(0);
  interrupts_on();
  space_destroy(&process->memory->space);

  spin_lock(&processes_lock);
  orphan_children(process);
  process->thread = 0;
  process->status = status;
  process->state = PROCESS_ZOMBIE;
  thread_wake(process->parent);
  spin_unlock(&processes_lock);
  thread_exit();
}

void process_die(u32 signal) {
  process_exit(STATUS_KILLED(signal));
}

/* A dead child, or 0; `*any` says whether there is a child at all. Caller holds processes_lock. */
static struct process *find_dead_child(const struct process *parent, long pid, bool *any) {
  *any = false;
  for (u32 i = 0; i < MAX_PROCESSES; i++) {
    struct process *child = &processes[i];
    if (child->state == PROCESS_UNUSED || child->parent != parent) continue;
    if (pid > 0 && child->pid != pid) continue;
    *any = true;
    if (child->state == PROCESS_ZOMBIE) return child;
  }
  return 0;
}

long process_wait(long pid, u32 *status, long options) {
  struct process *process = current_process();
  long result = 0;
  spin_lock(&processes_lock);
  process->waiting = true;
  for (;;) {
    bool any;
    struct process *child = find_dead_child(process, pid, &any);
    if (child != 0) {
      *status = child->status;
      result = child->pid;
      child->state = PROCESS_UNUSED;
      break;
    }
    if (!any) result = -ECHILD;
    if (!any || (options & WNOHANG) != 0) break;
    result = thread_sleep(process, &processes_lock, true);
    if (result < 0) break;
  }
  process->waiting = false;
  spin_unlock(&processes_lock);
  return result;
}

/* --- Signals: all they can do is end a process --- */

/* Signals whose default is to do nothing: CHLD, CONT, URG, WINCH. */
#define HARMLESS (1UL << 17 | 1UL << 18 | 1UL << 23 | 1UL << 28)

/* Caller holds processes_lock. */
static void end(struct process *process, u32 signal) {
  if (process->thread == 0 || (process->ignored_signals >> signal & 1) != 0) return;
  if (!process->thread->killed) process->fatal_signal = signal;
  thread_kill(process->thread);
}

long process_kill(long pid, long signal) {
  if (signal < 0 || signal > 31) return -EINVAL;
  long status = 0;
  spin_lock(&processes_lock);
  struct process *process = pid > 0 ? find((u32)pid) : 0;
  if (process == 0) {
    status = -ESRCH;
  } else if (pid == 1 && signal != 0) {
    status = -EPERM;
  } else if (signal != 0 && (HARMLESS >> signal & 1) == 0) {
    end(process, (u32)signal);
  }
  spin_unlock(&processes_lock);
  return status;
}

/*
 * There are no process groups. The foreground is who computes or writes: pid 1, who waits for a child
 * (a shell) and who waits for input (which the terminal just emptied) stay.
 */
long process_interrupt(void) {
  spin_lock(&processes_lock);
  for (u32 i = 0; i < MAX_PROCESSES; i++) {
    struct process *process = &processes[i];
    if (process->state == PROCESS_ALIVE && process->pid != 1 && !process->waiting) end(process, SIGINT);
  }
  spin_unlock(&processes_lock);
  return 0;
}

void process_set_waiting(bool waiting) {
  spin_lock(&processes_lock);
  current_process()->waiting = waiting;
  spin_unlock(&processes_lock);
}

u64 process_count(void) {
  u64 count = 0;
  spin_lock(&processes_lock);
  for (u32 i = 0; i < MAX_PROCESSES; i++) count += processes[i].state == PROCESS_ALIVE;
  spin_unlock(&processes_lock);
  return count;
}

/* --- Affinity --- */

long process_set_affinity(long pid, u64 wanted) {
  if (pid == 0 || pid == current_process()->pid) return thread_set_affinity(current(), wanted);
  long status = -ESRCH;
  spin_lock(&processes_lock);
  struct process *process = find((u32)pid);
  if (process != 0 && process->thread != 0) status = thread_set_affinity(process->thread, wanted);
  spin_unlock(&processes_lock);
  return status;
}

long process_affinity(long pid, u64 *harts) {
  if (pid == 0) {
    *harts = current()->affinity & machine.harts;
    return 0;
  }
  long status = -ESRCH;
  spin_lock(&processes_lock);
  struct process *process = find((u32)pid);
  if (process != 0 && process->thread != 0) {
    *harts = process->thread->affinity & machine.harts;
    status = 0;
  }
  spin_unlock(&processes_lock);
  return status;
}
