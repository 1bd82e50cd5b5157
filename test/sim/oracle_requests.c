/* A follower's REQUESTs reach the leader's app in order, none lost, none twice, for as long as they
 * go on: within an attachment, and across epochs that are changed in place. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "test/sim/oracle_state.h"

#define SESSIONS 8 /* of one follower that may still be on their way */
#define ALIASES 64

/* One stream of REQUESTs, named by the iteration in which it began. */
struct request_stream {
  uint64_t root;
  uint32_t *crc; /* of each that was submitted */
  uint32_t cnt, cap, given;
};

static struct follower {
  struct request_stream at[SESSIONS];
  uint32_t cnt; /* sessions begun */
  struct {
    uint64_t iteration, root;
  } alias[ALIASES];
  uint32_t alias_cnt;
} followers[LIMIT_VOTERS];

void oracle_requests_init(void) {
  for (int i = 0; i < LIMIT_VOTERS; i++) {
    for (int k = 0; k < SESSIONS; k++) free(followers[i].at[k].crc);
    memset(&followers[i], 0, sizeof followers[i]);
  }
}

static uint64_t root_of(const struct follower *f, uint64_t iteration) {
  for (int i = 0; i < ALIASES; i++)
    if (f->alias[i].iteration == iteration) return f->alias[i].root;
  return 0;
}

static void on_attach(const struct fast_msg *m) {
  struct follower *f = &followers[m->peer_idx];
  uint64_t root = m->resumes ? root_of(f, m->resumes) : m->iteration;
  uint32_t slot = f->alias_cnt++ % ALIASES;
  f->alias[slot].iteration = m->iteration;
  f->alias[slot].root = root;
}

static void on_open(struct machine *m, const struct fast_msg *o) {
  struct follower *f = &followers[m->idx];
  if (o->resumes) return; /* the same session goes on */
  struct request_stream *s = &f->at[f->cnt++ % SESSIONS];
  s->root = o->iteration;
  s->cnt = s->given = 0;
}

static void on_submitted(struct machine *m, const struct bytes_msg *b) {
  struct follower *f = &followers[m->idx];
  if (b->is_proposal || !f->cnt) return;
  struct request_stream *s = &f->at[(f->cnt - 1) % SESSIONS];
  if (s->cnt == s->cap) {
    s->cap = s->cap ? 2 * s->cap : 64;
    s->crc = realloc(s->crc, s->cap * sizeof *s->crc);
    assert(s->crc);
  }
  s->crc[s->cnt++] = crc32c(b->data, b->len);
}

/* Whose ring is it in? */
static int sender_of(const struct machine *m, const void *data) {
  const struct bcast_memory *b = &m->node->bcast_memory;
  for (int i = 0; i < world->plan.nodes; i++) {
    const uint8_t *ring = b->request_ring[i], *at = data;
    if (at >= ring && at < ring + 2 * b->request_ring_bytes) return i;
  }
  return -1;
}

static void on_given(struct machine *m, const struct bytes_msg *b) {
  int from = sender_of(m, b->data);
  if (from < 0) violation("n%d is given a REQUEST of nobody", m->idx + 1);
  struct follower *f = &followers[from];
  uint64_t root = root_of(f, m->node->bcast.peers[from].iteration);
  for (int i = 0; i < SESSIONS; i++) {
    struct request_stream *s = &f->at[i];
    if (!root || s->root != root) continue;
    if (s->given == s->cnt || s->crc[s->given] != crc32c(b->data, b->len))
      violation("n%d is given a REQUEST of n%d that is not its next, number %u", m->idx + 1,
                from + 1, s->given + 1);
    s->given++;
    return;
  }
}

void oracle_requests(struct machine *m, enum ring_id id, const void *element) {
  const struct fast_msg *f = element;
  if (id == RING_SLOW_FAST && f->type == FAST_ATTACH) on_attach(f);
  if (id == RING_SLOW_FAST && f->type == FAST_OPEN) on_open(m, f);
  if (id == RING_APP_FAST) on_submitted(m, element);
  if (id == RING_FAST_APP) on_given(m, element);
}
