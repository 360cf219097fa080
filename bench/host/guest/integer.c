/*
 * A mix like that of CoreMark: a linked list that is searched, turned and sorted through a pointer to a function, small
 * matrices, a state machine over text, and a CRC over every result. Not CoreMark: its numbers cannot be compared.
 */
#include "guest.h"

#define ITEMS 120
#define SIDE 18
#define TEXT_BYTES 512

struct item {
  struct item *next;
  s16 key, place;
};

struct mix {
  struct item items[ITEMS];
  s16 left[SIDE][SIDE], right[SIDE][SIDE];
  s32 product[SIDE][SIDE];
  u8 text[TEXT_BYTES];
};

static NOINLINE u16 crc16(u16 crc, u16 value) {
  for (int bit = 0; bit < 16; bit++, value >>= 1) {
    u16 carry = (crc ^ value) & 1;
    crc >>= 1;
    if (carry != 0) crc ^= 0xa001;
  }
  return crc;
}

static NOINLINE struct item *find(struct item *list, s16 key) {
  while (list != 0 && list->key != key) list = list->next;
  return list;
}

static NOINLINE struct item *reversed(struct item *list) {
  struct item *done = 0;
  while (list != 0) {
    struct item *next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

typedef int order(const struct item *, const struct item *);
static NOINLINE int by_key(const struct item *a, const struct item *b) { return a->key - b->key; }
static NOINLINE int by_place(const struct item *a, const struct item *b) { return a->place - b->place; }

static struct item *merge(struct item *a, struct item *b, order *compare) {
  struct item head = {.next = 0}, *last = &head;
  while (a != 0 && b != 0) {
    struct item **least = compare(a, b) <= 0 ? &a : &b;
    last = last->next = *least;
    *least = (*least)->next;
  }
  last->next = a != 0 ? a : b;
  return head.next;
}

/* Bottom up: `runs[n]` is empty or a sorted list of 2^n items. */
static NOINLINE struct item *sorted(struct item *list, order *compare) {
  struct item *runs[12] = {0};
  while (list != 0) {
    struct item *run = list;
    list = list->next;
    run->next = 0;
    int level = 0;
    for (; runs[level] != 0; level++) {
      run = merge(runs[level], run, compare);
      runs[level] = 0;
    }
    runs[level] = run;
  }
  struct item *all = 0;
  for (int level = 0; level < 12; level++) all = merge(runs[level], all, compare);
  return all;
}

static NOINLINE u16 multiply(struct mix *mix, s16 offset) {
  s32 sum = 0;
  for (int row = 0; row < SIDE; row++) {
    for (int column = 0; column < SIDE; column++) {
      s32 cell = 0;
      for (int n = 0; n < SIDE; n++) cell += (mix->left[row][n] + offset) * mix->right[n][column];
      mix->product[row][column] = cell;
      sum += cell > mix->product[column][row] ? cell >> 3 : (cell & 0xff) * 3;
    }
  }
  return (u16)(sum ^ sum >> 16);
}

enum state { START, SIGN, DIGITS, FRACTION, EXPONENT, WORD, STATES };

/* Counts what kinds of tokens a text has. */
static NOINLINE void scan(const u8 *text, u32 *counts) {
  enum state state = START;
  for (int n = 0; n < TEXT_BYTES; n++) {
    u8 character = text[n];
    int is_digit = (u8)(character - '0') < 10;
    if (character == ',') {
      counts[state]++;
      state = START;
      continue;
    }
    switch (state) {
      case START:
        state = is_digit ? DIGITS : character == '-' || character == '+' ? SIGN : character == '.' ? FRACTION : WORD;
        break;
      case SIGN:
        state = is_digit ? DIGITS : character == '.' ? FRACTION : WORD;
        break;
      case DIGITS:
        state = is_digit ? DIGITS : character == '.' ? FRACTION : character == 'e' ? EXPONENT : WORD;
        break;
      case FRACTION:
        state = is_digit ? FRACTION : character == 'e' ? EXPONENT : WORD;
        break;
      case EXPONENT:
        if (!is_digit && character != '-') state = WORD;
        break;
      default:
        break;
    }
  }
}

static void prepare(struct mix *mix) {
  static const char TOKENS[] = "17,-4,+8.25,.5e3,nil,0.75,1e-9,64,+,-.125,99e,x7,";
  u32 random = 1;
  for (int n = 0; n < ITEMS; n++) {
    mix->items[n].next = n + 1 < ITEMS ? &mix->items[n + 1] : 0;
    mix->items[n].key = (s16)(next_random(&random) >> 20);
    mix->items[n].place = (s16)n;
  }
  for (int row = 0; row < SIDE; row++) {
    for (int column = 0; column < SIDE; column++) {
      mix->left[row][column] = (s16)(next_random(&random) >> 24);
      mix->right[row][column] = (s16)(next_random(&random) >> 24);
      mix->product[row][column] = 0;
    }
  }
  for (int n = 0; n < TEXT_BYTES; n++) mix->text[n] = (u8)TOKENS[n % (sizeof TOKENS - 1)];
}

u64 run_coremark(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  struct mix *mix = (struct mix *)arena;
  prepare(mix);
  struct item *list = mix->items;
  u16 crc = 0xffff;
  for (u64 pass = 0; pass < count; pass++) {
    for (int n = 0; n < 24; n++) {
      struct item *found = find(list, mix->items[(n * 11 + pass) % ITEMS].key);
      crc = crc16(crc, (u16)found->place);
      list = reversed(list);
    }
    list = sorted(list, by_key);
    crc = crc16(crc, (u16)list->key);
    list = sorted(list, by_place);
    for (int n = 0; n < 4; n++) crc = crc16(crc, multiply(mix, (s16)(n + (s16)crc)));
    u32 counts[STATES] = {0};
    mix->text[pass % TEXT_BYTES] ^= 1;
    for (int n = 0; n < 4; n++) scan(mix->text, counts);
    for (int n = 0; n < STATES; n++) crc = crc16(crc, (u16)counts[n]);
  }
  return crc;
}
