/*
 * What a user program needs to know beyond Linux's riscv64 ABI: Cordon's own system calls and ioctls.
 * Self-contained, so that user programs can include it.
 */
#ifndef USER_ABI_H
#define USER_ABI_H

#include <stdint.h>

/* key_add(name, value, bytes) -> handle; key_sign(handle, data, bytes, mac[32]); key_delete(handle). */
#define SYS_key_add 1024
#define SYS_key_sign 1025
#define SYS_key_delete 1026
/* cordon_mark(id, value): a mark in the measurement. */
#define SYS_cordon_mark 1027
/* cordon_info(struct cordon_info *). */
#define SYS_cordon_info 1028
/* gate_bench(kind, count, bytes): `count` calls from the core to keyring, which does nothing. */
#define SYS_gate_bench 1029
/*
 * cordon_attack(which, struct attack_request *): the kernel itself turns on the other subsystems, for
 * `cordon attack`. -EPERM unless bootargs have the word `attack`. See core/attack.c.
 */
#define SYS_cordon_attack 1031

#define KEY_NAME_MAX 32
#define KEY_VALUE_MAX 256
#define KEY_MAC_BYTES 32

#define GATE_NULL 0
#define GATE_1 1
#define GATE_6 6
/* One `in` buffer of `bytes` bytes. */
#define GATE_BYTES 7

#define CORDON_DOMAINS 16

struct cordon_info {
  uint64_t harts;
  /* 1 if the monitor separates the subsystems, 0 in the monolith. */
  uint64_t separated;
  uint64_t free_frames;
  uint64_t total_frames;
  uint64_t uptime_ns;
  uint64_t context_switches;
  uint64_t processes;
  /* Indexed by domain: core 0, then block, buggy, fs, keyring, pipe, ramfs, tty, vfs. */
  uint64_t restarts[CORDON_DOMAINS];
};

/* The planted flaws of /dev/buggy, each an ioctl with a struct buggy_request. See buggy/buggy.c. */
#define BUGGY_INFO 0xb600
#define BUGGY_WRITE 0xb601
#define BUGGY_READ 0xb602
#define BUGGY_CALL 0xb603
#define BUGGY_SPIN 0xb604

struct buggy_request {
  /* INFO: out, address of the driver's table. WRITE, CALL: the address. */
  uint64_t address;
  /* READ: index into the table, in words; not checked. INFO: out, words in the table. */
  uint64_t index;
  /* WRITE: the value. CALL: the argument. SPIN: iterations, 0 = for ever. */
  uint64_t value;
  /* READ, CALL: out. */
  uint64_t result;
};

enum attack {
  /* A4: satp = a table of our own, then Bare; `result` = the word at physical address a. */
  ATTACK_SATP = 1,
  /* C1: `result` = the word at kernel address a. */
  ATTACK_LOAD,
  /* C2: maps the page table that maps user page a at user page b, writable. */
  ATTACK_MAP_TABLE,
  /* C2: gives user page b, next to the mapped a, the frame at physical address c, through the direct map. */
  ATTACK_WRITE_TABLE,
  /* B1: takes user page b of process a, sees no need for a fence, and keeps c in its frame. */
  ATTACK_UNMAP,
  /* D1: jumps to kernel address a with argument b; `result` = what came back. */
  ATTACK_JUMP,
  /* D2: calls a callee that returns to where it was not called from; a: by `ret` (0) or by the gate (1). */
  ATTACK_RETURN,
  /* E3, the victim: sleeps b turns inside keyring with a; `result` = what came back, c = on which hart. */
  ATTACK_SLEEP_INSIDE,
  /* E3, the thief: returns b into keyring in the place of process a; c = the return gate, 0 if none. */
  ATTACK_STEAL,
  /* F1, the victim: has keyring check and use a buffer a times; `result` = what it should not give out. */
  ATTACK_CHECK,
  /* F1, the thief: changes that buffer of process a, b times. */
  ATTACK_FLIP,
  /* The word that the flaws of /dev/buggy are aimed at: `result`. */
  ATTACK_TARGET,
};

struct attack_request {
  uint64_t a, b, c;
  uint64_t result;
};

#endif
