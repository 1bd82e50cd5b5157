/* zk_parts.h - what the zk_*.c files share. */
#ifndef ZABLINE_TEST_SIM_ZK_PARTS_H
#define ZABLINE_TEST_SIM_ZK_PARTS_H

#include "service/buffer.h"
#include "service/hash.h"
#include "service/tree/tree.h"
#include "service/tree/zk.h"
#include "test/sim/zk.h"

#define ZK_PATH 64
#define ZK_MULTI 4    /* operations of one multi */
#define ZK_WATCHES 24 /* of one client */
#define ZK_REGISTERS 6

/* ---- the history ---- */

struct zk_stat { /* as clients see it */
  zxid_t czxid, mzxid;
  int64_t ctime_ms, mtime_ms;
  int32_t version, cversion, aversion;
  int64_t owner;
  int32_t len, children;
  zxid_t pzxid;
};

struct zk_state { /* of a path, from this transaction on */
  zxid_t zxid;
  bool exists;
  struct zk_stat stat;
  int64_t owner;    /* as stored: container and TTL, too */
  int32_t sequence; /* of its next sequential child */
  uint32_t crc;     /* of the data */
};

struct zk_txn {
  zxid_t zxid;
  int64_t session;
  int32_t cxid, type;
  UT_hash_handle hh;
};

struct zk_session {
  int64_t id;
  zxid_t made, closed; /* 0: not */
  int32_t cxid;        /* of its newest request that did something */
  UT_hash_handle hh;
};

void zk_history_init(void);
void zk_history_free(void);
/* zk_frontier: the newest transaction that any node has applied. */
zxid_t zk_frontier(void);
/* zk_state_at returns what path is behind zxid; never NULL. */
const struct zk_state *zk_state_at(const char *path, zxid_t zxid);
/* zk_change_after returns the first change of path behind zxid of which a watch of that kind hears;
 * zxid 0: none yet. */
enum zk_watched { ZK_WATCHED_DATA, ZK_WATCHED_CHILD };
struct zk_change {
  zxid_t zxid;
  enum zk_event type;
};
struct zk_change zk_change_after(const char *path, enum zk_watched kind, zxid_t zxid);
const struct zk_txn *zk_txn_at(zxid_t zxid); /* NULL: nobody has applied it */
const struct zk_session *zk_session_of(int64_t id);
/* zk_sessions_left: how many of those in the tree are none of the n. */
int zk_sessions_left(const int64_t *ids, int n);
void zk_parent(const char *path, char parent[ZK_PATH]); /* of "/a" it is "/" */

/* zk_snapshot_taken: whoever restores it is held against what its maker has. */
void zk_snapshot_taken(struct machine *m);

void zk_session_init(void);
void zk_session_free(void);

/* ---- clients ---- */

struct zk_do {
  int32_t type;
  char path[ZK_PATH];
  int32_t version, flags;
  int32_t ttl_ms;
  uint32_t len, crc; /* of the data */
  uint64_t salt;
  bool watch;
};

struct zk_ask {
  int32_t xid, type; /* OP_MULTI: of all */
  zxid_t floor;      /* what anybody had been shown when it was asked */
  int op_cnt;
  struct zk_do op[ZK_MULTI];
};

struct zk_watch {
  bool set, absent; /* absent: on a path that was not there */
  enum zk_watched kind;
  char path[ZK_PATH];
  zxid_t from; /* what its client knew when it was set */
};

enum zk_phase { ZK_DOWN, ZK_DIALLING, ZK_GREETING, ZK_OPEN };

struct zk_client {
  int idx;
  enum zk_phase phase;
  int node;
  struct tcp *line;
  uint64_t serial;
  bool connected, refused; /* of the line */
  struct buffer in, out;
  uint64_t timer, due; /* number and time of its newest event */
  /* session */
  int64_t session; /* 0: none */
  uint8_t password[16];
  int32_t timeout_ms, asked_ms;
  zxid_t seen;
  int32_t xid;
  bool closing;     /* has asked for its end */
  bool rewatching;  /* its watches are being set again */
  zxid_t rewatched; /* what it had seen then */
  struct zk_ask ask[ZK_WINDOW];
  int first, cnt;
  struct zk_watch watch[ZK_WATCHES];
  int32_t known[ZK_REGISTERS]; /* versions */
  char made[4][ZK_PATH];       /* names with a sequence */
  uint32_t made_cnt;
  /* time */
  uint64_t heard, said, next;
  uint64_t patience; /* with a node that leaves a request without an answer */
  uint64_t since;    /* it lives in this session, undisturbed by us */
  /* faults of its own */
  uint64_t paused_to, cut_to, suffers;
  uint64_t acked, wanted;
};

struct zk {
  int cnt;
  struct random random;
  struct zk_client client[ZK_CLIENTS];
  zxid_t shown; /* the newest that anybody has been shown */
  uint64_t acked;
  bool pinned;
  uint64_t pinned_at;
};
extern struct zk zk;

/* zk_draw makes up the next request, zk_draw_ephemeral a create of one; zk_write_ask puts it,
 * zk_write_hello a connect request, zk_write_watches those that were set, into c's output. */
void zk_draw(struct zk_client *c, struct zk_ask *a);
void zk_draw_ephemeral(struct zk_ask *a);
void zk_write_ask(struct zk_client *c, const struct zk_ask *a);
void zk_write_hello(struct zk_client *c);
void zk_write_ping(struct zk_client *c);
void zk_write_watches(struct zk_client *c);
/* zk_data is the data with this salt, len bytes. */
void zk_data(uint64_t salt, uint8_t *dst, uint32_t len);
#define ZK_DATA 256

/* zk_reply takes one packet behind the greeting; what does not hold is a violation. */
void zk_reply(struct zk_client *c, struct cursor *in);
void zk_watch_set(struct zk_client *c, const struct zk_do *op, enum zk_watched kind, zxid_t zxid);
void zk_watch_event(struct zk_client *c, zxid_t zxid, struct cursor *in);
/* zk_watch_shown: an answer shows zxid: all that has happened up to there has been told. */
void zk_watch_shown(struct zk_client *c, zxid_t zxid);
void zk_watch_rewatched(struct zk_client *c, zxid_t zxid);
bool zk_watch_any(const struct zk_client *c);

/* zk_model_begin starts from what there was before zxid; zk_model_do does one operation and returns
 * how it must end (made: the path that a create makes); zk_model_end holds what it came to against
 * the history. */
void zk_model_begin(const struct zk_client *c, zxid_t zxid);
int32_t zk_model_do(const struct zk_do *op, char made[ZK_PATH]);
void zk_model_end(bool failed);

#endif
