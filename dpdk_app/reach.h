/* reach.h - does the way to each peer of a port carry packets of the full MTU?  A machine driven by
 * time.
 *
 *   UNPROVEN --a ping of mtu bytes is answered--> PROVEN
 *   PROVEN   --another MAC, the link was down, or nothing was answered--> UNPROVEN
 *
 * Heartbeats are small: over a way that loses only what is large a peer would look alive and never
 * acknowledge anything.  So no frame goes to a peer before one ping of full size has come back (a
 * round trip after its MAC is known).  Rounds of a small and a full ping repeat, at first every
 * REACH_GAP_NS, doubling; when REACH_VERDICT small ones are answered and no full one is, the way is
 * TOO_SMALL, which is for people: the rounds go on.
 *
 * Anybody on the wire can claim a peer's MAC, as often as he likes.  That costs one round every
 * REACH_GAP_NS, as always; and it does not keep the way unproven, since what was proven for a MAC
 * holds whenever the peer is there again, and the MAC that answers our own question is asked at
 * once.
 *
 * Owner: fast lcore.  Blocks: no.  Allocates: no.  Reads no clock.  Source: issue of the rack,
 * "MTU checked end to end". */
#ifndef ZABLINE_DPDK_APP_REACH_H
#define ZABLINE_DPDK_APP_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"

#define REACH_GAP_NS 10000000ull
#define REACH_GAP_MAX_NS 1000000000ull
#define REACH_VERDICT 3

struct reach_peer {
  bool is_ready; /* its MAC is known */
  bool is_proven;
  bool is_too_small;
  uint32_t small_cnt; /* small pings answered */
  uint64_t gap_ns, asked_ns, ask_ns;
  uint64_t mac, asked_mac, proven_mac; /* now; in the last round; for which there is a proof */
};

struct reach {
  uint64_t full_owed; /* bit: peer to whom the round's full ping is still to be sent */
  struct reach_peer peers[LIMIT_PEERS];
};

struct reach_ping {
  int peer_idx;
  bool is_full;
};

void reach_init(struct reach *r);
/* reach_begin: the way to peer_idx, whose MAC is known, may have become another one: the link came
 * up, or it was silent.  What was proven is forgotten. */
void reach_begin(struct reach *r, int peer_idx, uint64_t now_ns);
/* reach_mac: peer_idx is there now; is_answer: as ARP's answer to a question of ours. */
struct reach_host {
  uint64_t mac;
  bool is_answer;
};
void reach_mac(struct reach *r, int peer_idx, uint64_t now_ns, struct reach_host at);
/* reach_seen: peer_idx is alive; asked soon if it is not proven. */
void reach_seen(struct reach *r, int peer_idx, uint64_t now_ns);

/* reach_next gives one ping that is due; false: none is.  reach_due: when one is. */
bool reach_next(struct reach *r, uint64_t now_ns, struct reach_ping *out);
uint64_t reach_due(const struct reach *r);

/* reach_answer: an answer to one of ours came from peer_idx. */
void reach_answer(struct reach *r, int peer_idx, bool is_full);

#endif
