/* Memory and strings, the console, the end of a run, the barrier. */
#include "guest.h"

#define UART (HIGH_HALF + 0x10000000ul)
#define UART_LSR 5
#define UART_LSR_THRE 0x20
#define FINISHER (HIGH_HALF + 0x100000ul)

void *memcpy(void *to, const void *from, u64 bytes) {
  u8 *target = to;
  const u8 *source = from;
  if ((((u64)target | (u64)source) & 7) == 0) {
    for (; bytes >= 32; bytes -= 32, target += 32, source += 32) {
      const u64 *words = (const u64 *)source;
      u64 a = words[0], b = words[1], c = words[2], d = words[3];
      ((u64 *)target)[0] = a, ((u64 *)target)[1] = b, ((u64 *)target)[2] = c, ((u64 *)target)[3] = d;
    }
  }
  while (bytes-- > 0) *target++ = *source++;
  return to;
}

void *memset(void *to, int value, u64 bytes) {
  u8 *target = to;
  u64 word = (u8)value * 0x0101010101010101ul;
  for (; bytes > 0 && ((u64)target & 7) != 0; bytes--) *target++ = (u8)value;
  for (; bytes >= 32; bytes -= 32, target += 32) {
    u64 *words = (u64 *)target;
    words[0] = word, words[1] = word, words[2] = word, words[3] = word;
  }
  for (; bytes > 0; bytes--) *target++ = (u8)value;
  return to;
}

static void print_character(char character) {
  volatile u8 *uart = (volatile u8 *)UART;
  while ((uart[UART_LSR] & UART_LSR_THRE) == 0) {
  }
  uart[0] = (u8)character;
}

void print(const char *text) {
  while (*text != 0) print_character(*text++);
}

void print_number(u64 value) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  while (count > 0) print_character(digits[--count]);
}

void print_hex(u64 value) {
  for (int shift = 60; shift >= 0; shift -= 4) print_character("0123456789abcdef"[value >> shift & 15]);
}

_Noreturn void power_off(u32 request) {
  *(volatile u32 *)FINISHER = request;
  for (;;) __asm__ volatile("wfi");
}

_Noreturn void panic(const char *why, u64 a, u64 b, u64 c) {
  print("panic ");
  print(why);
  print(" 0x"), print_hex(a), print(" 0x"), print_hex(b), print(" 0x"), print_hex(c);
  print("\n");
  power_off(POWER_FAIL);
}

/* The last to come opens the next generation. */
void barrier(void) {
  static u64 arrived, generation;
  u64 mine = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == config.harts) {
    __atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&generation, mine + 1, __ATOMIC_RELEASE);
  } else {
    while (__atomic_load_n(&generation, __ATOMIC_ACQUIRE) == mine) {
    }
  }
}
