/*
 * The terminal: a 16550 UART and the line discipline. Registers as in National Semiconductor's
 * PC16550D data sheet, one byte each.
 *
 * Input is handled when the UART interrupts: edited into a line, echoed, and moved to the queue that
 * readers take from once the line is complete.
 */
#include "tty.h"

#include <cordon/abi.h>

#include "core.h"
#include "errno.h"
#include "lib.h"

#define UART ((volatile u8 *)(MMIO_BASE + 0x10000000UL))
#define UART_DATA 0
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_LSR 5
#define IER_RECEIVED 0x01
/* What was typed before we were ready is kept: the FIFO is empty at power-on anyway. */
#define FCR_ENABLE 0x01
#define LCR_8_BITS 0x03
#define LSR_DATA_READY 0x01
#define LSR_CAN_SEND 0x20

#define ICRNL 0000400
#define OPOST 0000001
#define ONLCR 0000004
#define ISIG 0000001
#define ICANON 0000002
#define ECHO 0000010

#define CONTROL(letter) ((letter) & 0x1f)
#define BACKSPACE 0x08
#define DELETE 0x7f

#define LINE_BYTES 256
#define QUEUE_BYTES 1024UL

/* In the queue: the end of a line that ^D ended. No UART byte has this value. */
#define END_MARK 0x100

/* Guards everything below, and the UART. */
static struct mutex lock;
static struct termios settings;
static u8 line[LINE_BYTES]; /* being typed */
static u32 line_length;
static u16 queue[QUEUE_BYTES]; /* complete: characters, or END_MARK */
static u64 queue_in;           /* ever */
static u64 queue_out;
static long input_event;

/* --- Output. Caller holds lock. --- */

static void send(u8 c) {
  while ((UART[UART_LSR] & LSR_CAN_SEND) == 0) {
  }
  UART[UART_DATA] = c;
}

static void put(u8 c) {
  if (c == '\n' && (settings.oflag & OPOST) != 0 && (settings.oflag & ONLCR) != 0) send('\r');
  send(c);
}

static void echo(u8 c) {
  if ((settings.lflag & ECHO) == 0) return;
  if (c < ' ' && c != '\n' && c != '\t') {
    send('^');
    c |= 0x40;
  }
  put(c);
}

static void erase_one(void) {
  line_length--;
  if ((settings.lflag & ECHO) == 0) return;
  send('\b');
  send(' ');
  send('\b');
}

/* --- Input. Caller holds lock. --- */

static void enqueue(u16 item) {
  if (queue_in - queue_out < QUEUE_BYTES) queue[queue_in++ % QUEUE_BYTES] = item;
}

static void finish_line(void) {
  for (u32 i = 0; i < line_length; i++) enqueue(line[i]);
  line_length = 0;
}

static void edit(u8 c) {
  switch (c) {
    case BACKSPACE:
    case DELETE:
      if (line_length > 0) erase_one();
      return;
    case CONTROL('U'):
      while (line_length > 0) erase_one();
      return;
    case CONTROL('D'):
      finish_line();
      enqueue(END_MARK);
      return;
  }
  if (line_length == LINE_BYTES - 1 && c != '\n') return;
  echo(c);
  line[line_length++] = c;
  if (c == '\n') finish_line();
}

/* True if the character means: interrupt the programs. */
static bool receive(u8 c) {
  if (c == '\r' && (settings.iflag & ICRNL) != 0) c = '\n';
  if (c == CONTROL('C') && (settings.lflag & ISIG) != 0) {
    line_length = 0;
    echo(c);
    put('\n');
    return true;
  }
  if ((settings.lflag & ICANON) != 0) {
    edit(c);
  } else {
    echo(c);
    enqueue(c);
  }
  return false;
}

/* --- Exports --- */

long tty_init(u64 generation) {
  (void)generation;
  settings = (struct termios){
      .iflag = ICRNL,
      .oflag = OPOST | ONLCR,
      .cflag = 0000277,
      .lflag = ISIG | ICANON | ECHO,
      .cc = {CONTROL('C'), 0, DELETE, CONTROL('U'), CONTROL('D'), 0, 1},
  };
  input_event = event_create();
  if (input_event < 0) return input_event;
  UART[UART_LCR] = LCR_8_BITS;
  UART[UART_FCR] = FCR_ENABLE;
  UART[UART_IER] = IER_RECEIVED;
  return 0;
}

long tty_interrupt(void) {
  bool interrupted = false;
  mutex_lock(&lock);
  while ((UART[UART_LSR] & LSR_DATA_READY) != 0) interrupted |= receive(UART[UART_DATA]);
  mutex_unlock(&lock);
  event_signal(input_event);
  if (interrupted) process_interrupt();
  return 0;
}

/* Takes what one read may have: up to the end of a line in canonical mode. Caller holds lock. */
static size_t take(u8 *to, size_t bytes, bool *ended) {
  size_t done = 0;
  while (done < bytes && queue_out < queue_in) {
    u16 item = queue[queue_out % QUEUE_BYTES];
    /* After characters, ^D only ends their line; alone it is the end of the file. */
    queue_out++;
    if (item == END_MARK) {
      *ended = true;
      break;
    }
    to[done++] = (u8)item;
    if (item == '\n' && (settings.lflag & ICANON) != 0) break;
  }
  return done;
}

long tty_read(void *buffer, size_t bytes, long nowait) {
  for (;;) {
    bool ended = false;
    mutex_lock(&lock);
    long seen = event_read(input_event);
    size_t got = take(buffer, bytes, &ended);
    mutex_unlock(&lock);
    if (got > 0 || ended || bytes == 0) return (long)got;
    if (nowait != 0) return -EAGAIN;
    long status = event_wait(input_event, seen, EVENT_KILLABLE);
    if (status < 0) return status;
  }
}

long tty_write(const void *buffer, size_t bytes) {
  const u8 *from = buffer;
  mutex_lock(&lock);
  for (size_t i = 0; i < bytes; i++) put(from[i]);
  mutex_unlock(&lock);
  return (long)bytes;
}

long tty_ioctl(u64 request, void *argument, size_t bytes) {
  if (request == TIOCGWINSZ && bytes >= sizeof(struct winsize)) {
    struct winsize size = {.rows = 24, .columns = 80};
    memcpy(argument, &size, sizeof size);
    return 0;
  }
  if (bytes < sizeof(struct termios)) return -EINVAL;
  mutex_lock(&lock);
  if (request == TCGETS) {
    memcpy(argument, &settings, sizeof settings);
  } else {
    memcpy(&settings, argument, sizeof settings);
    if ((settings.lflag & ICANON) == 0) finish_line();
  }
  mutex_unlock(&lock);
  return 0;
}
