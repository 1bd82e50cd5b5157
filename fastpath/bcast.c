#include "fastpath/bcast.h"

#include <assert.h>
#include <string.h>

#include "fastpath/machine.h"

#define FRAME_ROOM_TAKEN (LIMIT_FRAME_OVERHEAD + LIMIT_FRAME_HEADER + LIMIT_FRAME_TAG)

static void init_peers(struct bcast *b, const struct config *c, const struct bcast_memory *m) {
  nodeset_t voters = 0;
  memset(b->idx_of_id, -1, sizeof b->idx_of_id);
  for (int i = 0; i < c->peer_cnt; i++) {
    b->idx_of_id[c->peers[i].id] = (int8_t)i;
    b->peers[i].idx = i;
    b->order[i] = (uint8_t)i;
    b->peers[i].id = c->peers[i].id;
    b->peers[i].observer = c->peers[i].role == ROLE_OBSERVER;
    if (!b->peers[i].observer) voters |= 1u << i;
    stream_init(&b->requests[i], m->request_ring[i], m->request_ring_bytes,
                request_entry_len(c->largest_record));
  }
  quorum_init(&b->quorum, voters);
}

void bcast_init(struct bcast *b, const struct config *c, const struct bcast_memory *m,
                struct counters *counters, struct latency *latency) {
  assert(c->peer_cnt <= LIMIT_PEERS && c->mtu >= LIMIT_MTU_MIN);
  memset(b, 0, sizeof *b);
  b->config = c;
  b->counters = counters;
  b->latency = latency;
  b->payload_max = (c->mtu - FRAME_ROOM_TAKEN) & ~7u;
  b->path_limits = path_limits_of(c->heartbeat_us, c->timeout_us);
  stream_init(&b->stream, m->stream_ring, c->ring_bytes, c->largest_record);
  init_peers(b, c, m);
}

/* Who sent it, and does it belong to an attachment that stands?  (R13, J3, J10) */
static enum reason check_channel(const struct bcast *b, const struct frame_header *h, int path) {
  if (h->cluster_id != b->config->cluster_id) return REASON_FRAME_CLUSTER;
  int idx = b->idx_of_id[h->source];
  if (h->destination != b->config->id || idx < 0 || idx == b->config->self_idx)
    return REASON_FRAME_PEER;
  if (b->phase != BCAST_LEADING && b->phase != BCAST_FOLLOWING) return REASON_STALE_EPOCH;
  if (h->epoch != b->epoch) return REASON_STALE_EPOCH;
  const struct bcast_peer *p = &b->peers[idx];
  if (!peer_is_open(p) || h->iteration != p->iteration) return REASON_STALE_ITERATION;
  if (!path_exists(&p->paths, path)) return REASON_FRAME_PEER;
  unsigned from = b->phase == BCAST_LEADING ? SENDER_FOLLOWER : SENDER_LEADER;
  if (!(frame_sender(h->type) & from)) return REASON_WRONG_ROLE;
  if (!positions_possible(b, p, h)) return REASON_IMPOSSIBLE_POSITION;
  return REASON_NONE;
}

static void on_leader(struct bcast *b, struct bcast_peer *p, struct inbound in,
                      struct bcast_actions *a) {
  leader_heard(b, p, in, a);
  if (in.h->flags & FRAME_PROBE) return;
  switch (in.h->type) {
    case FRAME_ACK:
      leader_on_ack(b, p, in, a);
      break;
    case FRAME_REQUEST:
      leader_on_request(b, p, in);
      break;
    default:
      break; /* frame_sender let nothing else pass */
  }
}

static void on_follower(struct bcast *b, struct bcast_peer *p, struct inbound in,
                        struct bcast_actions *a) {
  follower_heard(b, p, in, a);
  if (in.h->flags & FRAME_PROBE) return;
  switch (in.h->type) {
    case FRAME_PROPOSAL:
    case FRAME_INFORM:
      follower_on_proposal(b, p, in);
      break;
    case FRAME_PING:
      follower_on_ping(p);
      break;
    case FRAME_ACK:
      follower_on_ack(b, p, in, a);
      break;
    default:
      break; /* COMMIT: the header said it all */
  }
}

static void on_frame(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  struct frame_header h;
  enum reason reason = frame_check(&h, e->data, e->len);
  if (reason == REASON_NONE) reason = check_channel(b, &h, e->path);
  if (reason != REASON_NONE) {
    drop(b, reason);
    return;
  }
  struct bcast_peer *p = &b->peers[(int)b->idx_of_id[h.source]];
  if (!(h.flags & FRAME_PROBE) && !peer_take_seq(p, h.seq)) {
    drop(b, REASON_STALE_SEQ);
    return;
  }
  struct inbound in = {&h, (const uint8_t *)e->data + sizeof h, e->path};
  if (b->phase == BCAST_LEADING)
    on_leader(b, p, in, a);
  else if (follower_alive(b, a)) /* first: what waited in a queue revives nobody (F12, J8) */
    on_follower(b, p, in, a);
}

/* Room that reclaiming what may be reclaimed would give; it is done only when needed, since the
 * ring is what lost slices are sent from again. */
static uint64_t room_of(const struct stream *s, pos_t reclaimable) {
  return reclaimable + s->size - s->high;
}

static void make_room(struct stream *s, uint32_t size) {
  if (stream_room(s) < size) stream_reclaim(s, s->high + size - s->size);
}

static void on_propose(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  if (b->phase != BCAST_LEADING || zxid_epoch(e->zxid) != b->epoch) {
    drop(b, REASON_WRONG_ROLE);
    return;
  }
  assert(bcast_room(b, BCAST_PROPOSE, e->len));
  if (zxid_counter(e->zxid) > b->config->counter_limit) {
    control_lost(b, REASON_COUNTER_LIMIT, a);
    return;
  }
  make_room(&b->stream, record_size(e->len));
  enum reason reason = stream_append(&b->stream, e->zxid, e->data, e->len);
  assert(reason == REASON_NONE); /* the app's numbers have no hole (design 7) */
  if (!b->stamp_pos) {
    b->stamp_pos = b->stream.whole;
    b->stamp_ns = e->now_ns;
  }
}

static void on_request(struct bcast *b, const struct bcast_event *e) {
  if (b->phase != BCAST_FOLLOWING) {
    drop(b, REASON_WRONG_ROLE);
    return;
  }
  struct stream *s = &b->requests[b->config->self_idx];
  assert(bcast_room(b, BCAST_REQUEST, e->len));
  make_room(s, record_size(request_entry_len(e->len)));
  enum reason reason = request_append(b, e->data, e->len);
  assert(reason == REASON_NONE);
}

void bcast_step(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  a->cnt = 0;
  b->from = e->type == BCAST_FRAME ? e->from : NULL;
  b->now_ns = e->now_ns;
  b->now_us = e->now_ns / 1000;
  switch (e->type) {
    case BCAST_FRAME:
      on_frame(b, e, a);
      break;
    case BCAST_CONTROL:
      control_step(b, e->fast, a);
      break;
    case BCAST_PROPOSE:
      on_propose(b, e, a);
      break;
    case BCAST_REQUEST:
      on_request(b, e);
      break;
    case BCAST_COUNT:
      turn_count(b, e, a);
      break;
    case BCAST_TURN:
      turn_step(b, e, a);
      break;
  }
  assert(a->cnt <= LIMIT_FAST_ACTIONS);
}

bool bcast_room(const struct bcast *b, enum bcast_event_type type, uint32_t len) {
  if (type == BCAST_PROPOSE) {
    assert(len >= LIMIT_RECORD_MIN && len <= b->config->largest_record);
    if (b->phase != BCAST_LEADING || !b->established) return false;
    return stream_room(&b->stream) >= record_size(len) ||
           room_of(&b->stream, leader_reclaimable(b)) >= record_size(len);
  }
  assert(len <= b->config->largest_record);
  if (b->phase != BCAST_FOLLOWING) return false;
  pos_t acked = b->peers[b->leader_idx].out.acked;
  uint64_t room = room_of(&b->requests[b->config->self_idx], acked);
  return room >= record_size(request_entry_len(len));
}

bool bcast_more(const struct bcast *b) { return b->more; }

pos_t bcast_appended(const struct bcast *b) { return b->stream.whole; }

pos_t bcast_committed(const struct bcast *b) { return b->deliverable; }

/* A store that changes nothing would still take the cache line from its readers. */
static void publish(struct position *p, pos_t pos) {
  if (position_get(p) != pos) position_set(p, pos);
}

static uint64_t path_told(const struct bcast_peer *p) {
  return p->phase == PEER_HEARD ? p->paths.states | (p->paths.use + 1u) : 0u;
}

void bcast_publish(const struct bcast *b, struct positions *p) {
  if (b->phase != BCAST_LEADING && b->phase != BCAST_FOLLOWING) return; /* the slow thread's now */
  publish(&p->appended, bcast_appended(b));
  publish(&p->committed, bcast_committed(b));
  publish(&p->held, b->held); /* after committed, which is not below it */
  if (b->phase == BCAST_FOLLOWING)
    publish(&p->peer_path[b->leader_idx], path_told(&b->peers[b->leader_idx]));
  if (b->phase != BCAST_LEADING) return;
  for (int i = 0; i < b->config->peer_cnt; i++) {
    publish(&p->peer_path[i], path_told(&b->peers[i]));
    publish(&p->peer_received[i], b->peers[i].out.acked);
    publish(&p->peer_durable[i], b->peers[i].durable);
  }
}
