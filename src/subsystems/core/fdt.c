/*
 * Reads the flattened device tree once, at boot, for the few facts we need.
 * Format: Devicetree Specification v0.4, chapter 5.
 */
#include "kernel.h"

#define FDT_MAGIC 0xd00dfeedU
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE 2
#define FDT_PROP 3
#define FDT_NOP 4
#define FDT_END 9

#define MAX_DEPTH 8

struct fdt_header {
  u32 magic;
  u32 total_bytes;
  u32 structure_offset;
  u32 strings_offset;
  u32 reserve_offset;
  u32 version;
  u32 last_compatible;
  u32 boot_hart;
  u32 strings_bytes;
  u32 structure_bytes;
};

struct property {
  const char *name;
  const u8 *value;
  u32 bytes;
};

struct machine machine;

static u32 big32(const void *at) {
  const u8 *b = at;
  return (u32)b[0] << 24 | (u32)b[1] << 16 | (u32)b[2] << 8 | b[3];
}

static u64 big64(const u8 *at) {
  return (u64)big32(at) << 32 | big32(at + 4);
}

/* A number of one or two cells. */
static u64 number(const struct property *property) {
  return property->bytes == 4 ? big32(property->value) : big64(property->value);
}

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Is `wanted` one of the strings of a string list? */
static bool list_has(const struct property *property, const char *wanted) {
  const char *text = (const char *)property->value;
  for (u32 at = 0; at < property->bytes; at += (u32)strlen(text + at) + 1) {
    if (strcmp(text + at, wanted) == 0) return true;
  }
  return false;
}

static void memory_property(const struct property *property) {
  if (strcmp(property->name, "reg") != 0) return;
  for (u32 at = 0; at + 16 <= property->bytes && machine.memory_count < MACHINE_RANGES; at += 16) {
    u64 start = big64(property->value + at);
    machine.memory[machine.memory_count++] = (struct range){start, start + big64(property->value + at + 8)};
  }
}

static void chosen_property(const struct property *property) {
  if (strcmp(property->name, "bootargs") == 0) {
    strcopy(machine.bootargs, (const char *)property->value, sizeof machine.bootargs);
  } else if (strcmp(property->name, "linux,initrd-start") == 0) {
    machine.initrd.start = number(property);
  } else if (strcmp(property->name, "linux,initrd-end") == 0) {
    machine.initrd.end = number(property);
  }
}

static void cpu_property(const struct property *property) {
  if (strcmp(property->name, "reg") != 0) return;
  u64 id = number(property);
  if (id >= MACHINE_HARTS) return;
  machine.harts |= 1UL << id;
  machine.hart_count++;
  if (id >= machine.idle_threads) machine.idle_threads = (u32)id + 1;
}

/* `path[0]` is the root, whose name is empty; `path[depth]` has the property. */
static void take_property(const char *const *path, u32 depth, const struct property *property) {
  if (depth >= 1 && strcmp(property->name, "compatible") == 0 && list_has(property, "sifive,test0")) {
    machine.has_finisher = true;
  }
  if (depth == 1 && starts_with(path[1], "memory")) memory_property(property);
  if (depth == 1 && strcmp(path[1], "chosen") == 0) chosen_property(property);
  if (depth >= 1 && strcmp(path[1], "cpus") == 0) {
    if (depth == 1 && strcmp(property->name, "timebase-frequency") == 0) machine.timebase = number(property);
    if (depth == 2 && starts_with(path[2], "cpu@")) cpu_property(property);
  }
}

void fdt_parse(const void *tree) {
  const struct fdt_header *header = tree;
  if (big32(&header->magic) != FDT_MAGIC) panic("no device tree at %p", tree);
  u64 physical = physical_of_direct((u64)tree);
  machine.device_tree = (struct range){physical, physical + big32(&header->total_bytes)};

  const u8 *at = (const u8 *)tree + big32(&header->structure_offset);
  const char *strings = (const char *)tree + big32(&header->strings_offset);
  const char *path[MAX_DEPTH] = {0};
  u32 depth = 0; /* nodes open */
  for (;;) {
    u32 token = big32(at);
    at += 4;
    if (token == FDT_END) break;
    if (token == FDT_BEGIN_NODE) {
      if (depth == MAX_DEPTH) panic("device tree is too deep");
      path[depth++] = (const char *)at;
      at += (strlen((const char *)at) + 4) & ~3UL;
    } else if (token == FDT_END_NODE) {
      depth--;
    } else if (token == FDT_PROP) {
      struct property property = {strings + big32(at + 4), at + 8, big32(at)};
      take_property(path, depth - 1, &property);
      at += 8 + ((property.bytes + 3) & ~3U);
    } else if (token != FDT_NOP) {
      panic("device tree is damaged");
    }
  }
  if (machine.timebase == 0) machine.timebase = 10000000;
}

bool bootarg(const char *name, char *value, size_t value_bytes) {
  size_t name_length = strlen(name);
  const char *at = machine.bootargs;
  while (*at != 0) {
    while (*at == ' ') at++;
    size_t length = 0;
    while (at[length] != 0 && at[length] != ' ') length++;
    if (length == 2 && at[0] == '-' && at[1] == '-') return false; /* the rest is for init */
    if (length >= name_length && strncmp(at, name, name_length) == 0) {
      const char *rest = at + name_length;
      size_t rest_length = length - name_length;
      if (rest_length == 0 || *rest == '=') {
        if (rest_length > 0) rest++, rest_length--;
        if (rest_length >= value_bytes) rest_length = value_bytes - 1;
        memcpy(value, rest, rest_length);
        value[rest_length] = 0;
        return true;
      }
    }
    at += length;
  }
  return false;
}
