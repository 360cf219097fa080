/* The rows, who runs them, and what is said about them. */
#include "guest.h"

#define ARENA_BYTES (8ul << 20)

struct config config __attribute__((section(".data.config"))) = {.harts = 1, .rounds = 2, .scale_percent = 100};

static u8 arenas[MAX_HARTS][ARENA_BYTES] __attribute__((section(".bss.arenas")));

enum needs { NEEDS_NOTHING, NEEDS_ONE_HART, NEEDS_MORE_HARTS, NEEDS_FLOAT };

struct row {
  const char *group;
  const char *name;
  work *run;
  /* Operations of a round at a scale of 100. */
  u64 count;
  enum needs needs;
};

static const struct row ROWS[] = {
    {"integer", "coremark-like", run_coremark, 500, NEEDS_NOTHING},
    {"integer", "dhrystone-like", run_dhrystone, 80000, NEEDS_NOTHING},
    {"integer", "chase", run_chase, 3000000, NEEDS_NOTHING},
    {"integer", "copy", run_copy, 400, NEEDS_NOTHING},
    {"integer", "sieve", run_sieve, 8, NEEDS_NOTHING},
    {"integer", "qsort", run_qsort, 12, NEEDS_NOTHING},
    {"integer", "sha256", run_sha256, 70000, NEEDS_NOTHING},
    {"integer", "calls", run_calls, 300, NEEDS_NOTHING},
    {"integer", "indirect", run_indirect, 1500000, NEEDS_NOTHING},
    {"integer", "blocks", run_blocks, 300, NEEDS_NOTHING},
    {"float", "nbody", run_nbody, 35000, NEEDS_FLOAT},
    {"float", "matmul", run_matmul, 40, NEEDS_FLOAT},
    {"system", "syscall", run_syscall, 50000, NEEDS_ONE_HART},
    {"system", "trap", run_trap, 80000, NEEDS_ONE_HART},
    {"system", "page-fault", run_page_fault, 6000, NEEDS_ONE_HART},
    {"system", "context-switch", run_context_switch, 4000, NEEDS_ONE_HART},
    {"smp", "shootdown", run_shootdown, 2000, NEEDS_MORE_HARTS},
    {"smp", "wakeup", run_wakeup, 2000, NEEDS_MORE_HARTS},
};
#define ROW_COUNT (sizeof ROWS / sizeof ROWS[0])

static int fits(const struct row *row, int has_float) {
  switch (row->needs) {
    case NEEDS_ONE_HART:
      return config.harts == 1;
    case NEEDS_MORE_HARTS:
      return config.harts > 1;
    case NEEDS_FLOAT:
      return has_float && config.harts == 1;
    default:
      return 1;
  }
}

/* Whether a list of names with commas has this one. */
static int is_listed(const char *list, const char *name) {
  while (*list != 0) {
    const char *at = name;
    while (*at != 0 && *list == *at) at++, list++;
    if (*at == 0 && (*list == 0 || *list == ',')) return 1;
    while (*list != 0 && *list != ',') list++;
    if (*list == ',') list++;
  }
  return 0;
}

static void field(const char *name, u64 value) {
  print(" "), print(name), print("="), print_number(value);
}

/* The rows there are, so that the host can tell an unknown name from one that does not fit. */
static void announce(void) {
  for (u64 n = 0; n < ROW_COUNT; n++) print("has "), print(ROWS[n].group), print(" "), print(ROWS[n].name), print("\n");
}

static void report(const struct row *row, u64 hart, u64 round, u64 ticks, u64 count, u64 check) {
  print("row "), print(row->group), print(" "), print(row->name);
  field("hart", hart), field("round", round), field("ticks", ticks), field("count", count), field("check", check);
  print("\n");
}

static void run_row(const struct row *row, u64 hart) {
  u64 count = row->count * config.scale_percent / 100;
  if (count == 0) count = 1;
  for (u64 round = 0; round < config.rounds; round++) {
    static u64 ticks[MAX_HARTS], checks[MAX_HARTS];
    barrier();
    u64 before = read_time();
    u64 check = row->run(hart, arenas[hart], count);
    ticks[hart] = read_time() - before;
    checks[hart] = check;
    barrier();
    if (hart == 0)
      for (u64 n = 0; n < config.harts; n++) report(row, n, round, ticks[n], count, checks[n]);
  }
}

void supervisor_main(u64 hart, u64 misa) {
  u64 needed = 1ul << ('F' - 'A') | 1ul << ('D' - 'A');
  int has_float = (misa & needed) == needed;
  if (hart == 0) announce();
  for (u64 n = 0; n < ROW_COUNT; n++) {
    const struct row *row = &ROWS[n];
    if (fits(row, has_float) && (config.rows[0] == 0 || is_listed(config.rows, row->name))) run_row(row, hart);
  }
  barrier();
  if (hart == 0) power_off(POWER_OFF);
  for (;;) __asm__ volatile("wfi");
}
