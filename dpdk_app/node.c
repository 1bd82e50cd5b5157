#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/log.h"
#include "dpdk_app/mem.h"
#include "dpdk_app/node.h"
#include "proto/exit_code.h"
#include "service/app_log.h"

/* REQUEST rings hold at least two largest records. */
static uint64_t request_ring_bytes(const struct config *c) {
  uint64_t bytes = LIMIT_RING_MIN;
  while (bytes < 2 * (uint64_t)record_size(c->largest_record)) bytes *= 2;
  return bytes;
}

static struct store_config store_config_of(const struct config *c) {
  return (struct store_config){.cluster = c->cluster,
                               .id = c->id,
                               .largest_record = c->largest_record,
                               .segment_bytes = c->segment_bytes,
                               .snapshots_kept = c->snapshots_kept};
}

static int data_dir_error(const struct config *c, int err) {
  char line[LIMIT_TEXT_LEN];
  disk_real_explain(c->data_dir, err, line);
  log_line(LEVEL_ERROR, c->id, "%s", line);
  return EXIT_CODE_DATA_DIR;
}

int node_format(const struct config *c, bool rejoin) {
  struct disk disk;
  char line[LIMIT_TEXT_LEN];
  int err = disk_real_create(c->data_dir);
  if (!err) err = disk_real_open(&disk, c->data_dir);
  if (err) return data_dir_error(c, err);
  struct store_config sc = store_config_of(c);
  int failed = store_format(&disk, &sc, !rejoin, line);
  if (failed) log_line(LEVEL_ERROR, c->id, "%s: %s", c->data_dir, line);
  disk_real_close(&disk);
  return failed ? EXIT_CODE_DATA_DIR : EXIT_CODE_CLEAN;
}

static int exit_code_of(enum reason r) {
  if (r == REASON_DATA_DIR_FOREIGN) return EXIT_CODE_DATA_DIR;
  return r == REASON_DATA_DIR_IN_USE ? EXIT_CODE_PORT : EXIT_CODE_STORAGE;
}

static int open_store(struct node *n) {
  struct config *c = &n->config;
  int err = disk_real_open(&n->disk, c->data_dir);
  if (err) return data_dir_error(c, err);
  n->disk_is_open = true;
  char line[LIMIT_TEXT_LEN];
  struct store_config sc = store_config_of(c);
  struct store_opened opened = store_open(&n->disk, &sc, line);
  n->store = opened.store;
  if (!n->store) {
    log_line(LEVEL_ERROR, c->id, "%s: %s", c->data_dir, line);
    return exit_code_of(opened.reason);
  }
  for (int i = 0; store_note(n->store, i); i++)
    log_line(LEVEL_WARN, c->id, "%s: %s", c->data_dir, store_note(n->store, i));
  return 0;
}

static int open_memory(struct node *n) {
  struct bcast_memory *m = &n->bcast_memory;
  bool all = true;
  m->request_ring_bytes = request_ring_bytes(&n->config);
  m->stream_ring = ring_map(n->config.ring_bytes);
  all = all && m->stream_ring;
  for (int i = 0; i < n->config.peer_cnt; i++) {
    m->request_ring[i] = ring_map(m->request_ring_bytes);
    all = all && m->request_ring[i];
  }
  all = all && frame_slots_open(&n->fast_tcp, n->config.mtu) == 0;
  all = all && frame_slots_open(&n->tcp_fast, n->config.mtu) == 0;
  all = all && arena_open(&n->arena, 4 * m->request_ring_bytes) == 0;
  if (all) return 0;
  log_line(LEVEL_ERROR, n->config.id, "cannot take memory for rings of %u bytes: %s",
           n->config.ring_bytes, strerror(errno));
  return EXIT_CODE_UNEXPECTED;
}

static int open_topo(struct node *n) {
  char name[LIMIT_NAME_LEN];
  snprintf(name, sizeof name, "zab%u", n->config.id);
  int err = topo_open(&n->topo, name);
  n->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (!err && n->done_fd >= 0) return 0;
  log_line(LEVEL_ERROR, n->config.id, "cannot make the rings between the threads: %s",
           strerror(err ? -err : errno));
  return EXIT_CODE_UNEXPECTED;
}

static int open_ports(struct node *n) {
  struct open_error e;
  if (ports_open(&n->ports, &n->config, &n->counters[THREAD_FAST], &e) == 0) {
    ports_count_drops(n->ports, &n->drops);
    return 0;
  }
  log_line(LEVEL_ERROR, n->config.id, "%s", e.text);
  return EXIT_CODE_PORT;
}

void node_unused(struct node *n) {
  if (n->store && store_state(n->store).clean_stop) store_mark_clean(n->store);
}

static void open_app(struct node *n) {
  char text[LIMIT_CONFIG_TEXT];
  if (n->config.app == CONFIG_APP_TREE) {
    config_quorum_text(&n->config, text);
    n->app_tree = app_tree_create(text, n->config.container_check_ms);
    n->app_tree->quota = (struct quota_policy){.node_id = n->config.id,
                                               .warn_only = n->config.quota == CONFIG_QUOTA_WARN};
    n->app_tree->tracker.told_ms = (int32_t)n->config.tick_ms / 2; /* client_port_tick */
    n->app = app_tree_app(n->app_tree);
  } else {
    n->app_log = app_log_create(n->config.app_keep, LIMIT_KEPT_BYTES);
    n->app = app_log_app(n->app_log);
  }
}

int node_open(struct node *n) {
  n->done_fd = -1;
  int code = open_store(n);
  if (!code) code = open_memory(n);
  if (!code) code = open_topo(n);
  if (!code) code = open_ports(n);
  if (code) {
    node_unused(n);
    return code;
  }
  bcast_init(&n->bcast, &n->config, &n->bcast_memory, &n->counters[THREAD_FAST], &n->latency);
  open_app(n);
  return 0;
}

void node_close(struct node *n) {
  if (n->app_log) app_log_destroy(n->app_log);
  if (n->app_tree) app_tree_destroy(n->app_tree);
  if (n->ports) ports_close(n->ports);
  topo_close(&n->topo);
  if (n->done_fd >= 0) close(n->done_fd);
  arena_close(&n->arena);
  frame_slots_close(&n->fast_tcp);
  frame_slots_close(&n->tcp_fast);
  for (int i = 0; i < n->config.peer_cnt; i++)
    ring_unmap(n->bcast_memory.request_ring[i], n->bcast_memory.request_ring_bytes);
  ring_unmap(n->bcast_memory.stream_ring, n->config.ring_bytes);
  if (n->store) store_close(n->store);
  if (n->disk_is_open) disk_real_close(&n->disk);
}
