#include "fastpath/machine.h"

void leader_on_ack(struct bcast *b, struct bcast_peer *p, struct inbound in,
                   struct bcast_actions *a) {
  if (!take_gaps(b, p, in)) control_detach(b, p, REASON_PEER_BEHIND, a);
}
