#include <assert.h>

#include "config/limits.h"
#include "config/log.h"
#include "dpdk_app/topo.h"
#include "proto/app_msg.h"
#include "proto/disk_msg.h"
#include "proto/handover.h"

struct thread_row {
  const char *name, *owns, *waits_by;
};

static const struct thread_row threads[THREAD_CNT] = {
    [THREAD_FAST] = {"fast", "broadcast machine, ports, epoch stream", "polling"},
    [THREAD_DISK] = {"disk", "log, snapshots, epoch file", "appended position, rings"},
    [THREAD_SLOW] = {"slow", "replica machine, ports 2888 and 3888", "libuv"},
    [THREAD_APP] = {"app", "application, its clients, control socket", "libuv"},
};

#define ROW(id, text, a, b, type) \
  [id] = {text, THREAD_##a, THREAD_##b, LIMIT_RING_DEPTH, sizeof(struct type)}
#define FRAMES(id, text, a, b) \
  [id] = {text, THREAD_##a, THREAD_##b, LIMIT_TCP_FRAMES, sizeof(struct tcp_msg)}
const struct topo_ring topo_rings[RING_CNT] = {
    ROW(RING_SLOW_FAST, "slow_fast", SLOW, FAST, fast_msg),
    ROW(RING_FAST_SLOW, "fast_slow", FAST, SLOW, fast_msg),
    ROW(RING_SLOW_DISK, "slow_disk", SLOW, DISK, disk_msg),
    ROW(RING_DISK_SLOW, "disk_slow", DISK, SLOW, disk_msg),
    ROW(RING_SLOW_APP, "slow_app", SLOW, APP, app_msg),
    ROW(RING_APP_SLOW, "app_slow", APP, SLOW, app_msg),
    ROW(RING_APP_FAST, "app_fast", APP, FAST, bytes_msg),
    ROW(RING_FAST_APP, "fast_app", FAST, APP, bytes_msg),
    ROW(RING_APP_DISK, "app_disk", APP, DISK, disk_msg),
    ROW(RING_DISK_APP, "disk_app", DISK, APP, disk_msg),
    FRAMES(RING_FAST_TCP, "fast_tcp", FAST, SLOW),
    FRAMES(RING_TCP_FAST, "tcp_fast", SLOW, FAST),
};
#undef FRAMES
#undef ROW

static_assert(sizeof(struct fast_msg) % 4 == 0 && sizeof(struct disk_msg) % 4 == 0 &&
                  sizeof(struct app_msg) % 4 == 0 && sizeof(struct bytes_msg) % 4 == 0 &&
                  sizeof(struct tcp_msg) % 4 == 0,
              "rte_ring elements are multiples of four bytes");
static_assert((LIMIT_RING_DEPTH & (LIMIT_RING_DEPTH - 1)) == 0, "rte_ring sizes are powers of two");
static_assert(LIMIT_REQUESTS <= LIMIT_RING_DEPTH, "fast_app never overflows");

void topo_print(int node_id) {
  for (int i = 0; i < THREAD_CNT; i++)
    log_line(LEVEL_INFO, node_id, "thread %-4s owns %s; waits by %s", threads[i].name,
             threads[i].owns, threads[i].waits_by);
  for (int i = 0; i < RING_CNT; i++)
    log_line(LEVEL_INFO, node_id, "ring   %-9s %s -> %s, %u elements of %u bytes",
             topo_rings[i].name, threads[topo_rings[i].from].name, threads[topo_rings[i].to].name,
             topo_rings[i].depth, topo_rings[i].element_bytes);
}
