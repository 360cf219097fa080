/*
 * sh: the arithmetic of $((...)): 64-bit integers, + - * / % and comparisons, parentheses, unary
 * minus and !, variables with or without a dollar.
 */
#include "shell.h"
#include "string.h"

struct arithmetic {
  const char *at;
  bool failed;
};

static int64_t parse_level(struct arithmetic *arithmetic, int level);

static void skip_blanks(struct arithmetic *arithmetic) {
  while (is_space(*arithmetic->at)) arithmetic->at++;
}

static int64_t parse_operand(struct arithmetic *arithmetic) {
  skip_blanks(arithmetic);
  const char *start = arithmetic->at;
  if (*start == '-' || *start == '!') {
    arithmetic->at++;
    int64_t value = parse_operand(arithmetic);
    return *start == '-' ? -value : !value;
  }
  if (*start == '(') {
    arithmetic->at++;
    int64_t value = parse_level(arithmetic, 0);
    skip_blanks(arithmetic);
    if (*arithmetic->at == ')') arithmetic->at++;
    else arithmetic->failed = true;
    return value;
  }
  while (is_word(*arithmetic->at)) arithmetic->at++;
  char *text = copy_bytes(start, (size_t)(arithmetic->at - start));
  const char *number = is_digit(*text) ? text : variable_get(text);
  int64_t value = 0;
  /* A variable that is not set counts as 0; no operand at all is an error. */
  if (!*text || (number && *number && !parse_number(number, &value))) arithmetic->failed = true;
  release(text);
  return value;
}

/** Operators by level, loosest first; two characters before one. */
static const struct {
  int level;
  char text[3];
} operators[] = {{0, "=="}, {0, "!="}, {0, "<="}, {0, ">="}, {0, "<"}, {0, ">"},
                 {1, "+"},  {1, "-"},  {2, "*"},  {2, "/"},  {2, "%"}};
enum { LEVELS = 3, OPERATORS = sizeof operators / sizeof operators[0] };

static int64_t apply(struct arithmetic *arithmetic, const char *operator, int64_t l, int64_t r) {
  switch (operator[0] << 8 | operator[1]) {
    case '=' << 8 | '=': return l == r;
    case '!' << 8 | '=': return l != r;
    case '<' << 8 | '=': return l <= r;
    case '>' << 8 | '=': return l >= r;
    case '<' << 8: return l < r;
    case '>' << 8: return l > r;
    case '+' << 8: return (int64_t)((uint64_t)l + (uint64_t)r);
    case '-' << 8: return (int64_t)((uint64_t)l - (uint64_t)r);
    case '*' << 8: return (int64_t)((uint64_t)l * (uint64_t)r);
    default: break;
  }
  if (r == 0) arithmetic->failed = true;
  if (r == 0 || r == -1) return r == 0 ? 0 : operator[0] == '/' ? -l : 0;
  return operator[0] == '/' ? l / r : l % r;
}

static int64_t parse_level(struct arithmetic *arithmetic, int level) {
  if (level == LEVELS) return parse_operand(arithmetic);
  int64_t value = parse_level(arithmetic, level + 1);
  for (;;) {
    skip_blanks(arithmetic);
    int i = 0;
    while (i < OPERATORS && (operators[i].level != level ||
                             strncmp(arithmetic->at, operators[i].text, strlen(operators[i].text))))
      i++;
    if (i == OPERATORS) return value;
    arithmetic->at += strlen(operators[i].text);
    value = apply(arithmetic, operators[i].text, value, parse_level(arithmetic, level + 1));
  }
}

bool evaluate_arithmetic(const char *text, int64_t *value) {
  struct arithmetic arithmetic = {.at = text};
  *value = parse_level(&arithmetic, 0);
  skip_blanks(&arithmetic);
  return !arithmetic.failed && !*arithmetic.at;
}
