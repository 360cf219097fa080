/*
 * sh: variables and positional parameters.
 */
#include "shell.h"
#include "string.h"

struct variable {
  struct variable *next;
  char *name, *value;
  bool exported;
};

static struct variable *variables;

char **parameters;
int parameter_count;
int last_status, last_background;

static struct variable *find(const char *name) {
  struct variable *variable = variables;
  while (variable && !same(variable->name, name)) variable = variable->next;
  return variable;
}

static struct variable *find_or_make(const char *name) {
  struct variable *variable = find(name);
  if (variable) return variable;
  variable = allocate(sizeof *variable);
  *variable = (struct variable){variables, copy_string(name), copy_string(""), false};
  return variables = variable;
}

void variables_start(char **envp) {
  for (; *envp; envp++) {
    size_t length = assignment_length(*envp);
    if (length == 0) continue;
    char *name = copy_bytes(*envp, length);
    variable_set(name, *envp + length + 1);
    variable_export(name);
    release(name);
  }
}

const char *variable_get(const char *name) {
  int64_t position;
  if (is_digit(name[0]) && parse_number(name, &position))
    return position <= parameter_count ? parameters[position] : NULL;
  struct variable *variable = find(name);
  return variable ? variable->value : NULL;
}

void variable_set(const char *name, const char *value) {
  struct variable *variable = find_or_make(name);
  char *old = variable->value;
  variable->value = copy_string(value); /* `value` may lie in the old one */
  release(old);
}

void variable_export(const char *name) { find_or_make(name)->exported = true; }

void variable_unset(const char *name) {
  for (struct variable **link = &variables; *link; link = &(*link)->next) {
    struct variable *variable = *link;
    if (!same(variable->name, name)) continue;
    *link = variable->next;
    release(variable->name);
    release(variable->value);
    release(variable);
    return;
  }
}

char **variables_environment(void) {
  struct list environment = {.items = allocate(sizeof(void *)), .capacity = 1};
  environment.items[0] = NULL;
  for (struct variable *variable = variables; variable; variable = variable->next) {
    if (!variable->exported) continue;
    struct buffer entry = {0};
    buffer_append(&entry, variable->name, strlen(variable->name));
    buffer_push(&entry, '=');
    buffer_append(&entry, variable->value, strlen(variable->value));
    list_push(&environment, entry.data);
  }
  return (char **)environment.items;
}

size_t assignment_length(const char *word) {
  if (is_digit(*word)) return 0;
  size_t length = 0;
  while (is_word(word[length])) length++;
  return word[length] == '=' ? length : 0;
}
