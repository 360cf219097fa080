/* Pipes: a ring of one page each, and an event that both ends wait on. */
#include "pipe.h"

#include "core.h"
#include "errno.h"
#include "lib.h"

#define MAX_PIPES 32

struct pipe {
  bool used;
  bool open[2]; /* by end */
  u32 serial;
  long event;
  u8 *ring;
  u64 written; /* bytes ever; their difference is what is in the ring */
  u64 read;
};

/* Guards pipes. Not held while waiting. */
static struct mutex lock;
static struct pipe pipes[MAX_PIPES];
static u64 generation;

long pipe_init(u64 new_generation) {
  generation = new_generation;
  return 0;
}

/* Caller holds lock. */
static struct pipe *find(long handle) {
  long index = handle_index(handle, generation, MAX_PIPES);
  if (index < 0) return 0;
  struct pipe *pipe = &pipes[index];
  return pipe->used && pipe->serial == handle_serial(handle) ? pipe : 0;
}

long pipe_create(void) {
  long ring = page_alloc();
  if (is_error(ring)) return ring;
  long event = event_create();
  long handle = event < 0 ? event : -ENFILE;
  mutex_lock(&lock);
  for (u32 i = 0; event >= 0 && i < MAX_PIPES; i++) {
    struct pipe *pipe = &pipes[i];
    if (pipe->used) continue;
    *pipe = (struct pipe){
        .used = true, .open = {true, true}, .serial = pipe->serial + 1, .event = event, .ring = (u8 *)ring};
    handle = handle_make(generation, pipe->serial, i);
    break;
  }
  mutex_unlock(&lock);
  if (handle < 0) {
    if (event >= 0) event_destroy(event);
    page_free(ring);
  }
  return handle;
}

/* Moves up to `bytes` out of the ring. Caller holds lock. */
static size_t take(struct pipe *pipe, u8 *to, size_t bytes) {
  size_t done = 0;
  for (; done < bytes && pipe->read < pipe->written; done++) to[done] = pipe->ring[pipe->read++ % PAGE_BYTES];
  return done;
}

/* Moves up to `bytes` into the ring. Caller holds lock. */
static size_t give(struct pipe *pipe, const u8 *from, size_t bytes) {
  size_t done = 0;
  for (; done < bytes && pipe->written - pipe->read < PAGE_BYTES; done++) {
    pipe->ring[pipe->written++ % PAGE_BYTES] = from[done];
  }
  return done;
}

long pipe_read(long handle, void *buffer, size_t bytes, long nowait) {
  for (;;) {
    mutex_lock(&lock);
    struct pipe *pipe = find(handle);
    if (pipe == 0) {
      mutex_unlock(&lock);
      return -EBADF;
    }
    long event = pipe->event;
    long seen = event_read(event);
    size_t got = take(pipe, buffer, bytes);
    bool ended = got == 0 && !pipe->open[PIPE_WRITE_END];
    mutex_unlock(&lock);
    if (got > 0) event_signal(event);
    if (got > 0 || ended || bytes == 0) return (long)got;
    if (nowait != 0) return -EAGAIN;
    long status = event_wait(event, seen, EVENT_KILLABLE);
    if (status < 0) return status;
  }
}

long pipe_write(long handle, const void *buffer, size_t bytes, long nowait) {
  const u8 *from = buffer;
  size_t done = 0;
  for (;;) {
    mutex_lock(&lock);
    struct pipe *pipe = find(handle);
    if (pipe == 0 || !pipe->open[PIPE_READ_END]) {
      mutex_unlock(&lock);
      return pipe == 0 ? -EBADF : -EPIPE;
    }
    long event = pipe->event;
    long seen = event_read(event);
    size_t put = give(pipe, from + done, bytes - done);
    mutex_unlock(&lock);
    done += put;
    if (put > 0) event_signal(event);
    if (done == bytes) return (long)done;
    if (put > 0) continue;
    if (nowait != 0) return done > 0 ? (long)done : -EAGAIN;
    long status = event_wait(event, seen, EVENT_KILLABLE);
    if (status < 0) return done > 0 ? (long)done : status;
  }
}

/* Ends the pipe; who sleeps on it wakes with -EIDRM. Caller holds lock. */
static void destroy(struct pipe *pipe) {
  pipe->used = false;
  event_destroy(pipe->event);
  page_free((long)pipe->ring);
}

long pipe_close(long handle, long end) {
  if (end != PIPE_READ_END && end != PIPE_WRITE_END) return -EINVAL;
  mutex_lock(&lock);
  struct pipe *pipe = find(handle);
  if (pipe == 0) {
    mutex_unlock(&lock);
    return -EBADF;
  }
  pipe->open[end] = false;
  if (pipe->open[PIPE_READ_END] || pipe->open[PIPE_WRITE_END]) {
    event_signal(pipe->event);
  } else {
    destroy(pipe);
  }
  mutex_unlock(&lock);
  return 0;
}

long pipe_drop_all(void) {
  mutex_lock(&lock);
  for (u32 i = 0; i < MAX_PIPES; i++) {
    if (pipes[i].used) destroy(&pipes[i]);
  }
  mutex_unlock(&lock);
  return 0;
}
