/* port.h - the DPDK ports of a node: bursts of fast-path frames from and to peers.
 *
 * Each peer is reached through the port its config names: one port per peer, or one for all.  A
 * port carries frames while its link is up; a frame to a peer whose link is down is lost and
 * counted. Links are watched, and memif clients reconnected, by EAL's interrupt thread
 * (port_link.c): nothing to call for that.
 *
 * On Ethernet ports (a NIC's) ARP and ping are answered, and MACs of peers learnt, in port_rx and
 * port_tick.
 *
 *   eal_open -> ports_open
 *     -> [fast lcore: (port_rx, port_tick, (port_tx, port_flush_to_one)*, port_flush,
 *                      port_rx_done)*] -> ports_close
 *
 * Owner: main opens and closes, the fast lcore does the rest.  Blocks: no, but open and close.
 * Allocates: at open.  Source: design 4, 8. */
#ifndef ZABLINE_DPDK_APP_PORT_H
#define ZABLINE_DPDK_APP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"
#include "proto/drops.h"
#include "proto/frame.h"
#include "proto/reason.h"

struct ports;

struct rx_frame {
  const void *frame; /* header, payload behind it; any alignment; valid until port_rx_done */
  uint16_t len;      /* bytes from the header on */
  int peer_idx;      /* who sent it by its addresses; the frame itself is not yet checked */
};

/* One of a peer's addresses, and so one of our ports. */
struct port_to {
  int peer_idx;
  int fast_idx; /* which of peers[].fast */
};

/* ports_open configures and starts the ports of the config, which EAL has made (eal_open, or a
 * test). It does not wait for links.  counters: written by the fast lcore.  c stays in use.  0, or
 * -1 with *e set and *out untouched. */
int ports_open(struct ports **out, const struct config *c, struct counters *counters,
               struct open_error *e);

/* ports_count_drops: from now on each drop is counted by whom, too.  Before the
 * fast lcore starts. */
void ports_count_drops(struct ports *p, struct drops *d);

/* ports_close: after the fast lcore has ended its loop. */
void ports_close(struct ports *p);

/* port_rx takes one burst from a port; returns how many frames of out[LIMIT_BURST] are set.  What
 * is not a peer's frame for us is counted (FRAME_ADDRESS, FRAME_SHORT) and gone. */
int port_rx(struct ports *p, int port_idx, struct rx_frame *out);
/* port_rx_done gives the frames of the last port_rx back: before the next one of that port. */
void port_rx_done(struct ports *p, int port_idx);

/* port_tx queues one frame of header and len payload bytes, which are copied; at most the mtu
 * (asserted). A full queue is sent first.  Losses are counted: PORT_FULL, PORT_NO_MBUF, PORT_DOWN,
 * ARP_UNKNOWN, PATH_MTU. */
void port_tx(struct ports *p, struct port_to to, const struct frame_header *header,
             const void *payload, uint32_t len);
/* port_reaches: would port_tx send? */
bool port_reaches(const struct ports *p, struct port_to to);
/* port_doubt: what was sent there found no answer; nothing goes there before the way has carried a
 * packet of full size again. */
void port_doubt(struct ports *p, struct port_to to);
/* port_tick is told the time, on every turn that sends: ARP asks, repeats and refreshes by it. */
void port_tick(struct ports *p, uint64_t now_ns);
/* port_flush sends what is queued on all ports. */
void port_flush(struct ports *p);
/* port_flush_to_one sends what is queued if its port leads to one peer only: nobody else's frames
 * will join the burst. */
void port_flush_to_one(struct ports *p);

/* port_leave: the fast lcore makes no bursts until its next port_rx.  To be called before it does
 * something longer than a turn, and at the end of its loop if other nodes of the process go on. */
void port_leave(struct ports *p);

/* port_link_up: is there a link towards this address?  Any thread. */
bool port_link_up(const struct ports *p, struct port_to to);

#endif
