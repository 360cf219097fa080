/*
 * Cordon's own system calls and the flaws of /dev/buggy, as programs use them: the keyring, marks
 * in a measurement, facts about the kernel, gate calls to be timed. The numbers and structures are the
 * kernel's, in user_abi.h; lib/buggy.c has the rest.
 */
#ifndef CORDON_H
#define CORDON_H

#include "sys.h"
#include "user_abi.h"

/** A handle >= 0, good until the key is deleted or the keyring restarts. */
static inline long key_add(const char *name, const void *value, size_t size) {
  return syscall3(SYS_key_add, (long)name, (long)value, (long)size);
}
static inline long key_sign(long key, const void *data, size_t size, uint8_t mac[KEY_MAC_BYTES]) {
  return syscall4(SYS_key_sign, key, (long)data, (long)size, (long)mac);
}
static inline long key_delete(long key) { return syscall3(SYS_key_delete, key, 0, 0); }

/** Marks of a measured loop: where it begins and ends. The value is the number of iterations. */
enum { MARK_BEGIN = 1, MARK_END = 2 };
static inline long cordon_mark(uint64_t id, uint64_t value) {
  return syscall3(SYS_cordon_mark, (long)id, (long)value, 0);
}

static inline long cordon_info(struct cordon_info *to) {
  return syscall3(SYS_cordon_info, (long)to, sizeof *to, 0);
}

/** Lets the kernel call a gate with 0, 1 or 6 arguments `count` times; the callee does nothing. */
static inline long gate_call(unsigned arguments, uint64_t count) {
  return syscall3(SYS_gate_bench, (long)arguments, (long)count, 0);
}

/* --- /dev/buggy: a driver with one flaw of each kind, lib/buggy.c --- */

/** A descriptor or a negated error number. */
int buggy_open(void);
/** Lets the driver write a word at any kernel address. */
int buggy_write(int fd, uint64_t address, uint64_t value);
/** Lets it fetch whole words from any kernel address; both numbers are multiples of 8. */
int buggy_read(int fd, uint64_t address, uint64_t size, uint64_t *to);
/** Lets it call any kernel address. */
int buggy_call(int fd, uint64_t address);
/** The same with an argument; what came back goes to `result`, unless that is null. */
int buggy_call_with(int fd, uint64_t address, uint64_t argument, uint64_t *result);
/** Lets it loop for ever. */
int buggy_loop(int fd);
/** Asks it for something it may do: its generation, or a negated error number. */
int buggy_ask(int fd);

/** An address that no driver may touch: the first of the kernel's image (nested-kernel/abi.ts). */
#define KERNEL_IMAGE 0xffffffff80200000UL

#endif
