/*
 * init [COMMAND [ARGUMENT...] | -c WORD...]: the first process. Opens the terminal if it was
 * started without one, runs the command, the words as one line of the shell, or else the script
 * /etc/rc (without it, an interactive shell), reaps orphans meanwhile, and exits with the command's
 * exit code.
 */
#include "alloc.h"
#include "files.h"
#include "print.h"
#include "process.h"
#include "string.h"

static void open_terminal(void) {
  struct stat stat;
  if (sys_fstat(0, &stat) == 0) return;
  int fd = sys_open("/dev/tty", O_RDWR, 0);
  if (fd < 0) return; /* nobody to tell */
  for (int to = 0; to < 3; to++) sys_dup_to(fd, to);
  if (fd > 2) sys_close(fd);
}

/** The words with spaces between them: a kernel's command line comes apart at its spaces. */
static char *joined(char **words) {
  struct buffer line = {0};
  for (; *words; words++) {
    if (line.length > 0) buffer_push(&line, ' ');
    buffer_append(&line, *words, strlen(*words));
  }
  return line.data;
}

static int run(int argc, char **argv) {
  struct list command = {0};
  struct stat stat;
  if (argc > 2 && same(argv[1], "-c")) {
    list_push(&command, "sh");
    list_push(&command, "-c");
    list_push(&command, joined(argv + 2));
  } else if (argc > 1) {
    for (int i = 1; i < argc; i++) list_push(&command, argv[i]);
  } else {
    list_push(&command, "sh");
    if (sys_stat("/etc/rc", &stat) == 0) list_push(&command, "/etc/rc");
  }
  return spawn((char **)command.items);
}

int main(int argc, char **argv) {
  open_terminal();
  int child = run(argc, argv);
  if (child < 0) die("fork: %s", error_text(child));
  int status = 0;
  for (int pid = 0; pid != child;) {
    pid = sys_wait(-1, &status, 0);
    if (pid < 0) die("wait: %s", error_text(pid));
  }
  if (sys_getpid() == 1) sys_sync();
  return exit_code(status);
}
