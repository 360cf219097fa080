/* What the compiler calls, and what both domains try. Every subsystem has a copy. */
#include "guest.h"

void *memset(void *to, int value, size_t n) {
  for (volatile uint8_t *p = to; n-- > 0;) *p++ = (uint8_t)value;
  return to;
}

void *memcpy(void *to, const void *from, size_t n) {
  const uint8_t *f = from;
  for (volatile uint8_t *p = to; n-- > 0;) *p++ = *f++;
  return to;
}

long probe(long what, long address) {
  switch (what) {
    case LOAD:
      return *(volatile long *)address;
    case STORE:
      *(volatile long *)address = 0x5ec2e7;
      return 0;
    case JUMP:
      return ((long (*)(void))address)();
    case STVEC:
      asm volatile("csrw stvec, %0; csrw sscratch, %0; csrw sepc, %0; csrw scounteren, zero" ::"r"(address));
      return 0;
    case SRET:
      asm volatile("csrw sepc, %0; sret" ::"r"(address));
      return 0;
    case USER_MODE:
      asm volatile("csrc sstatus, %1; csrw sepc, %0; sret" ::"r"(address), "r"(0x100));
      return 0;
    case WFI:
      asm volatile("wfi");
      return 0;
    case SATP:
      asm volatile("csrw satp, zero");
      return 0;
    case SFENCE:
      asm volatile("sfence.vma");
      return 0;
    case STIMECMP:
      asm volatile("csrw 0x14d, %0" ::"r"(-1L));
      return 0;
    case FLOAT: /* fmv.d.x f0, zero; the compiler is told of no F and D */
      asm volatile("csrs sstatus, %0\n .4byte 0xf2000053" ::"r"(3L << 13));
      return 0;
    case ECALL_SBI: {
      register long a7 asm("a7") = address;
      register long a6 asm("a6") = 0;
      register long a0 asm("a0") = 0;
      asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a6) : "a1", "memory");
      return a0;
    }
    case SPIN:
      for (;;) asm volatile("");
  }
  return -1;
}
