/*
 * Calls to the firmware (RISC-V Supervisor Binary Interface 2.0) and to the monitor, which is
 * reached the same way.
 */
#include "kernel.h"

#define EID_CONSOLE_PUTCHAR 0x01
#define EID_BASE 0x10
#define EID_TIMER 0x54494d45
#define EID_IPI 0x735049
#define EID_RFENCE 0x52464e43
#define EID_HSM 0x48534d
#define EID_DEBUG_CONSOLE 0x4442434e

#define BASE_PROBE 3
#define RFENCE_FENCE_I 0
#define RFENCE_SFENCE_VMA 1

bool separated;
static bool has_debug_console;

struct sbi_result sbi_call(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3) {
  register u64 r0 asm("a0") = a0;
  register u64 r1 asm("a1") = a1;
  register u64 r2 asm("a2") = a2;
  register u64 r3 asm("a3") = a3;
  register u64 r6 asm("a6") = function;
  register u64 r7 asm("a7") = extension;
  asm volatile("ecall" : "+r"(r0), "+r"(r1) : "r"(r2), "r"(r3), "r"(r6), "r"(r7) : "memory");
  return (struct sbi_result){(long)r0, (long)r1};
}

void console_init(void) {
  struct sbi_result probe = sbi_call(EID_BASE, BASE_PROBE, EID_DEBUG_CONSOLE, 0, 0, 0);
  has_debug_console = probe.error == 0 && probe.value != 0;
}

/* `text` must lie in the kernel image, whose physical address we know. */
void console_write(const char *text, size_t bytes) {
  if (!has_debug_console) {
    for (size_t i = 0; i < bytes; i++) sbi_call(EID_CONSOLE_PUTCHAR, 0, (u8)text[i], 0, 0, 0);
    return;
  }
  while (bytes > 0) {
    struct sbi_result written = sbi_call(EID_DEBUG_CONSOLE, 0, bytes, (u64)text - IMAGE_OFFSET, 0, 0);
    if (written.error != 0) return;
    text += written.value;
    bytes -= (size_t)written.value;
  }
}

/* Firmware without the extension leaves us the hart's own comparator (Sstc). */
void sbi_set_timer(u64 deadline) {
  if (sbi_call(EID_TIMER, 0, deadline, 0, 0, 0).error != 0) csr_write(0x14d, deadline);
}

void sbi_send_ipi(u64 hart) {
  sbi_call(EID_IPI, 0, 1, hart, 0, 0);
}

long sbi_hart_start(u64 hart, u64 physical_entry) {
  return sbi_call(EID_HSM, 0, hart, physical_entry, 0, 0).error;
}

void sbi_remote_sfence(u64 harts, u64 start, u64 bytes) {
  sbi_call(EID_RFENCE, RFENCE_SFENCE_VMA, harts, 0, start, bytes);
}

void sbi_remote_fence_i(u64 harts) {
  sbi_call(EID_RFENCE, RFENCE_FENCE_I, harts, 0, 0, 0);
}

void monitor_init(void) {
  struct sbi_result info = sbi_call(CORDON_EID, CORDON_INFO, 0, 0, 0, 0);
  separated = info.error == 0 && (info.value & 1) != 0;
}

long monitor_call(u64 function, u64 a0, u64 a1, u64 a2, u64 a3) {
  struct sbi_result result = sbi_call(CORDON_EID, function, a0, a1, a2, a3);
  switch (result.error) {
    case CORDON_STATUS_OK:
      return result.value;
    case CORDON_STATUS_NO_MEMORY:
      return -ENOMEM;
    case CORDON_STATUS_NOT_SUPPORTED:
      return -ENOSYS;
    case CORDON_STATUS_DENIED:
    case CORDON_STATUS_POLICY:
      return -EPERM;
    case CORDON_STATUS_FRAME_BUSY:
      return -EBUSY;
    case CORDON_STATUS_DOMAIN_DEAD:
      return -EIO;
    default:
      return -EINVAL;
  }
}
