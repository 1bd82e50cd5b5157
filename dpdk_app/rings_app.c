#include "dpdk_app/rings.h"

static bool submit(struct node *n, struct bytes_msg m) {
  if (topo_count(&n->topo, RING_APP_FAST) >= LIMIT_RING_DEPTH - 1) return false;
  m.data = arena_put(&n->arena, topo_count(&n->topo, RING_APP_FAST), m.data, m.len);
  if (!m.data) return false;
  topo_must_send(&n->topo, RING_APP_FAST, &m);
  return true;
}

static bool propose(void *node, zxid_t zxid, const void *txn, uint32_t len) {
  return submit(node, (struct bytes_msg){.data = txn, .len = len, .is_proposal = 1, .zxid = zxid});
}

static bool forward(void *node, const void *request, uint32_t len) {
  return submit(node, (struct bytes_msg){.data = request, .len = len});
}

static void one_at_a_time(void *node, bool on) {
  atomic_store_explicit(&((struct node *)node)->one_at_a_time, on, memory_order_relaxed);
}

static void to_disk(void *node, const struct disk_msg *m) {
  topo_must_send(&((struct node *)node)->topo, RING_APP_DISK, m);
}

static void to_slow(void *node, const struct app_msg *m) {
  topo_must_send(&((struct node *)node)->topo, RING_APP_SLOW, m);
}

static bool from_disk(void *node, struct disk_msg *m) {
  return topo_receive(&((struct node *)node)->topo, RING_DISK_APP, m);
}

static bool from_slow(void *node, struct app_msg *m) {
  return topo_receive(&((struct node *)node)->topo, RING_SLOW_APP, m);
}

static bool may_sleep(void *node, const struct app_watch *watch) {
  struct node *n = node;
  struct waker *w = &n->topo.waker[THREAD_APP];
  if (watch->lazy)
    waker_prepare_lazy(w);
  else
    waker_prepare(w);
  bool nothing = position_get(&n->positions.committed) == watch->committed &&
                 topo_empty(&n->topo, RING_SLOW_APP) && topo_empty(&n->topo, RING_DISK_APP) &&
                 (!watch->requests || topo_empty(&n->topo, RING_FAST_APP));
  if (!nothing) waker_cancel(w);
  return nothing;
}

static void awake(void *node) { waker_cancel(&((struct node *)node)->topo.waker[THREAD_APP]); }

static bool next_request(void *node, const void **request, uint32_t *len) {
  struct bytes_msg m;
  if (!topo_peek(&((struct node *)node)->topo, RING_FAST_APP, &m)) return false;
  *request = m.data;
  *len = m.len;
  return true;
}

/* Only now may the fast lcore reuse the memory: it counts what is left in the ring. */
static void request_done(void *node) {
  struct bytes_msg m;
  topo_receive(&((struct node *)node)->topo, RING_FAST_APP, &m);
}

struct app_uv_config app_config_of(struct node *n) {
  return (struct app_uv_config){
      .config = &n->config,
      .build = n->build,
      .app = n->app,
      .rings = {.self = n,
                .propose = propose,
                .forward = forward,
                .one_at_a_time = one_at_a_time,
                .next_request = next_request,
                .request_done = request_done,
                .to_disk = to_disk,
                .to_slow = to_slow,
                .from_disk = from_disk,
                .from_slow = from_slow,
                .wake_fd = n->topo.waker[THREAD_APP].fd,
                .may_sleep = may_sleep,
                .awake = awake},
      .positions = &n->positions,
      .stream_ring = n->bcast_memory.stream_ring,
      .stream_mask = n->config.ring_bytes - 1,
      .counters = {&n->counters[THREAD_FAST], &n->counters[THREAD_DISK], &n->counters[THREAD_SLOW],
                   &n->counters[THREAD_APP]},
      .own_counters = &n->counters[THREAD_APP],
      .drops = &n->drops,
      .latency = &n->latency,
      .poll = n->config.idle == IDLE_SPIN,
  };
}
