/*
 * sh: the commands that it runs itself, because they change the shell or save a process.
 */
#include "files.h"
#include "print.h"
#include "process.h"
#include "shell.h"
#include "string.h"

static int run_true(int argc, char **argv) {
  (void)argc, (void)argv;
  return 0;
}

static int run_false(int argc, char **argv) {
  (void)argc, (void)argv;
  return 1;
}

/** cd [DIRECTORY]: / unless told. */
static int run_cd(int argc, char **argv) {
  const char *to = argc > 1 ? argv[1] : "/";
  int error = sys_chdir(to);
  if (error < 0) warn("cd: %s: %s", to, error_text(error));
  return error < 0;
}

static int run_pwd(int argc, char **argv) {
  (void)argc, (void)argv;
  char path[512];
  int error = sys_getcwd(path, sizeof path);
  if (error < 0) warn("pwd: %s", error_text(error));
  else printf("%s\n", path);
  return error < 0;
}

static int numeric_argument(int argc, char **argv, int otherwise) {
  int64_t value;
  return argc > 1 && parse_number(argv[1], &value) ? (int)value : otherwise;
}

/** exit [STATUS] */
static int run_exit(int argc, char **argv) { exit(numeric_argument(argc, argv, last_status)); }

/** export NAME[=VALUE]... */
static int run_export(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    size_t length = assignment_length(argv[i]);
    if (length > 0) {
      argv[i][length] = 0;
      variable_set(argv[i], argv[i] + length + 1);
    }
    variable_export(argv[i]);
  }
  return 0;
}

static int run_unset(int argc, char **argv) {
  for (int i = 1; i < argc; i++) variable_unset(argv[i]);
  return 0;
}

/** wait [PID...]: for these, or for all children. */
static int run_wait(int argc, char **argv) {
  int status = 0;
  for (int i = 1; i < argc; i++) {
    int64_t pid;
    status = parse_number(argv[i], &pid) ? wait_for((int)pid) : -ECHILD;
  }
  if (argc == 1)
    while (wait_for(-1) != -ECHILD) continue;
  return status < 0 ? 127 : status;
}

/** shift [COUNT] */
static int run_shift(int argc, char **argv) {
  int count = numeric_argument(argc, argv, 1);
  if (count < 0 || count > parameter_count) return 1;
  /* A new array: $0 stays, and the old one may be the program's own argv. */
  char **shifted = allocate((size_t)(parameter_count - count + 2) * sizeof *shifted);
  shifted[0] = parameters[0];
  for (int i = 1; i <= parameter_count - count + 1; i++) shifted[i] = parameters[i + count];
  parameters = shifted;
  parameter_count -= count;
  return 0;
}

/** read NAME...: a line's words, the last name takes the rest. 1 at the end of the input. */
static int run_read(int argc, char **argv) {
  struct buffer line = {0};
  char c = 0;
  /* Byte by byte: what follows the line belongs to whoever reads next. */
  while (sys_read(0, &c, 1) == 1 && c != '\n') buffer_push(&line, c);
  const char *at = line.data ? line.data : "";
  for (int i = 1; i < argc; i++) {
    while (is_space(*at)) at++;
    size_t length = 0;
    while (at[length] && (i == argc - 1 || !is_space(at[length]))) length++;
    char *value = copy_bytes(at, length);
    variable_set(argv[i], value);
    release(value);
    at += length;
  }
  bool ended = c != '\n' && line.length == 0;
  release(line.data);
  return ended;
}

/** exec COMMAND [ARGUMENT...]: in place of the shell. */
static int run_exec(int argc, char **argv) {
  if (argc == 1) return 0;
  environ = variables_environment();
  int error = run_program(argv + 1, environ);
  warn("%s: %s", argv[1], error_text(error));
  return error == -ENOENT ? 127 : 126;
}

/** . FILE: runs a file in this shell. */
static int run_source(int argc, char **argv) {
  if (argc > 1) return run_file(argv[1]);
  warn(".: which file?");
  return 2;
}

static int run_break(int argc, char **argv) {
  leaving_loops = numeric_argument(argc, argv, 1);
  return 0;
}

static int run_continue(int argc, char **argv) {
  continuing_loop = true;
  return run_break(argc, argv);
}

static const struct {
  const char *name;
  builtin run;
} builtins[] = {
    {":", run_true},       {"true", run_true},   {"false", run_false},       {"cd", run_cd},
    {"pwd", run_pwd},      {"exit", run_exit},   {"export", run_export},     {"unset", run_unset},
    {"wait", run_wait},    {"shift", run_shift}, {"read", run_read},         {"exec", run_exec},
    {".", run_source},     {"break", run_break}, {"continue", run_continue}, {"test", test_command},
    {"[", test_command},
};

builtin find_builtin(const char *name) {
  for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
    if (same(builtins[i].name, name)) return builtins[i].run;
  return NULL;
}
