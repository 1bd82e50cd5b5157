#include "fastpath/machine.h"

void follower_on_ping(struct bcast_peer *p) { p->owes_at_once = true; }
