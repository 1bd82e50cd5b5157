/* slow_cluster_parts.h - the cluster's insides, shared by its files only. */
#ifndef ZABLINE_TEST_SLOWPATH_SLOW_CLUSTER_PARTS_H
#define ZABLINE_TEST_SLOWPATH_SLOW_CLUSTER_PARTS_H

#include "test/slowpath/slow_cluster.h"

#define QUEUE 4096
#define CONNS 64
#define TRACE (256u << 10)
#define TICK_US 50 /* turn of a fast path */

#define CHECK(cond)                                               \
  do {                                                            \
    if (!(cond)) cluster_violation(c, #cond, __FILE__, __LINE__); \
  } while (0)

struct message { /* on a TCP connection */
  uint64_t at;
  int32_t type; /* 0: the end */
  uint64_t zxid;
  uint8_t *data;
  int32_t len;
  uint32_t crc;
  bool has_crc;
};

struct pipe {
  int head, cnt;
  struct message at[QUEUE];
  uint64_t last;
  uint64_t writable; /* EV_WRITABLE to the sender; 0: none */
};

struct conn { /* a learner's connection to a leader's 2888 */
  bool used;
  int learner, leader, id; /* id at the leader */
  bool open[2];            /* [0] learner's end, [1] leader's end */
  bool accepted_due;
  uint64_t made;
  struct pipe to[2]; /* to[0]: towards the learner */
};

struct link { /* 3888, one direction */
  bool up;
  bool message;
  uint64_t at;
  enum peer_state state;
  struct vote vote;
  uint64_t event_at; /* EV_LINK at the sender; 0: none */
  enum link_state event;
};

struct disk_queue {
  int head, cnt;
  struct disk_msg at[64];
  uint64_t done[64];
};

struct fast_queue {
  int head, cnt;
  struct fast_msg at[256];
  uint64_t ready[256];
};

enum fast_state { FAKE_CLOSED, FAKE_LEADING, FAKE_FOLLOWING };

struct fake_peer {
  bool asked, attached, counted, heard;
  uint64_t iteration, resumes;
  uint64_t after; /* ATTACH zxid */
  int durable;    /* entries of the leader's history the peer holds durably, when attached */
  int start;
  uint64_t silent_since;
};

struct fake_fast {
  enum fast_state state;
  bool established;
  uint32_t epoch;
  uint64_t iteration;
  int leader;
  uint64_t pos0;                      /* stream position at entry start */
  int start;                          /* entries when it opened */
  int appended;                       /* entries, those not yet on disk included */
  int committed;                      /* entries */
  struct entry ring[CLUSTER_ENTRIES]; /* [i]: i-th entry of the history */
  struct fake_peer peers[CLUSTER_NODES];
  uint64_t silent_since, next_turn;
  uint64_t attached[CLUSTER_NODES]; /* [peer]: the last iteration, whatever came after it */
};

struct node {
  bool up, started_disk, disk_held, frozen;
  int exit_code;
  struct config config;
  struct counters counters;
  struct replica_memory memory;
  struct replica replica;
  struct image image;
  struct disk_queue disk;
  struct fast_queue fast_in;
  struct fake_fast fast;
  uint64_t app_stopped_at;  /* 0: no answer due */
  bool pause_due, stop_due; /* which answers */
  enum reason drain_why;    /* it numbers no more: why; NONE: it does */
  int resends;
  uint32_t offered; /* newest epoch of its LEADERINFOs */
  int app_state;
  bool pushed_back;
  int push_backs;
  bool snapshot_wanted;
  uint64_t connect_at; /* 0: none under way */
  int connect_to;
  int crash_at, fail_at; /* completions from now; 0: never */
  bool crash_applied;
  int snap_write_cnt; /* bytes received of a snapshot being written; -1: none */
  uint8_t snap_write[CLUSTER_ENTRIES * sizeof(struct entry)];
  uint64_t snap_zxid;
  int snap_read_cnt;
  bool repaired[CLUSTER_ENTRIES]; /* by the repair under way */
  int copies_cnt;                 /* of its steps so far, those that end before a hole */
  uint64_t committed;             /* struct positions */
  bool poison;                    /* its history may hold what others lack: a loss was accepted */
  int logged[LOG_ID_CNT];
};

struct cluster {
  struct cluster_options options;
  uint64_t now, random;
  struct node nodes[CLUSTER_NODES];
  struct link links[CLUSTER_NODES][CLUSTER_NODES];
  bool cut[CLUSTER_NODES][CLUSTER_NODES], cut_fast[CLUSTER_NODES][CLUSTER_NODES];
  struct conn conns[CONNS];
  struct replica_actions actions;
  int established[4096]; /* [epoch]: node + 1 */
  int committed_cnt;
  struct entry committed[CLUSTER_ENTRIES];
  uint32_t salt;
  char trace[CLUSTER_NODES][TRACE];
  size_t trace_len[CLUSTER_NODES];
};

void cluster_violation(const struct cluster *c, const char *what, const char *file, int line);
uint64_t cluster_random(struct cluster *c);
void cluster_step(struct cluster *c, int node, struct replica_event *e);

/* slow_cluster_faulty.c */
void image_look(struct image *i); /* fills in state.faulty */
void disk_answer(struct cluster *c, int node, struct disk_msg *m);
void disk_repair(struct cluster *c, int node, struct disk_msg *m);

/* slow_cluster_disk.c */
void disk_ask(struct cluster *c, int node, const struct disk_msg *m);
uint64_t disk_next(const struct cluster *c, int node);
void disk_complete(struct cluster *c, int node);
void disk_write_ring(struct cluster *c, int node, int to);
uint32_t entry_write(uint8_t *dst, const struct entry *e);
struct entry entry_of(const struct record *r);
uint64_t image_last(const struct image *i, int cnt);
bool entry_equal(const struct entry *a, const struct entry *b);

/* slow_cluster_fast.c */
void fast_tell(struct cluster *c, int node, const struct fast_msg *m);
void fast_say(struct cluster *c, int node, struct fast_msg m);
void fast_turn(struct cluster *c, int node);

/* slow_cluster_net.c */
void net_notify(struct cluster *c, int node, const struct replica_action *a);
void net_connect(struct cluster *c, int node, int to);
void net_close(struct cluster *c, int node, int conn);
void net_send(struct cluster *c, int node, int conn, const struct packet *p);
void net_gone(struct cluster *c, int node);
uint64_t net_next(struct cluster *c);
void net_deliver(struct cluster *c);

/* slow_cluster_judge.c: what must hold when an action leaves */
void judge_send(struct cluster *c, int node, int conn, const struct packet *p);
void judge_notify(struct cluster *c, int node, const struct replica_action *a);
void judge_establish(struct cluster *c, int node, uint32_t epoch);
void judge_commit(struct cluster *c, int node, const struct entry *history, int cnt);

#endif
