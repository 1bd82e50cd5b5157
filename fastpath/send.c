/* What leaves in one turn, peer by peer: gap reports, slices, and at most one frame without
 * payload. */
#include <assert.h>

#include "fastpath/machine.h"

static struct bcast_action *begin_frame(const struct bcast_peer *p, enum frame_type type,
                                        struct bcast_actions *a) {
  assert(a->cnt < LIMIT_FAST_ACTIONS);
  struct bcast_action *act = &a->at[a->cnt++];
  act->type = BCAST_ACT_SEND;
  act->peer_idx = p->idx;
  act->path = p->paths.use;
  act->payload = NULL;
  act->len = 0;
  act->header.type = (uint8_t)type;
  act->header.flags = 0;
  act->header.position = p->out.next;
  return act;
}

/* The leader tells no more committed than it has told the peer to exist, which the peer checks. */
static pos_t committed_up_to(const struct bcast *b, pos_t end) {
  return b->phase == BCAST_LEADING && b->committed > end ? end : b->committed;
}

static uint32_t window_of(const struct bcast *b, const struct bcast_peer *p, pos_t received) {
  return (uint32_t)(edge_of(b, p) - received); /* at most LIMIT_RING_MAX */
}

/* type, flags, path, position, payload and len are set; end: of the sender's stream, as the frame
 * tells. */
static void seal(struct bcast *b, struct bcast_peer *p, struct bcast_action *act, pos_t end) {
  struct frame_header *h = &act->header;
  h->payload_len = (uint16_t)act->len;
  h->cluster_id = b->config->cluster_id;
  h->source = b->config->id;
  h->destination = p->id;
  h->iteration = p->iteration;
  h->seq = ++p->tx_seq;
  h->epoch = b->epoch;
  h->received = stream_from(b, p)->received;
  h->window = window_of(b, p, h->received);
  h->committed = committed_up_to(b, end);
  h->durable = b->acked;
  h->send_time = peer_send_stamp(b->now_us);
  h->echo_time = p->paths.at[act->path].send_time;
  frame_seal(h);
  path_sent(&p->paths, act->path, b->now_us);
}

static void finish_frame(struct bcast *b, struct bcast_peer *p, struct bcast_action *act,
                         pos_t end) {
  seal(b, p, act, end);
  const struct frame_header *h = &act->header;
  if (h->committed > p->told_committed) p->told_committed = h->committed;
  p->told_received = h->received;
  p->told_durable = h->durable;
  p->told_edge = h->received + h->window;
  p->sent_us = b->now_us;
  p->owes_answer = p->owes_at_once = false;
}

static void send_bare(struct bcast *b, struct bcast_peer *p, enum frame_type type,
                      struct bcast_actions *a) {
  finish_frame(b, p, begin_frame(p, type, a), p->out.next);
}

/* The leader asks paths that it does not use; its follower answers, and comes on all of them until
 * the leader has answered it on the one it uses: a leader that is deaf there is heard, and would
 * wait for ever.  TCP is the connection of the hand-over, the leader's turn there is after its
 * follower's. */
static bool probe_is_due(const struct bcast *b, const struct bcast_peer *p, int path) {
  if (p->paths.at[path].owes) return true;
  bool asks = b->phase == BCAST_LEADING ? p->phase == PEER_HEARD || path != PATH_TCP
                                        : !p->paths.at[p->paths.use].answered_us;
  return asks && path_probe_due(&p->paths, &b->path_limits, path, b->now_us);
}

static void send_probes(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  enum frame_type type = b->phase == BCAST_LEADING ? FRAME_PING : FRAME_ACK;
  for (int i = 0; i < LIMIT_PATHS; i++) {
    if (!path_exists(&p->paths, i) || !probe_is_due(b, p, i)) continue;
    p->paths.at[i].owes = false;
    struct bcast_action *act = begin_frame(p, type, a);
    act->path = i;
    act->header.flags = FRAME_PROBE;
    seal(b, p, act, p->out.next);
  }
}

/* TCP repairs its own losses, and its round trip may be long. */
static uint64_t floor_us(const struct bcast *b, const struct bcast_peer *p) {
  return p->paths.use == PATH_TCP ? b->path_limits.doubt_us : OUTFLOW_RTO_FLOOR_US;
}

static uint64_t at_least(uint64_t us, uint64_t floor_us) { return us > floor_us ? us : floor_us; }

static void send_gaps(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  uint64_t again_us = at_least(p->rtt_us * 2, floor_us(b, p));
  struct stream *s = stream_from(b, p);
  struct inflow_clock clock = {
      .now_us = b->now_us,
      .sent_us = p->sent_us,
      .wait_us = at_least(again_us, b->config->heartbeat_us),
  };
  if (inflow_is_stuck(&p->in, s, edge_of(b, p), clock)) {
    stream_fall_back(s);
    inflow_fell_back(&p->in, s->whole);
    drop(b, REASON_RECORD_CRC);
  }
  int cnt = inflow_report(&p->in, s, b->now_us, again_us, p->gaps);
  if (!cnt) return;
  struct bcast_action *act = begin_frame(p, FRAME_ACK, a);
  act->header.flags = FRAME_GAP;
  act->payload = p->gaps;
  act->len = (uint32_t)cnt * (uint32_t)sizeof p->gaps[0];
  finish_frame(b, p, act, p->out.next);
  drop(b, REASON_GAP_REPORTED);
}

static enum frame_type slice_type(const struct bcast *b, const struct bcast_peer *p) {
  if (b->phase == BCAST_FOLLOWING) return FRAME_REQUEST;
  return p->observer ? FRAME_INFORM : FRAME_PROPOSAL;
}

/* Returns false when there was nothing to send. */
static bool send_slice(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  const struct stream *s = stream_to(b);
  bool informed = b->phase == BCAST_LEADING && p->observer;
  pos_t end = informed ? b->committed : s->whole;
  struct outflow_slice slice = outflow_take(&p->out, end, b->payload_max, b->now_us);
  if (!slice.len) return false;
  struct bcast_action *act = begin_frame(p, slice_type(b, p), a);
  act->header.position = slice.pos;
  act->payload = stream_at(s, slice.pos);
  act->len = slice.len;
  finish_frame(b, p, act, slice.pos + slice.len);
  if (slice.again) drop(b, REASON_SLICE_RESENT);
  return true;
}

/* The window is worth a frame of its own when the peer waits for it, or it grew by a quarter ring.
 */
static bool window_opened(const struct bcast *b, const struct bcast_peer *p) {
  const struct stream *s = b->phase == BCAST_LEADING ? &b->requests[p->idx] : &b->stream;
  pos_t edge = edge_of(b, p);
  if (edge == p->told_edge) return false;
  return p->told_edge == s->received || edge - p->told_edge >= s->size / 4;
}

static bool owes_ack(const struct bcast *b, const struct bcast_peer *p) {
  const struct stream *s = b->phase == BCAST_LEADING ? &b->requests[p->idx] : &b->stream;
  if (s->received != p->told_received || window_opened(b, p)) return true;
  return b->phase == BCAST_FOLLOWING && (p->owes_at_once || b->acked != p->told_durable);
}

static void send_leader_bare(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  bool heard = p->phase == PEER_HEARD;
  if (heard && p->owes_at_once)
    send_bare(b, p, FRAME_PING, a);
  else if (heard && committed_up_to(b, p->out.next) > p->told_committed)
    send_bare(b, p, FRAME_COMMIT, a);
  else if (heard && owes_ack(b, p))
    send_bare(b, p, FRAME_ACK, a);
  else if (b->now_us - p->sent_us >= b->config->heartbeat_us)
    send_bare(b, p, FRAME_PING, a);
}

/* Until the leader is heard, and whenever it sends but needs no answer at once, one ACK a
 * heartbeat. */
static void send_follower_bare(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  bool due = b->now_us - p->sent_us >= b->config->heartbeat_us;
  bool waiting = p->phase == PEER_ATTACHED || p->owes_answer;
  if (owes_ack(b, p) || (due && waiting)) send_bare(b, p, FRAME_ACK, a);
}

static void send_peer(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  uint64_t max_us = b->config->timeout_us / 4;
  send_gaps(b, p, a);
  if (p->paths.exist & (p->paths.exist - 1u)) send_probes(b, p, a); /* more than one */
  outflow_forget(&p->out, stream_to(b)->reclaimed);
  outflow_tick(&p->out, b->now_us, at_least(peer_rto_us(p), floor_us(b, p)), max_us);
  while (a->cnt + 1 < LIMIT_FAST_ACTIONS)
    if (!send_slice(b, p, a)) break;
  if (a->cnt + 1 >= LIMIT_FAST_ACTIONS) b->round_again = true;
  if (b->phase == BCAST_LEADING)
    send_leader_bare(b, p, a);
  else
    send_follower_bare(b, p, a);
}

static nodeset_t open_peers(const struct bcast *b) {
  nodeset_t open = 0;
  for (int i = 0; i < b->config->peer_cnt; i++)
    if (peer_is_open(&b->peers[i])) open |= 1u << i;
  return open;
}

void send_next(struct bcast *b, struct bcast_actions *a) {
  nodeset_t open = open_peers(b);
  b->unsent &= open;
  if (!b->unsent) b->unsent = open; /* a new round */
  for (int i = 0; i < b->config->peer_cnt; i++) {
    nodeset_t bit = 1u << b->order[i];
    if (!(b->unsent & bit)) continue;
    b->unsent &= ~bit;
    send_peer(b, &b->peers[b->order[i]], a);
    break;
  }
  if (!b->unsent && !b->round_again) return;
  if (!b->unsent) b->round_again = false;
  b->more = true;
}
