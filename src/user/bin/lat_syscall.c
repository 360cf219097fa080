/*
 * lat_syscall null|read|write|stat|open [N [PATH]]: N system calls of one kind. null is getppid;
 * read and write move one byte from /dev/zero and to /dev/null; stat and open (with close) name
 * PATH, /bin/true unless told.
 */
#include "bench.h"
#include "options.h"
#include "print.h"
#include "string.h"
#include "sys.h"

static const char *path = "/bin/true";
static int fd;
static char byte;
static struct stat stat;

static long call_null(void) { return sys_getppid(); }
static long call_read(void) { return sys_read(fd, &byte, 1); }
static long call_write(void) { return sys_write(fd, &byte, 1); }
static long call_stat(void) { return sys_stat(path, &stat); }
static long call_open(void) {
  int opened = sys_open(path, O_RDONLY, 0);
  return opened < 0 ? opened : sys_close(opened);
}

static const struct {
  const char *name;
  long (*call)(void);
  /** What `fd` is, if the call needs it. */
  const char *device;
  int flags;
} kinds[] = {
    {"null", call_null, NULL, 0},
    {"read", call_read, "/dev/zero", O_RDONLY},
    {"write", call_write, "/dev/null", O_WRONLY},
    {"stat", call_stat, NULL, 0},
    {"open", call_open, NULL, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

int main(int argc, char **argv) {
  int kind = 0;
  while (argc > 1 && kind < KINDS && !same(kinds[kind].name, argv[1])) kind++;
  if (argc < 2 || kind == KINDS) usage("null|read|write|stat|open [N [PATH]]");
  uint64_t count = iterations(argc, argv, 2, 1000);
  if (argc > 3) path = argv[3];
  if (kinds[kind].device) {
    fd = sys_open(kinds[kind].device, kinds[kind].flags, 0);
    if (fd < 0) die("%s: %s", kinds[kind].device, error_text(fd));
  }

  long (*call)(void) = kinds[kind].call;
  long result = call(); /* brings code and data in, and says whether it works at all */
  if (result < 0) die("%s: %s", argv[1], error_text(result));
  bench_begin(count);
  for (uint64_t i = 0; i < count; i++) result |= call();
  bench_end(count);
  if (result < 0) die("%s failed in the loop", argv[1]);
  bench_report(argv[1], count);
  return 0;
}
