/* quorum_uv.h - quorum port 2888: connection 0 to the leader, 1..LIMIT_LEARNERS from learners.
 *
 * A connection is shown to the machine (EV_ACCEPTED) when its first packet has come whole and is a
 * FOLLOWERINFO or OBSERVERINFO; until then it waits in the lobby, where silent ones cost nobody a
 * place. Packets are parsed when the machine wants them: what it does not want stays in the buffer
 * and then in the peer's TCP.  What it sends in one step goes out in one write; EV_WRITABLE follows
 * every step that sent on a connection, as soon as nothing of it waits here any more.  A connection
 * whose output passes LIMIT_OUTPUT is closed (REASON_OUTPUT_FULL).  Frames of the broadcast are
 * dropped long before (LIMIT_TCP_WAITING): they are repaired, and old ones are of no use.
 *
 * Owner: slow thread.  Blocks: no.  Source: quorum.md 1, 2; design 5; action.h, event.h. */
#ifndef ZABLINE_SLOWPATH_QUORUM_UV_H
#define ZABLINE_SLOWPATH_QUORUM_UV_H

#include "config/config.h"
#include "proto/event.h"
#include "proto/packet.h"
#include "slowpath/complaint_uv.h"
#include "slowpath/dial_uv.h"
#include "slowpath/lobby_uv.h"

#define QUORUM_CONNS (LIMIT_LEARNERS + 1)

struct quorum_uv_conn {
  struct sock_uv *sock; /* NULL: free */
  struct packet_reader reader;
  bool opened_due; /* EV_ACCEPTED or EV_CONNECTED to give */
  bool sent;       /* EV_WRITABLE to give when all is out */
  bool frames;     /* of the broadcast went over it */
  enum reason end; /* why the driver itself ends it; REASON_NONE: it does not */
};

struct quorum_uv {
  const struct config *config;
  struct counters *counters;
  bool dirty;
  int turn; /* the connection looked at last */
  struct complaints complaints;
  struct lobby_uv lobby;
  struct dial_uv dial[LIMIT_PEERS];
  int dialling;   /* peer index, -1: none */
  int leader_idx; /* whom conn[0] leads to */
  struct quorum_uv_conn conn[QUORUM_CONNS];
  struct packet packet; /* what EV_PACKET points to */
};

/* quorum_uv_open binds the own quorum address.  Returns 0, or -1 after one line. */
int quorum_uv_open(struct quorum_uv *q, uv_loop_t *loop, const struct config *c,
                   struct counters *counters);
void quorum_uv_close(struct quorum_uv *q);

/* These carry out ACT_CONNECT, ACT_CLOSE_CONN, ACT_SEND, ACT_SEND_CHUNK, ACT_SEND_FRAME,
 * ACT_KEEP_CONN and ACT_WATCH_CONN; quorum_uv_flush ends a step. */
void quorum_uv_connect(struct quorum_uv *q, uint64_t now_us, int peer_idx);
void quorum_uv_close_conn(struct quorum_uv *q, int conn);
void quorum_uv_send(struct quorum_uv *q, int conn, const struct packet *p);
void quorum_uv_send_chunk(struct quorum_uv *q, int conn, struct span chunk);
void quorum_uv_send_frame(struct quorum_uv *q, int conn, const struct packet *p);
void quorum_uv_keep_conn(struct quorum_uv *q, int conn);
void quorum_uv_watch_conn(struct quorum_uv *q, int conn);
void quorum_uv_flush(struct quorum_uv *q);

/* quorum_uv_next fills the next event; false: none now.  wanted: bit i: the machine wants packets
 * of connection i.  ev->packet is valid until the next call.  To be called after each run of the
 * loop and at the deadline, until false. */
bool quorum_uv_next(struct quorum_uv *q, uint64_t now_us, uint32_t wanted,
                    struct replica_event *ev);
uint64_t quorum_uv_deadline_us(const struct quorum_uv *q);

#endif
