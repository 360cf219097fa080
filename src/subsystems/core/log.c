/* Lines on the firmware's console, and the two ways the machine ends. */
#include "thread.h"

#define EID_SYSTEM_RESET 0x53525354
#define RESET_SHUTDOWN 0
#define RESET_COLD_REBOOT 1
#define REASON_NONE 0
#define REASON_FAILURE 1

/* The test finisher of QEMU's virt machine: the low half says how, the high half is the exit code. */
#define FINISHER 0x100000
#define FINISHER_FAIL 0x3333
#define FINISHER_PASS 0x5555

/* Guards log_buffer and the order of lines. */
static struct spinlock log_lock;
/* Static, not on a stack: the firmware wants its physical address. */
static char log_buffer[256];
static volatile u32 has_panicked;

static void write_line(const char *pattern, va_list arguments) {
  size_t length = format_list(log_buffer, sizeof log_buffer - 1, pattern, arguments);
  log_buffer[length] = '\n';
  console_write(log_buffer, length + 1);
}

void log_line(const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  spin_lock(&log_lock);
  write_line(pattern, arguments);
  spin_unlock(&log_lock);
  va_end(arguments);
}

void boot_line(const char *pattern, ...) {
  char ignored[4];
  if (bootarg("quiet", ignored, sizeof ignored)) return;
  va_list arguments;
  va_start(arguments, pattern);
  spin_lock(&log_lock);
  write_line(pattern, arguments);
  spin_unlock(&log_lock);
  va_end(arguments);
}

long klog(const char *line) {
  log_line("%s", line);
  return 0;
}

bool panicking(void) {
  return has_panicked != 0;
}

void panic(const char *pattern, ...) {
  interrupts_off();
  /* The log's lock is not taken: whoever holds it may be us, or stopped. */
  if (!__atomic_exchange_n(&has_panicked, 1, __ATOMIC_SEQ_CST)) {
    va_list arguments;
    va_start(arguments, pattern);
    console_write("panic: ", 7);
    write_line(pattern, arguments);
    va_end(arguments);
    system_exit(255);
  }
  for (;;) asm volatile("wfi");
}

static _Noreturn void reset(u64 type, u64 reason) {
  sbi_call(EID_SYSTEM_RESET, 0, type, reason, 0, 0);
  interrupts_off();
  for (;;) asm volatile("wfi");
}

void system_exit(u64 code) {
  if (machine.has_finisher) {
    *device(FINISHER) = code == 0 ? FINISHER_PASS : (u32)(code << 16) | FINISHER_FAIL;
  }
  reset(RESET_SHUTDOWN, code == 0 ? REASON_NONE : REASON_FAILURE);
}

void system_reset(void) {
  reset(RESET_COLD_REBOOT, REASON_NONE);
}
