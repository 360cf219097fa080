/*
 * A mix like that of Dhrystone: records that are copied, strings that are compared and copied, many short procedures
 * with parameters of all kinds. Not Dhrystone: its numbers cannot be compared.
 */
#include "guest.h"

#define NAME_BYTES 32

enum colour { RED, GREEN, BLUE, BLACK };

struct record {
  struct record *next;
  enum colour colour;
  int amount;
  char name[NAME_BYTES];
};

struct globals {
  struct record *first, *second;
  int last, flag;
  char mark_a, mark_b;
  int line[64];
  int square[64][64];
};

static NOINLINE void copy_text(char *to, const char *from) {
  while ((*to++ = *from++) != 0) {
  }
}

static NOINLINE int compare_text(const char *a, const char *b) {
  for (; *a != 0 && *a == *b; a++, b++) {
  }
  return (u8)*a - (u8)*b;
}

static NOINLINE void add_two(int a, int b, int *sum) { *sum = a + b + 2; }
static NOINLINE int is_same(char a, char b) { return a == b; }
static NOINLINE int is_blue(enum colour colour) { return colour == BLUE; }

static NOINLINE enum colour next_colour(const struct globals *globals, enum colour colour) {
  switch (colour) {
    case RED:
      return is_blue(colour) ? BLUE : GREEN;
    case GREEN:
      return globals->last > 100 ? RED : BLACK;
    case BLUE:
      return GREEN;
    default:
      return is_blue(colour) ? RED : BLUE;
  }
}

static NOINLINE void fill(struct globals *globals, int at, int value) {
  int from = at + 5;
  globals->line[from] = value;
  globals->line[from + 1] = globals->line[from];
  globals->line[from + 30] = from;
  for (int n = from; n <= from + 1; n++) globals->square[from][n] = from;
  globals->square[from][from - 1] += 1;
  globals->square[from + 20][from] = globals->line[from];
  globals->last = value + 5;
}

static NOINLINE void follow(const struct globals *globals, struct record **at) {
  if (globals->first != 0) *at = globals->first->next;
  add_two(10, globals->last, &globals->first->amount);
}

static NOINLINE void update(struct globals *globals, struct record *record) {
  struct record *next = record->next;
  *next = *globals->first;
  record->amount = 5;
  next->amount = record->amount;
  next->next = record;
  follow(globals, &next->next);
  if (next->colour == RED) {
    next->amount = 6;
    next->colour = next_colour(globals, record->colour);
  } else {
    add_two(next->amount, 10, &next->amount);
    copy_text(next->name, record->name);
  }
  next->next = record;
}

static NOINLINE int is_later(struct globals *globals, const char *a, const char *b) {
  int at = 2;
  char mark = 0;
  while (at <= 2) {
    if (!is_same(a[at], b[at + 1])) mark = 'A';
    at++;
  }
  if (mark >= 'W' && mark < 'Z') at = 7;
  if (compare_text(a, b) <= 0) return 0;
  globals->last = at + 7;
  return 1;
}

u64 run_dhrystone(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  struct globals *globals = (struct globals *)arena;
  struct record *records = (struct record *)(globals + 1);
  char ours[NAME_BYTES], theirs[NAME_BYTES];
  memset(globals, 0, sizeof *globals);
  globals->first = &records[0];
  globals->second = &records[1];
  records[0] = (struct record){.next = &records[1], .colour = BLUE, .amount = 40};
  records[1] = records[0];
  copy_text(records[0].name, "a record that has a longer name");
  copy_text(ours, "the first of two long texts");
  u64 check = 0;
  for (u64 pass = 1; pass <= count; pass++) {
    int a = 2, b = 3, c = 0;
    globals->mark_a = 'A';
    globals->mark_b = (char)('B' + (pass & 1));
    copy_text(theirs, "the first of two long tales");
    globals->flag = !is_later(globals, ours, theirs);
    for (; a < b; a++) add_two(a, 5 * a - b, &c);
    fill(globals, a, c);
    globals->first->next = globals->second;
    update(globals, globals->first);
    enum colour colour = GREEN;
    for (char mark = 'A'; mark <= globals->mark_b; mark++) {
      if (is_same(mark, 'C')) {
        colour = next_colour(globals, colour);
        copy_text(theirs, "the third of two long texts");
        globals->last = (int)pass;
      }
    }
    b = b * a + (int)colour;
    a = b / (c | 1);
    c = 7 * (b - c) - a + globals->second->amount;
    check = check * 31 + (u64)(u32)(a + b + c + globals->last);
  }
  return check;
}
