/* Turns an ELF file into a running program. The new memory is complete before the old one goes. */
#include "process.h"
#include "vfs.h"

#define ELF_MAGIC 0x464c457fU
#define ELF_CLASS_64 2
#define ELF_EXECUTABLE 2
#define ELF_MACHINE_RISCV 243
#define SEGMENT_LOAD 1
#define SEGMENT_X 1
#define SEGMENT_W 2
#define MAX_SEGMENTS 12

#define STACK_TOP 0x3ffff000UL
#define STACK_BYTES (1UL << 20)

/* Entries of the auxiliary vector. */
#define AT_NULL 0
#define AT_PHDR 3
#define AT_PHENT 4
#define AT_PHNUM 5
#define AT_PAGESZ 6
#define AT_ENTRY 9
#define AUX_WORDS 12

struct elf_header {
  u32 magic;
  u8 class;
  u8 rest_of_ident[11];
  u16 type;
  u16 machine;
  u32 version;
  u64 entry;
  u64 segments_offset;
  u64 sections_offset;
  u32 flags;
  u16 header_bytes;
  u16 segment_bytes;
  u16 segment_count;
  u16 section_bytes;
  u16 section_count;
  u16 section_names;
};

struct segment {
  u32 type;
  u32 flags;
  u64 offset;
  u64 address;
  u64 physical;
  u64 file_bytes;
  u64 memory_bytes;
  u64 align;
};

struct image {
  struct elf_header header;
  struct segment segments[MAX_SEGMENTS];
};

static u64 round_down(u64 value) {
  return value & ~(PAGE_BYTES - 1);
}

static u64 round_up(u64 value) {
  return round_down(value + PAGE_BYTES - 1);
}

static long read_headers(long file, struct image *image) {
  struct elf_header *header = &image->header;
  long got = vfs_pread(file, header, sizeof *header, 0);
  if (got < 0) return got;
  if (got != sizeof *header || header->magic != ELF_MAGIC || header->class != ELF_CLASS_64) return -ENOEXEC;
  if (header->type != ELF_EXECUTABLE || header->machine != ELF_MACHINE_RISCV) return -ENOEXEC;
  if (header->segment_bytes != sizeof(struct segment) || header->segment_count > MAX_SEGMENTS) return -ENOEXEC;
  size_t bytes = header->segment_count * sizeof(struct segment);
  got = vfs_pread(file, image->segments, bytes, (long)header->segments_offset);
  if (got < 0) return got;
  return (size_t)got == bytes ? 0 : -ENOEXEC;
}

/* One page of a segment: filled first and mapped then, since text must not be writable once it is text. */
static long load_page(struct memory *memory, long file, const struct segment *segment, u64 page, u64 perm) {
  if (space_get(&memory->space, page) != 0) return -ENOEXEC; /* two segments share a page */
  u64 frame = frame_alloc();
  if (frame == 0) return -ENOMEM;
  u64 start = page > segment->address ? page : segment->address;
  u64 file_end = segment->address + segment->file_bytes;
  u64 end = page + PAGE_BYTES < file_end ? page + PAGE_BYTES : file_end;
  size_t bytes = end - start;
  long offset = (long)(segment->offset + (start - segment->address));
  long status = vfs_pread(file, (u8 *)direct(frame) + (start - page), bytes, offset);
  if (status >= 0) status = (size_t)status == bytes ? 0 : -ENOEXEC;
  if (status == 0) status = space_map(&memory->space, page, frame, perm);
  if (status < 0) frame_unref(frame);
  return status;
}

static long load_segment(struct memory *memory, long file, const struct segment *segment) {
  u64 end = segment->address + segment->memory_bytes;
  if (segment->file_bytes > segment->memory_bytes || end < segment->address) return -ENOEXEC;
  if (segment->address < PAGE_BYTES || end > STACK_TOP - STACK_BYTES) return -ENOEXEC;
  u64 perm = PTE_R;
  if ((segment->flags & SEGMENT_W) != 0) perm |= PTE_W;
  if ((segment->flags & SEGMENT_X) != 0) perm |= PTE_X;
  u64 file_end = segment->address + segment->file_bytes;
  for (u64 page = round_down(segment->address); segment->file_bytes > 0 && page < file_end; page += PAGE_BYTES) {
    long status = load_page(memory, file, segment, page, perm);
    if (status < 0) return status;
  }
  if (round_up(end) > memory->heap_start) memory->heap_start = round_up(end);
  return memory_add(memory, round_down(segment->address), round_up(end), perm);
}

static long load(struct memory *memory, long file, const struct image *image) {
  for (u32 i = 0; i < image->header.segment_count; i++) {
    const struct segment *segment = &image->segments[i];
    if (segment->type != SEGMENT_LOAD || segment->memory_bytes == 0) continue;
    long status = load_segment(memory, file, segment);
    if (status < 0) return status;
  }
  memory->heap_end = memory->heap_start;
  return memory_add(memory, STACK_TOP - STACK_BYTES, STACK_TOP, PTE_R | PTE_W);
}

/* Where the program headers ended up in memory, for AT_PHDR; 0 if no segment holds them. */
static u64 headers_address(const struct image *image) {
  u64 offset = image->header.segments_offset;
  for (u32 i = 0; i < image->header.segment_count; i++) {
    const struct segment *segment = &image->segments[i];
    if (segment->type != SEGMENT_LOAD) continue;
    if (offset >= segment->offset && offset < segment->offset + segment->file_bytes) {
      return segment->address + (offset - segment->offset);
    }
  }
  return 0;
}

/* From the top: strings, then argc, argv, envp and the auxiliary vector at the stack pointer. */
static long build_stack(struct memory *memory, const struct image *image, const struct exec_strings *strings,
                        u64 *stack_pointer) {
  u64 text = (STACK_TOP - strings->bytes) & ~15UL;
  long status = memory_write(memory, text, strings->text, strings->bytes);
  if (status < 0) return status;

  u64 words[1 + MAX_STRINGS + 2 + AUX_WORDS];
  u32 count = 0;
  const char *at = strings->text;
  words[count++] = strings->arguments;
  for (u32 i = 0; i < strings->arguments + strings->environment; i++) {
    if (i == strings->arguments) words[count++] = 0;
    words[count++] = text + (u64)(at - strings->text);
    at += strlen(at) + 1;
  }
  if (strings->environment == 0) words[count++] = 0;
  words[count++] = 0;
  const u64 auxiliary[AUX_WORDS] = {
      AT_PAGESZ, PAGE_BYTES,
      AT_PHDR,   headers_address(image),
      AT_PHENT,  sizeof(struct segment),
      AT_PHNUM,  image->header.segment_count,
      AT_ENTRY,  image->header.entry,
      AT_NULL,   0,
  };
  memcpy(&words[count], auxiliary, sizeof auxiliary);
  count += AUX_WORDS;
  *stack_pointer = (text - count * sizeof(u64)) & ~15UL;
  return memory_write(memory, *stack_pointer, words, count * sizeof(u64));
}

static void set_name(struct process *process, const char *path) {
  const char *name = path;
  for (const char *at = path; *at != 0; at++) {
    if (*at == '/') name = at + 1;
  }
  strcopy(process->name, name, sizeof process->name);
}

/* The point of no return: the current thread gets the new memory and frame. */
static void commit(struct memory *fresh, u64 entry, u64 stack_pointer) {
  struct thread *thread = current();
  struct process *process = thread->process;
  struct memory *old = process->memory;
  interrupts_off();
  process->memory = fresh;
  thread->space = &fresh->space;
  space_activate(&fresh->space);
  interrupts_on();
  space_destroy(&old->space);
  struct frame *frame = user_frame(thread);
  memset(frame, 0, sizeof *frame);
  frame->pc = entry;
  /* To user mode with interrupts on; UXL and what else sstatus holds stay. */
  frame->status = (csr_read(sstatus) & ~(SSTATUS_SPP | SSTATUS_SIE)) | SSTATUS_SPIE;
  frame->x[FRAME_SP_INDEX] = stack_pointer;
}

long process_exec(const char *path, const struct exec_strings *strings) {
  struct process *process = current_process();
  long file = vfs_open(process->cwd, path, O_RDONLY, 0);
  if (file < 0) return file;
  struct image image;
  long status = read_headers(file, &image);
  if (status < 0) {
    vfs_close(file);
    return status;
  }
  struct memory *fresh = &process->memory_storage[process->memory == &process->memory_storage[0]];
  u64 stack_pointer = 0;
  memory_init(fresh);
  status = space_create(&fresh->space);
  if (status == 0) {
    status = load(fresh, file, &image);
    if (status == 0) status = build_stack(fresh, &image, strings, &stack_pointer);
    if (status < 0) space_destroy(&fresh->space);
  }
  vfs_close(file);
  if (status < 0) return status;
  space_fence_text(&fresh->space, image.header.entry);
  set_name(process, path);
  files_close_on_exec(process);
  commit(fresh, image.header.entry, stack_pointer);
  return 0;
}
