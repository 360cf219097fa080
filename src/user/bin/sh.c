/*
 * sh [-c TEXT [NAME [ARGUMENT...]] | FILE [ARGUMENT...]]: the shell. Without operands it reads
 * lines from standard input, with a prompt if that is a terminal.
 *
 * Knows: pipes, < > >> N> >&, ; & && || !, ( ) { }, if elif else, while, until, for, variables,
 * '...' "..." \, $name ${name} ${name:-word} ${#name} $(...) $((...)) $0-$9 $@ $* $# $? $$ $!,
 * * ? [...], comments. See lib/sh_builtin.c for its own commands. There is no job control.
 */
#include "files.h"
#include "print.h"
#include "process.h"
#include "shell.h"
#include "string.h"

/** Appends one line with its newline; false at the end of the input. */
static bool read_line(struct buffer *text) {
  size_t before = text->length;
  char c;
  /* Byte by byte: a command that reads standard input must find what follows its line. */
  while (sys_read(0, &c, 1) == 1) {
    buffer_push(text, c);
    if (c == '\n') return true;
  }
  return text->length > before;
}

/** Takes zombies of background commands away, without waiting. */
static void reap_finished(void) {
  int status;
  while (sys_wait(-1, &status, WNOHANG) > 0) continue;
}

static int run_input(bool interactive) {
  struct buffer text = {0};
  for (;;) {
    if (interactive) {
      reap_finished();
      fdprintf(2, text.length > 0 ? "> " : "$ ");
    }
    bool more = read_line(&text);
    if (!more && text.length == 0) return last_status;
    struct parser parser = {.at = text.data};
    struct node *node;
    while ((node = parse_command_line(&parser))) {
      run_node(node);
      leaving_loops = 0;
      parser_release(&parser);
    }
    if (parser.status == PARSE_INCOMPLETE && more) continue; /* with a further line */
    if (parser.status == PARSE_ERROR || parser.status == PARSE_INCOMPLETE) {
      warn("syntax error near '%.*s'", (int)parser.token_length, parser.token_start);
      last_status = 2;
    }
    text.length = 0;
  }
}

int main(int argc, char **argv, char **envp) {
  variables_start(envp);
  if (!variable_get("PATH")) variable_set("PATH", "/bin");
  variable_export("PATH");
  parameters = argv;
  parameter_count = argc - 1;
  if (argc > 2 && same(argv[1], "-c")) {
    parameters = argc > 3 ? argv + 3 : argv;
    parameter_count = argc > 3 ? argc - 4 : 0;
    return run_text(argv[2]);
  }
  if (argc > 1) {
    parameters = argv + 1;
    parameter_count = argc - 2;
    return run_file(argv[1]);
  }
  struct stat input;
  bool interactive = sys_fstat(0, &input) == 0 && (input.mode & S_IFMT) == S_IFCHR;
  return run_input(interactive);
}
