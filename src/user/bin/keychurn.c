/*
 * keychurn [-s SEED] [-n ROUNDS] [-t SECONDS]: adds, uses and deletes keys. Every MAC must be the
 * HMAC-SHA-256 that the program computes itself, also after the key was deleted and added again,
 * and a deleted key must give an error and nothing else.
 */
#include "cordon.h"
#include "hmac.h"
#include "stressor.h"
#include "string.h"

enum { KEYS = 4, MAX_VALUE = 100, MAX_DATA = 200 };

_Static_assert((int)KEY_MAC_BYTES == (int)SHA256_BYTES, "the keyring signs with HMAC-SHA-256");

static struct key {
  bool exists;
  long handle;
  char name[KEY_NAME_MAX];
  uint8_t value[MAX_VALUE];
  uint32_t value_size;
} keys[KEYS];

static struct stressor stressor;
static uint8_t data[MAX_DATA];

static uint32_t below(uint32_t limit) { return random_below(&stressor.random, limit); }

static void add(struct key *key) {
  key->handle = must(key_add(key->name, key->value, key->value_size), "key_add");
  key->exists = true;
}

static void create(struct key *key) {
  snprintf(key->name, sizeof key->name, "churn%d.%ld", sys_getpid(), key - keys);
  key->value_size = 1 + below(MAX_VALUE);
  random_fill(&stressor.random, key->value, key->value_size);
  add(key);
}

/** Signs something new and compares. */
static void check(const struct key *key) {
  uint8_t mac[KEY_MAC_BYTES] = {0}, expected[KEY_MAC_BYTES];
  uint32_t size = below(MAX_DATA + 1);
  random_fill(&stressor.random, data, size);
  must(key_sign(key->handle, data, size, mac), "key_sign");
  hmac_sha256(key->value, key->value_size, data, size, expected);
  if (memcmp(mac, expected, sizeof mac) != 0)
    stressor_fail("round %lu: wrong MAC", stressor.round);
  stressor_mix(&stressor, checksum(CHECKSUM_START, mac, sizeof mac));
}

static void delete(struct key *key) {
  uint8_t mac[KEY_MAC_BYTES] = {0};
  static const uint8_t nothing[KEY_MAC_BYTES];
  must(key_delete(key->handle), "key_delete");
  key->exists = false;
  if (key_sign(key->handle, data, MAX_DATA, mac) >= 0)
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
    if (!key->exists) create(key);
    check(key);
    uint32_t choice = below(4);
    if (choice < 2) delete(key);
    if (choice == 1) {
      add(key);
      check(key);
    }
  }
  for (int i = 0; i < KEYS; i++)
    if (keys[i].exists) delete(&keys[i]);
  return stressor_end(&stressor);
}
