/* slow_cluster.h - n replica machines in one thread: virtual time, network, disks, fast paths and
 * apps.
 *
 * Disk images are what survives a crash; a request changes the image when it completes, and only
 * then is it answered.  Every action is judged against the image (durable before send: R1, R2, R5,
 * R12), every commit against all earlier ones (history prefix), every ESTABLISH against all others
 * (I-1): a violation aborts.  Same seed, same run. */
#ifndef ZABLINE_TEST_SLOWPATH_SLOW_CLUSTER_H
#define ZABLINE_TEST_SLOWPATH_SLOW_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "proto/record.h"
#include "slowpath/replica.h"
#include "slowpath/replica_parts.h"

#define CLUSTER_NODES 7
#define CLUSTER_ENTRIES 4096

struct entry { /* one record: its bytes follow from these */
  uint64_t zxid;
  uint32_t salt; /* who made it, and when */
  uint32_t len;  /* payload */
};

struct image { /* a node's disk */
  struct durable_state state;
  int entry_cnt; /* all history; those up to log_base are in the snapshot only */
  struct entry entries[CLUSTER_ENTRIES];
  bool faulty[CLUSTER_ENTRIES];  /* it is there, and cannot be read (E1) */
  int hole_end[CLUSTER_ENTRIES]; /* faulty: the last entry that is lost with it */
  int snapshot_cnt;              /* entries in the newest snapshot */
};

struct cluster_options {
  int nodes;
  uint64_t seed;
  enum config_durability durability;
  int observers; /* the last so many nodes */
};

struct cluster;

struct cluster *cluster_new(struct cluster_options o);
void cluster_free(struct cluster *c);

struct image *cluster_image(struct cluster *c, int node); /* to be changed only while it is down */
struct replica *cluster_replica(struct cluster *c, int node);
struct config *cluster_config(struct cluster *c, int node);
struct counters *cluster_counters(struct cluster *c, int node);
/* image_push appends cnt records of epoch made by salt, of len payload bytes. */
void image_push(struct image *i, uint32_t epoch, int cnt, uint32_t salt, uint32_t len);
/* image_snapshot puts everything up to the entry_idx-th entry into the snapshot and out of the log.
 */
void image_snapshot(struct image *i, int entry_cnt);

/* image_spoil damages the entry_idx-th entry; image_spoil_group cnt entries from there on that
 * stood in one group, whose header is gone: only the last of them has a name. */
void image_spoil(struct image *i, int entry_idx);
void image_spoil_group(struct image *i, int entry_idx, int cnt);

/* cluster_purge: node takes a snapshot of its first entry_cnt entries; what an open one does not
 * pin leaves the log. */
void cluster_purge(struct cluster *c, int node, int entry_cnt);

void cluster_start(struct cluster *c, int node);
void cluster_start_all(struct cluster *c);
void cluster_crash(struct cluster *c, int node);
void cluster_stop(struct cluster *c, int node); /* SIGTERM */
bool cluster_up(const struct cluster *c, int node);
int cluster_exit_code(const struct cluster *c, int node); /* -1: has not ended by itself */
/* cluster_cut: nothing from a reaches b any more, nor back. */
void cluster_cut(struct cluster *c, int a, int b, bool cut);
void cluster_cut_fast(struct cluster *c, int a, int b, bool cut); /* the fast path only */
void cluster_freeze(struct cluster *c, int node, bool frozen);    /* SIGSTOP */
void cluster_hold_disk(struct cluster *c, int node, bool held);
void cluster_app(struct cluster *c, int node, enum app_msg_type type);
/* cluster_end_epoch: the leader's app has used the counter up: DRAINED when all is committed.
 * cluster_resends: how often the clients of node's app were told to come again. */
void cluster_end_epoch(struct cluster *c, int node);
int cluster_resends(const struct cluster *c, int node);
/* cluster_fast gives node a message as if its fast path had sent it. */
void cluster_fast(struct cluster *c, int node, struct fast_msg m);

/* The node crashes at its n-th disk completion from now: after it is durable (applied) or before.
 */
void cluster_crash_at(struct cluster *c, int node, int completion, bool applied);
void cluster_fail_disk_at(struct cluster *c, int node, int completion);

uint64_t cluster_now(const struct cluster *c);
void cluster_run(struct cluster *c, uint64_t us);
/* true when all nodes that are up are settled on one established leader, and hold the same. */
bool cluster_settled(const struct cluster *c);
bool cluster_run_until_settled(struct cluster *c, uint64_t limit_us);
int cluster_leader(const struct cluster *c); /* established, -1: none */
void cluster_propose(struct cluster *c, int node, int cnt, uint32_t len);
int cluster_committed(const struct cluster *c); /* records ever committed */
bool cluster_same_history(const struct cluster *c, int a, int b);
/* The packets seen so far on 2888 between the two, one per line: "L DIFF 0x1", "F ACK 0x100000000".
 */
const char *cluster_trace(const struct cluster *c, int learner);
void cluster_trace_clear(struct cluster *c);
int cluster_app_state(const struct cluster *c, int node); /* APP_LEAD, APP_FOLLOW, APP_STOP or 0 */
bool cluster_pushed_back(const struct cluster *c, int node); /* its app takes no requests now */
int cluster_push_backs(const struct cluster *c, int node);   /* so far */
int cluster_logged(const struct cluster *c, int node, enum log_id id); /* lines so far */

#ifdef __cplusplus
}
#endif
#endif
