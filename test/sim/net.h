/* net.h - the datagram network: links with faults, and the NICs' receive rings.
 *
 * A link is directed and belongs to one path; what may happen to a datagram on it is drawn from the
 * plan and from the faults that stand (fault.c).
 *
 * Source: issue "simulation" 1. */
#ifndef ZABLINE_TEST_SIM_NET_H
#define ZABLINE_TEST_SIM_NET_H

#include "test/sim/world.h"

#define NIC_MAX 1024 /* of plan.rx_ring */
#define FRAME_BYTES LIMIT_MTU_MAX
#define KEPT_FRAMES 64 /* old ones of a link, for replays */

struct datagram {
  int from, to, path;
  uint32_t len;
  bool corrupt;
  bool stale;            /* a replay: of an attachment that is over, or seen already */
  struct datagram *next; /* free ones */
  uint8_t bytes[];
};

struct sim_queue {
  uint32_t head, cnt;
  struct datagram *at[NIC_MAX];
};

struct net_link {
  bool cut;
  uint64_t clogged_to; /* all that is sent before waits until then */
  uint32_t loss;       /* ppm, beside the plan's */
  uint64_t extra;      /* ns of delay */
  uint64_t kept_cnt;
  struct datagram *kept[KEPT_FRAMES];
};

/* Effects, counted when they happened. */
enum net_effect {
  NET_SENT,
  NET_LOST,
  NET_CUT,
  NET_DUPLICATED,
  NET_REORDERED,
  NET_CORRUPTED,
  NET_REPLAYED,
  NET_OVERFLOW,
  NET_CLOGGED,
  NET_EFFECTS
};

struct network {
  struct net_link link[LIMIT_VOTERS][LIMIT_VOTERS][LIMIT_FAST_PATHS];
  bool stream_cut[LIMIT_VOTERS][LIMIT_VOTERS]; /* TCP's way */
  bool quorum_cut[LIMIT_VOTERS][LIMIT_VOTERS], election_cut[LIMIT_VOTERS][LIMIT_VOTERS];
  uint64_t effects[NET_EFFECTS];
  struct datagram *free;
  struct sim_queue queues[LIMIT_VOTERS][LIMIT_FAST_PATHS];
};

struct datagram *datagram_new(void);
void datagram_free(struct datagram *d);
/* datagram_fly: it arrives after delay, or when the path is no longer clogged. */
void datagram_fly(struct datagram *d, uint64_t delay);
/* stream_is_cut: nothing passes from -> to on connections to that port. */
bool stream_is_cut(int from, int to, uint16_t port);

#endif
