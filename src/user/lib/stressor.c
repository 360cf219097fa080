/*
 * Options, limits and the last line of every stressor.
 */
#include "stressor.h"

#include "options.h"
#include "process.h"

enum { DEFAULT_ROUNDS = 100 };

char **stressor_start(struct stressor *stressor, int argc, char **argv) {
  struct options options = {.argc = argc, .argv = argv};
  uint64_t seconds = 0;
  *stressor = (struct stressor){.seed = 1, .sum = CHECKSUM_START};
  for (int c; (c = next_option(&options, "s:n:t:")) != 0;)
    switch (c) {
      case 's': stressor->seed = (uint64_t)number_option(&options); break;
      case 'n': stressor->rounds = (uint64_t)number_option(&options); break;
      case 't': seconds = (uint64_t)number_option(&options); break;
      default: usage("[-s SEED] [-n ROUNDS] [-t SECONDS]");
    }
  if (seconds > 0) stressor->deadline_ms = now_ms() + seconds * 1000;
  if (seconds == 0 && stressor->rounds == 0) stressor->rounds = DEFAULT_ROUNDS;
  stressor->random.state = stressor->seed;
  return argv + options.next;
}

bool stressor_next(struct stressor *stressor) {
  if (stressor->rounds > 0 && stressor->round == stressor->rounds) return false;
  if (stressor->deadline_ms > 0 && now_ms() >= stressor->deadline_ms) return false;
  stressor->round++;
  return true;
}

void stressor_mix(struct stressor *stressor, uint64_t value) {
  stressor->sum = checksum(stressor->sum, &value, sizeof value);
}

int stressor_end(const struct stressor *stressor) {
  printf("%s: ok rounds=%lu sum=%016lx\n", program, stressor->round, stressor->sum);
  return 0;
}

void stressor_fail(const char *format, ...) {
  va_list arguments;
  char why[200];
  va_start(arguments, format);
  vsnprintf(why, sizeof why, format, arguments);
  va_end(arguments);
  printf("%s: FAILED %s\n", program, why);
  exit(1);
}

long must(long result, const char *call) {
  if (result < 0) stressor_fail("%s: %s", call, error_text(result));
  return result;
}

void must_exit_with(int pid, int code, const char *what) {
  int got = wait_for(pid);
  if (got != code) stressor_fail("%s exited with %d, not %d", what, got, code);
}
