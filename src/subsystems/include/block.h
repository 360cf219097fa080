/* block: the virtio disk, in sectors of 512 bytes. */
#ifndef BLOCK_H
#define BLOCK_H

#include "types.h"

#define SECTOR_BYTES 512UL

long block_init(u64 generation);
/* Called by the core's interrupt thread. */
long block_interrupt(void);
/* Sectors, or -ENODEV. */
long block_capacity(void);
/* `bytes` is a multiple of SECTOR_BYTES, at most TRANSFER_MAX. */
long block_read(u64 sector, void *buffer, size_t bytes);
long block_write(u64 sector, const void *buffer, size_t bytes);
long block_flush(void);

#endif
