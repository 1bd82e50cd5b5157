/* machine.h - inside the broadcast machine: what bcast.c, control.c, turn.c and the handlers share.
 *
 * Includes from here stay in fastpath/.  A handler is <role>_on_<message>; it is called for a frame
 * that passed every check of bcast.c, with its sequence number taken. */
#ifndef ZABLINE_FASTPATH_MACHINE_H
#define ZABLINE_FASTPATH_MACHINE_H

#include "fastpath/bcast.h"

#define KEEP_US 20 /* between two looks at what is a question of milliseconds */

/* A frame as a handler sees it. */
struct inbound {
  const struct frame_header *h;
  const uint8_t *payload;
  int path;
};

/* ---- frames (bcast.c dispatches) ---- */
void leader_on_ack(struct bcast *b, struct bcast_peer *p, struct inbound in,
                   struct bcast_actions *a);
void leader_on_request(struct bcast *b, struct bcast_peer *p, struct inbound in);
void follower_on_ack(struct bcast *b, struct bcast_peer *p, struct inbound in,
                     struct bcast_actions *a);
void follower_on_ping(struct bcast_peer *p);
void follower_on_proposal(struct bcast *b, struct bcast_peer *p, struct inbound in);

/* take_slice places a slice of the stream that p writes. */
void take_slice(struct bcast *b, struct bcast_peer *p, struct inbound in);
/* take_gaps notes what p misses; false: it misses what the ring has lost (PEER_BEHIND). */
bool take_gaps(struct bcast *b, struct bcast_peer *p, struct inbound in);

/* leader_heard, follower_heard take the header's positions and times, of a probe the times only;
 * every frame passes here. */
void leader_heard(struct bcast *b, struct bcast_peer *p, struct inbound in,
                  struct bcast_actions *a);
void follower_heard(struct bcast *b, struct bcast_peer *p, struct inbound in,
                    struct bcast_actions *a);

/* positions_possible: could a peer that keeps the rules have sent this header? */
bool positions_possible(const struct bcast *b, const struct bcast_peer *p,
                        const struct frame_header *h);

/* ---- hand-over ---- */
void control_step(struct bcast *b, const struct fast_msg *m, struct bcast_actions *a);
void control_attach_waiting(struct bcast *b, struct bcast_actions *a);
/* control_detach forgets the attachment; reason NONE: slow asked for it, so it is not told. */
void control_detach(struct bcast *b, struct bcast_peer *p, enum reason reason,
                    struct bcast_actions *a);
/* control_tell_heard gives HEARD once, when the peer has echoed a frame of ours (the path works
 * both ways) and holds what was appended at ATTACHED. */
void control_tell_heard(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a);
/* control_lost stops everything at once: nothing leaves until the next LEAD or OPEN. */
void control_lost(struct bcast *b, enum reason reason, struct bcast_actions *a);
/* control_doubt says that the path in use answers and carries no slices: heartbeats are small. */
void control_doubt(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a);
/* control_move sends what follows to p by another path; reason: why. */
void control_move(struct bcast *b, struct bcast_peer *p, struct path_move move,
                  struct bcast_actions *a);

/* ---- one turn ---- */
void turn_count(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a);
void turn_step(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a);
void turn_find_deliverable(struct bcast *b);
/* leader_turn, follower_turn: all that a step decides before anything is sent.  The phase is LOST
 * afterwards when the path is. */
void leader_turn(struct bcast *b, pos_t applied, struct bcast_actions *a);
void follower_turn(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a);
/* leader_reclaimable: the ring may be reused below, when the room is needed. */
pos_t leader_reclaimable(const struct bcast *b);
/* follower_alive: false when the leader was silent for too long; LOST was given. */
bool follower_alive(struct bcast *b, struct bcast_actions *a);
/* leader_quorum_us returns when a quorum of the counted was last alive; 0: they are none. */
uint64_t leader_quorum_us(const struct bcast *b);

/* ---- requests (request.c) ---- */
enum reason request_append(struct bcast *b, const void *data, uint32_t len);
uint32_t request_entry_len(uint32_t len); /* payload bytes of the record that carries len bytes */
void requests_release(struct bcast *b, uint64_t consumed);
void requests_deliver(struct bcast *b, struct bcast_actions *a);
/* requests_rename: what the app still has of p came under the iteration that p resumes; what it has
 * finished with meanwhile is reclaimed. */
void requests_rename(struct bcast *b, const struct bcast_peer *p);

/* ---- sending (send.c) ---- */
/* send_next sends to the next peer of the round, so that its frames are under way while the next
 * one's are built, and sets `more` until all had their turn. */
void send_next(struct bcast *b, struct bcast_actions *a);

static inline void drop(struct bcast *b, enum reason r) {
  counters_add(b->counters, r, 1);
  if (b->from) counters_add(b->from, r, 1);
}

static inline bool peer_is_open(const struct bcast_peer *p) { return p->phase >= PEER_ATTACHED; }

/* The stream this node writes, and the one it reads from p. */
static inline struct stream *stream_to(struct bcast *b) {
  return b->phase == BCAST_LEADING ? &b->stream : &b->requests[b->config->self_idx];
}

static inline struct stream *stream_from(struct bcast *b, const struct bcast_peer *p) {
  return b->phase == BCAST_LEADING ? &b->requests[p->idx] : &b->stream;
}

/* edge_of returns how far p may write into stream_from(b, p). */
static inline pos_t edge_of(const struct bcast *b, const struct bcast_peer *p) {
  const struct stream *s = b->phase == BCAST_LEADING ? &b->requests[p->idx] : &b->stream;
  if (b->outstanding.consumed < p->requests_wait) return s->received;
  return s->reclaimed + s->size;
}

#endif
