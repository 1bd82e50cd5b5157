/* leader_conn.c - the leader's connections: accepted, filtered by step, ended. */
#include <assert.h>
#include <string.h>

#include "slowpath/replica_parts.h"

void leader_on_accepted_conn(struct replica *r, int conn, struct replica_actions *a) {
  (void)a;
  struct learner_conn *c = &r->conns[conn];
  assert(c->step == CONN_FREE);
  memset(c, 0, sizeof *c);
  c->peer_idx = -1;
  c->step = CONN_FOLLOWERINFO;
  c->deadline_us = r->now_us + init_limit_us(r);
}

/* Which packets each step takes; anything else ends the connection (I-11). */
void leader_on_packet(struct replica *r, int conn, const struct packet *p,
                      struct replica_actions *a) {
  enum conn_step step = r->conns[conn].step;
  bool is_info = p->type == PACKET_FOLLOWERINFO || p->type == PACKET_OBSERVERINFO;
  if (step == CONN_FOLLOWERINFO && is_info)
    leader_on_followerinfo(r, conn, p, a);
  else if (p->type == PACKET_FRAME)
    frames_on_packet(r, conn, p, a);
  else if (step == CONN_ACKEPOCH && p->type == PACKET_ACKEPOCH)
    leader_on_ackepoch(r, conn, p, a);
  else if ((step == CONN_ACK || step == CONN_SETTLED) && p->type == PACKET_ACK)
    leader_on_newleader_ack(r, conn, p, a);
  else if (step == CONN_ACK && p->type == PACKET_ASK)
    repair_on_ask(r, conn, p, a);
  else if (step == CONN_ACK && p->type == PACKET_PING && r->conns[conn].repairs)
    leader_progress(r, conn); /* it gets on with it */
  else if (step >= CONN_READY && p->type == PACKET_ANSWER)
    repair_on_answer(r, conn, p, a);
  else
    leader_close(r, conn, REASON_PACKET_PHASE, a);
}

/* An attachment lives only while its TCP connection does (5.2). */
void leader_release(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->attachment != ATTACHMENT_NONE)
    act_fast(a, (struct fast_msg){.type = FAST_DETACH,
                                  .peer_idx = c->peer_idx,
                                  .epoch = r->lead.epoch,
                                  .iteration = c->iteration});
  if (c->peer_idx >= 0 && c->attachment != ATTACHMENT_NONE)
    r->lead.counted &= ~node_bit(c->peer_idx);
  memset(c, 0, sizeof *c);
  c->peer_idx = -1;
  rounds_over(r, conn, a);
  sync_release(r, conn, a);
}

/* From the choice of the epoch on, too few connected or counted means that others may be electing.
 */
void leader_check_support(struct replica *r, struct replica_actions *a) {
  const struct leading *l = &r->lead;
  nodeset_t set = l->step == LEADING_ESTABLISHED ? l->counted : leader_supporters(r);
  if (l->step != LEADING_CEPOCH && !quorum_has(&r->quorum, set))
    leader_step_down(r, REASON_NO_QUORUM, a);
}

static void end(struct replica *r, int conn, enum reason why, struct replica_actions *a) {
  int idx = r->conns[conn].peer_idx;
  counters_add(r->counters, why, 1);
  log_no_fast_path(r, conn, a);
  if (leader_is_unheard(&r->conns[conn])) r->lead.unheard |= node_bit(idx);
  if (idx >= 0 && r->conns[conn].step >= CONN_READY)
    act_log(a, (struct log_event){
                   .id = LOG_LEARNER_ENDED, .peer = r->config->peers[idx].id, .reason = why});
  leader_release(r, conn, a);
}

void leader_close(struct replica *r, int conn, enum reason why, struct replica_actions *a) {
  struct replica_action *close = act(a, ACT_CLOSE_CONN);
  close->conn = conn;
  close->reason = why;
  end(r, conn, why, a);
  bool later = why == REASON_PEER_DUPLICATE || why == REASON_EPOCH_ENDS; /* by the caller */
  if (!later) leader_check_support(r, a);
}

void leader_dropped(struct replica *r, int conn, enum reason why, struct replica_actions *a) {
  end(r, conn, why == REASON_NONE ? REASON_CONN_CLOSED : why, a);
  leader_check_support(r, a);
}
