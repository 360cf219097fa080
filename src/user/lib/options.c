/*
 * Command-line options.
 */
#include "options.h"

#include "print.h"
#include "string.h"
#include "sys.h"

int next_option(struct options *options, const char *letters) {
  if (options->next == 0) options->next = 1;
  if (!options->cluster || !*options->cluster) {
    char *argument = options->next < options->argc ? options->argv[options->next] : NULL;
    if (!argument || argument[0] != '-' || argument[1] == 0) return 0;
    options->next++;
    if (same(argument, "--")) return 0;
    options->cluster = argument + 1;
  }
  char letter = *options->cluster++;
  const char *known = letter == ':' ? NULL : strchr(letters, letter);
  if (!known) return '?';
  if (known[1] != ':') return letter;
  options->value = options->cluster;
  options->cluster = NULL;
  if (!*options->value) {
    if (options->next == options->argc) return '?';
    options->value = options->argv[options->next++];
  }
  return letter;
}

int64_t number_operand(const char *text) {
  int64_t value;
  if (!parse_number(text, &value) || value < 0) die("'%s' is not a number", text);
  return value;
}

int64_t number_option(const struct options *options) { return number_operand(options->value); }

void usage(const char *text) {
  fdprintf(2, "usage: %s %s\n", program, text);
  sys_exit(2);
}
