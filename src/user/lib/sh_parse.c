/*
 * sh: from text to a tree. Recursive descent over one token of lookahead.
 *
 *   line     = list (newline | end)
 *   list     = and_or ((';' | '&') and_or)* [';' | '&']
 *   and_or   = pipeline (('&&' | '||') pipeline)*
 *   pipeline = ['!'] command ('|' command)*
 *   command  = word+ | '(' block ')' | '{' block '}' | if | while | until | for, with redirections
 *   block    = a list that may also be separated by newlines
 */
#include "shell.h"
#include "string.h"
#include "sys.h"

enum token {
  TOKEN_END,
  TOKEN_NEWLINE,
  TOKEN_WORD,
  TOKEN_SEMICOLON,
  TOKEN_BACKGROUND,
  TOKEN_AND,
  TOKEN_OR,
  TOKEN_PIPE,
  TOKEN_OPEN,
  TOKEN_CLOSE,
  TOKEN_IN,
  TOKEN_OUT,
  TOKEN_APPEND,
  TOKEN_DUPLICATE,
};

/** Longest first, so that the first that fits is the operator. */
static const struct {
  char text[3];
  enum token token;
} operators[] = {
    {"&&", TOKEN_AND},   {"||", TOKEN_OR},      {">>", TOKEN_APPEND}, {">&", TOKEN_DUPLICATE},
    {";", TOKEN_SEMICOLON}, {"&", TOKEN_BACKGROUND}, {"|", TOKEN_PIPE},   {"(", TOKEN_OPEN},
    {")", TOKEN_CLOSE},  {"<", TOKEN_IN},       {">", TOKEN_OUT},     {"\n", TOKEN_NEWLINE},
};

/* --- Memory of the tree --- */

static void *own(struct parser *parser, void *memory) {
  list_push(&parser->owned, memory);
  return memory;
}

static struct node *new_node(struct parser *parser, enum node_kind kind, struct node *left,
                             struct node *right) {
  struct node *node = own(parser, allocate(sizeof *node));
  *node = (struct node){.kind = kind, .left = left, .right = right};
  return node;
}

void parser_release(struct parser *parser) {
  for (size_t i = 0; i < parser->owned.length; i++) release(parser->owned.items[i]);
  parser->owned.length = 0;
}

/* --- Tokens --- */

/** The end of a bracketed piece, past its closing character; null if there is none. */
static const char *skip_to(const char *at, char open, char close) {
  for (int depth = 1; *at;) {
    if (*at == close && --depth == 0) return at + 1;
    if (*at == open) depth++;
    const char *end = skip_quoted(at);
    if (!end) return NULL;
    at = end > at ? end : at + 1;
  }
  return NULL;
}

const char *skip_quoted(const char *at) {
  switch (*at) {
    case '\\': return at[1] ? at + 2 : NULL;
    case '\'': {
      const char *end = strchr(at + 1, '\'');
      return end ? end + 1 : NULL;
    }
    case '"':
      for (at++; *at && *at != '"';) {
        const char *end = *at == '\'' ? at : skip_quoted(at);
        if (!end) return NULL;
        at = end > at ? end : at + 1;
      }
      return *at ? at + 1 : NULL;
    case '$':
      if (at[1] == '(') return skip_to(at + 2, '(', ')');
      if (at[1] == '{') return skip_to(at + 2, '{', '}');
      return at;
    default: return at;
  }
}

static bool ends_word(char c) { return c == 0 || strchr(" \t\n;&|()<>", c) != NULL; }

static void scan_word(struct parser *parser) {
  const char *at = parser->token_start;
  while (!ends_word(*at)) {
    const char *end = skip_quoted(at);
    if (!end) {
      parser->status = PARSE_INCOMPLETE;
      at += strlen(at);
      break;
    }
    at = end > at ? end : at + 1;
  }
  parser->token = TOKEN_WORD;
  parser->token_length = (size_t)(at - parser->token_start);
  parser->at = at;
}

/** A single digit right before < or > says which descriptor is meant. */
static bool scan_io_number(struct parser *parser) {
  const char *at = parser->at;
  if (!is_digit(at[0]) || (at[1] != '<' && at[1] != '>')) return false;
  parser->io_number = at[0] - '0';
  parser->at++;
  return true;
}

static void advance(struct parser *parser) {
  for (;;) {
    if (*parser->at == ' ' || *parser->at == '\t') parser->at++;
    else if (parser->at[0] == '\\' && parser->at[1] == '\n') parser->at += 2;
    else break;
  }
  if (*parser->at == '#')
    while (*parser->at && *parser->at != '\n') parser->at++;

  parser->io_number = -1;
  parser->token_start = parser->at;
  parser->token = TOKEN_END;
  parser->token_length = 0;
  if (!*parser->at) return;
  if (scan_io_number(parser)) parser->token_start = parser->at;
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    size_t length = strlen(operators[i].text);
    if (strncmp(parser->at, operators[i].text, length) != 0) continue;
    parser->token = operators[i].token;
    parser->token_length = length;
    parser->at += length;
    return;
  }
  scan_word(parser);
}

static void *fail(struct parser *parser) {
  if (parser->status == PARSE_OK)
    parser->status = parser->token == TOKEN_END ? PARSE_INCOMPLETE : PARSE_ERROR;
  return NULL;
}

static bool at_word(const struct parser *parser, const char *word) {
  return parser->token == TOKEN_WORD && strlen(word) == parser->token_length &&
         strncmp(parser->token_start, word, parser->token_length) == 0;
}

static bool accept_word(struct parser *parser, const char *word) {
  if (!at_word(parser, word)) return false;
  advance(parser);
  return true;
}

static bool expect_word(struct parser *parser, const char *word) {
  return accept_word(parser, word) || fail(parser);
}

static char *take_word(struct parser *parser) {
  if (parser->token != TOKEN_WORD) return fail(parser);
  char *text = own(parser, copy_bytes(parser->token_start, parser->token_length));
  advance(parser);
  return text;
}

static void skip_newlines(struct parser *parser) {
  while (parser->token == TOKEN_NEWLINE) advance(parser);
}

/** A word that ends the block it stands in, where a command would start. */
static bool at_block_end(const struct parser *parser) {
  static const char *const words[] = {"then", "elif", "else", "fi", "do", "done", "}"};
  if (parser->token == TOKEN_CLOSE || parser->token == TOKEN_END) return true;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (at_word(parser, words[i])) return true;
  return false;
}

/* --- Grammar --- */

static struct node *parse_block(struct parser *parser);

/** Takes one redirection, if there is one, and appends it. False on an error. */
static bool parse_redirection(struct parser *parser, struct node *node, bool *found) {
  int flags, fd = parser->io_number;
  *found = true;
  switch (parser->token) {
    case TOKEN_IN: flags = O_RDONLY; break;
    case TOKEN_OUT: flags = O_WRONLY | O_CREAT | O_TRUNC; break;
    case TOKEN_APPEND: flags = O_WRONLY | O_CREAT | O_APPEND; break;
    case TOKEN_DUPLICATE: flags = -1; break;
    default: *found = false; return true;
  }
  if (fd < 0) fd = parser->token == TOKEN_IN ? 0 : 1;
  advance(parser);
  char *target = take_word(parser);
  if (!target) return false;

  struct redirection *redirection = own(parser, allocate(sizeof *redirection));
  *redirection = (struct redirection){.fd = fd, .flags = flags, .target = target};
  struct redirection **end = &node->redirections;
  while (*end) end = &(*end)->next;
  *end = redirection;
  return true;
}

/** The list's array may move, so it is handed to `owned` only once it is complete. */
static void own_words(struct parser *parser, struct node *node) {
  if (node->words.items) own(parser, node->words.items);
}

static struct node *parse_simple(struct parser *parser) {
  struct node *node = new_node(parser, NODE_COMMAND, NULL, NULL);
  bool any = false;
  for (;;) {
    bool redirected;
    if (!parse_redirection(parser, node, &redirected)) break;
    if (!redirected && parser->token != TOKEN_WORD) break;
    if (!redirected) list_push(&node->words, take_word(parser));
    any = true;
  }
  own_words(parser, node);
  return any && parser->status == PARSE_OK ? node : fail(parser);
}

/** After `if` or `elif`. */
static struct node *parse_if(struct parser *parser) {
  struct node *condition = parse_block(parser);
  if (!condition || !expect_word(parser, "then")) return NULL;
  struct node *then = parse_block(parser);
  if (!then) return NULL;
  struct node *node = new_node(parser, NODE_IF, condition, then);
  if (accept_word(parser, "elif")) {
    node->third = parse_if(parser);
    return node->third ? node : NULL;
  }
  if (accept_word(parser, "else") && !(node->third = parse_block(parser))) return NULL;
  return expect_word(parser, "fi") ? node : NULL;
}

static struct node *parse_do(struct parser *parser) {
  if (!expect_word(parser, "do")) return NULL;
  struct node *body = parse_block(parser);
  return body && expect_word(parser, "done") ? body : NULL;
}

static struct node *parse_while(struct parser *parser, enum node_kind kind) {
  struct node *condition = parse_block(parser);
  struct node *body = condition ? parse_do(parser) : NULL;
  return body ? new_node(parser, kind, condition, body) : NULL;
}

static struct node *parse_for(struct parser *parser) {
  struct node *node = new_node(parser, NODE_FOR, NULL, NULL);
  char *name = take_word(parser);
  if (!name) return NULL;
  list_push(&node->words, name);
  skip_newlines(parser);
  if (accept_word(parser, "in"))
    while (parser->token == TOKEN_WORD) list_push(&node->words, take_word(parser));
  else
    list_push(&node->words, own(parser, copy_string("\"$@\"")));
  own_words(parser, node);
  if (parser->token == TOKEN_SEMICOLON) advance(parser);
  skip_newlines(parser);
  node->right = parse_do(parser);
  return node->right ? node : NULL;
}

/** A command that is not simple, or null with status PARSE_OK if none starts here. */
static struct node *parse_compound(struct parser *parser, bool *found) {
  struct node *inner;
  *found = true;
  if (parser->token == TOKEN_OPEN) {
    advance(parser);
    inner = parse_block(parser);
    if (!inner) return NULL;
    if (parser->token != TOKEN_CLOSE) return fail(parser);
    advance(parser);
    return new_node(parser, NODE_SUBSHELL, inner, NULL);
  }
  if (accept_word(parser, "{")) {
    inner = parse_block(parser);
    if (!inner || !expect_word(parser, "}")) return NULL;
    return new_node(parser, NODE_GROUP, inner, NULL);
  }
  if (accept_word(parser, "if")) return parse_if(parser);
  if (accept_word(parser, "while")) return parse_while(parser, NODE_WHILE);
  if (accept_word(parser, "until")) return parse_while(parser, NODE_UNTIL);
  if (accept_word(parser, "for")) return parse_for(parser);
  *found = false;
  return NULL;
}

static struct node *parse_command(struct parser *parser) {
  bool found, redirected = true;
  if (at_block_end(parser)) return fail(parser);
  struct node *node = parse_compound(parser, &found);
  if (!found) return parse_simple(parser);
  while (node && redirected)
    if (!parse_redirection(parser, node, &redirected)) return NULL;
  return node;
}

static struct node *parse_pipeline(struct parser *parser) {
  bool negated = accept_word(parser, "!");
  struct node *left = parse_command(parser);
  while (left && parser->token == TOKEN_PIPE) {
    advance(parser);
    skip_newlines(parser);
    struct node *right = parse_command(parser);
    left = right ? new_node(parser, NODE_PIPE, left, right) : NULL;
  }
  return left && negated ? new_node(parser, NODE_NOT, left, NULL) : left;
}

static struct node *parse_and_or(struct parser *parser) {
  struct node *left = parse_pipeline(parser);
  while (left && (parser->token == TOKEN_AND || parser->token == TOKEN_OR)) {
    enum node_kind kind = parser->token == TOKEN_AND ? NODE_AND : NODE_OR;
    advance(parser);
    skip_newlines(parser);
    struct node *right = parse_pipeline(parser);
    left = right ? new_node(parser, kind, left, right) : NULL;
  }
  return left;
}

/** A list; with `block` newlines separate too and it goes on to what ends the block. */
static struct node *parse_list(struct parser *parser, bool block) {
  struct node *list = NULL;
  for (;;) {
    if (block) skip_newlines(parser);
    if (list && (at_block_end(parser) || parser->token == TOKEN_NEWLINE)) return list;
    struct node *item = parse_and_or(parser);
    if (!item) return NULL;
    bool separated = true;
    if (parser->token == TOKEN_BACKGROUND) {
      item = new_node(parser, NODE_BACKGROUND, item, NULL);
      advance(parser);
    } else if (parser->token == TOKEN_SEMICOLON || (block && parser->token == TOKEN_NEWLINE)) {
      advance(parser);
    } else {
      separated = false;
    }
    list = list ? new_node(parser, NODE_SEQUENCE, list, item) : item;
    if (!separated) return list;
  }
}

static struct node *parse_block(struct parser *parser) { return parse_list(parser, true); }

struct node *parse_command_line(struct parser *parser) {
  parser->status = PARSE_OK;
  do advance(parser);
  while (parser->token == TOKEN_NEWLINE);
  if (parser->token == TOKEN_END && parser->status == PARSE_OK) {
    parser->status = PARSE_END;
    return NULL;
  }
  struct node *node = parse_list(parser, false);
  if (node && parser->token != TOKEN_NEWLINE && parser->token != TOKEN_END) return fail(parser);
  return parser->status == PARSE_OK ? node : fail(parser);
}
