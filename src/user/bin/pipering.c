/*
 * pipering [-s SEED] [-n ROUNDS] [-t SECONDS]: processes in a ring of pipes hand on messages of
 * random length, several at once. Each checks the message's checksum and alters it in its own way;
 * what comes back to the first must be what all alterations together make.
 */
#include "files.h"
#include "process.h"
#include "stressor.h"
#include "string.h"

enum { MEMBERS = 5, IN_FLIGHT = 3, MAX_BYTES = 1500 };

struct message {
  uint64_t sum;
  uint32_t hops, size;
  uint8_t data[MAX_BYTES];
};
#define HEAD_BYTES offsetof(struct message, data)

static uint64_t message_sum(const struct message *message) {
  return checksum(CHECKSUM_START, &message->hops, 8 + message->size);
}

/** 1 if a whole and sound message came, 0 at the end, -1 if it is damaged. */
static int receive(int fd, struct message *message) {
  ssize got = read_full(fd, message, HEAD_BYTES);
  if (got == 0) return 0;
  if (got != (ssize)HEAD_BYTES || message->size > MAX_BYTES) return -1;
  if (read_full(fd, message->data, message->size) != (ssize)message->size) return -1;
  return message->sum == message_sum(message) ? 1 : -1;
}

static int send(int fd, struct message *message) {
  message->sum = message_sum(message);
  return write_all(fd, message, HEAD_BYTES + message->size);
}

static void alter(struct message *message, uint32_t member) {
  message->hops++;
  for (uint32_t i = 0; i < message->size; i++) message->data[i] += (uint8_t)(member * 37 + i);
}

/** Exit codes of a member: all was well, a damaged message, a broken pipe. */
enum { MEMBER_OK, MEMBER_DAMAGED, MEMBER_BROKEN };

static int be_member(uint32_t member, int from, int to) {
  static struct message message;
  int got;
  while ((got = receive(from, &message)) == 1) {
    alter(&message, member);
    if (send(to, &message) < 0) return MEMBER_BROKEN;
  }
  return got == 0 ? MEMBER_OK : MEMBER_DAMAGED;
}

int main(int argc, char **argv) {
  static struct message sent[IN_FLIGHT], got;
  struct stressor stressor;
  stressor_start(&stressor, argc, argv);

  int pids[MEMBERS + 1], ends[2];
  must(sys_pipe(ends), "pipe");
  int from = ends[0], first = ends[1];
  for (uint32_t member = 1; member <= MEMBERS; member++) {
    must(sys_pipe(ends), "pipe");
    pids[member] = (int)must(fork_process(), "fork");
    if (pids[member] == 0) {
      sys_close(first);
      sys_close(ends[0]);
      return be_member(member, from, ends[1]);
    }
    sys_close(from);
    sys_close(ends[1]);
    from = ends[0];
  }

  while (stressor_next(&stressor)) {
    for (int i = 0; i < IN_FLIGHT; i++) {
      sent[i].hops = 0;
      sent[i].size = random_below(&stressor.random, MAX_BYTES + 1);
      random_fill(&stressor.random, sent[i].data, sent[i].size);
      must(send(first, &sent[i]), "write");
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
      if (receive(from, &got) != 1) stressor_fail("round %lu: damaged message", stressor.round);
      for (uint32_t member = 1; member <= MEMBERS; member++) alter(&sent[i], member);
      if (got.sum != message_sum(&sent[i]))
        stressor_fail("round %lu: wrong message", stressor.round);
      stressor_mix(&stressor, got.sum);
    }
  }
  sys_close(first);
  for (uint32_t member = 1; member <= MEMBERS; member++)
    must_exit_with(pids[member], MEMBER_OK, "a member");
  return stressor_end(&stressor);
}
