/* The integer types that every subsystem uses. Freestanding: no C library below. */
#ifndef TYPES_H
#define TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define PAGE_BYTES 4096UL

/* The most bytes that one call between subsystems may carry in one buffer. */
#define TRANSFER_MAX 4096UL

#endif
