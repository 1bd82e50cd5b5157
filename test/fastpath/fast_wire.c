/* The network of fast_net: loss, duplicates, reordering, corruption, cuts, replay of old frames. */
#include <assert.h>
#include <string.h>

#include "test/fastpath/fast_net.h"

static void queue(struct fast_net *net, const struct net_frame *packet, uint64_t due_ns) {
  if (net->packet_cnt == NET_PACKETS) return;
  struct net_frame *p = &net->packets[net->packet_cnt++];
  p->due_ns = due_ns;
  p->from = packet->from;
  p->to = packet->to;
  p->path = packet->path;
  p->len = packet->len;
  memcpy(p->bytes, packet->bytes, packet->len);
}

static void damage(struct fast_net *net, struct net_frame *p) {
  uint64_t r = net_random(net);
  if (net_chance(net, net->faults.corrupt_header))
    p->bytes[r % LIMIT_FRAME_HEADER] ^= (uint8_t)(1u << (r >> 32) % 8);
  if (p->len > LIMIT_FRAME_HEADER && net_chance(net, net->faults.corrupt_payload))
    p->bytes[LIMIT_FRAME_HEADER + r % (p->len - LIMIT_FRAME_HEADER)] ^=
        (uint8_t)(1u << (r >> 32) % 8);
}

void net_transmit(struct fast_net *net, int from, const struct bcast_action *act) {
  struct net_frame p = {
      .from = from, .to = act->peer_idx, .path = act->path, .len = LIMIT_FRAME_HEADER + act->len};
  assert(p.len <= NET_FRAME && act->header.payload_len == act->len);
  net->frame_cnt++;
  net->path_cnt[act->path]++;
  memcpy(p.bytes, &act->header, LIMIT_FRAME_HEADER);
  if (act->len) memcpy(p.bytes + LIMIT_FRAME_HEADER, act->payload, act->len);
  if (net_chance(net, 20)) net->old[net->old_cnt++ % NET_OLD] = p;
  if (net->cut[from][p.to] || net->cut_path[p.path][from][p.to]) return;
  if (p.path == PATH_TCP) { /* in order and whole */
    queue(net, &p, net->now_ns + net->tcp_ns);
    return;
  }
  if (net->large_lost && act->len > 300) return;
  if (net_chance(net, net->faults.loss)) return;
  uint64_t due_ns = net->now_ns + NET_ROUND_NS;
  uint64_t late_ns = net->faults.max_delay_ns ? net_random(net) % net->faults.max_delay_ns : 0;
  if (net_chance(net, net->faults.duplicate)) queue(net, &p, due_ns + late_ns);
  if (net_chance(net, net->faults.reorder)) due_ns += late_ns;
  damage(net, &p);
  queue(net, &p, due_ns);
}

static void replay(struct fast_net *net) {
  if (!net->old_cnt || !net_chance(net, net->faults.replay)) return;
  uint64_t kept = net->old_cnt < NET_OLD ? net->old_cnt : NET_OLD;
  queue(net, &net->old[net_random(net) % kept], net->now_ns);
}

/* Frames to a paused node wait for it, as in a queue. */
void net_deliver(struct fast_net *net) {
  replay(net);
  int kept = 0, cnt = net->packet_cnt;
  for (int i = 0; i < cnt; i++) {
    struct net_frame *p = &net->packets[i];
    if (p->due_ns > net->now_ns || !net->nodes[p->to].running) {
      if (kept != i) net->packets[kept] = *p;
      kept++;
      continue;
    }
    struct bcast_event e = {.type = BCAST_FRAME, .data = p->bytes, .len = p->len, .path = p->path};
    net_step(net, p->to, &e);
  }
  assert(net->packet_cnt == cnt); /* a FRAME step sends nothing */
  net->packet_cnt = kept;
}

void net_cut(struct fast_net *net, int node, bool in, bool out) {
  for (int i = 0; i < net->n; i++) {
    net->cut[i][node] = in;
    net->cut[node][i] = out;
  }
}

void net_cut_path(struct fast_net *net, int path, int from, int to, bool cut) {
  net->cut_path[path][from][to] = cut;
}
