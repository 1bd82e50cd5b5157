/* What every frame of an attached peer says by its header, and the two kinds of payload. */
#include <string.h>

#include "fastpath/machine.h"

/* Where the sender's stream ends as far as this frame tells. */
static pos_t end_of(const struct frame_header *h) {
  return h->position + (h->flags & FRAME_GAP ? 0u : h->payload_len);
}

/* An echo is of this attachment: not older than it, not of the future.  One microsecond of grace
 * for the stamp that avoids 0. */
static bool echo_possible(const struct bcast *b, const struct bcast_peer *p, uint32_t echo) {
  return !echo || peer_echo_age(b->now_us, echo) <= b->now_us - p->attached_us + 1;
}

bool positions_possible(const struct bcast *b, const struct bcast_peer *p,
                        const struct frame_header *h) {
  pos_t end = end_of(h);
  if (h->received < p->out.start || h->received > p->out.next) return false;
  if (h->window > LIMIT_RING_MAX || end < h->position || end > edge_of(b, p)) return false;
  if (!echo_possible(b, p, h->echo_time)) return false;
  if (b->phase == BCAST_FOLLOWING) return h->committed <= end;
  if (h->durable < p->out.start || h->durable > h->received) return false;
  return h->durable % LIMIT_RECORD_ALIGN == 0 && h->committed <= b->committed;
}

static void heard_end(struct bcast_peer *p, const struct frame_header *h, uint64_t now_us) {
  inflow_announce(&p->in, end_of(h));
  bool bare = !h->payload_len && h->seq == p->rx_seq; /* a gap report leaves before new slices */
  uint64_t heard_us = h->echo_time ? now_us - peer_echo_age(now_us, h->echo_time) : 0;
  if (bare) inflow_idle(&p->in, (struct inflow_quiet){end_of(h), now_us, heard_us});
}

/* A path on which the peer comes and that has not answered us yet is asked at once. */
static void heard_on(const struct bcast *b, struct bcast_peer *p, struct inbound in) {
  struct path_times times = {in.h->send_time, in.h->echo_time};
  path_heard(&p->paths, &b->path_limits, in.path, b->now_us, times);
  struct path *path = &p->paths.at[in.path];
  bool asks = b->phase == BCAST_FOLLOWING ? in.h->flags & FRAME_PROBE : !path->answered_us;
  if (asks) path->owes = true;
}

void leader_heard(struct bcast *b, struct bcast_peer *p, struct inbound in,
                  struct bcast_actions *a) {
  const struct frame_header *h = in.h;
  if (p->phase == PEER_ATTACHED) {
    p->phase = PEER_HEARD;
    p->heard_us = b->now_us;
    path_begin(&p->paths, b->now_us);
    p->owes_at_once = true; /* it cannot echo before it hears us */
  }
  heard_on(b, p, in);
  bool probe = h->flags & FRAME_PROBE;
  if (h->echo_time) { /* C7, F12: alive when it was sent what it echoes, not when its frame came */
    uint64_t alive = b->now_us - peer_echo_age(b->now_us, h->echo_time);
    if (alive > p->alive_us) p->alive_us = alive;
    if (!probe) peer_measure(p, b->now_us, h->echo_time);
  }
  if (probe) return;
  outflow_ack(&p->out, h->received, h->window, b->now_us);
  heard_end(p, h, b->now_us);
  if (h->durable > p->durable) { /* never back: frames may overtake each other (J6) */
    p->durable = h->durable;
    b->count_again = true;
  }
  control_tell_heard(b, p, a);
}

/* Its newest frame but a probe came by the path that the leader uses. */
static void go_with_leader(struct bcast *b, struct bcast_peer *p, struct inbound in,
                           struct bcast_actions *a) {
  if (in.path == p->paths.use || in.h->seq != p->rx_seq) return;
  control_move(b, p, (struct path_move){REASON_PATH_FOLLOWED, (uint8_t)in.path}, a);
}

void follower_heard(struct bcast *b, struct bcast_peer *p, struct inbound in,
                    struct bcast_actions *a) {
  const struct frame_header *h = in.h;
  p->phase = PEER_HEARD;
  heard_on(b, p, in);
  if (h->flags & FRAME_PROBE) {
    if (peer_heard_time(p, h->send_time)) p->alive_us = b->now_us;
    return;
  }
  go_with_leader(b, p, in, a);
  p->owes_answer = true;
  if (peer_heard_time(p, h->send_time)) p->alive_us = b->now_us;
  if (h->echo_time && h->received > p->out.acked) peer_measure(p, b->now_us, h->echo_time);
  outflow_ack(&p->out, h->received, h->window, b->now_us);
  heard_end(p, h, b->now_us);
  if (h->committed > b->committed) b->committed = h->committed;
}

void take_slice(struct bcast *b, struct bcast_peer *p, struct inbound in) {
  struct stream *s = stream_from(b, p);
  enum reason reason = stream_place(s, in.h->position, in.payload, in.h->payload_len);
  if (reason == REASON_NONE) return;
  drop(b, reason);
  if (reason == REASON_RECORD_CRC || reason == REASON_RECORD_ORDER)
    inflow_fell_back(&p->in, s->whole);
}

bool take_gaps(struct bcast *b, struct bcast_peer *p, struct inbound in) {
  if (!(in.h->flags & FRAME_GAP)) return true;
  bool newest = in.h->seq == p->rx_seq; /* an older report may be of bytes that came since */
  for (uint32_t at = 0; at < in.h->payload_len; at += (uint32_t)sizeof(struct frame_range)) {
    struct frame_range range;
    memcpy(&range, in.payload + at, sizeof range);
    if (range.from >= range.to || range.from < p->out.start || range.to > p->out.next) {
      drop(b, REASON_IMPOSSIBLE_POSITION);
      continue;
    }
    if (range.from >= stream_to(b)->reclaimed)
      outflow_missing(&p->out, range);
    else if (newest)
      return false;
  }
  return true;
}
