/* SHA-256 by the keyring's own code: blocks of 64 bytes, without padding, so its inner function is called from here. */
#include "../../../src/subsystems/keyring/sha256.c"

/* As guest.h has it, which names the integer types once more. */
u64 run_sha256(u64 hart, u8 *arena, u64 count);

u64 run_sha256(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  struct sha256 sha;
  sha256_init(&sha);
  for (int n = 0; n < 65536; n++) arena[n] = (u8)(n * 7);
  for (u64 n = 0; n < count; n++) compress(sha.state, arena + n % 1024 * 64);
  return (u64)sha.state[0] << 32 | sha.state[7];
}
