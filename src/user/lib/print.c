/*
 * Standard output, messages and the way out.
 */
#include "print.h"

#include "files.h"
#include "string.h"
#include "sys.h"

struct output out;

void flush(void) {
  size_t size = out.used;
  out.used = 0; /* first, so that exit does not try again */
  int error = write_all(1, out.data, size);
  if (error == -EPIPE) sys_exit(1);
  if (error < 0) die("cannot write: %s", error_text(error));
}

void put_bytes(const void *bytes, size_t size) {
  const char *from = bytes;
  while (size > 0) {
    size_t part = sizeof out.data - out.used;
    if (part > size) part = size;
    memcpy(out.data + out.used, from, part);
    out.used += part;
    from += part;
    size -= part;
    if (out.used == sizeof out.data) flush();
  }
}

void put_string(const char *text) { put_bytes(text, strlen(text)); }
void put_char(char c) { put_bytes(&c, 1); }

static void put_to_out(struct sink *sink, const char *bytes, size_t size) {
  (void)sink;
  put_bytes(bytes, size);
}

void printf(const char *format, ...) {
  struct sink sink = {put_to_out};
  va_list arguments;
  va_start(arguments, format);
  format_to(&sink, format, arguments);
  va_end(arguments);
}

/** A sink that fills memory and counts on when it is full. */
struct memory_sink {
  struct sink sink;
  char *to;
  size_t size, length;
};

static void put_to_memory(struct sink *sink, const char *bytes, size_t size) {
  struct memory_sink *memory = (struct memory_sink *)sink;
  for (; size > 0; size--, bytes++, memory->length++)
    if (memory->length + 1 < memory->size) memory->to[memory->length] = *bytes;
}

size_t vsnprintf(char *to, size_t size, const char *format, va_list arguments) {
  struct memory_sink memory = {{put_to_memory}, to, size, 0};
  format_to(&memory.sink, format, arguments);
  if (size > 0) to[memory.length < size ? memory.length : size - 1] = 0;
  return memory.length;
}

size_t snprintf(char *to, size_t size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t length = vsnprintf(to, size, format, arguments);
  va_end(arguments);
  return length;
}

void fdprintf(int fd, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  write_all(fd, text, strlen(text));
}

static void say(const char *format, va_list arguments) {
  char text[400];
  vsnprintf(text, sizeof text, format, arguments);
  fdprintf(2, "%s: %s\n", program, text);
}

void warn(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(format, arguments);
  va_end(arguments);
}

void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(format, arguments);
  va_end(arguments);
  exit(1);
}

void exit(int code) {
  if (out.used > 0) flush();
  sys_exit(code);
}

const char *error_text(long error) {
  switch (-error) {
    case EPERM: return "not permitted";
    case ENOENT: return "no such file or directory";
    case ESRCH: return "no such process";
    case EINTR: return "interrupted";
    case EIO: return "input/output error";
    case E2BIG: return "too many arguments";
    case ENOEXEC: return "not a program";
    case EBADF: return "bad file descriptor";
    case ECHILD: return "no child processes";
    case EAGAIN: return "try again";
    case ENOMEM: return "out of memory";
    case EACCES: return "permission denied";
    case EFAULT: return "bad address";
    case EBUSY: return "busy";
    case EEXIST: return "exists already";
    case EXDEV: return "on another file system";
    case ENODEV: return "no such device";
    case ENOTDIR: return "not a directory";
    case EISDIR: return "is a directory";
    case EINVAL: return "invalid argument";
    case EMFILE: return "too many open files";
    case ENOTTY: return "not for this kind of file";
    case ENOSPC: return "no space left";
    case EROFS: return "read-only file system";
    case EPIPE: return "broken pipe";
    case ERANGE: return "out of range";
    case ENAMETOOLONG: return "name too long";
    case ENOSYS: return "not in this kernel";
    case ENOTEMPTY: return "directory not empty";
    default: return "unexpected error";
  }
}
