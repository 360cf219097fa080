/*
 * Processes, the environment and time.
 */
#include "process.h"

#include "alloc.h"
#include "files.h"
#include "print.h"
#include "string.h"
#include "sys.h"

/** Tries of fork_process before it reports that there is no slot. */
enum { FORK_TRIES = 2000 };

const char *get_env(const char *name) {
  size_t length = strlen(name);
  for (char **entry = environ; *entry; entry++)
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  return NULL;
}

int fork_process(void) {
  if (out.used > 0) flush();
  for (int tries = 0;; tries++) {
    int pid = sys_fork();
    if ((pid != -EAGAIN && pid != -ENOMEM) || tries == FORK_TRIES) return pid;
    sys_yield();
  }
}

int exit_code(int status) {
  return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
}

int wait_for(int pid) {
  int status = 0;
  int got = sys_wait(pid, &status, 0);
  return got < 0 ? got : exit_code(status);
}

/** Runs a program at a known path; a text file is a script for the shell. */
static int run_at(const char *path, char **argv, char **envp) {
  int error = sys_execve(path, argv, envp);
  if (error != -ENOEXEC) return error;
  struct list script = {0};
  list_push(&script, "sh");
  list_push(&script, copy_string(path));
  for (char **argument = argv + 1; *argument; argument++) list_push(&script, *argument);
  return sys_execve("/bin/sh", (char **)script.items, envp);
}

int run_program(char **argv, char **envp) {
  if (out.used > 0) flush();
  if (strchr(argv[0], '/')) return run_at(argv[0], argv, envp);
  const char *path = get_env("PATH");
  if (!path) path = "/bin";
  int error = -ENOENT;
  while (*path) {
    const char *end = strchr(path, ':');
    size_t length = end ? (size_t)(end - path) : strlen(path);
    char *directory = copy_bytes(path, length);
    int result = run_at(join_path(directory, argv[0]), argv, envp);
    if (result != -ENOENT) error = result;
    path += length;
    if (*path == ':') path++;
  }
  return error;
}

int spawn(char **argv) {
  int pid = fork_process();
  if (pid != 0) return pid;
  int error = run_program(argv, environ);
  fdprintf(2, "%s: %s: %s\n", program, argv[0], error_text(error));
  sys_exit(error == -ENOENT ? 127 : 126);
}

void sleep_ms(uint64_t milliseconds) {
  struct timespec duration = {(int64_t)(milliseconds / 1000),
                              (int64_t)(milliseconds % 1000 * 1000000)};
  sys_nanosleep(&duration);
}

uint64_t now_ms(void) {
  struct timespec now = {0, 0};
  sys_clock(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.sec * 1000 + (uint64_t)now.nsec / 1000000;
}

unsigned allowed_harts(uint64_t *mask) {
  uint64_t words[16] = {0}; /* Linux refuses a mask smaller than its own */
  int size = sys_get_affinity(0, words, sizeof words);
  if (size < 0) die("affinity: %s", error_text(size));
  unsigned count = 0;
  for (uint64_t rest = words[0]; rest; rest &= rest - 1) count++;
  *mask = words[0];
  return count;
}
