/*
 * keychurn [-s SEED] [-n ROUNDS] [-t SECONDS]: adds, uses and deletes keys. The algorithm is the
 * keyring's own business, so the checks are what any keyed MAC must do: the same key and data give
 * the same MAC, also after the key was deleted and added again; another bit of data gives another;
 * a deleted key gives an error and nothing else.
 */
#include "cordon.h"
#include "stressor.h"
#include "string.h"

enum { KEYS = 4, MAX_VALUE = 64, MAX_DATA = 200 };

static struct key {
  bool exists;
  long handle;
  char name[KEY_NAME_MAX];
  uint8_t value[MAX_VALUE];
  uint32_t value_size;
  /** Something it has signed, and the MAC it gave. */
  uint8_t data[MAX_DATA], mac[KEY_MAC_BYTES];
  uint32_t data_size;
} keys[KEYS];

static struct stressor stressor;

static uint32_t below(uint32_t limit) { return random_below(&stressor.random, limit); }

static void sign(const struct key *key, const uint8_t *data, uint8_t mac[KEY_MAC_BYTES]) {
  memset(mac, 0, KEY_MAC_BYTES);
  must(key_sign(key->handle, data, key->data_size, mac), "key_sign");
}

static void add(struct key *key) {
  key->handle = must(key_add(key->name, key->value, key->value_size), "key_add");
  key->exists = true;
}

/** A new key and its first MAC. */
static void create(struct key *key) {
  snprintf(key->name, sizeof key->name, "churn%d.%ld", sys_getpid(), key - keys);
  key->value_size = 1 + below(MAX_VALUE);
  random_fill(&stressor.random, key->value, key->value_size);
  key->data_size = 1 + below(MAX_DATA);
  random_fill(&stressor.random, key->data, key->data_size);
  add(key);
  sign(key, key->data, key->mac);
}

static void must_sign_alike(const struct key *key) {
  uint8_t mac[KEY_MAC_BYTES];
  sign(key, key->data, mac);
  if (memcmp(mac, key->mac, sizeof mac) != 0)
    stressor_fail("round %lu: the MAC of %s changed", stressor.round, key->name);
}

static void must_notice_a_bit(const struct key *key) {
  uint8_t data[MAX_DATA], mac[KEY_MAC_BYTES];
  memcpy(data, key->data, key->data_size);
  data[below(key->data_size)] ^= (uint8_t)(1U << below(8));
  sign(key, data, mac);
  if (memcmp(mac, key->mac, sizeof mac) == 0)
    stressor_fail("round %lu: a changed bit did not change the MAC", stressor.round);
}

static void delete(struct key *key) {
  uint8_t mac[KEY_MAC_BYTES] = {0};
  static const uint8_t nothing[KEY_MAC_BYTES];
  must(key_delete(key->handle), "key_delete");
  key->exists = false;
  if (key_sign(key->handle, key->data, key->data_size, mac) >= 0)
    stressor_fail("round %lu: a deleted key signs", stressor.round);
  if (memcmp(mac, nothing, sizeof mac) != 0)
    stressor_fail("round %lu: a deleted key left a MAC", stressor.round);
  if (key_delete(key->handle) >= 0)
    stressor_fail("round %lu: a key was deleted twice", stressor.round);
}

int main(int argc, char **argv) {
  stressor_start(&stressor, argc, argv);
  while (stressor_next(&stressor)) {
    struct key *key = &keys[below(KEYS)];
    if (!key->exists) {
      create(key);
      stressor_mix(&stressor, checksum(CHECKSUM_START, key->mac, sizeof key->mac));
    }
    switch (below(4)) {
      case 0: must_sign_alike(key); break;
      case 1: must_notice_a_bit(key); break;
      case 2: delete(key); break;
      default:
        delete(key);
        add(key);
        must_sign_alike(key);
    }
  }
  for (int i = 0; i < KEYS; i++)
    if (keys[i].exists) delete(&keys[i]);
  return stressor_end(&stressor);
}
