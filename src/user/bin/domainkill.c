/*
 * domainkill [-s SEED] [-n ROUNDS] [-t SECONDS]: triggers the flaws of /dev/buggy again and again.
 * Each call must fail with EIO, whether the driver was stopped just now, is not back yet or stays
 * in quarantine. Meanwhile, in every round, two other processes pass messages on, which must all
 * arrive.
 *
 * Only for a kernel that separates its subsystems: in a monolith the first round destroys it.
 */
#include "cordon.h"
#include "files.h"
#include "process.h"
#include "stressor.h"
#include "string.h"

enum {
  /** The loop costs the driver's whole budget, so it comes less often. */
  LOOP_EVERY = 8,
  MESSAGES = 8,
  MESSAGE_BYTES = 256,
  /** How long a round waits for the driver to be back before it attacks anyway. */
  REVIVAL_TRIES = 20,
  REVIVAL_PAUSE_MS = 10,
};

static struct stressor stressor;
static uint8_t message[MESSAGE_BYTES];

/** Exit codes of the bystanders. */
enum { BYSTANDER_OK = 40, BYSTANDER_WRONG };

/** For every byte from `kick`, some messages to `to`. */
static int send_messages(int kick, int to) {
  struct random random = {stressor.seed};
  char byte;
  while (sys_read(kick, &byte, 1) == 1)
    for (int i = 0; i < MESSAGES; i++) {
      random_fill(&random, message, sizeof message);
      if (write_all(to, message, sizeof message) < 0) return BYSTANDER_WRONG;
    }
  return BYSTANDER_OK;
}

/** For every set of good messages, a byte to `done`. */
static int receive_messages(int from, int done) {
  static uint8_t expected[MESSAGE_BYTES];
  struct random random = {stressor.seed};
  for (int i = 1;; i++) {
    ssize size = read_full(from, message, sizeof message);
    if (size == 0) return BYSTANDER_OK;
    random_fill(&random, expected, sizeof expected);
    if (size != MESSAGE_BYTES || memcmp(message, expected, sizeof expected) != 0)
      return BYSTANDER_WRONG;
    if (i % MESSAGES == 0 && write_all(done, "", 1) < 0) return BYSTANDER_WRONG;
  }
}

/** The bystanders, and the ends of the pipes through which they are started and heard. */
static struct {
  int sender, receiver, kick, done;
} bystanders;

static void start_bystanders(void) {
  int kick[2], between[2], done[2];
  must(sys_pipe(kick), "pipe");
  must(sys_pipe(between), "pipe");
  bystanders.sender = (int)must(fork_process(), "fork");
  if (bystanders.sender == 0) {
    sys_close(kick[1]);
    sys_close(between[0]);
    sys_exit(send_messages(kick[0], between[1]));
  }
  sys_close(kick[0]);
  sys_close(between[1]);
  must(sys_pipe(done), "pipe");
  bystanders.receiver = (int)must(fork_process(), "fork");
  if (bystanders.receiver == 0) {
    sys_close(kick[1]);
    sys_close(done[0]);
    sys_exit(receive_messages(between[0], done[1]));
  }
  sys_close(between[0]);
  sys_close(done[1]);
  bystanders.kick = kick[1];
  bystanders.done = done[0];
}

static void await_driver(int fd) {
  for (int tries = 0; tries < REVIVAL_TRIES; tries++) {
    int answer = buggy_ask(fd);
    if (answer >= 0) return;
    if (answer != -EIO)
      stressor_fail("round %lu: a question gave %d", stressor.round, answer);
    sleep_ms(REVIVAL_PAUSE_MS);
  }
}

/** One flaw, chosen at random; what the kernel answered. */
static int attack(int fd, const char **what) {
  static uint64_t stolen[4];
  struct random *random = &stressor.random;
  uint64_t address = KERNEL_IMAGE + (random_below(random, 0x1000) & ~7U);
  if (random_below(random, LOOP_EVERY) == 0) {
    *what = "the loop";
    return buggy_loop(fd);
  }
  switch (random_below(random, 3)) {
    case 0: *what = "the write"; return buggy_write(fd, address, next_random(random));
    case 1: *what = "the read"; return buggy_read(fd, address, sizeof stolen, stolen);
    default: *what = "the call"; return buggy_call(fd, address);
  }
}

int main(int argc, char **argv) {
  stressor_start(&stressor, argc, argv);
  int fd = (int)must(buggy_open(), "/dev/buggy");
  start_bystanders();
  while (stressor_next(&stressor)) {
    char byte = 0;
    const char *what;
    must(write_all(bystanders.kick, "", 1), "starting the bystanders");
    await_driver(fd);
    int answer = attack(fd, &what);
    if (answer != -EIO) stressor_fail("round %lu: %s gave %d", stressor.round, what, answer);
    if (sys_read(bystanders.done, &byte, 1) != 1)
      stressor_fail("round %lu: the bystanders failed", stressor.round);
    stressor_mix(&stressor, checksum(CHECKSUM_START, what, strlen(what)));
  }
  sys_close(bystanders.kick);
  must_exit_with(bystanders.sender, BYSTANDER_OK, "the sender");
  must_exit_with(bystanders.receiver, BYSTANDER_OK, "the receiver");
  return stressor_end(&stressor);
}
