/*
 * From the initial stack to main: argv, envp and the program's name; exits with what main returns.
 */
#include "print.h"
#include "process.h"
#include "string.h"

int main(int argc, char **argv, char **envp);
_Noreturn void start(long *stack);

const char *program = "?";
char **environ;

_Noreturn void start(long *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  environ = argv + argc + 1;
  if (argc > 0) program = basename(argv[0]);
  exit(main(argc, argv, environ));
}
