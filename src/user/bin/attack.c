/*
 * attack ID [NUMBER...]: makes one attack and says what came of it. The numbers are what an attacker
 * reads in the kernel's symbol table; `cordon attack` hands them over. Needs `attack` in bootargs.
 *
 *   attack C1: succeeded (why)        exit code 0
 *   attack C1: stopped (how)          exit code 1
 *   attack C1: failed (why)           exit code 2: it could not be tried
 *
 * Success is always seen from its effect: a secret in our hands, a word that changed, a key that is gone.
 */
#include <stdbool.h>

#include "cordon.h"
#include "options.h"
#include "print.h"
#include "process.h"
#include "string.h"

enum { PAGE = 4096, HART_0 = 1, HART_1 = 2, POLICY_REFUSED = -32, MAX_NUMBERS = 4 };

static uint64_t numbers[MAX_NUMBERS];

/** What the keyring keeps, in some notation for addresses at numbers[0]. */
static const uint8_t secret[32] = "the key that nobody may see";
/** Its first aligned word is what an attacker who finds it can show. */
static uint64_t secret_at(void) { return (numbers[0] + 7) & ~7UL; }
static uint64_t secret_word(void) {
  uint64_t word;
  memcpy(&word, secret + (secret_at() - numbers[0]), sizeof word);
  return word;
}
static char detail[160];

#define SAY(...) snprintf(detail, sizeof detail, __VA_ARGS__)

/** 1: succeeded, 0: stopped, or a negated error number: it could not be tried. */
typedef int attack_function(void);

static int ask_kernel(unsigned which, struct attack_request *request) {
  return (int)syscall3(SYS_cordon_attack, which, (long)request, 0);
}

static long add_secret(void) { return key_add("victim", secret, sizeof secret); }

/** Compares what was found with the secret. */
static int judge(int error, uint64_t found) {
  if (error == -EFAULT) {
    SAY("the access faulted");
    return 0;
  }
  if (error < 0) return error;
  bool same_word = found == secret_word();
  SAY(same_word ? "found the key: %016lx" : "found %016lx, not the key", found);
  return same_word;
}

static int a4_satp(void) {
  struct attack_request request = {.a = secret_at()};
  long handle = add_secret();
  if (handle < 0) return (int)handle;
  int error = ask_kernel(ATTACK_SATP, &request);
  if (error != -EFAULT) return judge(error, request.result);
  SAY("the write of satp faulted");
  return 0;
}

static int c1_direct_map(void) {
  struct attack_request request = {.a = secret_at()};
  long handle = add_secret();
  if (handle < 0) return (int)handle;
  return judge(ask_kernel(ATTACK_LOAD, &request), request.result);
}

/** An error of the driver's call is what the caller of a stopped subsystem sees. */
static int stopped_if_io_error(int error) {
  if (error != -EIO) return error;
  SAY("the driver was stopped (EIO)");
  return 0;
}

static int read_by_driver(void) {
  uint64_t found = 0;
  long handle = add_secret();
  int fd = buggy_open();
  if (handle < 0 || fd < 0) return handle < 0 ? (int)handle : fd;
  int error = buggy_read(fd, secret_at(), sizeof found, &found);
  return error < 0 ? stopped_if_io_error(error) : judge(0, found);
}

static int target_is(uint64_t wanted) {
  struct attack_request request = {0};
  int error = ask_kernel(ATTACK_TARGET, &request);
  if (error < 0) return error;
  SAY("the core's word is %lx", request.result);
  return request.result == wanted;
}

static int write_by_driver(void) {
  int fd = buggy_open();
  int error = fd < 0 ? fd : buggy_write(fd, numbers[0], 0xbad);
  return error < 0 ? stopped_if_io_error(error) : target_is(0xbad);
}

/** buggy_call passes 0. */
static int call_by_driver(void) {
  int fd = buggy_open();
  int error = fd < 0 ? fd : buggy_call_with(fd, numbers[0], 0xca11, 0);
  return error < 0 ? stopped_if_io_error(error) : target_is(0xca11);
}

/** Ten times what the policy lets one call have. */
static int loop_in_driver(void) {
  int fd = buggy_open();
  if (fd < 0) return fd;
  int child = fork_process();
  if (child < 0) return child;
  if (child == 0) exit(buggy_loop(fd) == -EIO ? 7 : 8);
  for (int waited = 0; waited < 20; waited++) {
    int status;
    sleep_ms(10);
    if (sys_wait(child, &status, WNOHANG) != child) continue;
    if (exit_code(status) != 7) return -EINVAL;
    return stopped_if_io_error(-EIO);
  }
  SAY("the call did not return in 200 ms");
  return 1;
}

/* --- C2: two neighbouring pages in one table; the second is to become the keyring's --- */

static volatile uint64_t *pages; /* the first is mapped */

static int make_pages(void) {
  long start = sys_mmap(4 * PAGE, PROT_READ | PROT_WRITE);
  if (start < 0) return (int)start;
  if (start >> 21 != (start + PAGE) >> 21) start += 2 * PAGE;
  pages = (volatile uint64_t *)start;
  pages[0] = 1;
  long handle = add_secret();
  return handle < 0 ? (int)handle : 0;
}

static uint64_t second_page(void) { return (uint64_t)pages + PAGE; }
static int find_in_second_page(void) {
  return judge(0, *(volatile uint64_t *)(second_page() + secret_at() % PAGE));
}

static int c2_map_table(void) {
  volatile uint64_t *table = (volatile uint64_t *)0x20000000;
  int error = make_pages();
  if (error < 0) return error;
  struct attack_request request = {.a = (uint64_t)pages, .b = (uint64_t)table};
  error = ask_kernel(ATTACK_MAP_TABLE, &request);
  if (error == -EINVAL) {
    SAY("the monitor refused to map its page table");
    return 0;
  }
  if (error < 0) return error;
  uint64_t index = second_page() / PAGE % 512;
  uint64_t mine = table[index - 1];
  table[index] = (mine & ~(((1UL << 44) - 1) << 10)) | secret_at() / PAGE << 10;
  int result = find_in_second_page();
  table[index] = 0;
  return result;
}

static int c2_write_table(void) {
  int error = make_pages();
  if (error < 0) return error;
  struct attack_request request = {.a = (uint64_t)pages, .b = second_page(), .c = secret_at()};
  error = ask_kernel(ATTACK_WRITE_TABLE, &request);
  if (error == -EFAULT) {
    SAY("the store into the page table faulted");
    return 0;
  }
  if (error < 0) return error;
  int result = find_in_second_page();
  request.c = 0;
  ask_kernel(ATTACK_WRITE_TABLE, &request);
  return result;
}

/* --- B1 --- */

enum { OLD = 2, NEW = 0x0df0 };

static int b1_stale_translation(void) {
  long start = sys_mmap(PAGE, PROT_READ | PROT_WRITE);
  if (start < 0) return (int)start;
  volatile uint64_t *page = (volatile uint64_t *)start;
  int me = sys_getpid(), child = fork_process();
  if (child < 0) return child;
  if (child == 0) {
    struct attack_request request = {.a = (uint64_t)me, .b = (uint64_t)start, .c = NEW};
    sys_set_affinity(0, HART_0);
    sleep_ms(20);
    exit(ask_kernel(ATTACK_UNMAP, &request) < 0);
  }
  sys_set_affinity(0, HART_1);
  *page = OLD; /* a frame of our own, after the fork */
  uint64_t end = now_ms() + 100;
  while (*page == OLD)
    for (int turn = 0; turn < 10000 && *page == OLD; turn++)
      if (turn == 0 && now_ms() > end) return -EBUSY;
  uint64_t found = *page;
  if (wait_for(child) != 0) return -ESRCH;
  SAY("another hart reads %lx where its page was", found);
  return found == NEW;
}

/* --- D1, D2 --- */

static int d1_gates(void) {
  uint64_t first = numbers[0], count = numbers[1], bytes = numbers[2], target = numbers[3];
  uint8_t mac[KEY_MAC_BYTES];
  uint64_t result = 0, tried = 0;
  long handle = add_secret();
  int fd = buggy_open();
  if (handle < 0 || fd < 0) return handle < 0 ? (int)handle : fd;
  int error = buggy_call_with(fd, target, (uint64_t)handle, &result);
  if (error < 0) return error;
  if (key_sign(handle, secret, sizeof secret, mac) < 0) {
    SAY("the driver deleted a key through the core's gate");
    return 1;
  }
  /* The core, between the gates' beginnings: most of them are its own to enter, so no beginnings. */
  for (uint64_t at = first; at < first + count * bytes; at += 2) {
    if ((at - first) % bytes == 0) continue;
    struct attack_request request = {.a = at, .b = (uint64_t)handle};
    error = ask_kernel(ATTACK_JUMP, &request);
    if (error < 0) return error;
    tried++;
    if ((long)request.result == -EFAULT) continue;
    SAY("the core entered at %lx: %lx", at, request.result);
    return 1;
  }
  /* The driver, which holds no gate at all: within the keyring's, and at the beginning of every one. */
  for (uint64_t at = target + 2; at < target + bytes; at += 2) {
    error = buggy_call_with(fd, at, (uint64_t)handle, &result);
    tried++;
    if (error != -EIO) {
      SAY("the driver entered at %lx", at);
      return error < 0 ? error : 1;
    }
    while (buggy_ask(fd) == -EIO) sleep_ms(10);
  }
  for (uint64_t at = first; at < first + count * bytes; at += bytes) {
    error = buggy_call_with(fd, at, (uint64_t)handle, &result);
    if (error < 0) return error;
    tried++;
    if ((long)result == POLICY_REFUSED) continue;
    SAY("the driver entered at %lx: %lx", at, result);
    return 1;
  }
  if (key_sign(handle, secret, sizeof secret, mac) < 0) return 1;
  SAY("%lu jumps, none entered", tried);
  return 0;
}

static int d2_return(void) {
  for (uint64_t through_gate = 0; through_gate < 2; through_gate++) {
    struct attack_request request = {.a = through_gate};
    int error = ask_kernel(ATTACK_RETURN, &request);
    if (error < 0) return error;
    if (request.result == 1) {
      SAY(through_gate ? "through the gate" : "by ret");
      return 1;
    }
    /* The driver is stopped after the first, and starts again. */
    int fd = buggy_open();
    while (fd >= 0 && buggy_ask(fd) == -EIO) sleep_ms(10);
  }
  SAY("neither by ret nor through the gate");
  return 0;
}

/* --- C9 --- */

/** The first key has a handle that is easily guessed: generation 1, serial 1, index 0 (lib/handle.c). */
static int c9_deputy(void) {
  enum { GUESSED_RIGHT = 7 };
  int ends[2], error = sys_pipe(ends);
  if (error < 0) return error;
  int child = fork_process();
  if (child < 0) return child;
  if (child == 0) { /* another process, which was told nothing but when */
    uint8_t mac[KEY_MAC_BYTES];
    char ready;
    if (sys_read(ends[0], &ready, 1) != 1) exit(2);
    exit(key_sign(1L << 48 | 1L << 16, "pay me", 6, mac) == 0 ? GUESSED_RIGHT : 0);
  }
  long handle = add_secret();
  if (handle < 0 || sys_write(ends[1], "!", 1) != 1) return handle < 0 ? (int)handle : -EIO;
  int code = wait_for(child);
  if (code != 0 && code != GUESSED_RIGHT) return -ESRCH;
  SAY(code ? "another process had it sign" : "the keyring did not sign");
  return code == GUESSED_RIGHT;
}

/* --- E3, F1 --- */

static int e3_thread(void) {
  const uint64_t mine = 0x5ea1ed0000e3;
  sys_set_affinity(0, HART_0);
  int me = sys_getpid(), child = fork_process();
  if (child < 0) return child;
  if (child == 0) {
    struct attack_request request = {.a = (uint64_t)me, .b = mine, .c = numbers[0]};
    int error;
    while ((error = ask_kernel(ATTACK_STEAL, &request)) == -EBUSY) sys_yield();
    exit(error < 0 ? 2 : request.c == 0 || (long)request.result == POLICY_REFUSED);
  }
  struct attack_request request = {.a = mine, .b = 1000};
  int error = ask_kernel(ATTACK_SLEEP_INSIDE, &request);
  int thief = wait_for(child);
  if (error < 0 || thief == 2) return error < 0 ? error : -ESRCH;
  if (request.result != mine) {
    SAY("came back with %lx", request.result);
    return 1;
  }
  if (request.c != 1) return -EBUSY; /* it has not moved: nothing is shown */
  SAY("%s; the victim came back on hart 1 with its own", thief == 1 ? "the thief was refused" : "?");
  return thief == 1 ? 0 : 1;
}

static int f1_buffer(void) {
  enum { CALLS = 2000, FLIPS = 10000 };
  int me = sys_getpid(), child = fork_process();
  if (child < 0) return child;
  if (child == 0) {
    struct attack_request request = {.a = (uint64_t)me, .b = FLIPS};
    sys_set_affinity(0, HART_0);
    exit(ask_kernel(ATTACK_FLIP, &request) < 0);
  }
  sys_set_affinity(0, HART_1);
  struct attack_request request = {.a = CALLS};
  int error = ask_kernel(ATTACK_CHECK, &request);
  int thief = wait_for(child);
  if (error < 0 || thief != 0) return error < 0 ? error : -ESRCH;
  if (request.result != 0) SAY("call %lu gave out entry %lx", request.b, request.result);
  else SAY("%d calls, %d changes of the buffer", CALLS, FLIPS);
  return request.result != 0;
}

static const struct {
  const char *id;
  attack_function *run;
  int numbers;
} attacks[] = {
    {"A4", a4_satp, 1},          {"B1", b1_stale_translation, 0}, {"C1", c1_direct_map, 1},
    {"C1b", read_by_driver, 1},  {"C2", c2_map_table, 1},         {"C2b", c2_write_table, 1},
    {"D1", d1_gates, 4},         {"D2", d2_return, 0},            {"E3", e3_thread, 1},
    {"C9", c9_deputy, 0},
    {"F1", f1_buffer, 0},        {"write", write_by_driver, 1},   {"read", read_by_driver, 1},
    {"call", call_by_driver, 1}, {"loop", loop_in_driver, 0},
};
enum { ATTACKS = sizeof attacks / sizeof attacks[0] };

int main(int argc, char **argv) {
  int n = 0;
  while (argc > 1 && n < ATTACKS && !same(attacks[n].id, argv[1])) n++;
  if (argc < 2 || n == ATTACKS || argc - 2 != attacks[n].numbers) usage("ID [NUMBER...]");
  for (int i = 2; i < argc; i++) {
    int64_t value;
    if (!parse_number(argv[i], &value)) usage("ID [NUMBER...]");
    numbers[i - 2] = (uint64_t)value;
  }
  int result = attacks[n].run();
  if (result < 0) {
    printf("attack %s: failed (%s)\n", argv[1], error_text(result));
    return 2;
  }
  printf("attack %s: %s (%s)\n", argv[1], result ? "succeeded" : "stopped", detail);
  return result ? 0 : 1;
}
