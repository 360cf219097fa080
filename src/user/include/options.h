/*
 * Command-line options, in the manner of getopt: lib/options.c.
 *
 *   struct options options = {.argc = argc, .argv = argv};
 *   for (int c; (c = next_option(&options, "an:")) != 0;)
 *     switch (c) { case 'a': ... case 'n': ... options.value ... default: usage(...); }
 *   char **operands = options.argv + options.next;
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

struct options {
  int argc;
  char **argv;
  /** Index of the next argument to look at; once the options are done, of the first operand. */
  int next;
  /** The argument of the option just returned. */
  char *value;
  /** Rest of a cluster such as `-la`. */
  char *cluster;
};

/**
 * The next option letter, 0 when there are no more, '?' for one that `letters` does not have. A
 * letter followed by ':' takes a value.
 */
int next_option(struct options *options, const char *letters);
/** The value as a number; ends the program if it is not one or is negative. */
int64_t number_option(const struct options *options);
/** An operand as a number, likewise. */
int64_t number_operand(const char *text);
/** Says how to use the program and exits with 2. */
_Noreturn void usage(const char *text);

#endif
