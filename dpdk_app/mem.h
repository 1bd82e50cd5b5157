/* mem.h - memory taken once at start.
 *
 * Owner: main.  Blocks: no.  Allocates: from the kernel, in ring_map only.
 * Source: design 3; fastpath/stream.h. */
#ifndef ZABLINE_DPDK_APP_MEM_H
#define ZABLINE_DPDK_APP_MEM_H

#include <stdint.h>

/* ring_map maps `bytes` of zeroed memory twice in a row, so that p[i] and p[i + bytes] are the same
 * byte and any slice of a ring is linear.  bytes is a power of two and at least a page.  Every page
 * is touched, and locked where the user may lock so much.  Returns NULL with errno set. */
void *ring_map(uint64_t bytes);

/* mem_lock keeps all that the process has touched, and will touch, out of swap (D7), where no
 * limit on locked memory (`ulimit -l`) is left, or CAP_IPC_LOCK held: under a finite one a later
 * allocation would fail.  Returns 0 or -errno. */
int mem_lock(void);

/* ring_unmap gives it back; NULL is allowed. */
void ring_unmap(void *ring, uint64_t bytes);

#endif
