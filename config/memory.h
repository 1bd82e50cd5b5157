/* memory.h - what a thread does that cannot go on without the memory it asked for.
 *
 * The machine's shortage is neither a peer's mistake nor a programmer's: no reason, no assert.
 * All that is acknowledged is durable, so the process ends as by kill -9, but with a line that says
 * why.  Where an error can be returned instead (storage, sockets, start) it is. */
#ifndef ZABLINE_CONFIG_MEMORY_H
#define ZABLINE_CONFIG_MEMORY_H

#include <stddef.h>

/* memory_or_end returns p, or ends the process with one line and status 1 if p is NULL; bytes: what
 * was asked for, 0: unknown. */
void *memory_or_end(void *p, size_t bytes);

#endif
