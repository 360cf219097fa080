/*
 * Physical frames: who is free, and how many references the others have.
 *
 * The free list lives in the table, not in the frames, so a free frame's bytes are never touched
 * between its last use and the zeroing of its next.
 */
#include "process.h"

struct frame_state {
  u32 next; /* index of the next free frame + 1, 0 at the end; only when free */
  u16 refs; /* 0 = free or never ours */
  u16 domain; /* whom page_alloc gave it to; 0 = the core */
};

extern char __image_end[];

/* Guards all of frames. */
static struct spinlock frames_lock;
static struct {
  struct frame_state *table; /* of the first gigabyte from RAM_BASE, as far as there is memory */
  u64 count;
  u32 first_free; /* index + 1 */
  u64 free;
  u64 total;
} frames;

static u64 index_of(u64 frame) {
  return (frame - RAM_BASE) / PAGE_BYTES;
}

static bool overlaps(u64 start, u64 end, struct range range) {
  return start < range.end && range.start < end;
}

static u64 round_up(u64 value) {
  return (value + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static bool usable(u64 frame, const struct range *taken, u32 taken_count) {
  for (u32 i = 0; i < taken_count; i++) {
    if (overlaps(frame, frame + PAGE_BYTES, taken[i])) return false;
  }
  return true;
}

/* A free place for the table itself: the first hole that is large enough. */
static u64 place_table(u64 bytes, const struct range *taken, u32 taken_count) {
  for (u32 i = 0; i < machine.memory_count; i++) {
    u64 start = round_up(machine.memory[i].start);
    while (start + bytes <= machine.memory[i].end) {
      u64 conflict_end = 0;
      for (u32 j = 0; j < taken_count; j++) {
        if (overlaps(start, start + bytes, taken[j])) conflict_end = taken[j].end;
      }
      if (conflict_end == 0) return start;
      start = round_up(conflict_end);
    }
  }
  panic("no room for the table of frames");
}

void frames_init(void) {
  u64 end = 0;
  for (u32 i = 0; i < machine.memory_count; i++) {
    if (machine.memory[i].end > end) end = machine.memory[i].end;
  }
  if (end > RAM_BASE + 0x40000000UL) end = RAM_BASE + 0x40000000UL;
  frames.count = index_of(end);

  /* Below the image lies the firmware, whether the device tree says so or not. */
  struct range taken[4] = {
      {0, round_up((u64)__image_end - IMAGE_OFFSET)},
      machine.device_tree,
      machine.initrd,
  };
  u64 table_bytes = round_up(frames.count * sizeof(struct frame_state));
  u64 table = place_table(table_bytes, taken, 3);
  taken[3] = (struct range){table, table + table_bytes};
  frames.table = direct(table);
  memset(frames.table, 0, table_bytes);

  for (u32 i = 0; i < machine.memory_count; i++) {
    u64 last = machine.memory[i].end < end ? machine.memory[i].end : end;
    for (u64 frame = round_up(machine.memory[i].start); frame + PAGE_BYTES <= last; frame += PAGE_BYTES) {
      if (!usable(frame, taken, 4)) continue;
      frames.table[index_of(frame)].next = frames.first_free;
      frames.first_free = (u32)index_of(frame) + 1;
      frames.total++;
    }
  }
  frames.free = frames.total;
}

u64 frame_alloc(void) {
  spin_lock(&frames_lock);
  u32 taken = frames.first_free;
  if (taken != 0) {
    struct frame_state *state = &frames.table[taken - 1];
    frames.first_free = state->next;
    frames.free--;
    *state = (struct frame_state){.refs = 1};
  }
  spin_unlock(&frames_lock);
  if (taken == 0) return 0;
  u64 frame = RAM_BASE + (u64)(taken - 1) * PAGE_BYTES;
  memset(direct(frame), 0, PAGE_BYTES);
  return frame;
}

void frame_ref(u64 frame) {
  spin_lock(&frames_lock);
  frames.table[index_of(frame)].refs++;
  spin_unlock(&frames_lock);
}

/* Caller holds frames_lock. */
static void drop(u64 frame) {
  struct frame_state *state = &frames.table[index_of(frame)];
  if (state->refs == 0) panic("frame %lx is free already", frame);
  if (--state->refs == 0) {
    state->domain = 0;
    state->next = frames.first_free;
    frames.first_free = (u32)index_of(frame) + 1;
    frames.free++;
  }
}

void frame_unref(u64 frame) {
  spin_lock(&frames_lock);
  drop(frame);
  spin_unlock(&frames_lock);
}

u32 frame_refs(u64 frame) {
  spin_lock(&frames_lock);
  u32 refs = frames.table[index_of(frame)].refs;
  spin_unlock(&frames_lock);
  return refs;
}

u64 frames_free(void) {
  return frames.free;
}

u64 frames_total(void) {
  return frames.total;
}

/* Frees a frame unless frames_reclaim has done so, after its domain was stopped in the middle of a call. */
static void give_back(u64 frame, u64 domain) {
  spin_lock(&frames_lock);
  const struct frame_state *state = &frames.table[index_of(frame)];
  if (state->refs > 0 && state->domain == domain) drop(frame);
  spin_unlock(&frames_lock);
}

/* The domain that called the core; 0 = nobody. */
static u64 calling_domain(void) {
  long caller = monitor_call(CORDON_CALLER, 0, 0, 0, 0);
  return caller > 0 ? (u64)caller : 0;
}

static void set_domain(u64 frame, u64 domain) {
  spin_lock(&frames_lock);
  frames.table[index_of(frame)].domain = (u16)domain;
  spin_unlock(&frames_lock);
}

/* Without a monitor a granted page is simply its address in the direct map. */
long page_alloc(void) {
  u64 frame = frame_alloc();
  if (frame == 0) return -ENOMEM;
  if (!separated) return (long)direct(frame);

  u64 domain = calling_domain();
  set_domain(frame, domain);
  /* An address of the upper half is a negative number: only small negative ones are errors. */
  struct sbi_result granted = sbi_call(CORDON_EID, CORDON_GRANT, frame, 0, 0, 0);
  if (granted.error == 0) return granted.value;
  give_back(frame, domain);
  return -ENOMEM;
}

long page_free(long address) {
  if (!separated) {
    frame_unref(physical_of_direct((u64)address));
    return 0;
  }
  struct sbi_result revoked = sbi_call(CORDON_EID, CORDON_REVOKE, (u64)address, 0, 0, 0);
  if (revoked.error != 0) return -EINVAL;
  give_back((u64)revoked.value, calling_domain());
  return 0;
}

void frames_reclaim(u64 domain) {
  for (u64 i = 0; i < frames.count; i++) give_back(RAM_BASE + i * PAGE_BYTES, domain);
}
