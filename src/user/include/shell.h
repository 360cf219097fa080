/*
 * The parts of sh: lib/sh_parse.c, sh_expand.c, sh_glob.c, sh_arith.c, sh_vars.c, sh_run.c and
 * sh_builtin.c; bin/sh.c puts them together.
 *
 * A line is parsed to a tree of nodes whose words are still raw (with quotes and `$`); words are
 * expanded each time a command runs.
 */
#ifndef SHELL_H
#define SHELL_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"

/* --- The tree --- */

enum node_kind {
  NODE_COMMAND,  /* words */
  NODE_PIPE,     /* left | right */
  NODE_AND,      /* left && right */
  NODE_OR,       /* left || right */
  NODE_SEQUENCE, /* left ; right */
  NODE_BACKGROUND, /* left & */
  NODE_NOT,      /* ! left */
  NODE_GROUP,    /* { left } */
  NODE_SUBSHELL, /* ( left ) */
  NODE_IF,       /* if left; then right; else third; fi */
  NODE_WHILE,    /* while left; do right; done */
  NODE_UNTIL,    /* until left; do right; done */
  NODE_FOR,      /* for words[0] in the others; do right; done */
};

struct redirection {
  struct redirection *next;
  /** The descriptor that changes. */
  int fd;
  /** Flags for open, or -1: `target` is the number of another descriptor, as in 2>&1. */
  int flags;
  char *target;
};

struct node {
  enum node_kind kind;
  struct node *left, *right, *third;
  struct list words;
  struct redirection *redirections;
};

/* --- Parsing --- */

enum parse_status {
  PARSE_OK,
  /** Nothing but blanks, comments and newlines up to the end. */
  PARSE_END,
  /** The text stops inside a quote, a substitution or a compound command. */
  PARSE_INCOMPLETE,
  PARSE_ERROR,
};

/** Zero-initialise it but for `at`, the text that is still to be parsed. */
struct parser {
  const char *at;
  enum parse_status status;
  int token;
  /** Text of a word or operator. */
  const char *token_start;
  size_t token_length;
  int io_number;
  /** Everything allocated for the tree. */
  struct list owned;
};

/** Parses one command line; null unless the status becomes PARSE_OK. */
struct node *parse_command_line(struct parser *parser);
/** Gives back the trees of all lines parsed so far. */
void parser_release(struct parser *parser);
/**
 * Where a quoted piece or a substitution that starts at `at` ends; `at` itself if none starts
 * there, null if it has no end. Quotes within double quotes and braces are followed.
 */
const char *skip_quoted(const char *at);

/* --- Expansion --- */

/** Expands a word to any number of fields, which the caller owns. */
void expand_word(const char *word, struct list *fields);
/** Expands a word to exactly one text, which the caller owns: no splitting and no globbing. */
char *expand_to_text(const char *word);
/** Appends the paths that a pattern matches, in order; false if there are none. */
bool glob(const char *pattern, struct list *paths);
/** Whether a name matches a pattern of `*`, `?`, `[a-z]` and `\c`. */
bool matches_pattern(const char *pattern, const char *name);
/** Copies a pattern without the backslashes that quote. */
char *unquote_pattern(const char *pattern);
/** Value of an arithmetic expression; false if it is not one. */
bool evaluate_arithmetic(const char *text, int64_t *value);

/* --- Variables --- */

/** $0 and the positional parameters, and their number without $0. */
extern char **parameters;
extern int parameter_count;
extern int last_status, last_background;

/** Takes over the environment. */
void variables_start(char **envp);
/** The value, or null. */
const char *variable_get(const char *name);
void variable_set(const char *name, const char *value);
void variable_export(const char *name);
void variable_unset(const char *name);
/** A fresh envp of the exported variables. */
char **variables_environment(void);
/** Length of the name in `name=...`, 0 if the word is no assignment. */
size_t assignment_length(const char *word);

/* --- Running --- */

/** Runs a tree; its exit status, which becomes $?. */
int run_node(const struct node *node);
/** Parses and runs all of a text. */
int run_text(const char *text);
/** Reads and runs a file; 127 if it cannot be read. */
int run_file(const char *path);
/** Levels of loops that `break` or `continue` still have to leave or end. */
extern int leaving_loops;
extern bool continuing_loop;

/** A builtin gets its arguments and returns its status. */
typedef int (*builtin)(int argc, char **argv);
/** The builtin of that name, or null. */
builtin find_builtin(const char *name);

/** The test command: 0 true, 1 false, 2 nonsense. With the name `[` it wants a closing `]`. */
int test_command(int argc, char **argv);

#endif
