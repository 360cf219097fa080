/*
 * Unpacks the initial RAM disk into the root file system. Format: cpio "new ASCII" (magic 070701),
 * as in Linux's Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#include "kernel.h"
#include "vfs.h"

/* All fields are 8 hexadecimal digits after the magic. */
#define HEADER_BYTES 110
#define FIELD_MODE 1
#define FIELD_FILE_BYTES 6
#define FIELD_NAME_BYTES 11

static u64 field(const char *header, u32 index) {
  u64 value = 0;
  for (const char *at = header + 6 + 8 * index, *end = at + 8; at < end; at++) {
    u64 digit = *at <= '9' ? (u64)(*at - '0') : (u64)((*at | 0x20) - 'a' + 10);
    value = value << 4 | (digit & 0xf);
  }
  return value;
}

static long unpack_file(const char *name, const u8 *data, u64 bytes, u64 mode) {
  long file = vfs_open("/", name, O_CREAT | O_TRUNC | O_WRONLY, (long)(mode & 0777));
  if (file < 0) return file;
  long status = 0;
  while (bytes > 0 && status >= 0) {
    size_t part = bytes < TRANSFER_MAX ? bytes : TRANSFER_MAX;
    status = vfs_write(file, data, part, 0);
    if (status == 0) status = -ENOSPC;
    if (status > 0) data += status, bytes -= (u64)status;
  }
  vfs_close(file);
  return status < 0 ? status : 0;
}

static u64 align4(u64 value) {
  return (value + 3) & ~3UL;
}

long initrd_unpack(void) {
  if (machine.initrd.start >= machine.initrd.end) return 0;
  long files = 0;
  u64 bytes = machine.initrd.end - machine.initrd.start;
  const char *archive = direct(machine.initrd.start);
  for (u64 at = 0; at + HEADER_BYTES <= bytes;) {
    const char *header = archive + at;
    if (strncmp(header, "070701", 6) != 0) return -EINVAL;
    const char *name = header + HEADER_BYTES;
    u64 data = align4(at + HEADER_BYTES + field(header, FIELD_NAME_BYTES));
    u64 file_bytes = field(header, FIELD_FILE_BYTES);
    u64 mode = field(header, FIELD_MODE);
    if (data > bytes || file_bytes > bytes - data) return -EINVAL;
    if (strcmp(name, "TRAILER!!!") == 0) break;

    long status = 0;
    if ((mode & S_IFMT) == S_IFDIR) {
      status = vfs_mkdir("/", name, (long)(mode & 0777));
      if (status == -EEXIST) status = 0;
    } else if ((mode & S_IFMT) == S_IFREG) {
      status = unpack_file(name, (const u8 *)archive + data, file_bytes, mode);
      files++;
    }
    if (status < 0) return status;
    at = align4(data + file_bytes);
  }
  return files;
}
