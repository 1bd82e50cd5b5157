/* drops.h - by whom: what the fast path dropped, by port and by who sent it.
 *
 * Who: the peer whose addresses the packet bears (anybody on the wire can write them), or a
 * stranger; of strangers the newest one's addresses are kept.  What is counted here is counted in
 * the node's struct counters, too.
 *
 * Owner: the fast lcore adds; anybody may read.  Source: issue "rack", "Bad input". */
#ifndef ZABLINE_PROTO_DROPS_H
#define ZABLINE_PROTO_DROPS_H

#include "config/limits.h"
#include "proto/reason.h"

#define DROPS_STRANGER (-1)

struct drops {
  struct counters by[LIMIT_PORTS][LIMIT_PEERS + 1]; /* [port][peer + 1]; [0]: strangers */
  struct {
    _Atomic uint64_t mac; /* 48 bits, the first octet highest */
    _Atomic uint64_t udp; /* IPv4 address << 16 | source port; 0: no IPv4 */
  } stranger[LIMIT_PORTS];
};

/* drops_of returns the counters of what came in at port_idx from peer_idx, or DROPS_STRANGER. */
static inline struct counters *drops_of(struct drops *d, int port_idx, int peer_idx) {
  return &d->by[port_idx][peer_idx + 1];
}

#endif
