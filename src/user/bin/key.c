/*
 * key NAME VALUE TEXT...: hands the keyring a key, has it sign each text, prints the MACs and takes
 * the key away again. The value is never seen outside of the keyring after that.
 */
#include "cordon.h"
#include "options.h"
#include "print.h"
#include "string.h"

int main(int argc, char **argv) {
  if (argc < 4) usage("NAME VALUE TEXT...");
  long key = key_add(argv[1], argv[2], strlen(argv[2]));
  if (key < 0) die("key_add: %s", error_text(key));
  for (int i = 3; i < argc; i++) {
    uint8_t mac[KEY_MAC_BYTES];
    long error = key_sign(key, argv[i], strlen(argv[i]), mac);
    if (error < 0) die("key_sign: %s", error_text(error));
    for (int byte = 0; byte < KEY_MAC_BYTES; byte++) printf("%02x", mac[byte]);
    printf("  %s\n", argv[i]);
  }
  long error = key_delete(key);
  if (error < 0) die("key_delete: %s", error_text(error));
  return 0;
}
