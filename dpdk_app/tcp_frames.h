/* tcp_frames.h - frames of the broadcast on their way between fast lcore and slow thread (5.4).
 *
 *   fast lcore --fast_tcp--> slow thread --> TCP
 *   fast lcore <--tcp_fast-- slow thread <-- TCP
 *
 * The rings carry where a frame lies; the bytes lie in slots that are used in turn, so a slot is
 * free again when its element has been taken from the ring.  A full ring loses the frame, which is
 * repaired.
 *
 * Owner: each struct frame_slots the producer of its ring.  Blocks: no.  Allocates: at open.
 * Source: design 1, 5.4. */
#ifndef ZABLINE_DPDK_APP_TCP_FRAMES_H
#define ZABLINE_DPDK_APP_TCP_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dpdk_app/topo.h"

struct frame_slots {
  uint8_t *memory; /* LIMIT_TCP_FRAMES slots; NULL: there are no peers */
  uint32_t slot_bytes;
  uint64_t put;
};

/* frame_slots_open: frames of at most mtu bytes.  0 or -1 (no memory). */
int frame_slots_open(struct frame_slots *s, uint32_t mtu);
void frame_slots_close(struct frame_slots *s);

/* A frame to copy; the payload may be elsewhere than what comes before it. */
struct frame_parts {
  int peer_idx;
  const void *head, *payload;
  uint32_t head_len, payload_len;
};

/* frame_put copies a frame into the ring (RING_FAST_TCP or RING_TCP_FAST); false: full. */
bool frame_put(struct topo *t, enum ring_id ring, struct frame_slots *s,
               const struct frame_parts *f);

/* frame_peek shows the oldest frame; it stays until frame_drop. */
bool frame_peek(struct topo *t, enum ring_id ring, struct tcp_msg *m);
void frame_drop(struct topo *t, enum ring_id ring);

#endif
