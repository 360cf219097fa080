/*
 * mkfiles [-s SEED] [-n FILES] [-l LINES] DIRECTORY: writes text files that look like source code,
 * unit000.src and so on, the same for the same seed: input for `tok`.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "random.h"
#include "string.h"

static const char *const nouns[] = {"page", "frame", "gate", "view", "domain", "hart",
                                    "lock", "queue", "entry", "region", "thread", "grant"};
static const char *const verbs[] = {"map", "find", "check", "release", "enter", "count", "merge"};

#define PICK(random, array) array[random_below(random, sizeof(array) / sizeof(array)[0])]

static void append(struct buffer *text, const char *piece) {
  buffer_append(text, piece, strlen(piece));
}

/** An identifier such as find_page7. */
static void append_name(struct buffer *text, struct random *random) {
  char number[8];
  append(text, PICK(random, verbs));
  buffer_push(text, '_');
  append(text, PICK(random, nouns));
  snprintf(number, sizeof number, "%u", random_below(random, 9));
  append(text, number);
}

static void append_line(struct buffer *text, struct random *random) {
  char number[16];
  switch (random_below(random, 6)) {
    case 0:
      append(text, "/* ");
      append(text, PICK(random, nouns));
      append(text, " before ");
      append(text, PICK(random, nouns));
      append(text, " */\n");
      break;
    case 1:
      append(text, "if (");
      append_name(text, random);
      append(text, " != ");
      append_name(text, random);
      append(text, ") return;\n");
      break;
    case 2:
      append(text, "print(\"");
      append(text, PICK(random, nouns));
      append(text, "\");\n");
      break;
    default:
      append_name(text, random);
      append(text, " = ");
      append_name(text, random);
      snprintf(number, sizeof number, "(%u);\n", random_below(random, 100000));
      append(text, number);
      break;
  }
}

int main(int argc, char **argv) {
  static const char how[] = "[-s SEED] [-n FILES] [-l LINES] DIRECTORY";
  struct random random = {1};
  int64_t files = 8, lines = 40;
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "s:n:l:")) != 0;)
    switch (c) {
      case 's': random.state = (uint64_t)number_option(&options); break;
      case 'n': files = number_option(&options); break;
      case 'l': lines = number_option(&options); break;
      default: usage(how);
    }
  if (options.next + 1 != argc) usage(how);
  struct buffer text = {0};
  for (int64_t file = 0; file < files; file++) {
    char name[24];
    snprintf(name, sizeof name, "unit%03ld.src", file);
    char *path = join_path(argv[options.next], name);
    text.length = 0;
    for (int64_t line = 0; line < lines; line++) append_line(&text, &random);
    int fd = sys_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int error = fd < 0 ? fd : write_all(fd, text.data ? text.data : "", text.length);
    if (error < 0) die("%s: %s", path, error_text(error));
    sys_close(fd);
    release(path);
  }
  return 0;
}
