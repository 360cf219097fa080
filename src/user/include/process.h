/*
 * Processes: lib/process.c.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdint.h>

/** The environment this program was given; crt0 sets it. */
extern char **environ;

/** The value of an environment variable, or null. */
const char *get_env(const char *name);

/**
 * Forks, output flushed first so that it is not written twice. While the kernel has no process slot
 * to give (EAGAIN, ENOMEM) it yields and tries again for a while.
 */
int fork_process(void);
/** Waits for one process; its exit code, 128 + signal, or a negated error number. */
int wait_for(int pid);
/** The exit code that a status of wait4 tells: 128 + signal for one that was killed. */
int exit_code(int status);
/** Runs the program, found in PATH, in place of this one. Returns a negated error number. */
int run_program(char **argv, char **envp);
/** Forks and runs a program; its pid. A program that cannot be run exits with 127 or 126. */
int spawn(char **argv);

void sleep_ms(uint64_t milliseconds);
/** Milliseconds on the monotonic clock. */
uint64_t now_ms(void);
/** How many harts this process may run on, from its affinity mask, which is stored too. */
unsigned allowed_harts(uint64_t *mask);

#endif
