/*
 * stress [-s SEED] [-n ROUNDS] [-t SECONDS] [-x NAME]... [NAME...]: runs the stressors in parallel,
 * all but those excluded with -x, or only those named; each with a seed made from SEED and its
 * name. The file stressor runs a second time on /disk if that exists. Without -n and -t: for 10
 * seconds. Prints one line of its own at the end; the exit code is the number of failures.
 */
#include "alloc.h"
#include "files.h"
#include "options.h"
#include "print.h"
#include "process.h"
#include "random.h"
#include "string.h"

static char *const stressors[] = {"forkstorm", "pipering", "filechurn", "mmapstorm",
                                  "gateping",  "keychurn", "domainkill"};
enum { STRESSORS = sizeof stressors / sizeof stressors[0] };

static struct list excluded;

static bool contains(char **names, const char *name) {
  for (; names && *names; names++)
    if (same(*names, name)) return true;
  return false;
}

static char *decimal(uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%lu", value);
  return copy_string(text);
}

struct limits {
  uint64_t seed;
  char *rounds, *seconds;
};

static int start(char *name, char *operand, const struct limits *limits) {
  struct list command = {0};
  uint64_t seed = checksum(checksum(CHECKSUM_START, name, strlen(name)), limits, sizeof(uint64_t));
  list_push(&command, name);
  list_push(&command, "-s");
  list_push(&command, decimal(seed >> 1)); /* positive as a signed number */
  if (limits->rounds) list_push(&command, "-n"), list_push(&command, limits->rounds);
  if (limits->seconds) list_push(&command, "-t"), list_push(&command, limits->seconds);
  if (operand) list_push(&command, operand);
  int pid = spawn((char **)command.items);
  if (pid < 0) die("%s: %s", name, error_text(pid));
  return pid;
}

int main(int argc, char **argv) {
  static const char how[] = "[-s SEED] [-n ROUNDS] [-t SECONDS] [-x NAME]... [NAME...]";
  struct limits limits = {.seed = 1};
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "s:n:t:x:")) != 0;)
    switch (c) {
      case 's': limits.seed = (uint64_t)number_option(&options); break;
      case 'n': limits.rounds = options.value; break;
      case 't': limits.seconds = options.value; break;
      case 'x': list_push(&excluded, options.value); break;
      default: usage(how);
    }
  if (!limits.rounds && !limits.seconds) limits.seconds = "10";
  char **wanted = argv + options.next;
  for (char **name = wanted; *name; name++) {
    bool known = false;
    for (int i = 0; i < STRESSORS; i++) known |= same(*name, stressors[i]);
    if (!known) die("%s is not a stressor", *name);
  }

  int pids[STRESSORS + 1], started = 0, failures = 0;
  for (int i = 0; i < STRESSORS; i++) {
    if (*wanted && !contains(wanted, stressors[i])) continue;
    if (contains((char **)excluded.items, stressors[i])) continue;
    pids[started++] = start(stressors[i], NULL, &limits);
    if (same(stressors[i], "filechurn") && is_directory("/disk"))
      pids[started++] = start(stressors[i], "/disk", &limits);
  }
  for (int i = 0; i < started; i++) failures += wait_for(pids[i]) != 0;
  printf("stress: %s %d of %d passed, seed=%lu\n", failures ? "FAILED" : "ok", started - failures,
         started, limits.seed);
  return failures;
}
