/* The slow path as fast_net plays it: attach, copy the history, open, count, establish; and again.
 */
#include <assert.h>
#include <string.h>

#include "test/fastpath/fast_net.h"

static struct fast_msg message(const struct fast_net *net, enum fast_msg_type type, int peer) {
  return (struct fast_msg){.type = type,
                           .peer_idx = peer,
                           .epoch = net->epoch,
                           .iteration = net->nodes[peer].iteration,
                           .tcp = net->tcp};
}

static bool is_leader(const struct fast_net *net, int i) { return i == net->leader; }

static void want_sync(struct fast_net *net, int i, uint64_t after_us) {
  struct net_node *f = &net->nodes[i];
  f->sync = net->manual ? SYNC_NONE : SYNC_WANTED;
  f->counted = f->heard = false;
  f->sync_due_ns = net->now_ns + after_us * 1000;
}

static void begin_epoch(struct fast_net *net, int leader, bool keeps) {
  for (int i = 0; i < net->n; i++) {
    struct fast_msg close = message(net, FAST_CLOSE, i);
    close.keeps = keeps;
    net_mail(net, i, close);
    bool stays = keeps && i != leader && net->nodes[i].sync == SYNC_OPEN;
    net->nodes[i].resumes = stays ? net->nodes[i].iteration : 0;
    net->nodes[i].fenced = true;
    net->nodes[i].acked_sent = 0;
    want_sync(net, i, 50 + net_random(net) % 200);
  }
  net->epoch++;
  net->leader = leader;
  net->established = false;
  net->truth_len = net->max_committed = 0;
  net->record_cnt = 0;
  net->nodes[leader].sync = SYNC_NONE;
  net->nodes[leader].iteration = 0;
  struct fast_msg lead = message(net, FAST_LEAD, leader);
  lead.zxid = zxid_make(net->epoch - 1, 5);
  net_mail(net, leader, lead);
}

void net_elect(struct fast_net *net, int leader) { begin_epoch(net, leader, false); }

void net_next_epoch(struct fast_net *net) { begin_epoch(net, net->leader, true); }

/* The connection to the follower ended: it closes its fast path and comes again. */
static void drop_follower(struct fast_net *net, int i) {
  net_mail(net, i, message(net, FAST_CLOSE, i));
  net->nodes[i].fenced = true;
  net->nodes[i].resumes = 0;
  want_sync(net, i, 100 + net_random(net) % 300);
}

static void maybe_establish(struct fast_net *net) {
  int cnt = 1;
  for (int i = 0; i < net->n; i++) cnt += !is_leader(net, i) && net->nodes[i].counted;
  if (net->established || 2 * cnt <= net->n) return;
  net->established = true;
  net_mail(net, net->leader, message(net, FAST_ESTABLISH, net->leader));
}

static void leader_on(struct fast_net *net, const struct fast_msg *m) {
  struct net_node *f = &net->nodes[m->peer_idx];
  if (m->type == FAST_LOST || m->epoch != net->epoch) return;
  if (m->iteration != f->iteration) return;
  if (m->type == FAST_ATTACHED) {
    f->sync = SYNC_COPYING;
    f->p = m->pos;
    f->z = m->zxid;
    f->resume_pos = m->requests;
    if (f->resumes && !m->resumes) net_fail(net, net->leader, "ATTACHED does not resume");
    f->sync_due_ns = net->now_ns + f->sync_ns + net_random(net) % 300000;
    if (m->zxid != net_zxid_at(net, m->pos)) net_fail(net, net->leader, "ATTACHED names another Z");
  }
  if (m->type == FAST_HEARD) {
    f->heard = f->counted = true;
    net_mail(net, net->leader, message(net, FAST_COUNT, m->peer_idx));
    maybe_establish(net);
  }
  if (m->type == FAST_DETACHED) {
    f->detached_cnt++;
    if (!net->manual) drop_follower(net, m->peer_idx);
  }
}

void net_slow_on(struct fast_net *net, int i, const struct fast_msg *m) {
  struct net_node *node = &net->nodes[i];
  if (m->type == FAST_LOST) {
    node->lost = m->reason;
    node->lost_ns = net->now_ns;
    node->fenced = true;
  }
  if (m->type == FAST_CLOSED && m->pos != bcast_appended(node->m)) net_fail(net, i, "CLOSED's pos");
  if (is_leader(net, i)) {
    leader_on(net, m);
  } else if (m->type == FAST_LOST && m->iteration == node->iteration) {
    net_mail(net, net->leader, message(net, FAST_DETACH, i));
    drop_follower(net, i);
  }
}

static void attach(struct fast_net *net, int i) {
  struct net_node *f = &net->nodes[i];
  if (!net->nodes[net->leader].running || net->nodes[net->leader].fenced) return;
  f->iteration = ++net->next_iteration;
  assert(f->iteration < NET_ITERATIONS);
  net->root[f->iteration] = f->resumes ? net->root[f->resumes] : (uint32_t)f->iteration;
  f->sync = SYNC_ATTACHING;
  f->acked_sent = 0;
  struct fast_msg m = message(net, FAST_ATTACH, i);
  pos_t durable = position_get(&f->positions.durable); /* it keeps what it has of this epoch */
  m.zxid = durable <= net->truth_len ? net_zxid_at(net, durable) : 0;
  m.resumes = f->resumes;
  net_mail(net, net->leader, m);
}

static void open_follower(struct fast_net *net, int i) {
  struct net_node *f = &net->nodes[i];
  f->sync = SYNC_OPEN;
  struct fast_msg m = message(net, FAST_OPEN, net->leader);
  m.iteration = f->iteration;
  m.pos = f->p;
  m.zxid = f->z;
  m.resumes = f->resumes;
  m.requests = f->resume_pos;
  net_mail(net, i, m);
}

void net_slow_round(struct fast_net *net) {
  for (int i = 0; i < net->n; i++) {
    struct net_node *f = &net->nodes[i];
    if (is_leader(net, i) || net->now_ns < f->sync_due_ns) continue;
    if (f->sync == SYNC_WANTED) attach(net, i);
    if (f->sync == SYNC_COPYING) open_follower(net, i);
  }
}
