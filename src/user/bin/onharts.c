/*
 * onharts COUNT|all COMMAND [ARGUMENT...]: runs a command once on each of the first COUNT harts it
 * is allowed, all at the same time, each run bound to its hart with HART set to its number. Exits
 * with the number of runs that failed.
 */
#include "alloc.h"
#include "options.h"
#include "print.h"
#include "process.h"
#include "string.h"
#include "sys.h"

/** In the child: binds itself to a hart and becomes the command. */
static _Noreturn void run_on(unsigned hart, char **argv) {
  int error = sys_set_affinity(0, 1UL << hart);
  if (error < 0) die("hart %u: %s", hart, error_text(error));
  char variable[16];
  snprintf(variable, sizeof variable, "HART=%u", hart);
  struct list environment = {0};
  list_push(&environment, variable);
  for (char **entry = environ; *entry; entry++)
    if (strncmp(*entry, "HART=", 5) != 0) list_push(&environment, *entry);
  error = run_program(argv, (char **)environment.items);
  die("%s: %s", argv[0], error_text(error));
}

int main(int argc, char **argv) {
  if (argc < 3) usage("COUNT|all COMMAND [ARGUMENT...]");
  uint64_t mask;
  unsigned allowed = allowed_harts(&mask);
  int64_t wanted = same(argv[1], "all") ? allowed : number_operand(argv[1]);
  if (wanted > allowed) die("only %u harts", allowed);

  int pids[64], started = 0, failed = 0;
  for (unsigned hart = 0; started < wanted; hart++) {
    if (!(mask & (1UL << hart))) continue;
    int pid = fork_process();
    if (pid == 0) run_on(hart, argv + 2);
    if (pid < 0) die("fork: %s", error_text(pid));
    pids[started++] = pid;
  }
  for (int i = 0; i < started; i++) failed += wait_for(pids[i]) != 0;
  return failed;
}
