#include "fastpath/machine.h"

/* Answered by `received` in the header of this turn's frame; given to the app in the turn. */
void leader_on_request(struct bcast *b, struct bcast_peer *p, struct inbound in) {
  take_slice(b, p, in);
}
