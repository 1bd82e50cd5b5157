#include "dpdk_app/turn_fast.h"

#include <stddef.h>
#include <string.h>

#define PREFETCH_BYTES 256u
#define QUIET_NS 2000 /* between two BCAST_TURNs while nothing comes: timers need no more */

static void send_frame(struct node *n, const struct bcast_action *a) {
  if (a->path != PATH_TCP) {
    struct port_to to = {a->peer_idx, a->path};
    bool hopeless = (a->header.flags & FRAME_PROBE) && !port_reaches(n->ports, to);
    if (!hopeless) port_tx(n->ports, to, &a->header, a->payload, a->len);
    return;
  }
  struct frame_parts parts = {.peer_idx = a->peer_idx,
                              .head = &a->header,
                              .head_len = sizeof a->header,
                              .payload = a->payload,
                              .payload_len = a->len};
  if (!frame_put(&n->topo, RING_FAST_TCP, &n->fast_tcp, &parts))
    counters_add(&n->counters[THREAD_FAST], REASON_TCP_FULL, 1);
}

/* Of a path that was silent, or carries no slices, only what is large may be lost: its small probes
 * would be answered.  MOVED is for people only: it takes no place that the hand-over may need. */
static void tell_slow(struct node *n, const struct fast_msg *m) {
  bool silent = m->type == FAST_MOVED && m->reason == REASON_PATH_SILENT;
  if ((silent || m->type == FAST_STALLED) && m->left != PATH_TCP)
    port_doubt(n->ports, (struct port_to){m->peer_idx, m->left});
  if (m->type == FAST_STALLED) return;
  if (m->type == FAST_MOVED && topo_count(&n->topo, RING_FAST_SLOW) >= LIMIT_RING_DEPTH / 2)
    counters_add(&n->counters[THREAD_FAST], REASON_RING_FULL, 1);
  else
    topo_must_send(&n->topo, RING_FAST_SLOW, m);
}

static void carry_out(struct fast *f) {
  struct node *n = f->node;
  for (uint32_t i = 0; i < f->actions.cnt; i++) {
    const struct bcast_action *a = &f->actions.at[i];
    switch (a->type) {
      case BCAST_ACT_SEND:
        send_frame(n, a);
        break;
      case BCAST_ACT_FAST:
        tell_slow(n, &a->fast);
        break;
      case BCAST_ACT_REQUEST: {
        struct bytes_msg m = {.data = a->payload, .len = a->len};
        topo_must_send(&n->topo, RING_FAST_APP, &m);
        f->requests_given++;
        break;
      }
    }
  }
}

static void step(struct fast *f, struct bcast_event *e) {
  e->now_ns = f->now_ns;
  bcast_step(&f->node->bcast, e, &f->actions);
  carry_out(f);
}

static int receive(struct fast *f) {
  struct rx_frame frames[LIMIT_BURST];
  int total = 0;
  for (int p = 0; p < f->node->config.port_cnt; p++) {
    int cnt = port_rx(f->node->ports, p, frames);
    for (int i = 0; i < cnt; i++) {
      struct bcast_event e = {.type = BCAST_FRAME,
                              .data = frames[i].frame,
                              .len = frames[i].len,
                              .path = f->node->config.ports[p].fast_idx,
                              .from = drops_of(&f->node->drops, p, frames[i].peer_idx)};
      step(f, &e);
    }
    total += cnt;
  }
  return total;
}

/* Behind the answers: nobody waits for the buffers. */
static void give_back(struct fast *f) {
  for (int p = 0; p < f->node->config.port_cnt; p++) port_rx_done(f->node->ports, p);
}

/* Frames that came over TCP: at most a burst, as of a port. */
static int receive_tcp(struct fast *f) {
  struct topo *t = &f->node->topo;
  struct tcp_msg m;
  int cnt = 0;
  for (; cnt < LIMIT_BURST && frame_peek(t, RING_TCP_FAST, &m); cnt++) {
    struct bcast_event e = {.type = BCAST_FRAME, .data = m.data, .len = m.len, .path = PATH_TCP};
    step(f, &e);
    frame_drop(t, RING_TCP_FAST);
  }
  return cnt;
}

/* What stands in app_fast belongs to the epoch that ended: the app sends nothing between STOPPED
 * and LEAD or FOLLOW, which come after this message.  They may have come already: a lone voter is
 * told LEAD at once, and proposes while this lcore sleeps, also between its looks into the two
 * rings.  What is of `epoch` or later stays. */
static void drop_submissions_before(struct fast *f, uint32_t epoch) {
  do {
    if (f->holding && f->held.is_proposal && zxid_epoch(f->held.zxid) >= epoch) return;
    f->holding = topo_receive(&f->node->topo, RING_APP_FAST, &f->held);
  } while (f->holding);
}

static int hand_over(struct fast *f) {
  struct fast_msg m;
  int cnt = 0;
  while (topo_receive(&f->node->topo, RING_SLOW_FAST, &m)) {
    if (m.type == FAST_LEAD || m.type == FAST_OPEN) {
      if (!m.resumes) drop_submissions_before(f, m.epoch);
      f->epoch = m.epoch;
      f->closed = f->keeps = false;
      f->appended = f->committed = m.type == FAST_OPEN ? m.pos : 0;
    }
    if (m.type == FAST_CLOSE) {
      f->closed = true;
      f->keeps = m.keeps;
    }
    struct bcast_event e = {.type = BCAST_CONTROL, .fast = &m};
    step(f, &e);
    cnt++;
  }
  return cnt;
}

/* A closed loop of one, measured here: no other thread's scheduling is part of it. */
static bool must_wait(const struct fast *f) {
  const struct node *n = f->node;
  return atomic_load_explicit(&n->one_at_a_time, memory_order_relaxed) &&
         bcast_committed(&n->bcast) < bcast_appended(&n->bcast);
}

/* The next submission, with its bytes on their way into this core's cache: the app wrote them on
 * another one. */
static bool hold(struct fast *f) {
  if (f->holding) return true;
  if (f->closed || !topo_receive(&f->node->topo, RING_APP_FAST, &f->held)) return false;
  const char *bytes = f->held.data;
  for (uint32_t at = 0; at < f->held.len && at < PREFETCH_BYTES; at += CACHE_LINE)
    __builtin_prefetch(bytes + at);
  return f->holding = true;
}

static int submissions(struct fast *f) {
  int cnt = 0;
  if (f->closed) {
    if (!f->keeps) drop_submissions_before(f, f->epoch + 1);
    return 0;
  }
  for (; cnt < LIMIT_RING_DEPTH && !must_wait(f) && hold(f); cnt++) {
    enum bcast_event_type type = f->held.is_proposal ? BCAST_PROPOSE : BCAST_REQUEST;
    if (!bcast_room(&f->node->bcast, type, f->held.len)) break;
    f->holding = false;
    struct bcast_event e = {
        .type = type, .data = f->held.data, .len = f->held.len, .zxid = f->held.zxid};
    step(f, &e);
  }
  return cnt;
}

/* What came is answered in the turn that saw it, and so is a durable write.  Everything else that
 * BCAST_TURN looks at is a timer or makes room, and can wait for QUIET_NS: an empty turn is then
 * hardly more than the looks into the rings, which is what a frame that comes waits for. */
static bool is_quiet(const struct fast *f, int work) {
  return !work && f->now_ns - f->turned_ns < QUIET_NS &&
         position_get(&f->node->positions.durable) == f->durable;
}

static struct bcast_event turn_event(struct fast *f, enum bcast_event_type type) {
  struct node *n = f->node;
  struct bcast_event e = {
      .type = type,
      .durable = position_get(&n->positions.durable),
      .applied = position_get(&n->positions.applied),
      .app_holds = position_get(&n->positions.app_holds) != 0,
      .requests_consumed = f->requests_given - topo_count(&n->topo, RING_FAST_APP),
  };
  f->durable = e.durable;
  return e;
}

/* What the frames committed leaves with the record that waits, not one turn before it. */
static void count(struct fast *f) {
  struct bcast_event e = turn_event(f, BCAST_COUNT);
  step(f, &e);
}

/* Returns how many frames and messages left. */
static int turn(struct fast *f) {
  struct node *n = f->node;
  int cnt = 0;
  port_tick(n->ports, f->now_ns);
  struct bcast_event e = turn_event(f, BCAST_TURN); /* all peers are told the same */
  do {
    step(f, &e);
    cnt += (int)f->actions.cnt;
    port_flush_to_one(n->ports);
  } while (bcast_more(&n->bcast));
  port_flush(n->ports);
  f->turned_ns = f->now_ns;
  return cnt;
}

/* The positions belong to one attachment: while closed they are the slow thread's (design 5.2). */
static void publish(struct fast *f) {
  struct node *n = f->node;
  if (f->closed) return;
  bcast_publish(&n->bcast, &n->positions);
  pos_t appended = bcast_appended(&n->bcast), committed = bcast_committed(&n->bcast);
  pos_t much = positions_much(n->config.ring_bytes);
  if (appended != f->appended)
    waker_wake_if(&n->topo.waker[THREAD_DISK],
                  appended - position_get(&n->positions.durable) > much);
  if (committed != f->committed)
    waker_wake_if(&n->topo.waker[THREAD_APP],
                  committed - position_get(&n->positions.applied) > much);
  pos_t held = position_get(&n->positions.held);
  if (held != f->held_pos) waker_wake(&n->topo.waker[THREAD_APP]); /* it waits to join */
  f->appended = appended;
  f->committed = committed;
  f->held_pos = held;
}

void fast_init(struct fast *f, struct node *n) {
  memset(f, 0, sizeof *f);
  f->node = n;
  f->closed = true;
}

int fast_turn(struct fast *f, uint64_t now_ns) {
  f->now_ns = now_ns;
  int work = receive(f);
  work += hand_over(f);
  if (work && f->holding) count(f);
  work += submissions(f);
  if (!is_quiet(f, work)) {
    work += receive_tcp(f); /* no hurry: an empty turn does not look there */
    work += turn(f);
    publish(f);
    hold(f); /* what is sent next is fetched while the answers are under way */
  }
  give_back(f);
  return work;
}
