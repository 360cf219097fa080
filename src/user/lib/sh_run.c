/*
 * sh: runs trees.
 */
#include "files.h"
#include "print.h"
#include "process.h"
#include "shell.h"
#include "string.h"

int leaving_loops;
bool continuing_loop;

/* --- Redirections --- */

/**
 * Copies of descriptors that a builtin or a compound command has redirected, kept to be put back.
 * A child closes them, or it would hold open what others wait to see closed.
 */
enum { MAX_SAVED = 16 };
static struct saved {
  int fd;
  /** -1: it was closed. */
  int copy;
} saved[MAX_SAVED];
static int saved_count;

static bool save(int fd) {
  if (saved_count == MAX_SAVED) {
    warn("too many redirections");
    return false;
  }
  int copy = sys_dup(fd);
  saved[saved_count++] = (struct saved){fd, copy < 0 ? -1 : copy};
  return true;
}

/** Undoes redirections until only `count` are left. */
static void restore(int count) {
  flush();
  while (saved_count > count) {
    struct saved *last = &saved[--saved_count];
    if (last->copy < 0) {
      sys_close(last->fd);
    } else {
      sys_dup_to(last->copy, last->fd);
      sys_close(last->copy);
    }
  }
}

static void forget_saved(void) {
  for (int i = 0; i < saved_count; i++)
    if (saved[i].copy >= 0) sys_close(saved[i].copy);
  saved_count = 0;
}

static bool redirect(const struct redirection *redirection, bool keep) {
  for (; redirection; redirection = redirection->next) {
    char *target = expand_to_text(redirection->target);
    int64_t number = -1;
    int fd;
    if (redirection->flags >= 0)
      fd = sys_open(target, redirection->flags, 0666);
    else
      fd = parse_number(target, &number) ? (int)number : -EBADF;
    if (fd < 0) warn("%s: %s", target, error_text(fd));
    release(target);
    if (fd < 0 || (keep && fd != redirection->fd && !save(redirection->fd))) return false;
    int error = sys_dup_to(fd, redirection->fd);
    if (redirection->flags >= 0 && fd != redirection->fd) sys_close(fd);
    if (error < 0) {
      warn("%d: %s", fd, error_text(error));
      return false;
    }
  }
  return true;
}

/* --- Simple commands --- */

struct command {
  /** Assignments before the first word, `name=value` with the value expanded. */
  struct list assignments;
  struct list words;
};

static void prepare(const struct node *node, struct command *command) {
  *command = (struct command){{0}, {0}};
  size_t i = 0;
  for (size_t length; i < node->words.length; i++) {
    const char *word = node->words.items[i];
    if ((length = assignment_length(word)) == 0) break;
    struct buffer text = {0};
    char *value = expand_to_text(word + length + 1);
    buffer_append(&text, word, length + 1);
    buffer_append(&text, value, strlen(value));
    release(value);
    list_push(&command->assignments, text.data);
  }
  for (; i < node->words.length; i++) expand_word(node->words.items[i], &command->words);
}

static void release_list(struct list *list) {
  for (size_t i = 0; i < list->length; i++) release(list->items[i]);
  release(list->items);
}

static void assign(const struct command *command, bool export) {
  for (size_t i = 0; i < command->assignments.length; i++) {
    char *text = command->assignments.items[i];
    char *equals = strchr(text, '=');
    *equals = 0;
    variable_set(text, equals + 1);
    if (export) variable_export(text);
    *equals = '=';
  }
}

/** In a child: becomes the command. */
static _Noreturn void become(const struct node *node, const struct command *command) {
  if (!redirect(node->redirections, false)) exit(1);
  assign(command, true);
  char **argv = (char **)command->words.items;
  environ = variables_environment(); /* run_program looks for PATH there */
  int error = run_program(argv, environ);
  warn("%s: %s", argv[0], error == -ENOENT ? "not found" : error_text(error));
  exit(error == -ENOENT ? 127 : 126);
}

static int fork_child(void) {
  int pid = fork_process();
  if (pid == 0) forget_saved();
  if (pid < 0) warn("fork: %s", error_text(pid));
  return pid;
}

static int wait_status(int pid) {
  int status = pid < 0 ? 1 : wait_for(pid);
  return status < 0 ? 127 : status;
}

/** Runs a simple command; `replace` says that this process has nothing else to do. */
static int run_command(const struct node *node, bool replace) {
  struct command command;
  prepare(node, &command);
  int argc = (int)command.words.length, status = 0;
  char **argv = (char **)command.words.items;
  builtin run = argc > 0 ? find_builtin(argv[0]) : NULL;
  if (argc == 0 || run) {
    int before = saved_count;
    /* `exec` without a command redirects the shell itself. */
    bool keep = !(run && argc == 1 && same(argv[0], "exec"));
    status = redirect(node->redirections, keep) ? 0 : 1;
    if (status == 0) {
      assign(&command, false);
      if (run) status = run(argc, argv);
    }
    restore(before);
  } else if (replace) {
    become(node, &command);
  } else {
    int pid = fork_child();
    if (pid == 0) become(node, &command);
    status = wait_status(pid);
  }
  release_list(&command.assignments);
  release_list(&command.words);
  return status;
}

/* --- Everything else --- */

/** In a child: runs a tree and exits with its status. */
static _Noreturn void run_and_exit(const struct node *node) {
  exit(node->kind == NODE_COMMAND ? run_command(node, true) : run_node(node));
}

/** In the parent and in the child alike: moves `from` to `to`, unless there is none. */
static void move_descriptor(int from, int to) {
  if (from < 0 || from == to) return;
  sys_dup_to(from, to);
  sys_close(from);
}

enum { MAX_STAGES = 32 };

static int run_pipeline(const struct node *node) {
  const struct node *stages[MAX_STAGES];
  int count = 0, pids[MAX_STAGES];
  for (; node->kind == NODE_PIPE && count < MAX_STAGES - 1; node = node->left)
    stages[count++] = node->right;
  stages[count++] = node;

  int input = -1;
  for (int stage = count - 1; stage >= 0; stage--) {
    int ends[2] = {-1, -1};
    int error = stage > 0 ? sys_pipe(ends) : 0;
    if (error < 0) warn("pipe: %s", error_text(error));
    pids[stage] = error < 0 ? -1 : fork_child();
    if (pids[stage] == 0) {
      if (ends[0] >= 0) sys_close(ends[0]);
      move_descriptor(input, 0);
      move_descriptor(ends[1], 1);
      run_and_exit(stages[stage]);
    }
    if (input >= 0) sys_close(input);
    if (ends[1] >= 0) sys_close(ends[1]);
    input = ends[0];
  }
  int status = 0;
  for (int stage = count - 1; stage >= 0; stage--) status = wait_status(pids[stage]);
  return status;
}

static int run_background(const struct node *node) {
  int pid = fork_child();
  if (pid == 0) {
    move_descriptor(sys_open("/dev/null", O_RDONLY, 0), 0);
    run_and_exit(node);
  }
  if (pid > 0) last_background = pid;
  return pid < 0;
}

static int run_subshell(const struct node *node) {
  int pid = fork_child();
  if (pid == 0) run_and_exit(node);
  return wait_status(pid);
}

/** After a loop's body: whether the loop goes on. */
static bool loop_goes_on(void) {
  if (leaving_loops == 0) return true;
  if (--leaving_loops > 0 || !continuing_loop) return false;
  continuing_loop = false;
  return true;
}

static int run_while(const struct node *node) {
  int status = 0;
  while ((run_node(node->left) == 0) == (node->kind == NODE_WHILE)) {
    if (leaving_loops > 0) return status;
    status = run_node(node->right);
    if (!loop_goes_on()) break;
  }
  return status;
}

static int run_for(const struct node *node) {
  struct list fields = {0};
  for (size_t i = 1; i < node->words.length; i++) expand_word(node->words.items[i], &fields);
  int status = 0;
  for (size_t i = 0; i < fields.length; i++) {
    variable_set(node->words.items[0], fields.items[i]);
    status = run_node(node->right);
    if (!loop_goes_on()) break;
  }
  release_list(&fields);
  return status;
}

static int run_if(const struct node *node) {
  if (run_node(node->left) == 0) return leaving_loops ? 0 : run_node(node->right);
  return node->third ? run_node(node->third) : 0;
}

static int run_kind(const struct node *node) {
  int status;
  switch (node->kind) {
    case NODE_COMMAND: return run_command(node, false);
    case NODE_PIPE: return run_pipeline(node);
    case NODE_AND:
      status = run_node(node->left);
      return status == 0 && !leaving_loops ? run_node(node->right) : status;
    case NODE_OR:
      status = run_node(node->left);
      return status != 0 && !leaving_loops ? run_node(node->right) : status;
    case NODE_SEQUENCE:
      status = run_node(node->left);
      return leaving_loops ? status : run_node(node->right);
    case NODE_BACKGROUND: return run_background(node->left);
    case NODE_NOT: return run_node(node->left) == 0;
    case NODE_GROUP: return run_node(node->left);
    case NODE_SUBSHELL: return run_subshell(node->left);
    case NODE_IF: return run_if(node);
    case NODE_WHILE:
    case NODE_UNTIL: return run_while(node);
    case NODE_FOR: return run_for(node);
  }
  return 1;
}

int run_node(const struct node *node) {
  int before = saved_count;
  /* A simple command redirects in its child, if it has one. */
  const struct redirection *own = node->kind == NODE_COMMAND ? NULL : node->redirections;
  last_status = redirect(own, true) ? run_kind(node) : 1;
  if (own) restore(before);
  return last_status;
}

int run_text(const char *text) {
  struct parser parser = {.at = text};
  for (struct node *node; (node = parse_command_line(&parser));) {
    run_node(node);
    if (leaving_loops) leaving_loops = 0; /* `break` outside of a loop */
    parser_release(&parser);
  }
  if (parser.status == PARSE_END) return last_status;
  if (parser.status == PARSE_INCOMPLETE)
    warn("the text ends too early");
  else
    warn("syntax error near '%.*s'", (int)parser.token_length, parser.token_start);
  return last_status = 2;
}

int run_file(const char *path) {
  int fd = sys_open(path, O_RDONLY, 0);
  struct buffer text = {0};
  int error = fd < 0 ? fd : read_to_buffer(fd, &text);
  if (fd >= 0) sys_close(fd);
  if (error < 0) {
    warn("%s: %s", path, error_text(error));
    return 127;
  }
  int status = run_text(text.data ? text.data : "");
  release(text.data);
  return status;
}
