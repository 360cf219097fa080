/*
 * The kernel as attacker, for `cordon attack`: what code that owns the core does to reach what belongs to
 * the monitor or to another subsystem. Each attempt is one that succeeds in a monolith. Whether it did is
 * for the program that asked to find out (user/bin/attack.c); here the steps are taken and, where the
 * hardware says no, that is reported as -EFAULT.
 *
 * Nothing of this can be reached unless bootargs have the word `attack`.
 */
#include "buggy.h"
#include "keyring.h"
#include "syscalls.h"
#include "user_abi.h"

#define SATP_SV39 (8UL << 60)
#define OWN_ASID (0xfffUL << 44)
#define VPN2(address) ((address) >> 30 & 0x1ff)
#define VPN1(address) ((address) >> 21 & 0x1ff)
#define VPN0(address) ((address) >> 12 & 0x1ff)
#define PPN_TO_PTE(physical) ((physical) >> 12 << 10)
#define PTE_PPN (((1UL << 44) - 1) << 10)
#define LEAF (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)

/* attack.S */
long probe_load(u64 address, u64 *value);
long probe_store(u64 address, u64 value);
long probe_jump(u64 address, u64 argument);
long probe_satp(u64 satp, u64 physical, u64 *value);
long probe_return(u64 through_gate);

/* What the flaws of /dev/buggy are aimed at: a word of the core, and a function that only it may call. */
u64 attack_target;
u64 attack_called(u64 value);

u64 attack_called(u64 value) {
  attack_target = value;
  return value;
}

static struct thread *thread_of(u64 pid) {
  for (u32 i = 0; i < MAX_THREADS; i++) {
    const struct process *process = threads[i].process;
    if (threads[i].state != THREAD_UNUSED && process != 0 && process->pid == pid) return &threads[i];
  }
  return 0;
}

/* A4. */
static long take_satp(struct attack_request *request) {
  u64 frame = frame_alloc();
  if (frame == 0) return -ENOMEM;
  u64 *root = direct(frame);
  root[VPN2(IMAGE_BASE)] = PPN_TO_PTE(RAM_BASE) | LEAF;
  root[VPN2(RAM_BASE)] = PPN_TO_PTE(RAM_BASE) | LEAF;
  interrupts_off();
  long status = probe_satp(SATP_SV39 | OWN_ASID | frame >> 12, request->a, &request->result);
  interrupts_on();
  frame_unref(frame);
  return status;
}

/* --- C2: page tables --- */

static u64 *record_of(const struct space *space, u64 address) {
  u64 pointer = space->table[VPN1(address)];
  return pointer == 0 ? 0 : &((u64 *)direct(pte_frame(pointer)))[VPN0(address)];
}

/*
 * The frame of the last-level table that translates a mapped user page. The monitor's tables lie behind
 * the memory that we were given, and the direct map lets us look for the entry.
 */
static u64 find_table(const struct space *space, u64 address) {
  const u64 *record = record_of(space, address);
  if (record == 0 || *record == 0) return 0;
  if (!separated) return pte_frame(space->table[VPN1(address)]);
  u64 frame = 0;
  for (u32 i = 0; i < machine.memory_count; i++) {
    if (machine.memory[i].end > frame) frame = machine.memory[i].end;
  }
  u64 pte;
  for (; probe_load((u64)direct(frame) + 8 * VPN0(address), &pte) == 0; frame += PAGE_BYTES) {
    if ((pte & (PTE_V | PTE_U)) == (PTE_V | PTE_U) && pte_frame(pte) == pte_frame(*record)) return frame;
  }
  return 0;
}

static long map_table(const struct attack_request *request) {
  struct space *space = &current_process()->memory->space;
  u64 table = find_table(space, request->a);
  if (table == 0) return -ESRCH;
  if (separated) return monitor_call(CORDON_MAP, space->monitor_id, request->b, table, PTE_R | PTE_W);
  frame_ref(table);
  return space_map(space, request->b, table, PTE_R | PTE_W);
}

static long write_table(const struct attack_request *request) {
  struct space *space = &current_process()->memory->space;
  u64 table = find_table(space, request->a);
  if (table == 0 || VPN1(request->a) != VPN1(request->b)) return -ESRCH;
  u64 pte;
  u64 entries = (u64)direct(table);
  if (probe_load(entries + 8 * VPN0(request->a), &pte) < 0) return -ESRCH;
  u64 forged = request->c == 0 ? 0 : (pte & ~PTE_PPN) | PPN_TO_PTE(request->c);
  return probe_store(entries + 8 * VPN0(request->b), forged);
}

/* --- B1 --- */

/* The owner of the page runs on another hart. The tables say that it has no such page any more. */
static long unmap(const struct attack_request *request) {
  struct thread *victim = thread_of(request->a);
  if (victim == 0) return -ESRCH;
  struct space *space = victim->space;
  u64 *record = record_of(space, request->b);
  if (record == 0 || *record == 0) return -ESRCH;
  u64 frame = pte_frame(*record);
  *record = 0; /* without a monitor this is what the harts walk */
  if (separated) {
    long status = monitor_call(CORDON_UNMAP, space->monitor_id, request->b, 1, 0);
    if (status < 0) return status;
  }
  /* From here on it is our frame, and no business of the process. */
  *(volatile u64 *)direct(frame) = request->c;
  return 0;
}

/* --- E3 --- */

#define STOLEN 0x57013eUL

static long sleep_inside(struct attack_request *request) {
  long result = gate_yield((long)request->a, (long)request->b);
  if (result == (long)STOLEN) {
    /* Two threads are one now: no scheduler will make sense of it. */
    log_line("attack E3: succeeded (another thread returned into keyring in this one's place)");
    system_exit(0);
  }
  request->result = (u64)result;
  interrupts_off();
  request->c = this_hart()->id;
  interrupts_on();
  return 0;
}

/* What we can see of the victim's registers: those that our own code has saved. */
static void forge_registers(struct thread *victim, u64 value) {
  for (u64 at = victim->context.sp; at < victim->stack_top; at += 8) {
    if (*(u64 *)at == value) *(u64 *)at = STOLEN;
  }
  for (u32 i = 0; i < 12; i++) {
    if (victim->context.s[i] == value) victim->context.s[i] = STOLEN;
  }
}

/* We run where the victim ran when it gave way inside keyring, and it waits to run again. */
static long steal(struct attack_request *request) {
  struct thread *victim = thread_of(request->a);
  if (victim == 0) return -ESRCH;
  thread_set_affinity(victim, 1UL << 1); /* its next turn is on another hart */
  interrupts_off();
  if (victim->state != THREAD_READY) {
    interrupts_on();
    return -EBUSY;
  }
  u64 affinity = victim->affinity;
  victim->affinity = 0;
  forge_registers(victim, request->b);
  if (request->c != 0) request->result = (u64)probe_jump(request->c, STOLEN);
  victim->affinity = affinity;
  interrupts_on();
  return 0;
}

/* --- F1 --- */

#define PUBLIC_INDEX 3
#define SECRET_INDEX 11

static long check(struct attack_request *request) {
  volatile u8 *buffer = current()->bounce;
  buffer[0] = PUBLIC_INDEX;
  for (u64 turn = 0; turn < request->a; turn++) {
    long found = gate_lookup((const u8 *)buffer, 64);
    if (found >= 0x80) {
      request->result = (u64)found;
      request->b = turn + 1;
      break;
    }
  }
  return 0;
}

static long flip(const struct attack_request *request) {
  const struct thread *victim = thread_of(request->a);
  if (victim == 0) return -ESRCH;
  volatile u8 *buffer = victim->bounce;
  for (u64 turn = 0; turn < request->b; turn++) {
    buffer[0] = turn % 2 == 0 ? SECRET_INDEX : PUBLIC_INDEX;
    for (volatile u32 wait = 0; wait < 100; wait++) continue;
  }
  buffer[0] = PUBLIC_INDEX;
  return 0;
}

static long attack(u64 which, struct attack_request *request) {
  switch (which) {
    case ATTACK_SATP:
      return take_satp(request);
    case ATTACK_LOAD:
      return probe_load(request->a, &request->result);
    case ATTACK_MAP_TABLE:
      return map_table(request);
    case ATTACK_WRITE_TABLE:
      return write_table(request);
    case ATTACK_UNMAP:
      return unmap(request);
    case ATTACK_JUMP:
      request->result = (u64)probe_jump(request->a, request->b);
      return 0;
    case ATTACK_RETURN:
      request->result = (u64)probe_return(request->a);
      return 0;
    case ATTACK_SLEEP_INSIDE:
      return sleep_inside(request);
    case ATTACK_STEAL:
      return steal(request);
    case ATTACK_CHECK:
      return check(request);
    case ATTACK_FLIP:
      return flip(request);
    case ATTACK_TARGET:
      request->result = attack_target;
      return 0;
    default:
      return -EINVAL;
  }
}

long sys_cordon_attack(const u64 *a) {
  char unused[4];
  if (!bootarg("attack", unused, sizeof unused)) return -EPERM;
  struct attack_request request;
  if (user_read(&request, a[1], sizeof request) < 0) return -EFAULT;
  long status = attack(a[0], &request);
  return user_write(a[1], &request, sizeof request) < 0 ? -EFAULT : status;
}
