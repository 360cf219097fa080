/* keyring: keeps keys that nobody else can read, and signs with them. */
#ifndef KEYRING_H
#define KEYRING_H

#include "types.h"
#include "user_abi.h"

long keyring_init(u64 generation);
/* -> handle. */
long key_add(const char *name, const void *value, size_t bytes);
/* HMAC-SHA-256 of the data under the key. */
long key_sign(long key, const void *data, size_t bytes, u8 *mac);
long key_delete(long key);

/* Do nothing: what is left is the price of the call itself. */
long gate_null(void);
long gate_1(long a);
long gate_6(long a, long b, long c, long d, long e, long f);
long gate_bytes(const void *data, size_t bytes);

#endif
