#include "dpdk_app/rings.h"

static void to_fast(void *node, const struct fast_msg *m) {
  topo_must_send(&((struct node *)node)->topo, RING_SLOW_FAST, m);
}

static void to_disk(void *node, const struct disk_msg *m) {
  topo_must_send(&((struct node *)node)->topo, RING_SLOW_DISK, m);
}

static void to_app(void *node, const struct app_msg *m) {
  topo_must_send(&((struct node *)node)->topo, RING_SLOW_APP, m);
}

static bool from_fast(void *node, struct fast_msg *m) {
  return topo_receive(&((struct node *)node)->topo, RING_FAST_SLOW, m);
}

static bool from_disk(void *node, struct disk_msg *m) {
  return topo_receive(&((struct node *)node)->topo, RING_DISK_SLOW, m);
}

static bool from_app(void *node, struct app_msg *m) {
  return topo_receive(&((struct node *)node)->topo, RING_APP_SLOW, m);
}

static bool frame_from_fast(void *node, struct tcp_frame *f) {
  struct tcp_msg m;
  if (!frame_peek(&((struct node *)node)->topo, RING_FAST_TCP, &m)) return false;
  *f = (struct tcp_frame){m.data, m.len, m.peer_idx};
  return true;
}

static void frame_done(void *node) { frame_drop(&((struct node *)node)->topo, RING_FAST_TCP); }

static bool frame_to_fast(void *node, const struct tcp_frame *f) {
  struct node *n = node;
  return frame_put(
      &n->topo, RING_TCP_FAST, &n->tcp_fast,
      &(struct frame_parts){.peer_idx = f->peer_idx, .head = f->data, .head_len = f->len});
}

static bool may_sleep(void *node) {
  struct node *n = node;
  struct waker *w = &n->topo.waker[THREAD_SLOW];
  waker_prepare(w);
  bool nothing = topo_empty(&n->topo, RING_FAST_SLOW) && topo_empty(&n->topo, RING_DISK_SLOW) &&
                 topo_empty(&n->topo, RING_APP_SLOW) && topo_empty(&n->topo, RING_FAST_TCP);
  if (!nothing) waker_cancel(w);
  return nothing;
}

static void awake(void *node) { waker_cancel(&((struct node *)node)->topo.waker[THREAD_SLOW]); }

struct slow_uv_config slow_config_of(struct node *n) {
  return (struct slow_uv_config){
      .config = &n->config,
      .build = n->build,
      .rings = {.self = n,
                .to_fast = to_fast,
                .to_disk = to_disk,
                .to_app = to_app,
                .from_fast = from_fast,
                .from_disk = from_disk,
                .from_app = from_app,
                .frame_from_fast = frame_from_fast,
                .frame_done = frame_done,
                .frame_to_fast = frame_to_fast,
                .wake_fd = n->topo.waker[THREAD_SLOW].fd,
                .may_sleep = may_sleep,
                .awake = awake},
      .positions = &n->positions,
      .counters = &n->counters[THREAD_SLOW],
      .stop = &n->stop,
      .poll = n->config.idle == IDLE_SPIN,
  };
}
