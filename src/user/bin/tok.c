/*
 * tok [-o INDEX] FILE...: takes source text apart into identifiers, numbers, strings, comments and
 * operators, and writes an index of the identifiers, `name count first-file:line` in order, to
 * INDEX. Prints how many tokens of each kind there were and the index's checksum: the small
 * application of the bench, half reading and half sorting.
 */
#include "files.h"
#include "options.h"
#include "print.h"
#include "random.h"
#include "string.h"

enum kind { IDENTIFIER, NUMBER, STRING, COMMENT, OPERATOR, KINDS };
static uint64_t counts[KINDS];

struct symbol {
  struct symbol *next;
  char *name;
  uint64_t count;
  const char *file;
  uint64_t line;
};
enum { BUCKETS = 256 };
static struct symbol *buckets[BUCKETS];
static struct list symbols;

static void note_symbol(const char *name, size_t length, const char *file, uint64_t line) {
  uint64_t hash = checksum(CHECKSUM_START, name, length);
  struct symbol **bucket = &buckets[(hash ^ hash >> 8) % BUCKETS];
  for (struct symbol *symbol = *bucket; symbol; symbol = symbol->next)
    if (strncmp(symbol->name, name, length) == 0 && !symbol->name[length]) {
      symbol->count++;
      return;
    }
  struct symbol *symbol = allocate(sizeof *symbol);
  *symbol = (struct symbol){*bucket, copy_bytes(name, length), 1, file, line};
  *bucket = symbol;
  list_push(&symbols, symbol);
}

/** The end of a comment or string, or of the text if it has no end. */
static const char *skip_past(const char *at, const char *mark) {
  const char *found = strstr(at, mark);
  return found ? found + strlen(mark) : at + strlen(at);
}

static const char *take_token(const char *at, const char *file, uint64_t line) {
  const char *start = at;
  enum kind kind;
  if (is_letter(*at) || *at == '_') {
    kind = IDENTIFIER;
    while (is_word(*at)) at++;
    note_symbol(start, (size_t)(at - start), file, line);
  } else if (is_digit(*at)) {
    kind = NUMBER;
    while (is_word(*at)) at++;
  } else if (*at == '"') {
    kind = STRING;
    at = skip_past(at + 1, "\"");
  } else if (at[0] == '/' && at[1] == '*') {
    kind = COMMENT;
    at = skip_past(at + 2, "*/");
  } else {
    kind = OPERATOR;
    at++;
  }
  counts[kind]++;
  return at;
}

static int tokenise(int fd, const char *file) {
  struct buffer text = {0};
  int error = read_to_buffer(fd, &text);
  if (error < 0) return error;
  const char *counted = text.data;
  uint64_t line = 1;
  for (const char *at = text.data; at && *at;) {
    for (; counted < at; counted++) line += *counted == '\n';
    if (is_space(*at)) at++;
    else at = take_token(at, file, line);
  }
  release(text.data);
  return 0;
}

static int by_name(const void *left, const void *right) {
  return strcmp(((const struct symbol *)left)->name, ((const struct symbol *)right)->name);
}

int main(int argc, char **argv) {
  const char *index = NULL;
  struct options options = {.argc = argc, .argv = argv};
  for (int c; (c = next_option(&options, "o:")) != 0;) {
    if (c != 'o') usage("[-o INDEX] FILE...");
    index = options.value;
  }
  int failed = for_each_input(argv + options.next, tokenise);
  sort_pointers(symbols.items, symbols.length, by_name);

  struct buffer text = {0};
  for (size_t i = 0; i < symbols.length; i++) {
    const struct symbol *symbol = symbols.items[i];
    char line[200];
    size_t length = snprintf(line, sizeof line, "%s %lu %s:%lu\n", symbol->name, symbol->count,
                             basename(symbol->file), symbol->line);
    buffer_append(&text, line, length < sizeof line ? length : sizeof line - 1);
  }
  if (index) {
    int fd = sys_open(index, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int error = fd < 0 ? fd : write_all(fd, text.data ? text.data : "", text.length);
    if (error < 0) die("%s: %s", index, error_text(error));
    sys_close(fd);
  }
  printf("%lu identifiers (%lu different), %lu numbers, %lu strings, %lu comments, %lu operators, "
         "sum %016lx\n",
         counts[IDENTIFIER], symbols.length, counts[NUMBER], counts[STRING], counts[COMMENT],
         counts[OPERATOR], checksum(CHECKSUM_START, text.data, text.length));
  return failed;
}
