/*
 * The virtio block device, in the first virtio-mmio slot. Registers, rings and requests as in "Virtual
 * I/O Device (VIRTIO) Version 1.2": 4.2 (MMIO, version 2), 2.7 (split virtqueues), 5.2 (block device).
 *
 * Everything the device reads or writes lies in `dma`, in our own data, whose physical address we
 * know; callers' bytes are copied in and out.
 */
#include "block.h"

#include <cordon/abi.h>

#include "core.h"
#include "errno.h"
#include "lib.h"

#define VIRTIO(offset) (*(volatile u32 *)(MMIO_BASE + 0x10001000UL + (offset)))
#define REG_MAGIC 0x000
#define REG_VERSION 0x004
#define REG_DEVICE 0x008
#define REG_FEATURES 0x010
#define REG_FEATURES_SELECT 0x014
#define REG_DRIVER_FEATURES 0x020
#define REG_DRIVER_FEATURES_SELECT 0x024
#define REG_QUEUE_SELECT 0x030
#define REG_QUEUE_MAX 0x034
#define REG_QUEUE_SIZE 0x038
#define REG_QUEUE_READY 0x044
#define REG_QUEUE_NOTIFY 0x050
#define REG_INTERRUPT_STATUS 0x060
#define REG_INTERRUPT_ACK 0x064
#define REG_STATUS 0x070
#define REG_QUEUE_DESCRIPTORS 0x080
#define REG_QUEUE_DRIVER 0x090
#define REG_QUEUE_DEVICE 0x0a0
#define REG_CAPACITY 0x100

#define MAGIC 0x74726976
#define DEVICE_BLOCK 2
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8
#define FEATURE_FLUSH (1U << 9)
#define FEATURE_VERSION_1 (1U << 0) /* bit 32: of the second word */

#define DESCRIPTOR_NEXT 1
#define DESCRIPTOR_DEVICE_WRITES 2
#define REQUEST_READ 0
#define REQUEST_WRITE 1
#define REQUEST_FLUSH 4

/* Requests at a time; each has three descriptors: header, data, status. */
#define SLOTS 4
#define QUEUE_SIZE 16

struct descriptor {
  u64 address;
  u32 bytes;
  u16 flags;
  u16 next;
};

struct request_header {
  u32 type;
  u32 reserved;
  u64 sector;
};

/* What the device sees. */
static struct {
  u8 data[SLOTS][TRANSFER_MAX];
  struct descriptor descriptors[QUEUE_SIZE];
  struct {
    u16 flags;
    u16 index;
    u16 ring[QUEUE_SIZE];
    u16 used_event;
  } driver;
  struct {
    u16 flags;
    volatile u16 index;
    struct {
      u32 id;
      u32 bytes;
    } ring[QUEUE_SIZE];
    u16 available_event;
  } device __attribute__((aligned(8)));
  struct request_header headers[SLOTS];
  volatile u8 status[SLOTS];
} dma __attribute__((aligned(4096)));

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_DONE };

/* Guards the rest, dma and the device. Not held while waiting. */
static struct mutex lock;
static volatile u32 slots[SLOTS];
static u16 used_seen;
static u64 capacity; /* sectors; 0 = no device */
static bool can_flush;
static long done_event;

static u64 physical(const volatile void *own) {
  return (u64)own - IMAGE_OFFSET;
}

static void write_address(u32 reg, const void *own) {
  VIRTIO(reg) = (u32)physical(own);
  VIRTIO(reg + 4) = (u32)(physical(own) >> 32);
}

/* VIRTIO 1.2, 3.1.1 "Driver Requirements: Device Initialization". */
static long start_device(void) {
  VIRTIO(REG_STATUS) = 0;
  VIRTIO(REG_STATUS) = STATUS_ACKNOWLEDGE;
  VIRTIO(REG_STATUS) = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
  VIRTIO(REG_FEATURES_SELECT) = 0;
  can_flush = (VIRTIO(REG_FEATURES) & FEATURE_FLUSH) != 0;
  VIRTIO(REG_DRIVER_FEATURES_SELECT) = 0;
  VIRTIO(REG_DRIVER_FEATURES) = can_flush ? FEATURE_FLUSH : 0;
  VIRTIO(REG_DRIVER_FEATURES_SELECT) = 1;
  VIRTIO(REG_DRIVER_FEATURES) = FEATURE_VERSION_1;
  u32 status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
  VIRTIO(REG_STATUS) = status;
  if ((VIRTIO(REG_STATUS) & STATUS_FEATURES_OK) == 0) return -EIO;

  VIRTIO(REG_QUEUE_SELECT) = 0;
  if (VIRTIO(REG_QUEUE_MAX) < QUEUE_SIZE) return -EIO;
  VIRTIO(REG_QUEUE_SIZE) = QUEUE_SIZE;
  write_address(REG_QUEUE_DESCRIPTORS, dma.descriptors);
  write_address(REG_QUEUE_DRIVER, &dma.driver);
  write_address(REG_QUEUE_DEVICE, &dma.device);
  VIRTIO(REG_QUEUE_READY) = 1;
  VIRTIO(REG_STATUS) = status | STATUS_DRIVER_OK;
  capacity = VIRTIO(REG_CAPACITY) | (u64)VIRTIO(REG_CAPACITY + 4) << 32;
  return 0;
}

long block_init(u64 generation) {
  (void)generation;
  bool present = VIRTIO(REG_MAGIC) == MAGIC && VIRTIO(REG_VERSION) == 2 && VIRTIO(REG_DEVICE) == DEVICE_BLOCK;
  if (!present) return 0;
  done_event = event_create();
  return done_event < 0 ? done_event : start_device();
}

long block_capacity(void) {
  return capacity > 0 ? (long)capacity : -ENODEV;
}

long block_interrupt(void) {
  if (capacity == 0) return 0;
  mutex_lock(&lock);
  VIRTIO(REG_INTERRUPT_ACK) = VIRTIO(REG_INTERRUPT_STATUS);
  while (used_seen != dma.device.index) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    u32 slot = dma.device.ring[used_seen++ % QUEUE_SIZE].id / 3;
    if (slot < SLOTS) slots[slot] = SLOT_DONE; /* the device is not to be trusted with an index */
  }
  mutex_unlock(&lock);
  return event_signal(done_event);
}

/* Waits for a free slot and takes it; returns with the lock held. */
static long take_slot(void) {
  for (;;) {
    long seen = event_read(done_event);
    mutex_lock(&lock);
    for (u32 i = 0; i < SLOTS; i++) {
      if (slots[i] != SLOT_FREE) continue;
      slots[i] = SLOT_WAITING;
      return i;
    }
    mutex_unlock(&lock);
    long status = event_wait(done_event, seen, 0);
    if (status < 0) return status;
  }
}

/* Hands the slot's request to the device. Caller holds lock. */
static void submit(u32 slot, u32 type, u64 sector, size_t bytes) {
  u16 first = (u16)(slot * 3);
  struct descriptor *chain = &dma.descriptors[first];
  dma.headers[slot] = (struct request_header){.type = type, .sector = sector};
  dma.status[slot] = 0xff;
  chain[0] = (struct descriptor){physical(&dma.headers[slot]), sizeof dma.headers[slot], DESCRIPTOR_NEXT, first + 1};
  chain[1] = (struct descriptor){physical(dma.data[slot]), (u32)bytes, DESCRIPTOR_NEXT, first + 2};
  if (type == REQUEST_READ) chain[1].flags |= DESCRIPTOR_DEVICE_WRITES;
  if (bytes == 0) chain[0].next = first + 2;
  chain[2] = (struct descriptor){physical(&dma.status[slot]), 1, DESCRIPTOR_DEVICE_WRITES, 0};
  dma.driver.ring[dma.driver.index % QUEUE_SIZE] = first;
  __atomic_thread_fence(__ATOMIC_RELEASE); /* the ring before its index */
  *(volatile u16 *)&dma.driver.index = dma.driver.index + 1;
  __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index before the bell */
  VIRTIO(REG_QUEUE_NOTIFY) = 0;
}

/* Not killable: the device will write to the slot whether or not anybody waits. */
static long wait_done(u32 slot) {
  for (;;) {
    long seen = event_read(done_event);
    if (__atomic_load_n(&slots[slot], __ATOMIC_ACQUIRE) == SLOT_DONE) return dma.status[slot] == 0 ? 0 : -EIO;
    long status = event_wait(done_event, seen, 0);
    if (status < 0) return status;
  }
}

static void free_slot(u32 slot) {
  __atomic_store_n(&slots[slot], SLOT_FREE, __ATOMIC_RELEASE);
  event_signal(done_event);
}

static long check(u64 sector, size_t bytes) {
  if (capacity == 0) return -ENODEV;
  if (bytes == 0 || bytes > TRANSFER_MAX || bytes % SECTOR_BYTES != 0) return -EINVAL;
  return sector > capacity || bytes / SECTOR_BYTES > capacity - sector ? -EINVAL : 0;
}

long block_read(u64 sector, void *buffer, size_t bytes) {
  long status = check(sector, bytes);
  long slot = status < 0 ? status : take_slot();
  if (slot < 0) return slot;
  submit((u32)slot, REQUEST_READ, sector, bytes);
  mutex_unlock(&lock);
  status = wait_done((u32)slot);
  if (status == 0) memcpy(buffer, dma.data[slot], bytes);
  free_slot((u32)slot);
  return status;
}

long block_write(u64 sector, const void *buffer, size_t bytes) {
  long status = check(sector, bytes);
  long slot = status < 0 ? status : take_slot();
  if (slot < 0) return slot;
  memcpy(dma.data[slot], buffer, bytes);
  submit((u32)slot, REQUEST_WRITE, sector, bytes);
  mutex_unlock(&lock);
  status = wait_done((u32)slot);
  free_slot((u32)slot);
  return status;
}

long block_flush(void) {
  if (capacity == 0) return -ENODEV;
  if (!can_flush) return 0;
  long slot = take_slot();
  if (slot < 0) return slot;
  submit((u32)slot, REQUEST_FLUSH, 0, 0);
  mutex_unlock(&lock);
  long status = wait_done((u32)slot);
  free_slot((u32)slot);
  return status;
}
