/*
 * grep [-vcnqi] PATTERN [FILE...]: prints lines that hold the pattern. In it `.` is any character,
 * `^` at its start and `$` at its end are the ends of the line, and a backslash takes the meaning
 * from the character after it. -v lines without, -c only their number, -n with line numbers, -q
 * nothing, -i whatever the case. Exits with 0 if a line was selected, 1 if none, 2 on errors.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "string.h"

static bool inverted, counting, numbered, silent, fold_case, several;
static bool at_start, at_end;
/** The pattern without its anchors; `any[i]` is set where it has an unquoted dot. */
static char *wanted;
static bool *any;
static size_t wanted_length;
static uint64_t selected_total;

static char fold(char c) { return fold_case && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

static void compile(const char *pattern) {
  size_t length = strlen(pattern);
  wanted = allocate(length + 1);
  any = allocate(length + 1);
  at_start = *pattern == '^';
  for (pattern += at_start; *pattern; pattern++) {
    if (pattern[0] == '$' && !pattern[1]) {
      at_end = true;
      break;
    }
    any[wanted_length] = *pattern == '.';
    if (*pattern == '\\' && pattern[1]) pattern++;
    wanted[wanted_length++] = fold(*pattern);
  }
}

static bool matches_at(const char *text) {
  for (size_t i = 0; i < wanted_length; i++)
    if (!any[i] && fold(text[i]) != wanted[i]) return false;
  return true;
}

static bool matches(const char *line, size_t length) {
  if (length < wanted_length) return false;
  size_t last = length - wanted_length;
  for (size_t i = at_end ? last : 0; i <= (at_start ? 0 : last); i++)
    if (matches_at(line + i)) return true;
  return false;
}

static int search(int fd, const char *name) {
  struct lines lines = {.fd = fd};
  size_t length;
  uint64_t selected = 0, number = 0;
  for (char *line; (line = next_line(&lines, &length));) {
    number++;
    if (matches(line, length) == inverted) continue;
    selected++;
    if (silent || counting) continue;
    if (several) printf("%s:", name);
    if (numbered) printf("%lu:", number);
    put_bytes(line, length);
    put_char('\n');
  }
  if (counting && several) printf("%s:", name);
  if (counting) printf("%lu\n", selected);
  selected_total += selected;
  lines_close(&lines);
  return 0;
}

int main(int argc, char **argv) {
  static const char how[] = "[-vcnqi] PATTERN [FILE...]";
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "vcnqi")) != 0;)
    switch (c) {
      case 'v': inverted = true; break;
      case 'c': counting = true; break;
      case 'n': numbered = true; break;
      case 'q': silent = true; break;
      case 'i': fold_case = true; break;
      default: usage(how);
    }
  if (options.next == argc) usage(how);
  compile(argv[options.next++]);
  several = argc - options.next > 1;
  if (for_each_input(argv + options.next, search)) return 2;
  return selected_total == 0;
}
