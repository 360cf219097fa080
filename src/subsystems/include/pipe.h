/* pipe: a page of bytes between a reader and a writer. */
#ifndef PIPE_H
#define PIPE_H

#include "types.h"

#define PIPE_READ_END 0
#define PIPE_WRITE_END 1

long pipe_init(u64 generation);
/* -> pipe, with both ends open. */
long pipe_create(void);
/* 0 at the end of the stream; -EAGAIN instead of sleeping if `nowait`. */
long pipe_read(long pipe, void *buffer, size_t bytes, long nowait);
/* -EPIPE if nobody can read it. */
long pipe_write(long pipe, const void *buffer, size_t bytes, long nowait);
long pipe_close(long pipe, long end);
/* vfs lost its memory: every pipe goes. */
long pipe_drop_all(void);

#endif
