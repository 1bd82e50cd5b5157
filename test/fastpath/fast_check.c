/* The rules that fast_net checks in every round, against what the nodes really hold. */
#include <string.h>

#include "test/fastpath/fast_net.h"

zxid_t net_zxid_at(const struct fast_net *net, pos_t pos) {
  if (pos == 0) return zxid_make(net->epoch - 1, 5);
  int low = 0, high = net->record_cnt - 1;
  while (low <= high) {
    int mid = (low + high) / 2;
    if (net->ends[mid] == pos) return zxid_make(net->epoch, (uint32_t)mid + 1);
    if (net->ends[mid] < pos)
      low = mid + 1;
    else
      high = mid - 1;
  }
  return ZXID_NONE; /* no record end */
}

/* What the node may acknowledge: on disk, or in memory for that class. */
pos_t net_real_acked(const struct fast_net *net, int i) {
  const struct net_node *node = &net->nodes[i];
  if (node->config.durability == DURABILITY_MEMORY) return bcast_appended(node->m);
  return position_get(&node->positions.durable);
}

/* R10: nothing is acknowledged before it is durable; J3, B8: a fenced node says nothing. */
void net_check_sent(struct fast_net *net, int from, const struct bcast_action *act) {
  struct net_node *node = &net->nodes[from];
  const struct frame_header *h = &act->header;
  struct frame_header checked;
  uint8_t frame[NET_FRAME];
  if (node->fenced) net_fail(net, from, "a frame after CLOSE or LOST");
  if (h->epoch != net->epoch) net_fail(net, from, "a frame of another epoch");
  memcpy(frame, h, sizeof *h);
  if (act->len) memcpy(frame + sizeof *h, act->payload, act->len);
  if (frame_check(&checked, frame, sizeof *h + act->len) != REASON_NONE)
    net_fail(net, from, "a frame that no one takes");
  if (act->len + LIMIT_FRAME_HEADER + LIMIT_FRAME_OVERHEAD + LIMIT_FRAME_TAG > node->config.mtu)
    net_fail(net, from, "a frame above the MTU");
  if (h->durable > net_real_acked(net, from)) net_fail(net, from, "ACK before durable");
  if (from == net->leader) {
    if (h->type == FRAME_PROPOSAL && memcmp(act->payload, net->truth + h->position, act->len))
      net_fail(net, from, "PROPOSAL's bytes differ");
    return;
  }
  if (h->durable < node->acked_sent) net_fail(net, from, "ACK went back");
  node->acked_sent = h->durable;
}

/* R6, R7, R11: committed is held by a quorum of counted nodes, the leader among them only if
 * durable. */
static void check_commit(struct fast_net *net) {
  const struct bcast *m = net->nodes[net->leader].m;
  if (m->phase != BCAST_LEADING || m->epoch != net->epoch) return;
  if (!net->established && m->committed) net_fail(net, net->leader, "committed before ESTABLISH");
  if (m->committed <= net->max_committed) return;
  int cnt = 0;
  for (int i = 0; i < net->n; i++) {
    bool counts = i == net->leader || net->nodes[i].counted;
    cnt += counts && net_real_acked(net, i) >= m->committed;
  }
  if (2 * cnt <= net->n) net_fail(net, net->leader, "committed without a durable quorum");
  if (net_zxid_at(net, m->committed) == ZXID_NONE)
    net_fail(net, net->leader, "committed is no record end");
  net->max_committed = m->committed;
}

void net_check_node(struct fast_net *net, int i) {
  struct net_node *node = &net->nodes[i];
  if (i == net->leader) check_commit(net);
  if (node->fenced || node->m->epoch != net->epoch) return;
  pos_t appended = position_get(&node->positions.appended);
  pos_t committed = position_get(&node->positions.committed);
  if (appended > net->truth_len) {
    net_fail(net, i, "holds more than was proposed");
    return;
  }
  uint64_t mask = node->config.ring_bytes - 1;
  const uint8_t *ring = node->memory.stream_ring;
  if (memcmp(ring + (node->checked & mask), net->truth + node->checked, appended - node->checked))
    net_fail(net, i, "stream differs from the leader's");
  node->checked = appended;
  if (net_zxid_at(net, appended) == ZXID_NONE) net_fail(net, i, "appended is no record end");
  if (net_zxid_at(net, committed) == ZXID_NONE) net_fail(net, i, "delivers part of a record");
  bool of_history = i != net->leader && committed == node->p; /* the slow path's to commit */
  if (committed > net->max_committed && !of_history) net_fail(net, i, "delivers uncommitted");
  if (committed > net_real_acked(net, i)) net_fail(net, i, "delivers what it has not acknowledged");
}
