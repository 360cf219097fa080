/*
 * SHA-256 (FIPS 180-4, "SHA-256", §6.2) and HMAC (FIPS 198-1, §4) over it, so that a program can
 * tell whether the keyring computes what it says. Written from the standards, apart from the
 * kernel's own.
 */
#include "hmac.h"

#include "string.h"

enum { BLOCK_BYTES = 64 };

struct sha256 {
  uint32_t state[8];
  uint64_t total;
  uint8_t block[BLOCK_BYTES];
};

/** §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }

/** §6.2.2. */
static void compress(struct sha256 *hash) {
  uint32_t w[64], v[8];
  for (int t = 0; t < 16; t++) {
    const uint8_t *at = hash->block + 4 * t;
    w[t] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
  }
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  memcpy(v, hash->state, sizeof v);
  for (int t = 0; t < 64; t++) {
    uint32_t a = v[0], e = v[4];
    uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                  ((e & v[5]) ^ (~e & v[6])) + round_constants[t] + w[t];
    uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                  ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[0] = t1 + t2;
    v[4] += t1;
  }
  for (int i = 0; i < 8; i++) hash->state[i] += v[i];
}

static void start(struct sha256 *hash) {
  *hash = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                    0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

static void add(struct sha256 *hash, const void *data, size_t size) {
  const uint8_t *from = data;
  while (size > 0) {
    size_t used = hash->total % BLOCK_BYTES, part = BLOCK_BYTES - used;
    if (part > size) part = size;
    memcpy(hash->block + used, from, part);
    hash->total += part;
    from += part;
    size -= part;
    if (hash->total % BLOCK_BYTES == 0) compress(hash);
  }
}

/** A one bit, zeros, and the length in bits (§5.1.1). */
static void finish(struct sha256 *hash, uint8_t digest[SHA256_BYTES]) {
  uint64_t bits = hash->total * 8;
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  add(hash, "\x80", 1);
  while (hash->total % BLOCK_BYTES != BLOCK_BYTES - sizeof length) add(hash, "", 1);
  add(hash, length, sizeof length);
  for (int i = 0; i < SHA256_BYTES; i++)
    digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256(const void *data, size_t size, uint8_t digest[SHA256_BYTES]) {
  struct sha256 hash;
  start(&hash);
  add(&hash, data, size);
  finish(&hash, digest);
}

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t mac[SHA256_BYTES]) {
  uint8_t block[BLOCK_BYTES] = {0};
  if (key_size > BLOCK_BYTES) sha256(key, key_size, block);
  else memcpy(block, key, key_size);

  struct sha256 hash;
  for (int i = 0; i < BLOCK_BYTES; i++) block[i] ^= 0x36;
  start(&hash);
  add(&hash, block, sizeof block);
  add(&hash, data, size);
  finish(&hash, mac);
  for (int i = 0; i < BLOCK_BYTES; i++) block[i] ^= 0x36 ^ 0x5c;
  start(&hash);
  add(&hash, block, sizeof block);
  add(&hash, mac, SHA256_BYTES);
  finish(&hash, mac);
}
