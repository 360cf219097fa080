/* tty: the serial port with a line discipline. */
#ifndef TTY_H
#define TTY_H

#include "types.h"

long tty_init(u64 generation);
/* Called by the core's interrupt thread. */
long tty_interrupt(void);
/* A line, or what is there in raw mode; 0 after ^D; -EAGAIN instead of sleeping if `nowait`. */
long tty_read(void *buffer, size_t bytes, long nowait);
long tty_write(const void *buffer, size_t bytes);
long tty_ioctl(u64 request, void *argument, size_t bytes);

#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCSETSW 0x5403
#define TCSETSF 0x5404
#define TIOCGWINSZ 0x5413

/* Linux's termios as the kernel sees it. */
struct termios {
  u32 iflag;
  u32 oflag;
  u32 cflag;
  u32 lflag;
  u8 line;
  u8 cc[19];
};

struct winsize {
  u16 rows;
  u16 columns;
  u16 x_pixels;
  u16 y_pixels;
};

#endif
