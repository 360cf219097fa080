/* SHA-256 (FIPS 180-4) and HMAC (FIPS 198-1). */
#ifndef SHA256_H
#define SHA256_H

#include "types.h"

#define SHA256_BYTES 32
#define SHA256_BLOCK 64

struct sha256 {
  u32 state[8];
  u64 bytes;
  u8 block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t bytes);
void sha256_finish(struct sha256 *sha, u8 out[SHA256_BYTES]);

void hmac_sha256(const void *key, size_t key_bytes, const void *data, size_t bytes, u8 out[SHA256_BYTES]);

#endif
