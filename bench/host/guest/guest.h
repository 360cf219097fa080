/* The benchmark guest: what its files share. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef short s16;
typedef int s32;
typedef long s64;

#define NOINLINE __attribute__((noinline))
#define PAGE_BYTES 4096ul
#define MAX_HARTS 4

/* Virtual addresses of the kernel are physical ones plus this (also in guest.ld and start.S). */
#define HIGH_HALF 0xffffffc000000000ul

/* What the host writes into the file before it runs. */
struct config {
  u64 harts;
  u64 rounds;
  /* Work per round, in percent of what the table of rows says. */
  u64 scale_percent;
  /* Names of rows, with commas; empty for all that fit the number of harts. */
  char rows[488];
};
extern struct config config;

/* Work of a row: does `count` operations in the hart's own arena, returns a number that depends on all of them. */
typedef u64 work(u64 hart, u8 *arena, u64 count);

/* integer.c, records.c, memory.c, sort.c, sha256.c, calls.c, float.c, system.c, smp.c */
work run_coremark, run_dhrystone, run_chase, run_copy, run_sieve, run_qsort, run_sha256, run_calls, run_indirect,
    run_blocks, run_nbody, run_matmul, run_syscall, run_trap, run_page_fault, run_context_switch, run_shootdown,
    run_wakeup;

/* runtime.c */
void *memcpy(void *to, const void *from, u64 bytes);
void *memset(void *to, int value, u64 bytes);
void print(const char *text);
void print_number(u64 value);
void print_hex(u64 value);
_Noreturn void power_off(u32 request);
_Noreturn void panic(const char *why, u64 a, u64 b, u64 c);
#define POWER_OFF 0x5555u
#define POWER_FAIL 0x13333u
void barrier(void);

/* paging.c */
#define WINDOW 0x40000000ul /* low half: pages that appear on demand, and the pages of the two spaces */
#define WINDOW_PAGES 512ul
u64 space_satp(u64 hart, u64 space);
void window_map(u64 hart, u64 space, u64 page);
void window_unmap_all(u64 hart, u64 space);

/* traps.c */
u64 hart_of_space(void);
struct trap_frame {
  u64 x[32];
  u64 pc, status;
};
/* The last request to fence, and the last that each hart has answered, a cache line apart. */
extern volatile u64 fence_request, fence_acked[MAX_HARTS][8];

/* start.S */
u64 user_syscalls(u64 count, u64 entry);
void monitor_call(u64 function, u64 argument);
void switch_context(u64 *from, u64 *to, u64 satp);
#define MONITOR_NOTHING 0
#define MONITOR_SEND_IPI 1

#define csr_read(name)                                    \
  ({                                                      \
    u64 value_;                                           \
    __asm__ volatile("csrr %0, " name : "=r"(value_));    \
    value_;                                               \
  })
#define csr_write(name, value) __asm__ volatile("csrw " name ", %0" ::"r"(value) : "memory")
#define csr_set(name, value) __asm__ volatile("csrs " name ", %0" ::"r"(value) : "memory")
#define csr_clear(name, value) __asm__ volatile("csrc " name ", %0" ::"r"(value) : "memory")

static inline u64 read_time(void) {
  u64 ticks;
  __asm__ volatile("rdtime %0" : "=r"(ticks)::"memory");
  return ticks;
}
/*
 * Kernels fence now and then, and emulators use that to look at the size of their TLB (QEMU's grows at no other time),
 * so the longer rows do as well.
 */
static inline void fence_all(void) { __asm__ volatile("sfence.vma" ::: "memory"); }
static inline u32 next_random(u32 *state) { return *state = *state * 1664525u + 1013904223u; }

#endif
