/*
 * hmac VALUE TEXT...: the HMAC-SHA-256 of each text, computed by the program itself: what `key`
 * must print for the same value.
 */
#include "hmac.h"
#include "options.h"
#include "print.h"
#include "string.h"

int main(int argc, char **argv) {
  if (argc < 3) usage("VALUE TEXT...");
  for (int i = 2; i < argc; i++) {
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(argv[1], strlen(argv[1]), argv[i], strlen(argv[i]), mac);
    for (int byte = 0; byte < SHA256_BYTES; byte++) printf("%02x", mac[byte]);
    printf("  %s\n", argv[i]);
  }
  return 0;
}
