/* Keys by handle: added, used to sign, deleted, and never read by anybody. */
#include "keyring.h"

#include "errno.h"
#include "lib.h"
#include "sha256.h"

#define MAX_KEYS 32

struct key {
  bool used;
  u32 serial;
  u32 bytes;
  char name[KEY_NAME_MAX];
  u8 value[KEY_VALUE_MAX];
};

/* The secret; the policy says so. Guarded by lock. */
static struct key session_keys[MAX_KEYS];
static struct mutex lock;
static u64 generation;

long keyring_init(u64 new_generation) {
  generation = new_generation;
  return 0;
}

/* Caller holds lock. */
static struct key *find(long handle) {
  long index = handle_index(handle, generation, MAX_KEYS);
  if (index < 0) return 0;
  struct key *key = &session_keys[index];
  return key->used && key->serial == handle_serial(handle) ? key : 0;
}

long key_add(const char *name, const void *value, size_t bytes) {
  if (bytes == 0 || bytes > KEY_VALUE_MAX) return -EINVAL;
  long handle = -ENOSPC;
  mutex_lock(&lock);
  for (u32 i = 0; i < MAX_KEYS; i++) {
    struct key *key = &session_keys[i];
    if (key->used) continue;
    key->used = true;
    key->serial++;
    key->bytes = (u32)bytes;
    strcopy(key->name, name, sizeof key->name);
    memcpy(key->value, value, bytes);
    handle = handle_make(generation, key->serial, i);
    break;
  }
  mutex_unlock(&lock);
  return handle;
}

long key_sign(long handle, const void *data, size_t bytes, u8 *mac) {
  mutex_lock(&lock);
  const struct key *key = find(handle);
  if (key != 0) hmac_sha256(key->value, key->bytes, data, bytes, mac);
  mutex_unlock(&lock);
  return key != 0 ? 0 : -ESTALE;
}

long key_delete(long handle) {
  mutex_lock(&lock);
  struct key *key = find(handle);
  if (key != 0) {
    key->used = false;
    memset(key->value, 0, sizeof key->value);
  }
  mutex_unlock(&lock);
  return key != 0 ? 0 : -ESTALE;
}
