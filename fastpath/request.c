/* REQUESTs: each follower's small stream to the leader, in record form with a running number for
 * zxid.
 *
 * A record's payload: u64 length, the request, zeros up to the smallest payload. */
#include <assert.h>
#include <string.h>

#include "fastpath/machine.h"

#define LENGTH_BYTES 8u
#define DELIVERED_PER_STEP 16 /* leaves room for frames in one step's actions */

uint32_t request_entry_len(uint32_t len) {
  uint32_t entry = LENGTH_BYTES + len;
  return entry < LIMIT_RECORD_MIN ? LIMIT_RECORD_MIN : entry;
}

/* The number after n, in the form that zxid_follows accepts. */
static zxid_t next_number(zxid_t n) {
  return zxid_counter(n) == UINT32_MAX ? zxid_make(zxid_epoch(n) + 1, 1) : n + 1;
}

enum reason request_append(struct bcast *b, const void *data, uint32_t len) {
  struct stream *s = &b->requests[b->config->self_idx];
  uint32_t entry = request_entry_len(len);
  if (record_size(entry) > stream_room(s)) return REASON_BUSY;
  uint8_t *at = s->ring + (s->high & s->mask) + LIMIT_RECORD_HEADER;
  uint64_t len64 = len;
  memcpy(at, &len64, LENGTH_BYTES);
  if (len) memcpy(at + LENGTH_BYTES, data, len);
  memset(at + LENGTH_BYTES + len, 0, entry - LENGTH_BYTES - len);
  return stream_append(s, next_number(s->last_zxid), at, entry);
}

void requests_release(struct bcast *b, uint64_t consumed) {
  struct bcast_requests *o = &b->outstanding;
  assert(consumed >= o->consumed && consumed <= o->delivered);
  for (; o->consumed < consumed; o->consumed++) {
    int idx = o->at[o->consumed % LIMIT_REQUESTS].peer_idx;
    const struct bcast_peer *p = &b->peers[idx];
    bool same = peer_is_open(p) && p->iteration == o->at[o->consumed % LIMIT_REQUESTS].iteration;
    if (b->phase == BCAST_LEADING && same)
      stream_reclaim(&b->requests[idx], o->at[o->consumed % LIMIT_REQUESTS].end);
  }
}

void requests_rename(struct bcast *b, const struct bcast_peer *p) {
  struct bcast_requests *o = &b->outstanding;
  bool any = false;
  for (uint64_t i = o->consumed; i < o->delivered; i++) {
    bool same = o->at[i % LIMIT_REQUESTS].peer_idx == p->idx;
    if (!same || o->at[i % LIMIT_REQUESTS].iteration != p->resumes) continue;
    o->at[i % LIMIT_REQUESTS].iteration = p->iteration;
    any = true;
  }
  if (!any) stream_reclaim(&b->requests[p->idx], b->requests_given[p->idx]);
}

static void give(struct bcast *b, const struct bcast_peer *p, const struct record *r,
                 struct bcast_actions *a) {
  uint64_t len;
  memcpy(&len, r->payload, LENGTH_BYTES);
  if (len > r->payload_len - LENGTH_BYTES) { /* a sound checksum over nonsense: not a request */
    drop(b, REASON_FRAME_FIELD);
    return;
  }
  struct bcast_requests *o = &b->outstanding;
  o->at[o->delivered % LIMIT_REQUESTS].peer_idx = p->idx;
  o->at[o->delivered % LIMIT_REQUESTS].iteration = p->iteration;
  o->at[o->delivered % LIMIT_REQUESTS].end = b->requests_given[p->idx];
  o->delivered++;
  struct bcast_action *act = &a->at[a->cnt++];
  act->type = BCAST_ACT_REQUEST;
  act->peer_idx = p->idx;
  act->payload = r->payload + LENGTH_BYTES;
  act->len = (uint32_t)len;
}

static int deliver_of(struct bcast *b, const struct bcast_peer *p, int max,
                      struct bcast_actions *a) {
  struct stream *s = &b->requests[p->idx];
  int cnt = 0;
  for (; cnt < max && b->requests_given[p->idx] < s->whole; cnt++) {
    if (b->outstanding.delivered - b->outstanding.consumed == LIMIT_REQUESTS) break;
    pos_t pos = b->requests_given[p->idx];
    struct record r;
    enum record_status status = record_peek(&r, stream_at(s, pos), s->whole - pos, s->max_payload);
    assert(status == RECORD_OK); /* checked when it came */
    b->requests_given[p->idx] += r.size;
    give(b, p, &r, a);
  }
  return cnt;
}

/* One after the other, beginning with another peer each turn, so that none starves. */
void requests_deliver(struct bcast *b, struct bcast_actions *a) {
  int left = DELIVERED_PER_STEP, n = b->config->peer_cnt;
  bool any = false;
  for (int i = 0; i < n; i++) any |= b->requests_given[i] < b->requests[i].whole;
  if (!any) return;
  for (int i = 0; i < n && left; i++) {
    int idx = (b->request_turn + i) % n;
    const struct bcast_peer *p = &b->peers[idx];
    if (peer_is_open(p)) left -= deliver_of(b, p, left, a);
  }
  b->request_turn = (b->request_turn + 1) % n;
  if (!left) b->more = true;
}
