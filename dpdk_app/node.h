/* node.h - one replica: its machines, memory, rings, and the loops that run them.
 *
 * No globals: several nodes may live in one process (EAL is one per process).
 *
 *   member                       owner
 *   bcast, ports (bursts)        fast       loop_fast.c, turn_fast.c
 *   fast_tcp, tcp_fast           fast, slow tcp_frames.h
 *   store                        disk       loop_disk.c, turn_disk.c
 *   replica (inside slow_uv)     slow       loop_slow.c
 *   app, arena                   app        loop_app.c
 *   positions, counters          one writer each (positions.h, reason.h)
 *
 * Source: design 1, 5.2. */
#ifndef ZABLINE_DPDK_APP_NODE_H
#define ZABLINE_DPDK_APP_NODE_H

#include <pthread.h>

#include "config/config.h"
#include "dpdk_app/arena.h"
#include "dpdk_app/port.h"
#include "dpdk_app/tcp_frames.h"
#include "dpdk_app/topo.h"
#include "fastpath/bcast.h"
#include "proto/atomic.h"
#include "proto/drops.h"
#include "proto/latency.h"
#include "proto/positions.h"
#include "proto/reason.h"
#include "service/app.h"
#include "service/app_log.h"
#include "service/tree/app_tree.h"
#include "storage/store.h"

struct node {
  struct config config;
  const char *build;
  struct topo topo;
  struct positions positions;
  struct counters counters[THREAD_CNT];
  struct drops drops;     /* writer fast */
  struct latency latency; /* writer fast */
  struct bcast bcast;
  struct bcast_memory bcast_memory;
  struct ports *ports;
  struct frame_slots fast_tcp, tcp_fast;
  struct disk disk;
  bool disk_is_open;
  struct store *store;
  struct app app;
  struct app_log *app_log; /* one of the two, as config.app says */
  struct app_tree *app_tree;
  struct arena arena;

  _Atomic int stop;           /* SIGTERM: a clean stop is wanted; read by slow */
  _Atomic bool one_at_a_time; /* bench, closed loop; writer app, reader fast */
  _Atomic int halt;           /* the machines are done: fast and disk end their loops */
  _Atomic int exit_code;      /* set before `done_fd` is written */
  _Atomic int app_code;       /* the same: why the app thread never began; 0: it did */
  int done_fd;                /* eventfd: the slow thread has ended, or the app's never began */
};

/* node_format writes n's data directory for the first start (or after a lost disk: rejoin).
 * node_open takes everything in n->config: store, memory, rings, ports (EAL has started), app; n
 * was zeroed.  Both return 0 or an exit code, with one line logged.  node_close gives back whatever
 * is open, also after a failed node_open. */
int node_format(const struct config *c, bool rejoin);
int node_open(struct node *n);
/* node_unused: the start failed before anything was said or acknowledged, so the last clean stop
 * still counts (`memory`).  No disk thread runs. */
void node_unused(struct node *n);
void node_close(struct node *n);

/* The four loops; each runs until its end is signalled (halt; slow: the machine's exit; app:
 * APP_EXIT). loop_fast has the type of an EAL lcore function, the others of a pthread. */
int loop_fast(void *node);
void *loop_disk(void *node);
void *loop_slow(void *node);
void *loop_app(void *node);

#endif
