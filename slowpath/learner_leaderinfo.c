/* learner_leaderinfo.c - LEADERINFO(e): promise e durably, then ACKEPOCH (R1). */
#include <assert.h>

#include "slowpath/replica_parts.h"

#define LEADERINFO_HEAD 4 /* i4 protocol version, then the extension */

static void put_u32(uint8_t *dst, uint32_t v) {
  struct writer w;
  writer_init(&w, dst, 4);
  writer_i32(&w, (int32_t)v);
}

/* current: our currentEpoch, or -1: "synchronise me, but this is no promise" (A2). */
static void send_ackepoch(struct replica *r, uint32_t current, struct replica_actions *a) {
  assert(!r->fast_open && r->durable.accepted_epoch == r->learn.epoch);
  uint8_t *data = arena_take(r, 4);
  put_u32(data, current);
  act_send(
      a, 0,
      (struct packet){.type = PACKET_ACKEPOCH, .zxid = r->durable.last_zxid, .data = {data, 4}});
  r->learn.step = LEARNING_OP;
  r->learn.tail = r->durable.last_zxid;
}

enum reason learner_read_leaderinfo(struct replica *r, const struct packet *p,
                                    struct replica_actions *a) {
  struct learning *l = &r->learn;
  struct extension e;
  l->epoch = zxid_epoch(p->zxid);
  if (p->data.len < LEADERINFO_HEAD) return REASON_PACKET_BAD;
  enum reason bad =
      extension_read(&e, p->data.data + LEADERINFO_HEAD, (size_t)(p->data.len - LEADERINFO_HEAD));
  if (bad) return bad;
  if (l->epoch < r->durable.accepted_epoch) return REASON_EPOCH_OLD;
  /* The leader's is one above what it took from a learner as credible. */
  if (l->epoch && !epoch_is_credible(r, l->epoch - 1)) return REASON_EPOCH_AHEAD;
  l->tcp = e.features & FEATURE_TCP_FRAMES;
  l->repairs = e.features & FEATURE_REPAIR;
  l->zabline = e.present; /* a ZooKeeper leader is answered up to ACKEPOCH */
  return e.present ? match_extension(r, l->leader_idx, &e, a) : REASON_NONE;
}

void learner_on_leaderinfo(struct replica *r, const struct packet *p, struct replica_actions *a) {
  struct learning *l = &r->learn;
  enum reason bad = learner_read_leaderinfo(r, p, a);
  if (bad) {
    learner_abandon(r, bad, false, a);
  } else if (l->epoch == r->durable.accepted_epoch) {
    send_ackepoch(r, UINT32_MAX, a);
  } else {
    learner_promise(r, a);
  }
}

void learner_promise(struct replica *r, struct replica_actions *a) {
  r->learn.step = LEARNING_PROMISE;
  act_disk(r, DISK_LEARNER, (struct disk_msg){.type = DISK_ACCEPTED, .epoch = r->learn.epoch}, a);
}

void learner_on_promised(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  assert(m->state.accepted_epoch == r->learn.epoch);
  r->durable = m->state;
  if (m->state.accepted_epoch > r->seen_epoch) r->seen_epoch = m->state.accepted_epoch;
  send_ackepoch(r, r->durable.current_epoch, a);
}
