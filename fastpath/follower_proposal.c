#include "fastpath/machine.h"

/* PROPOSAL, and INFORM for observers.  The ACK follows from the positions, once per turn: on
 * receipt for the leader's flow control, and when the records are durable (R10). */
void follower_on_proposal(struct bcast *b, struct bcast_peer *p, struct inbound in) {
  take_slice(b, p, in);
}
