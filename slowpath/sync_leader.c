/* sync_leader.c - history to one learner, from disk only (5.2 steps 0-2).
 *
 *   LOOKUP -> DIFF | TRUNC | SNAP -> (ROUND? -> READ -> SEND)* -> ATTACH -> ATTACHED(P,Z)
 *          -> (READ -> SEND)* -> NEWLEADER
 *
 * One request to the disk or one buffer of records is under way; the next part goes out when the
 * driver says that the last one has left, so a learner that does not read costs its buffer and
 * nothing else. */
#include <assert.h>

#include "proto/record.h"
#include "slowpath/replica_parts.h"

static void ask_disk(struct replica *r, int conn, enum conn_step step, struct disk_msg m,
                     struct replica_actions *a) {
  r->conns[conn].step = step;
  r->conns[conn].tag = act_disk(r, conn, m, a);
}

/* ---- the decision ---- */

static void lookup(struct replica *r, int conn, struct replica_actions *a) {
  ask_disk(r, conn, CONN_LOOKUP,
           (struct disk_msg){.type = DISK_LOOKUP, .zxid = r->conns[conn].last}, a);
}

void sync_start(struct replica *r, int conn, struct replica_actions *a) {
  leader_progress(r, conn);
  lookup(r, conn, a);
}

static void read_more(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  c->step = CONN_READ;
  c->tag = 0;
  c->len = c->off = 0;
  if (r->lent[conn]) return; /* sync_buffer_back */
  ask_disk(r, conn, CONN_READ,
           (struct disk_msg){.type = DISK_READ,
                             .zxid = c->sent,
                             .buf = r->memory.buffer[conn],
                             .cap = LIMIT_SYNC_BUFFER},
           a);
}

static void send_op(struct replica *r, int conn, int32_t type, zxid_t zxid,
                    struct replica_actions *a) {
  static const enum log_id ids[] = {[PACKET_DIFF] = LOG_LEARNER_DIFF,
                                    [PACKET_TRUNC] = LOG_LEARNER_TRUNC,
                                    [PACKET_SNAP] = LOG_LEARNER_SNAP};
  struct learner_conn *c = &r->conns[conn];
  act_send_empty(a, conn, type, zxid);
  act_log(a, (struct log_event){
                 .id = ids[type], .peer = r->config->peers[c->peer_idx].id, .zxid = zxid});
  c->sent = zxid;
  *(type == PACKET_SNAP ? &r->snaps : &r->diffs) += 1;
}

static void attach(struct replica *r, int conn, zxid_t last, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  c->step = CONN_ATTACH;
  c->attachment = ATTACHMENT_ASKED;
  act_fast(a, (struct fast_msg){.type = FAST_ATTACH,
                                .peer_idx = c->peer_idx,
                                .epoch = r->lead.epoch,
                                .iteration = c->iteration,
                                .zxid = last,
                                .tcp = c->tcp,
                                .resumes = c->resumes});
}

/* ---- SNAP: one learner at a time ---- */

static void snap_turn(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  c->step = CONN_SNAP_TURN;
  c->tag = 0;
  c->ping_us = r->now_us + tick_us(r);
  if (r->lead.snap_conn || r->lent[conn]) return;
  r->lead.snap_conn = conn;
  leader_progress(r, conn);
  ask_disk(r, conn, CONN_SNAP_OPEN,
           (struct disk_msg){.type = DISK_SNAP_OPEN, .zxid = zxid_make(r->lead.epoch, UINT32_MAX)},
           a);
}

/* The next one only when this one has left: one that does not read costs one packet. */
void sync_ping(struct replica *r, int conn, struct replica_actions *a) {
  assert(r->conns[conn].step == CONN_SNAP_TURN);
  r->conns[conn].ping_us = UINT64_MAX;
  act_send_empty(a, conn, PACKET_PING, 0);
}

/* The open snapshot is what keeps the log behind it from a purge: not before all up to Z is read.
 */
void sync_release(struct replica *r, int conn, struct replica_actions *a) {
  if (r->lead.snap_conn != conn) return;
  r->lead.snap_conn = 0;
  act_disk(r, DISK_REPLICA, (struct disk_msg){.type = DISK_SNAP_CLOSE}, a);
  for (int i = 1; i <= LIMIT_LEARNERS && !r->lead.snap_conn; i++)
    if (r->conns[i].step == CONN_SNAP_TURN) snap_turn(r, i, a);
}

static void snap_read(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  ask_disk(r, conn, CONN_SNAP_READ,
           (struct disk_msg){.type = DISK_SNAP_READ,
                             .buf = r->memory.buffer[conn],
                             .cap = SYNC_CHUNKS * LIMIT_SNAP_CHUNK,
                             .pos = c->snap_offset},
           a);
}

/* At most once a tick: a learner may come again and again before it is taken. */
static void ask_for_snapshot(struct replica *r, struct replica_actions *a) {
  if (r->now_us < r->lead.ask_snap_us) return;
  r->lead.ask_snap_us = r->now_us + tick_us(r);
  act_app(a, (struct app_msg){.type = APP_SNAPSHOT, .epoch = r->lead.epoch});
}

static void on_snap_opened(struct replica *r, int conn, const struct disk_msg *m,
                           struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  bool behind = m->zxid < c->last && !(c->features & FEATURE_NEEDS_SNAP);
  if (m->reason || behind) { /* it would take acknowledged records away (learner_op.c) */
    ask_for_snapshot(r, a);
    leader_close(r, conn, REASON_BELOW_LOG, a);
    return;
  }
  send_op(r, conn, PACKET_SNAP, m->zxid, a);
  c->snap_offset = 0;
  snap_read(r, conn, a);
}

static void send_chunk(int conn, const uint8_t *data, uint32_t len, struct replica_actions *a) {
  struct replica_action *action = act(a, ACT_SEND_CHUNK);
  action->conn = conn;
  action->packet = (struct packet){.type = len ? PACKET_SNAP_CHUNK : PACKET_SNAP_END,
                                   .data = {data, (int32_t)len}};
}

static void on_snap_read(struct replica *r, int conn, const struct disk_msg *m,
                         struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (m->len == 0) {
    send_chunk(conn, NULL, 0, a);
    read_more(r, conn, a);
    return;
  }
  const uint8_t *p = r->memory.buffer[conn];
  for (uint32_t off = 0; off < m->len; off += LIMIT_SNAP_CHUNK) {
    uint32_t rest = m->len - off;
    send_chunk(conn, p + off, rest < LIMIT_SNAP_CHUNK ? rest : LIMIT_SNAP_CHUNK, a);
  }
  c->snap_offset += m->len;
  c->step = CONN_SNAP_SEND;
}

static void on_lookup(struct replica *r, int conn, const struct disk_msg *m,
                      struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  struct sync_decision d =
      sync_decide(c->last, m->zxid, m->reason == REASON_BELOW_LOG, r->lead.epoch);
  bool attached = c->attachment == ATTACHMENT_OPEN;
  if (c->features & FEATURE_NEEDS_SNAP) d.op = SYNC_SNAP;
  switch (d.op) {
    case SYNC_DIFF:
    case SYNC_TRUNC:
      assert(d.op == SYNC_DIFF || zxid_epoch(c->last) != r->lead.epoch);
      send_op(r, conn, d.op == SYNC_DIFF ? PACKET_DIFF : PACKET_TRUNC, d.base, a);
      read_more(r, conn, a);
      break;
    case SYNC_SNAP:
      snap_turn(r, conn, a);
      break;
    case SYNC_ATTACH_FIRST:
      if (attached) /* our disk has passed it, and it is not there */
        leader_close(r, conn, REASON_SYNC_ORDER, a);
      else
        attach(r, conn, c->last, a);
      break;
    case SYNC_REFUSE:
      leader_close(r, conn, REASON_SYNC_ORDER, a);
      break;
  }
}

/* ---- records ---- */

static void send_newleader(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  assert(c->sent == c->target && r->durable.current_epoch == r->lead.epoch);
  struct extension e = own_extension(r);
  e.iteration = c->iteration;
  e.position = c->pos;
  if (c->resumes) e.features |= FEATURE_RESUMES;
  e.requests = c->requests;
  uint32_t text_len = (uint32_t)r->config_text_len + 1; /* with its NUL */
  act_send(a, conn,
           (struct packet){.type = PACKET_NEWLEADER,
                           .zxid = zxid_make(r->lead.epoch, 0),
                           .data = extension_span(r, r->config_text, text_len, &e)});
  c->step = CONN_ACK;
  sync_release(r, conn, a);
}

static void catch_up(struct replica *r, int conn, struct replica_actions *a) {
  zxid_t all = zxid_make(r->lead.epoch, UINT32_MAX);
  if (rounds_next(r, conn, a))
    ask_disk(r, conn, CONN_ROUND, (struct disk_msg){.type = DISK_LOOKUP, .zxid = all}, a);
  else
    read_more(r, conn, a);
}

/* All that was read has been sent. */
static void go_on(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->attachment == ATTACHMENT_OPEN && c->sent == c->target)
    send_newleader(r, conn, a);
  else if (c->attachment == ATTACHMENT_NONE && c->at_end)
    attach(r, conn, c->sent, a);
  else if (c->attachment == ATTACHMENT_NONE)
    catch_up(r, conn, a);
  else
    read_more(r, conn, a);
}

/* The initial history goes as PROPOSAL + COMMIT, records of our own epoch as PROPOSAL alone: which
 * of them are committed the stream says. */
static void send_record(const struct replica *r, int conn, const struct record *rec,
                        struct replica_actions *a) {
  act_send(a, conn,
           (struct packet){.type = PACKET_PROPOSAL,
                           .zxid = rec->zxid,
                           .data = {rec->payload, (int32_t)rec->payload_len},
                           .crc = rec->crc,
                           .has_crc = true});
  if (zxid_epoch(rec->zxid) < r->lead.epoch) act_send_empty(a, conn, PACKET_COMMIT, rec->zxid);
}

static void send_records(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  const uint8_t *p = r->memory.buffer[conn];
  bool open = c->attachment == ATTACHMENT_OPEN;
  for (int i = 0; i < SYNC_RECORDS && c->off < c->len; i++) {
    struct record rec;
    enum record_status status = record_peek(&rec, p + c->off, c->len - c->off, LIMIT_RECORD_MAX);
    assert(status == RECORD_OK && zxid_follows(c->sent, rec.zxid)); /* B14: no hole in a source */
    if (open && rec.zxid > c->target) { /* behind P: the stream brings it (step 7) */
      c->off = c->len;
      break;
    }
    send_record(r, conn, &rec, a);
    c->sent = rec.zxid;
    c->round_bytes += rec.size;
    c->off += rec.size;
  }
  c->step = CONN_SEND;
}

static void on_read(struct replica *r, int conn, const struct disk_msg *m,
                    struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  bool open = c->attachment == ATTACHMENT_OPEN;
  bool ends = open && m->len == 0 && c->sent < c->target;
  if (m->reason || ends) { /* purged under us; or Z is not on our disk */
    leader_close(r, conn, m->reason ? m->reason : REASON_SYNC_ORDER, a);
    return;
  }
  c->len = m->len;
  c->off = 0;
  c->at_end = m->zxid >= m->upto && m->len <= r->config->ring_bytes / 4;
  if (m->len == 0)
    go_on(r, conn, a);
  else
    send_records(r, conn, a);
}

/* ---- inputs ---- */

void sync_on_disk(struct replica *r, int conn, const struct disk_msg *m,
                  struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (r->role != ROLE_LEADING) return;
  c->tag = 0;
  leader_progress(r, conn);
  if (m->type == DISK_ASK) {
    repair_send_answer(r, conn, m, a);
    return;
  }
  switch (c->step) {
    case CONN_LOOKUP:
      on_lookup(r, conn, m, a);
      break;
    case CONN_SNAP_OPEN:
      on_snap_opened(r, conn, m, a);
      break;
    case CONN_SNAP_READ:
      on_snap_read(r, conn, m, a);
      break;
    case CONN_ROUND:
      rounds_begin(r, conn, m->zxid);
      read_more(r, conn, a);
      break;
    case CONN_READ:
      on_read(r, conn, m, a);
      break;
    default:
      assert(false); /* a step that waits for the disk */
  }
}

void sync_buffer_back(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->step == CONN_READ && c->tag == 0) read_more(r, conn, a);
  if (c->step == CONN_SNAP_TURN) snap_turn(r, conn, a);
}

/* EV_WRITABLE: everything sent so far has left. */
void sync_on_writable(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->step == CONN_SNAP_SEND) {
    leader_progress(r, conn);
    snap_read(r, conn, a);
  } else if (c->step == CONN_SEND) {
    leader_progress(r, conn);
    if (c->off < c->len)
      send_records(r, conn, a);
    else
      go_on(r, conn, a);
  } else if (c->step == CONN_SNAP_TURN) {
    c->ping_us = r->now_us + tick_us(r);
  } else if (c->step == CONN_ACK) {
    leader_progress(r, conn); /* it still reads */
  }
}

/* Step 1: from now on the fast path keeps everything behind P for this learner. */
void leader_on_attached(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    struct learner_conn *c = &r->conns[i];
    if (c->step != CONN_ATTACH || c->iteration != m->iteration || c->peer_idx != m->peer_idx)
      continue;
    c->attachment = ATTACHMENT_OPEN;
    assert(!c->resumes || m->resumes); /* the attachment of before was on this connection */
    c->requests = m->requests;
    c->pos = m->pos;
    c->target = m->zxid;
    leader_progress(r, i);
    rounds_over(r, i, a);
    if (c->at_end) {
      assert(c->sent <= c->target);
      go_on(r, i, a);
    } else {
      lookup(r, i, a); /* SYNC_ATTACH_FIRST: our disk holds its last record now */
    }
    return;
  }
  counters_add(r->counters, REASON_HANDOVER_STALE, 1);
}
