/* Events: counters that threads of any subsystem can wait on. */
#include "thread.h"

#define MAX_EVENTS 128

struct event {
  bool used;
  u16 domain; /* who created it */
  u32 serial; /* grows with every reuse, so that stale ids miss */
  long count;
};

/* Guards events. */
static struct spinlock events_lock;
static struct event events[MAX_EVENTS];

/* The event, or 0 if the id is stale or made up. Caller holds events_lock. */
static struct event *find(long id) {
  long index = handle_index(id, 0, MAX_EVENTS);
  if (index < 0) return 0;
  struct event *event = &events[index];
  return event->used && event->serial == handle_serial(id) ? event : 0;
}

long event_create(void) {
  long caller = separated ? monitor_call(CORDON_CALLER, 0, 0, 0, 0) : 0;
  long id = -ENFILE;
  spin_lock(&events_lock);
  for (u32 i = 0; i < MAX_EVENTS; i++) {
    struct event *event = &events[i];
    if (event->used) continue;
    *event = (struct event){.used = true, .serial = event->serial + 1, .domain = caller > 0 ? (u16)caller : 0};
    id = handle_make(0, event->serial, i);
    break;
  }
  spin_unlock(&events_lock);
  return id;
}

static void destroy(struct event *event) {
  event->used = false;
  thread_wake(event);
}

long event_destroy(long id) {
  spin_lock(&events_lock);
  struct event *event = find(id);
  if (event != 0) destroy(event);
  spin_unlock(&events_lock);
  return event != 0 ? 0 : -EIDRM;
}

long event_read(long id) {
  spin_lock(&events_lock);
  struct event *event = find(id);
  long count = event != 0 ? event->count : -EIDRM;
  spin_unlock(&events_lock);
  return count;
}

long event_signal(long id) {
  spin_lock(&events_lock);
  struct event *event = find(id);
  if (event != 0) {
    event->count++;
    thread_wake(event);
  }
  spin_unlock(&events_lock);
  return event != 0 ? 0 : -EIDRM;
}

long event_wait(long id, long seen, long flags) {
  long result = 0;
  spin_lock(&events_lock);
  for (;;) {
    struct event *event = find(id);
    if (event == 0) {
      result = -EIDRM;
      break;
    }
    if (event->count != seen) break;
    result = thread_sleep(event, &events_lock, (flags & EVENT_KILLABLE) != 0);
    if (result < 0) break;
  }
  spin_unlock(&events_lock);
  return result;
}

void events_reclaim(u64 domain) {
  spin_lock(&events_lock);
  for (u32 i = 0; i < MAX_EVENTS; i++) {
    if (events[i].used && events[i].domain == domain) destroy(&events[i]);
  }
  spin_unlock(&events_lock);
}
