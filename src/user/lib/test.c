/*
 * The test command, for bin/test.c and as a builtin of sh.
 *
 *   test [!] CONDITION, one of: TEXT, -n TEXT, -z TEXT, -e PATH, -f PATH, -d PATH, -s PATH,
 *   A = B, A != B, and M with -eq, -ne, -lt, -le, -gt or -ge and N
 *
 * Conditions may be joined by -a and -o, which are taken from left to right.
 */
#include "files.h"
#include "print.h"
#include "shell.h"
#include "string.h"

static const char *const comparisons[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"};
enum { COMPARISONS = 6 };

struct condition {
  int argc, next;
  char **argv;
  bool failed;
};

static bool nonsense(struct condition *condition, const char *why) {
  if (!condition->failed) warn("%s", why);
  condition->failed = true;
  return false;
}

static bool compare_numbers(struct condition *condition, int kind, const char *left,
                            const char *right) {
  int64_t l, r;
  if (!parse_number(left, &l) || !parse_number(right, &r))
    return nonsense(condition, "not a number");
  switch (kind) {
    case 0: return l == r;
    case 1: return l != r;
    case 2: return l < r;
    case 3: return l <= r;
    case 4: return l > r;
    default: return l >= r;
  }
}

static bool unary(struct condition *condition, char letter, const char *operand) {
  struct stat stat;
  if (letter == 'n') return *operand != 0;
  if (letter == 'z') return *operand == 0;
  bool exists = sys_stat(operand, &stat) == 0;
  uint32_t type = exists ? stat.mode & S_IFMT : 0;
  switch (letter) {
    case 'e': return exists;
    case 'f': return type == S_IFREG;
    case 'd': return type == S_IFDIR;
    case 's': return exists && stat.size > 0;
    default: return nonsense(condition, "unknown condition");
  }
}

static bool primary(struct condition *condition) {
  char **at = condition->argv + condition->next;
  int left = condition->argc - condition->next;
  if (left == 0) return nonsense(condition, "a condition is missing");
  if (left >= 2 && same(at[0], "!")) {
    condition->next++;
    return !primary(condition);
  }
  if (left >= 3) {
    bool equal = same(at[1], "="), different = same(at[1], "!=");
    int kind = 0;
    while (kind < COMPARISONS && !same(at[1], comparisons[kind])) kind++;
    if (equal || different || kind < COMPARISONS) {
      condition->next += 3;
      if (kind < COMPARISONS) return compare_numbers(condition, kind, at[0], at[2]);
      return same(at[0], at[2]) == equal;
    }
  }
  if (left >= 2 && at[0][0] == '-' && at[0][1] && !at[0][2]) {
    condition->next += 2;
    return unary(condition, at[0][1], at[1]);
  }
  condition->next++;
  return at[0][0] != 0;
}

int test_command(int argc, char **argv) {
  struct condition condition = {argc, 1, argv, false};
  if (same(basename(argv[0]), "[") && !same(argv[--condition.argc], "]")) {
    warn("] is missing");
    return 2;
  }
  if (condition.argc == 1) return 1;
  bool holds = primary(&condition);
  while (condition.next < condition.argc && !condition.failed) {
    char *join = argv[condition.next++];
    bool and = same(join, "-a"), or = same(join, "-o");
    if (!and && !or) nonsense(&condition, "too many arguments");
    bool second = !condition.failed && primary(&condition);
    holds = and ? holds && second : holds || second;
  }
  return condition.failed ? 2 : !holds;
}
