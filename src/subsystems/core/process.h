/* Processes: an address space, open files, a parent. One thread each. */
#ifndef PROCESS_H
#define PROCESS_H

#include "mmu.h"
#include "stat.h"
#include "thread.h"

#define MAX_PROCESSES MAX_THREADS
#define MAX_FILES 32
#define MAX_REGIONS 24
#define PROCESS_NAME_BYTES 16

#define SIGINT 2
#define SIGILL 4
#define SIGBUS 7
#define SIGKILL 9
#define SIGSEGV 11
#define SIGPIPE 13

/* A range of user pages that may be touched; pages come at the first touch. */
struct region {
  u64 start; /* start == end: slot is free */
  u64 end;
  u64 perm;
};

struct memory {
  struct space space;
  struct region regions[MAX_REGIONS];
  u64 heap_start;
  u64 heap_end;
};

struct file_slot {
  long handle; /* of vfs; negative: slot is free */
  bool close_on_exec;
  bool is_console; /* inherited from pid 1: opened again if vfs restarts */
};

enum process_state { PROCESS_UNUSED, PROCESS_ALIVE, PROCESS_ZOMBIE };

struct process {
  /* Guarded by processes.lock. */
  enum process_state state;
  u32 pid;
  struct process *parent;
  struct thread *thread;
  u32 status; /* as wait4 reports it */
  bool waiting; /* in wait4 or read: an interrupt from the terminal spares it */

  /* Own thread only. */
  struct memory *memory;
  struct file_slot files[MAX_FILES];
  u64 files_epoch; /* of vfs, when the handles were good */
  char cwd[PATH_LIMIT];
  char name[PROCESS_NAME_BYTES];
  u64 ignored_signals;  /* bit n: signal n */
  u32 fatal_signal;     /* set with thread->killed */
  struct memory memory_storage[2]; /* exec builds the new one beside the old one */
};

static inline struct process *current_process(void) {
  return current()->process;
}

/* --- process.c --- */
/* Starts pid 1. */
long process_start_init(const char *path);
long process_fork(void);
_Noreturn void process_exit(u32 status);
long process_wait(long pid, u32 *status, long options);
long process_kill(long pid, long signal);
u64 process_count(void);
/* 0 = the current one. */
long process_set_affinity(long pid, u64 harts);
long process_affinity(long pid, u64 *harts);
void process_set_waiting(bool waiting);
/* Ends the current process as an unhandled signal would. */
_Noreturn void process_die(u32 signal);

/* --- exec.c --- */
#define MAX_STRINGS 64
/* Arguments and then environment, each with its NUL. */
struct exec_strings {
  const char *text;
  size_t bytes;
  u32 arguments;
  u32 environment;
};
/* On success the current thread's frame is that of the new program. */
long process_exec(const char *path, const struct exec_strings *strings);

/* --- vm.c --- */
void memory_init(struct memory *memory);
long memory_add(struct memory *memory, u64 start, u64 end, u64 perm);
long memory_copy(struct memory *from, struct memory *to);
/* Makes the page usable for the access (PTE_R, PTE_W or PTE_X), or -EFAULT. */
long memory_fault(struct memory *memory, u64 address, u64 access);
long memory_set_heap(struct memory *memory, u64 end);
long memory_map(struct memory *memory, u64 hint, u64 bytes, u64 perm, bool fixed);
long memory_unmap(struct memory *memory, u64 start, u64 bytes);
long memory_protect(struct memory *memory, u64 start, u64 bytes, u64 perm);

/* Between the kernel and user memory of a process: the only way there. */
long user_read(void *to, u64 from, size_t bytes);
long user_write(u64 to, const void *from, size_t bytes);
/* The length without NUL, -ENAMETOOLONG if it does not fit. */
long user_read_string(char *to, u64 from, size_t to_bytes);
long memory_write(struct memory *memory, u64 to, const void *from, size_t bytes);

/* --- files.c --- */
/* vfs restarted: every handle is stale. */
void files_new_epoch(void);
void files_close_all(struct process *process);
void files_close_on_exec(struct process *process);
void files_copy(struct process *from, struct process *to);
long files_open_console(struct process *process);

/* --- syscall.c --- */
void syscall(struct frame *frame);
/* Exit status as wait4 reports it. */
#define STATUS_EXITED(code) (((u32)(code) & 0xff) << 8)
#define STATUS_KILLED(signal) ((u32)(signal) & 0x7f)

#endif
