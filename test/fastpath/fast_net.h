/* fast_net.h - some broadcast machines, a bad network between them, simulated disks and apps, one
 * clock.
 *
 * Deterministic: the same seed gives the same run.  One round is NET_ROUND_NS: every node takes the
 * frames that are due, its hand-over messages, its app's submissions, and one turn.  The slow path
 * is played by the harness (attach, open, count, establish, and again after a loss).  The first
 * rule broken is kept in `error`. */
#ifndef ZABLINE_TEST_FASTPATH_FAST_NET_H
#define ZABLINE_TEST_FASTPATH_FAST_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/atomic.h" /* C++ wants its templates outside of extern "C" */

#ifdef __cplusplus
extern "C" {
#endif

#include "fastpath/bcast.h"

#define NET_NODES 7
#define NET_ROUND_NS 5000u
#define NET_PACKETS 8192
#define NET_FRAME 2048
#define NET_TRUTH (4u << 20) /* bytes of one epoch's stream in one run */
#define NET_RECORDS 65536
#define NET_MAILS 256
#define NET_TCP_NS 60000u /* one way */
#define NET_OLD 64        /* frames kept for replay */
#define NET_ITERATIONS 8192

struct net_frame {
  uint64_t due_ns;
  int from, to, path;
  uint32_t len;
  uint8_t bytes[NET_FRAME];
};

struct net_faults { /* per thousand, but max_delay_ns */
  uint32_t loss, duplicate, reorder, corrupt_header, corrupt_payload, replay;
  uint64_t max_delay_ns;
};

struct net_given {
  const uint8_t *payload;
  uint32_t len;
  int from;
  uint64_t iteration;
};

enum net_sync { SYNC_NONE, SYNC_WANTED, SYNC_ATTACHING, SYNC_COPYING, SYNC_OPEN };

struct net_node {
  struct bcast *m;
  struct config config;
  struct bcast_memory memory;
  struct counters counters;
  struct latency latency;
  struct positions positions;
  struct fast_msg mails[NET_MAILS]; /* to the fast path, handed over in the next round */
  int mail_cnt;
  bool running; /* false: paused */
  bool fenced;  /* CLOSED or LOST: may send nothing */
  bool disk_stalled, app_stalled, mute_app;
  uint64_t disk_busy_ns, app_busy_ns; /* time that one move takes at most */
  uint64_t disk_due_ns, app_due_ns;
  pos_t disk_goal;
  pos_t checked;    /* appended bytes below were compared with the truth */
  enum reason lost; /* last LOST */
  uint64_t lost_ns;
  uint64_t submitted, given_from[NET_NODES]; /* REQUEST numbers */
  uint64_t given_iteration[NET_NODES];
  /* as a follower */
  enum net_sync sync;
  bool counted, heard;
  uint64_t iteration, sync_due_ns, sync_ns;
  uint64_t resumes; /* the next attachment goes on with the REQUESTs of this one */
  pos_t resume_pos; /* from here */
  pos_t acked_sent;
  pos_t p;
  zxid_t z;
  int detached_cnt;
  /* REQUESTs not yet consumed by the app */
  struct net_given requests[LIMIT_REQUESTS];
  uint64_t request_cnt, request_done;
};

struct fast_net {
  int n, leader;
  uint32_t epoch;
  bool established;
  bool manual; /* the test plays the slow path's retries */
  uint64_t seed, now_ns, next_iteration;
  uint32_t root[NET_ITERATIONS]; /* [iteration]: in which its stream of REQUESTs began */
  struct net_faults faults;
  bool cut[NET_NODES][NET_NODES];                   /* [from][to] */
  bool cut_path[LIMIT_PATHS][NET_NODES][NET_NODES]; /* one path only */
  bool tcp;                                         /* frames may go over TCP */
  bool large_lost;                                  /* by the fast paths */
  uint64_t tcp_ns;                                  /* one way; NET_TCP_NS if not set otherwise */
  struct net_node nodes[NET_NODES];
  struct net_frame *packets;
  int packet_cnt;
  struct net_frame *old;
  uint64_t old_cnt;
  uint8_t *truth; /* the leader's stream of this epoch */
  pos_t truth_len;
  pos_t *ends; /* record ends, ascending */
  int record_cnt;
  uint32_t propose_permille, record_max;
  uint32_t request_permille;
  uint32_t late_permille; /* of the rounds, a follower's app goes on reading the log */
  uint64_t frame_cnt, path_cnt[LIMIT_PATHS], dropped_cnt;
  pos_t max_committed;
  char error[1024];
};

struct net_options {
  int n;
  enum config_durability durability;
  uint32_t ring_bytes, largest_record;
  uint16_t mtu;
  int fast_cnt; /* fast addresses of each node */
  bool tcp;
};

struct fast_net *net_open(uint64_t seed, struct net_options o);
void net_close(struct fast_net *net);

/* net_elect fences all nodes, begins a new epoch under `leader` and lets the others attach. */
void net_elect(struct fast_net *net, int leader);
/* net_next_epoch: the next epoch in place: the leader leads on, whoever is attached resumes. */
void net_next_epoch(struct fast_net *net);
/* net_run lets us microseconds pass; false when a rule was broken. */
bool net_run(struct fast_net *net, uint64_t us);
/* net_quiet stops proposals and requests, heals all, and runs until every open follower has all. */
bool net_quiet(struct fast_net *net, uint64_t max_us);
bool net_propose(struct fast_net *net, uint32_t len);
bool net_request(struct fast_net *net, int node, uint32_t len);
void net_mail(struct fast_net *net, int node, struct fast_msg m);
void net_cut(struct fast_net *net, int node, bool in, bool out); /* to and from all others */
/* net_cut_path cuts, or heals, one path between two nodes, in the directions given. */
void net_cut_path(struct fast_net *net, int path, int from, int to, bool cut);
uint64_t net_random(struct fast_net *net);
uint64_t net_count(const struct fast_net *net, enum reason r); /* over all nodes */
uint64_t net_now_us(const struct fast_net *net);

/* ---- between the files of the harness ---- */
void net_fail(struct fast_net *net, int node, const char *what);
bool net_chance(struct fast_net *net, uint32_t permille);
void net_transmit(struct fast_net *net, int from, const struct bcast_action *act);
void net_deliver(struct fast_net *net);
void net_step(struct fast_net *net, int node, struct bcast_event *e);
void net_slow_on(struct fast_net *net, int node, const struct fast_msg *m);
void net_slow_round(struct fast_net *net);
void net_check_sent(struct fast_net *net, int from, const struct bcast_action *act);
void net_check_node(struct fast_net *net, int node);
zxid_t net_zxid_at(const struct fast_net *net, pos_t pos);
pos_t net_real_acked(const struct fast_net *net, int node);

#ifdef __cplusplus
}
#endif

#endif
