/*
 * The core's own small parts: CSRs, spin locks, firmware calls, the machine's description, frames, log.
 * Threads are in thread.h, address spaces in mmu.h, processes in process.h.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <cordon/abi.h>

#include "core.h"
#include "errno.h"
#include "lib.h"

/* --- CSRs ("Supervisor-Level ISA", RISC-V privileged architecture) --- */

#define SSTATUS_SIE (1UL << 1)
#define SSTATUS_SPIE (1UL << 5)
#define SSTATUS_SPP (1UL << 8)

/* State of the floating-point and vector units: off, since nothing saves their registers. */
#define SSTATUS_FS (3UL << 13)
#define SSTATUS_VS (3UL << 9)

#define SIP_SSIP (1UL << 1)
#define SIE_SSIE (1UL << 1)
#define SIE_STIE (1UL << 5)
#define SIE_SEIE (1UL << 9)

#define csr_read(name)                                       \
  ({                                                         \
    u64 csr_value;                                           \
    asm volatile("csrr %0, " #name : "=r"(csr_value));       \
    csr_value;                                               \
  })
#define csr_write(name, value) asm volatile("csrw " #name ", %0" ::"r"((u64)(value)) : "memory")
#define csr_set(name, bits) asm volatile("csrs " #name ", %0" ::"r"((u64)(bits)) : "memory")
#define csr_clear(name, bits) asm volatile("csrc " #name ", %0" ::"r"((u64)(bits)) : "memory")

static inline void interrupts_on(void) {
  csr_set(sstatus, SSTATUS_SIE);
}

static inline void interrupts_off(void) {
  csr_clear(sstatus, SSTATUS_SIE);
}

static inline bool interrupts_are_on(void) {
  return (csr_read(sstatus) & SSTATUS_SIE) != 0;
}

/* A hint that this hart waits for another: PAUSE (Zihintpause), which is a FENCE to who does not know it. */
static inline void cpu_relax(void) {
  asm volatile(".4byte 0x0100000f" ::: "memory");
}

/* --- Spin locks (spinlock.c): held with interrupts off, never across a sleep or a call to another subsystem --- */

struct spinlock {
  u32 held;
};
void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/* --- Firmware and monitor (sbi.c) --- */

struct sbi_result {
  long error;
  long value;
};
struct sbi_result sbi_call(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3);
void console_init(void);
void console_write(const char *text, size_t bytes);
void sbi_set_timer(u64 deadline);
void sbi_send_ipi(u64 hart);
long sbi_hart_start(u64 hart, u64 physical_entry);
/* One bit per hart. */
void sbi_remote_sfence(u64 harts, u64 start, u64 bytes);
void sbi_remote_fence_i(u64 harts);

/* True when a monitor separates the subsystems and owns the page tables. */
extern bool separated;
void monitor_init(void);
/* A call to the monitor; negative errno on failure. */
long monitor_call(u64 function, u64 a0, u64 a1, u64 a2, u64 a3);

/* --- What the device tree says (fdt.c) --- */

#define MACHINE_RANGES 8
#define MACHINE_HARTS MAX_HARTS

struct range {
  u64 start;
  u64 end;
};

struct machine {
  struct range memory[MACHINE_RANGES]; /* physical */
  u32 memory_count;
  u64 harts; /* bitmap of hart ids */
  u32 hart_count;
  u32 idle_threads; /* highest hart id + 1: the threads below are the harts' idle threads */
  u64 boot_hart;
  u64 timebase; /* ticks of `time` per second */
  struct range device_tree; /* physical */
  struct range initrd;      /* physical; empty if none */
  bool has_finisher;
  char bootargs[256];
};
extern struct machine machine;
void fdt_parse(const void *tree);
/* The rest of the word `name=value` in bootargs; false if absent. */
bool bootarg(const char *name, char *value, size_t value_bytes);

/* --- Addresses --- */

static inline void *direct(u64 physical) {
  return (void *)(physical - RAM_BASE + DIRECT_BASE);
}

static inline u64 physical_of_direct(u64 address) {
  return address - DIRECT_BASE + RAM_BASE;
}

static inline volatile u32 *device(u64 physical) {
  return (volatile u32 *)(MMIO_BASE + physical);
}

/* --- Physical frames (frames.c) --- */

void frames_init(void);
/* A zeroed frame with one reference, or 0. */
u64 frame_alloc(void);
void frame_ref(u64 frame);
void frame_unref(u64 frame);
u32 frame_refs(u64 frame);
u64 frames_free(void);
u64 frames_total(void);
/* Takes back what page_alloc gave to a domain that was stopped. */
void frames_reclaim(u64 domain);

/* --- Events (event.c) --- */

/* Destroys the events of a domain that was stopped; who waits on them wakes with -EIDRM. */
void events_reclaim(u64 domain);

/* --- Time (time.c) --- */

void time_init(void);
/* The `time` CSR at boot, where every clock starts. */
u64 boot_ticks(void);
void timer_next_tick(void);
extern volatile u64 tick_count;
#define TICKS_PER_SECOND 100
#define TICK_NS (1000000000L / TICKS_PER_SECOND)

/* --- Log and the end (log.c) --- */

void log_line(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
/* As log_line, unless bootargs say `quiet`. */
void boot_line(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
bool panicking(void);
/* Stops the machine; `code` 0 is success. */
_Noreturn void system_exit(u64 code);
_Noreturn void system_reset(void);

/* --- Interrupt controller and threads that serve devices (plic.c) --- */

void plic_init(u64 hart);
void plic_interrupt(void);
void plic_start_threads(void);

/* --- Recovery (domain.c) --- */

void domains_init(void);
void domains_start_watch(void);
u64 domain_restarts(u64 domain);

/* --- Boot (initrd.c) --- */

long initrd_unpack(void);

#endif
