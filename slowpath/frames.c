/* frames.c - frames of the broadcast over TCP (5.4): handed on between the fast path and the quorum
 * connection of the attachment, unread but for what says whose they are.
 *
 * They are fenced as the attachment is: nothing passes before NEWLEADER's ACK, and nothing from the
 * moment on at which we leave the role, whatever waits in the rings (B8, J3). */
#include <string.h>

#include "proto/frame.h"
#include "proto/path_id.h"
#include "slowpath/replica_parts.h"

/* The iteration whose frames conn may carry now; 0: none. */
static uint64_t iteration_on(const struct replica *r, int conn) {
  if (!r->fast_open || r->phase == PHASE_FENCING) return 0;
  if (conn == 0) {
    const struct learning *l = &r->learn;
    bool open = r->role == ROLE_FOLLOWING && l->open && l->step >= LEARNING_UPTODATE;
    return open && l->tcp ? l->iteration : 0;
  }
  const struct learner_conn *c = &r->conns[conn];
  bool open = r->role == ROLE_LEADING && c->step >= CONN_ACKED;
  return open && c->tcp && c->attachment == ATTACHMENT_OPEN ? c->iteration : 0;
}

static int peer_on(const struct replica *r, int conn) {
  return conn == 0 ? r->learn.leader_idx : r->conns[conn].peer_idx;
}

static int conn_to(const struct replica *r, int peer_idx, uint64_t iteration) {
  for (int i = 0; i <= LIMIT_LEARNERS; i++)
    if (iteration_on(r, i) == iteration && peer_on(r, i) == peer_idx) return i;
  return -1;
}

void frames_on_fast(struct replica *r, const struct replica_event *e, struct replica_actions *a) {
  struct frame_header h;
  memcpy(&h, e->frame.data, sizeof h);
  int conn = h.iteration ? conn_to(r, e->peer_idx, h.iteration) : -1;
  if (conn < 0) {
    counters_add(r->counters, REASON_TCP_DOWN, 1);
    return;
  }
  struct replica_action *send = act(a, ACT_SEND_FRAME);
  send->conn = conn;
  send->packet = (struct packet){.type = PACKET_FRAME, .data = e->frame};
}

/* The fast path checks all of it; what no sound peer sends ends the connection. */
static enum reason check(const struct replica *r, int conn, struct span frame) {
  if (!iteration_on(r, conn)) return REASON_PACKET_PHASE;
  if (frame.len < LIMIT_FRAME_HEADER || frame.len > r->config->mtu) return REASON_PACKET_BAD;
  struct frame_header h;
  memcpy(&h, frame.data, sizeof h);
  bool own =
      h.source == r->config->peers[peer_on(r, conn)].id && h.iteration == iteration_on(r, conn);
  return own ? REASON_NONE : REASON_PACKET_BAD;
}

/* Sent before it heard of the next epoch in place, and so before its ACKEPOCH: nothing to it (R13).
 */
static bool is_of_before(const struct replica *r, int conn) {
  const struct learner_conn *c = &r->conns[conn];
  return conn > 0 && c->resumes && c->step <= CONN_ACKEPOCH;
}

void frames_on_packet(struct replica *r, int conn, const struct packet *p,
                      struct replica_actions *a) {
  if (is_of_before(r, conn)) {
    counters_add(r->counters, REASON_STALE_ITERATION, 1);
    return;
  }
  enum reason bad = check(r, conn, p->data);
  if (bad && conn == 0) {
    learner_abandon(r, bad, false, a);
  } else if (bad) {
    leader_close(r, conn, bad, a);
  } else {
    struct replica_action *frame = act(a, ACT_FRAME);
    frame->peer_idx = peer_on(r, conn);
    frame->packet.data = p->data;
  }
}

void frames_on_moved(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  uint64_t *unsaid = &r->moves[m->peer_idx].unsaid;
  if (r->now_us < r->moves[m->peer_idx].again_us) {
    ++*unsaid;
    return;
  }
  r->moves[m->peer_idx].again_us = r->now_us + MOVES_US;
  act_log(a, (struct log_event){.id = *unsaid ? LOG_PATH_FLAPS : LOG_PATH_MOVED,
                                .peer = r->config->peers[m->peer_idx].id,
                                .reason = m->reason,
                                .a = *unsaid,
                                .own = path_name((int)m->pos)});
  *unsaid = 0;
}
