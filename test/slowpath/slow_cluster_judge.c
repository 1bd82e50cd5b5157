/* The oracle: what must hold on the durable image at the moment something leaves the node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/slowpath/slow_cluster_parts.h"

void cluster_violation(const struct cluster *c, const char *what, const char *file, int line) {
  fprintf(stderr, "%s:%d: at %llu us, seed %llu: %s does not hold\n", file, line,
          (unsigned long long)c->now, (unsigned long long)c->options.seed, what);
  abort();
}

/* The learner's log is the leader's, up to its end (ProcessConsistency). */
static bool is_prefix(const struct image *f, const struct image *l) {
  if (f->entry_cnt > l->entry_cnt) return false;
  for (int i = 0; i < f->entry_cnt; i++)
    if (!entry_equal(&f->entries[i], &l->entries[i])) return false;
  return true;
}

static uint32_t be32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void judge_send(struct cluster *c, int node, int conn, const struct packet *p) {
  struct node *n = &c->nodes[node];
  const struct durable_state *d = &n->image.state;
  uint32_t epoch = zxid_epoch(p->zxid);
  switch (p->type) {
    case PACKET_FOLLOWERINFO:
      CHECK(epoch == d->accepted_epoch && n->fast.state == FAKE_CLOSED); /* R12, fence */
      break;
    case PACKET_LEADERINFO:
      CHECK(epoch == d->accepted_epoch);                                                /* R2 */
      CHECK(epoch == n->offered || (n->fast.state == FAKE_CLOSED && !n->started_disk)); /* fence */
      n->offered = epoch;
      break;
    case PACKET_ACKEPOCH:
      CHECK(d->accepted_epoch == n->replica.learn.epoch && p->zxid == d->last_zxid); /* R1, R12 */
      CHECK(be32(p->data.data) == d->current_epoch || be32(p->data.data) == UINT32_MAX);
      CHECK(n->fast.state == FAKE_CLOSED);
      break;
    case PACKET_NEWLEADER:
      CHECK(d->current_epoch == epoch); /* R4 */
      CHECK(!d->faulty);                /* E3 */
      break;
    case PACKET_ACK:
      CHECK(!d->faulty && !d->no_state);                                           /* R5 */
      CHECK(conn == 0 && d->current_epoch == epoch && d->accepted_epoch == epoch); /* R5 */
      CHECK(is_prefix(&n->image, &c->nodes[n->replica.learn.leader_idx].image));
      break;
    default:
      break;
  }
}

void judge_notify(struct cluster *c, int node, const struct replica_action *a) {
  const struct node *n = &c->nodes[node];
  if (a->state != PEER_LOOKING) return;
  CHECK(n->fast.state == FAKE_CLOSED && !n->started_disk); /* fence */
  if (a->vote.leader != n->config.id) return;
  CHECK(a->vote.zxid == ZXID_NONE || a->vote.zxid == n->image.state.last_zxid); /* R12, A5 */
  CHECK(a->vote.peer_epoch == n->image.state.current_epoch);
}

void judge_establish(struct cluster *c, int node, uint32_t epoch) {
  CHECK(epoch < sizeof c->established / sizeof c->established[0]);
  CHECK(c->established[epoch] == 0); /* I-1 */
  c->established[epoch] = node + 1;
}

/* Whatever was committed before is a prefix of, or has as its prefix, what is committed now. */
void judge_commit(struct cluster *c, int node, const struct entry *history, int cnt) {
  (void)node;
  int both = cnt < c->committed_cnt ? cnt : c->committed_cnt;
  for (int i = 0; i < both; i++) CHECK(entry_equal(&c->committed[i], &history[i]));
  if (cnt <= c->committed_cnt) return;
  memcpy(c->committed, history, (size_t)cnt * sizeof *history);
  c->committed_cnt = cnt;
}
