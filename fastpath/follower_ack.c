#include "fastpath/machine.h"

/* The leader acknowledges the REQUEST stream.  Bytes of it that are gone cannot be had again, so
 * the attachment cannot go on. */
void follower_on_ack(struct bcast *b, struct bcast_peer *p, struct inbound in,
                     struct bcast_actions *a) {
  if (!take_gaps(b, p, in)) control_lost(b, REASON_PEER_BEHIND, a);
}
