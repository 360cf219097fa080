/* SHA-256 and HMAC; names of functions and variables as in FIPS 180-4, section 4.1.2 and 6.2.2. */
#include "sha256.h"

#include "lib.h"

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 rotr(u32 x, u32 n) {
  return x >> n | x << (32 - n);
}

static u32 big32(const u8 *at) {
  return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

static void put_big32(u8 *at, u32 value) {
  for (u32 i = 0; i < 4; i++) at[i] = (u8)(value >> (24 - 8 * i));
}

static void compress(u32 H[8], const u8 *block) {
  u32 W[64];
  for (u32 t = 0; t < 16; t++) W[t] = big32(block + 4 * t);
  for (u32 t = 16; t < 64; t++) {
    u32 sigma0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
    u32 sigma1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
    W[t] = sigma1 + W[t - 7] + sigma0 + W[t - 16];
  }
  u32 a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
  for (u32 t = 0; t < 64; t++) {
    u32 T1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + W[t];
    u32 T2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + T1, d = c, c = b, b = a, a = T1 + T2;
  }
  H[0] += a, H[1] += b, H[2] += c, H[3] += d, H[4] += e, H[5] += f, H[6] += g, H[7] += h;
}

void sha256_init(struct sha256 *sha) {
  *sha = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                                   0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(struct sha256 *sha, const void *data, size_t bytes) {
  for (const u8 *at = data; bytes > 0;) {
    size_t used = sha->bytes % SHA256_BLOCK;
    size_t part = SHA256_BLOCK - used < bytes ? SHA256_BLOCK - used : bytes;
    memcpy(sha->block + used, at, part);
    sha->bytes += part, at += part, bytes -= part;
    if (sha->bytes % SHA256_BLOCK == 0) compress(sha->state, sha->block);
  }
}

void sha256_finish(struct sha256 *sha, u8 out[SHA256_BYTES]) {
  u64 bits = sha->bytes * 8;
  const u8 one = 0x80;
  const u8 zero = 0;
  u8 length[8];
  put_big32(length, (u32)(bits >> 32));
  put_big32(length + 4, (u32)bits);
  sha256_add(sha, &one, 1);
  while (sha->bytes % SHA256_BLOCK != SHA256_BLOCK - 8) sha256_add(sha, &zero, 1);
  sha256_add(sha, length, 8);
  for (u32 i = 0; i < 8; i++) put_big32(out + 4 * i, sha->state[i]);
}

void hmac_sha256(const void *key, size_t key_bytes, const void *data, size_t bytes, u8 out[SHA256_BYTES]) {
  struct sha256 sha;
  u8 padded[SHA256_BLOCK] = {0};
  u8 inner[SHA256_BYTES];
  if (key_bytes > SHA256_BLOCK) {
    sha256_init(&sha);
    sha256_add(&sha, key, key_bytes);
    sha256_finish(&sha, padded);
  } else {
    memcpy(padded, key, key_bytes);
  }
  for (u32 i = 0; i < SHA256_BLOCK; i++) padded[i] ^= 0x36;
  sha256_init(&sha);
  sha256_add(&sha, padded, sizeof padded);
  sha256_add(&sha, data, bytes);
  sha256_finish(&sha, inner);
  for (u32 i = 0; i < SHA256_BLOCK; i++) padded[i] ^= 0x36 ^ 0x5c;
  sha256_init(&sha);
  sha256_add(&sha, padded, sizeof padded);
  sha256_add(&sha, inner, sizeof inner);
  sha256_finish(&sha, out);
  /* The key must not stay behind on a stack. */
  memset(padded, 0, sizeof padded);
  memset(&sha, 0, sizeof sha);
}
