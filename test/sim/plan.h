/* plan.h - what one seed is about: the cluster, its load, how bad its network, disks and luck are.
 *
 * Each seed draws a plan of its own, often with whole classes of trouble switched off: bugs hide
 * from the average ("swarm testing").  Source: issue "simulation" 1; reliability.md 1. */
#ifndef ZABLINE_TEST_SIM_PLAN_H
#define ZABLINE_TEST_SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "test/sim/random.h"

struct plan {
  int nodes;
  bool memory; /* durability */
  bool tree;   /* the application is the tree, with clients of its own (zk.h) */
  uint32_t heartbeat_us, timeout_us, ring_bytes, largest_record, mtu;
  uint32_t segment_bytes, snapshot_log_bytes, counter_limit;
  int paths; /* fast addresses of each node */
  int clients, window;
  uint32_t transactions;           /* to be acknowledged before the seed is done */
  uint64_t pace;                   /* ns between two requests of one client */
  uint32_t record_min, record_max; /* bytes of a request; min 0: 1 */
  uint64_t delay_min, delay_max;   /* ns, one way */
  uint32_t loss, duplication, reorder, corruption, replay; /* ppm of datagrams */
  uint32_t rx_ring;                                        /* datagrams a NIC holds */
  uint32_t poll_us;                 /* an idle fast lcore is shown at this interval */
  uint32_t preemption;              /* ppm of points inside a turn */
  uint64_t write_min, write_max;    /* ns of a durable write */
  uint32_t read_ahead, read_budget; /* of the log (storage/log.h); 0: as in the product */
  uint32_t segment_max;             /* bytes of a stream that arrive together */
  /* faults */
  uint64_t fault_gap; /* ns between two, on average; 0: none */
  uint32_t faults;    /* at most */
  uint32_t classes;   /* bit: enum fault_class */
  bool promises;      /* nodes come back having promised epochs that nobody else knows of (A10) */
};

void plan_draw(struct plan *p, struct random *r);
/* plan_reads: the logs here are small, one read of the product's would take all. */
void plan_reads(struct plan *p, struct random *r);
/* plan_tree makes it one of the tree and its clients; r: a stream of its own. */
void plan_tree(struct plan *p, struct random *r);

/* plan_benign: three nodes on a network and disks that do no harm, for whoever brings faults of its
 * own (scene.c, test/exhaustive). */
struct plan plan_benign(void);

#endif
