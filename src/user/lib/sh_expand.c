/*
 * sh: from raw words to the arguments of a command.
 *
 * Quotes go, `$` pieces are replaced, unquoted replacements are split at blanks, and unquoted `*`,
 * `?` and `[` match paths. While a field is put together it is a pattern: what was quoted has a
 * backslash before it if it would mean something in a pattern.
 */
#include "files.h"
#include "print.h"
#include "process.h"
#include "shell.h"
#include "string.h"

struct expansion {
  /** Where finished fields go; null if the word is to stay one text. */
  struct list *fields;
  struct buffer field;
  /** The field exists even if it is empty, because a quote or a character was seen. */
  bool exists;
  /** An unquoted pattern character was seen. */
  bool magic;
};

static void expand(struct expansion *expansion, const char *at);
static const char *push_double_quoted(struct expansion *expansion, const char *at);

static void push(struct expansion *expansion, char c, bool quoted) {
  bool special = c == '*' || c == '?' || c == '[';
  expansion->magic |= special && !quoted;
  if (c == '\\' || (special && quoted)) buffer_push(&expansion->field, '\\');
  buffer_push(&expansion->field, c);
  expansion->exists = true;
}

static void end_field(struct expansion *expansion) {
  if (!expansion->exists) return;
  const char *pattern = expansion->field.data ? expansion->field.data : "";
  if (!expansion->magic || !glob(pattern, expansion->fields))
    list_push(expansion->fields, unquote_pattern(pattern));
  release(expansion->field.data);
  expansion->field = (struct buffer){0};
  expansion->exists = expansion->magic = false;
}

/** A replacement's text: split into fields if it is unquoted. */
static void push_value(struct expansion *expansion, const char *value, bool quoted) {
  for (; *value; value++)
    if (!quoted && expansion->fields && is_space(*value)) end_field(expansion);
    else push(expansion, *value, quoted || !expansion->fields);
}

/** $@ and $*: all parameters, each at least a field of its own but for "$*". */
static void push_parameters(struct expansion *expansion, bool joined, bool quoted) {
  for (int i = 1; i <= parameter_count; i++) {
    if (i > 1 && (joined || !expansion->fields)) push(expansion, ' ', true);
    else if (i > 1) end_field(expansion);
    push_value(expansion, parameters[i], quoted);
    expansion->exists |= quoted;
  }
}

static void push_integer(struct expansion *expansion, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%ld", value);
  push_value(expansion, text, true);
}

/** $(text): what the commands write, without the newlines at its end. */
static void push_output(struct expansion *expansion, const char *text, bool quoted) {
  int ends[2];
  int error = sys_pipe(ends);
  if (error < 0) die("pipe: %s", error_text(error));
  int pid = fork_process();
  if (pid == 0) {
    sys_close(ends[0]);
    sys_dup_to(ends[1], 1);
    if (ends[1] != 1) sys_close(ends[1]);
    exit(run_text(text));
  }
  sys_close(ends[1]);
  struct buffer output = {0};
  if (pid > 0) read_to_buffer(ends[0], &output);
  sys_close(ends[0]);
  last_status = pid > 0 ? wait_for(pid) : 1;
  while (output.length > 0 && output.data[output.length - 1] == '\n')
    output.data[--output.length] = 0;
  if (output.data) push_value(expansion, output.data, quoted);
  release(output.data);
}

/** ${name}, ${name:-word} and ${#name}. */
static void push_braced(struct expansion *expansion, char *inner, bool quoted) {
  bool length_only = inner[0] == '#' && inner[1];
  if (length_only) inner++;
  char *otherwise = strstr(inner, ":-");
  if (otherwise) *otherwise = 0;
  const char *value = variable_get(inner);
  if (otherwise && (!value || !*value)) {
    const char *at = otherwise + 2;
    if (!quoted) expand(expansion, at);
    else
      while (*at) at = push_double_quoted(expansion, at);
  } else if (length_only) {
    push_integer(expansion, value ? (int64_t)strlen(value) : 0);
  } else if (value) {
    push_value(expansion, value, quoted);
  }
}

/** $((text)). */
static void push_arithmetic(struct expansion *expansion, const char *text) {
  char *expanded = expand_to_text(text);
  int64_t value = 0;
  if (!evaluate_arithmetic(expanded, &value)) warn("%s: bad arithmetic", expanded);
  push_integer(expansion, value);
  release(expanded);
}

/** Replaces what starts at the dollar `at`; returns where it ends. */
static const char *push_dollar(struct expansion *expansion, const char *at, bool quoted) {
  if (at[1] == '(' || at[1] == '{') {
    const char *end = skip_quoted(at);
    bool arithmetic = at[1] == '(' && at[2] == '(' && end[-2] == ')';
    size_t border = arithmetic ? 2 : 1;
    char *inner = copy_bytes(at + 1 + border, (size_t)(end - at) - 1 - 2 * border);
    if (arithmetic) push_arithmetic(expansion, inner);
    else if (at[1] == '(') push_output(expansion, inner, quoted);
    else push_braced(expansion, inner, quoted);
    release(inner);
    return end;
  }
  switch (at[1]) {
    case '?': push_integer(expansion, last_status); return at + 2;
    case '$': push_integer(expansion, sys_getpid()); return at + 2;
    case '!': push_integer(expansion, last_background); return at + 2;
    case '#': push_integer(expansion, parameter_count); return at + 2;
    case '@':
    case '*': push_parameters(expansion, quoted && at[1] == '*', quoted); return at + 2;
    default: break;
  }
  size_t length = 0;
  if (is_digit(at[1])) length = 1;
  else
    while (is_word(at[1 + length])) length++;
  if (length == 0) {
    push(expansion, '$', quoted);
    return at + 1;
  }
  char *name = copy_bytes(at + 1, length);
  const char *value = variable_get(name);
  if (value) push_value(expansion, value, quoted);
  release(name);
  return at + 1 + length;
}

/** The inside of double quotes; returns where they end. */
static const char *push_double_quoted(struct expansion *expansion, const char *at) {
  /* "$@" without parameters is no field at all, the only quoted thing that is not. */
  if (strncmp(at, "$@\"", 3) != 0) expansion->exists = true;
  while (*at && *at != '"') {
    if (*at == '$') {
      at = push_dollar(expansion, at, true);
    } else if (*at == '\\' && at[1] && strchr("$\"\\\n", at[1])) {
      if (at[1] != '\n') push(expansion, at[1], true);
      at += 2;
    } else {
      push(expansion, *at++, true);
    }
  }
  return *at ? at + 1 : at;
}

static void expand(struct expansion *expansion, const char *at) {
  while (*at) switch (*at) {
      case '\'':
        expansion->exists = true;
        for (at++; *at && *at != '\''; at++) push(expansion, *at, true);
        if (*at) at++;
        break;
      case '"': at = push_double_quoted(expansion, at + 1); break;
      case '\\':
        if (at[1] && at[1] != '\n') push(expansion, at[1], true);
        at += at[1] ? 2 : 1;
        break;
      case '$': at = push_dollar(expansion, at, false); break;
      default: push(expansion, *at++, false);
    }
}

void expand_word(const char *word, struct list *fields) {
  struct expansion expansion = {.fields = fields};
  expand(&expansion, word);
  end_field(&expansion);
}

char *expand_to_text(const char *word) {
  struct expansion expansion = {0};
  expand(&expansion, word);
  char *text = unquote_pattern(expansion.field.data ? expansion.field.data : "");
  release(expansion.field.data);
  return text;
}
