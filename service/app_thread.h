/* app_thread.h - the app thread's work without its sockets: roles, catch-up, apply, propose,
 * snapshot.
 *
 *   IDLE --LEAD, FOLLOW--> CATCHING_UP (app_catchup.c) --= Z, FOLLOW: ring joined-> SERVING
 *     ^                          |                                  (app_apply.c, app_propose.c)
 *     ^____STOP, PAUSE___________|________________________________________|        any --> FAILED
 *
 * One file for each of these; app_uv.c is the loop around it, control.h its clients.  No clock and
 * no system call here: tests drive it with rings of their own.
 *
 * Owner: app thread.  Blocks: no.  Allocates: at init.  Source: design 1, 5.2, 7. */
#ifndef ZABLINE_SERVICE_APP_THREAD_H
#define ZABLINE_SERVICE_APP_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "service/app_uv.h"

enum app_state { APP_IDLE, APP_CATCHING_UP, APP_SERVING, APP_DEAD };

/* Who wants to hear of it (control.c). */
struct app_listener {
  void *self;
  void (*applied)(void *self, zxid_t zxid, const void *txn, uint32_t len);
  void (*serving)(void *self);
  void (*stopped)(void *self);
  void (*status)(void *self); /* APP_STATUS came back */
  const struct status *lent;  /* with it: which of several is meant; NULL: any other's */
};

struct app_catchup {
  bool asked;            /* a disk request is out; its buffer is the disk thread's */
  bool unsure;           /* is what was applied last still in the history? */
  bool need_snapshot;    /* the log does not reach back to applied */
  bool tried_snapshot;   /* asked for one, there is none */
  bool reading_snapshot; /* open at the disk thread */
  bool log_ended;        /* it has no more that is committed */
  bool holds;            /* app_holds is set */
  uint32_t generation;   /* of the role that opened it */
  uint32_t asked_generation;
  zxid_t snapshot_zxid;
  uint64_t offset;
  uint8_t *buf;
  uint32_t cap;
};

struct app_snapshot {
  enum {
    SNAPSHOT_NONE,
    SNAPSHOT_BEGUN,
    SNAPSHOT_ENDED,
    SNAPSHOT_COMMITTING,
    SNAPSHOT_ABORTING
  } step;
  bool asked;
  bool wanted; /* a learner needs one */
  zxid_t zxid;
  pos_t pos; /* of the stream, in the role `generation`: COMMIT when durable is there */
  uint32_t generation;
  uint64_t applied_bytes; /* of log since the last one began */
  uint64_t size;          /* of the last one, as far as it came */
  uint8_t *buf;           /* LIMIT_SNAP_CHUNK */
};

/* As ZooKeeper counts: sizes are of the present leader's transactions, -1: it has made none. */
struct app_proposals {
  uint64_t proposed, committed; /* since the process began */
  int64_t last_len, min_len, max_len;
};

struct app_thread {
  const struct app_uv_config *c;
  struct app app;
  struct app_listener listener; /* the control socket */
  struct app_listener clients;  /* the application's own port, if it has one */
  enum app_state state;
  bool leading;
  bool paused; /* since PAUSE, until we serve again or STOP comes: clients wait */
  bool exiting;
  uint32_t lent;       /* requests at the disk thread with a buffer of ours */
  int64_t now_ms;      /* set by the driver before each turn */
  uint32_t generation; /* counts roles */
  uint32_t epoch;
  int leader_idx;
  pos_t pos;     /* stream applied to here */
  zxid_t target; /* Z */
  struct app_catchup catchup;
  struct app_snapshot snapshot;
  /* leader */
  uint32_t next_counter;
  bool draining;     /* slow wants the epoch to end: nothing more is numbered */
  bool told_drained; /* slow knows that all that was numbered is applied */
  bool pending;      /* txn holds a numbered transaction that app_fast had no room for */
  zxid_t pending_zxid;
  bool pushed_back;    /* slow asks for no new requests (5.2 step 0) */
  bool takes_requests; /* of followers, as the last turn left it: else they stay in their ring */
  uint32_t txn_len;
  uint8_t *txn; /* largest_record bytes */
  struct app_proposals proposals;
  /* free space, asked by the driver's timer */
  bool free_asked;
  uint64_t free_bytes;    /* UINT64_MAX until known */
  uint32_t refusal_ticks; /* leader: until the next REQUEST is refused for want of space */
};

void app_thread_init(struct app_thread *t, const struct app_uv_config *c);
void app_thread_free(struct app_thread *t);
/* app_thread_turn does a bounded piece of whatever there is to do; true: something was done. */
bool app_thread_turn(struct app_thread *t);
/* app_thread_ask_free asks the disk thread for the free bytes, unless it is being asked. */
void app_thread_ask_free(struct app_thread *t);
/* app_thread_tick gives the application its time (leader); to be called every 100 ms. */
void app_thread_tick(struct app_thread *t);

/* app_thread_nap: after a turn without work.  client_waits: a request waits for room.  lazy: under
 * load with nobody waiting here for a commit: look again soon instead of being woken for each. */
#define APP_RETRY_MS 1
struct app_nap {
  bool sleep; /* until woken; then rings.awake.  Else: something came meanwhile */
  bool retry; /* but no longer than APP_RETRY_MS: nothing may wake us */
};
struct app_nap app_thread_nap(const struct app_thread *t, bool client_waits, bool lazy);

/* app_submit takes a client's request.  NONE: proposed or forwarded; it shows as applied, or as an
 * error transaction, or the listener hears `stopped`.  BUSY: no room now, or the epoch is being
 * changed in place: try in a later turn.
 * SEQ_DUPLICATE: already applied or outstanding.  Otherwise refused for good. */
enum reason app_submit(struct app_thread *t, const void *request, uint32_t len);
/* app_space_low: below min_free_bytes: the leader refuses proposals. */
bool app_space_low(const struct app_thread *t);

/* parts, each in its own file */
void app_fail(struct app_thread *t, enum reason r, const char *what);
void app_role_on_message(struct app_thread *t, const struct app_msg *m);
void app_catchup_start(struct app_thread *t);
void app_catchup_step(struct app_thread *t);
bool app_catchup_turn(struct app_thread *t);
/* app_catchup_waits: for the fast lcore to hold the ring; look again soon. */
bool app_catchup_waits(const struct app_thread *t);
void app_catchup_on_disk(struct app_thread *t, const struct disk_msg *m);
void app_apply_one(struct app_thread *t, zxid_t zxid, const void *txn, uint32_t len);
bool app_apply_stream(struct app_thread *t);
bool app_propose_turn(struct app_thread *t);
/* app_drains: the epoch is to end here; look again soon. */
bool app_drains(const struct app_thread *t);
void app_propose_stop(struct app_thread *t);
bool app_snapshot_step(struct app_thread *t);
void app_snapshot_want(struct app_thread *t);
void app_snapshot_on_disk(struct app_thread *t, const struct disk_msg *m);
void app_snapshot_abort(struct app_thread *t);
/* app_snapshot_space_low gives up the one that is being written, before a failed write ends us. */
void app_snapshot_space_low(struct app_thread *t);

#endif
