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

/* Gives way up to `turns` times while it is inside; -> a, or what giving way returned if not 0. */
long gate_yield(long a, long turns);
/* Checks the index at the start of the buffer, waits a moment, and uses it: a look into a table of 8. */
long gate_lookup(const u8 *data, size_t bytes);

#endif
