/*
 * The other subsystems as the core sees them: starting each, and starting it again after the monitor
 * stopped it.
 */
#include "block.h"
#include "buggy.h"
#include "fs.h"
#include "keyring.h"
#include "pipe.h"
#include "process.h"
#include "ramfs.h"
#include "tty.h"
#include "vfs.h"

struct domain {
  const char *name;
  long (*init)(u64 generation);
  u64 restarts; /* written by the watch thread only, after boot */
};

/* Indexed by domain id: the core, then the others in alphabetical order. */
static struct domain domains[] = {
    {"core", 0, 0},
    {"block", block_init, 0},
    {"buggy", buggy_init, 0},
    {"fs", fs_init, 0},
    {"keyring", keyring_init, 0},
    {"pipe", pipe_init, 0},
    {"ramfs", ramfs_init, 0},
    {"tty", tty_init, 0},
    {"vfs", vfs_init, 0},
};
#define DOMAIN_COUNT (sizeof domains / sizeof domains[0])
#define DOMAIN_BLOCK 1
#define DOMAIN_FS 3
#define DOMAIN_RAMFS 6
#define DOMAIN_VFS 8

static long start(u64 id, u64 generation) {
  long status = domains[id].init(generation);
  if (status < 0) log_line("core: %s did not start: error %ld", domains[id].name, -status);
  return status;
}

void domains_init(void) {
  for (u64 id = 1; id < DOMAIN_COUNT; id++) start(id, 1);
}

u64 domain_restarts(u64 id) {
  return id < DOMAIN_COUNT ? domains[id].restarts : 0;
}

/* What others must do again because a domain lost its memory. */
static void rebuild(u64 id) {
  switch (id) {
    case DOMAIN_BLOCK:
    case DOMAIN_FS:
      fs_mount();
      break;
    case DOMAIN_RAMFS:
      vfs_populate();
      initrd_unpack();
      break;
    case DOMAIN_VFS:
      vfs_mount_disk();
      files_new_epoch();
      break;
  }
}

static void restart(u64 id) {
  long generation = monitor_call(CORDON_RESTART, id, 0, 0, 0);
  if (generation < 0) return; /* quarantined, or threads are still inside */
  events_reclaim(id);
  frames_reclaim(id);
  domains[id].restarts++;
  if (start(id, (u64)generation) < 0) return;
  rebuild(id);
  log_line("core: restarted %s, generation %ld", domains[id].name, generation);
}

static void watch(long unused) {
  (void)unused;
  for (;;) {
    long stopped = monitor_call(CORDON_STOPPED, 0, 0, 0, 0);
    for (u64 id = 1; stopped > 0 && id < DOMAIN_COUNT; id++) {
      if ((stopped >> id & 1) != 0) restart(id);
    }
    thread_sleep_until(csr_read(time) + machine.timebase / TICKS_PER_SECOND);
  }
}

void domains_start_watch(void) {
  if (!separated) return;
  struct thread *thread = thread_create_kernel(watch, 0);
  if (thread == 0) panic("no thread to watch the domains");
  thread_start(thread);
}
