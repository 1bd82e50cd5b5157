/* replica_parts.h - how the files of the replica machine call each other.  Private to slowpath/.
 *
 *   fence.c       leave a role, close everything     looking.c   the ballot and its outcome
 *   learner*.c    as a learner, one file a message   leader*.c   as a leader, the same
 *   sync_*.c      history to one learner             match.c     do we fit together?
 *   frames.c      frames of the broadcast over TCP
 *   leader_epoch.c, learner_epoch.c   the next epoch in place
 *   out.c         building actions
 *
 * Owner: slow thread.  Source: design 5; style "Machines". */
#ifndef ZABLINE_SLOWPATH_REPLICA_PARTS_H
#define ZABLINE_SLOWPATH_REPLICA_PARTS_H

#include "slowpath/replica.h"

#define CONNECT_RETRY_US 2000u    /* the leader may not know yet that it leads */
#define CEPOCH_LIMIT_US 2000000u  /* who voted for us is alive: it connects soon, or not at all */
#define CONNECT_LIMIT_US 500000u  /* then the election was wrong */
#define SHY_US 1000000u           /* who stepped down lets others go first so long */
#define YIELD_AGAIN_US 120000000u /* then others may try once more for the same hole, and ... */
#define YIELD_AGAIN_MAX_US 1800000000u /* ... later and later */
#define AVOID_US 2000000u /* a leader that we cannot work with is not voted for so long */
#define TWIN_GAP_US \
  10000000u               /* who was refused for its id and comes after so long is another one */
#define TWIN_US 1000000u  /* others who follow us, who do not lead, soon find out */
#define MOVES_US 1000000u /* between two lines about the path to one peer */
#define EPOCH_LIMIT_US 500000u /* and timeout_us: no progress for so long ends a change in place */
#define COMMIT_POLL_US 500u    /* an UPTODATE waits for the committed position */
#define EPOCH_STEP (1u << 24)  /* an epoch further above all that we have seen is garbage */
#define FREE_FAILURES 3        /* attempts in a row before looking again is slowed down */
#define HOLD_MIN_US 10000u
#define HOLD_MAX_US 1000000u
/* Push back (5.2 step 0): the app rests PUSH_BACK_US << (level - 1), then works PUSH_BACK_US, so
 * clients are slowed to 1/2, 1/3, 1/5, 1/9 and never stopped.  5 ms: no client's timeout, and many
 * reads of the disk. */
#define PUSH_BACK_US 5000u
#define PUSH_BACK_LEVELS 4
#define STALE_ROUNDS 2  /* so many rounds in a row that do not shrink: push back, or more of it */
#define SYNC_RECORDS 64 /* records sent in one step: two actions each */
#define SYNC_CHUNKS 16  /* snapshot chunks read and sent at a time */

static_assert(2 * SYNC_RECORDS + 64 <= LIMIT_SLOW_ACTIONS, "a step's actions fit");
static_assert(SYNC_CHUNKS * LIMIT_SNAP_CHUNK <= LIMIT_SYNC_BUFFER, "chunks fit");

/* Who asked the disk thread: low bits of the tag.  0: we as a learner; conn ids: that connection.
 */
enum { DISK_LEARNER = 0, DISK_REPLICA = 9, DISK_LEADER = 10, DISK_VOTE = 11, DISK_OWNER_BITS = 4 };
static_assert(LIMIT_LEARNERS < DISK_REPLICA, "owners differ");

static inline nodeset_t node_bit(int idx) { return (nodeset_t)1u << idx; }

static inline uint64_t tick_us(const struct replica *r) { return 1000ull * r->config->tick_ms; }

static inline uint64_t init_limit_us(const struct replica *r) {
  return (uint64_t)r->config->init_limit * tick_us(r);
}

/* Who was served before waits no longer for a change in place than for an election. */
static inline uint64_t epoch_limit_us(const struct replica *r) {
  return EPOCH_LIMIT_US + r->config->timeout_us;
}

/* One forged epoch must not bring all epochs to their end, which nobody could leave any more. */
static inline bool epoch_is_credible(const struct replica *r, uint32_t epoch) {
  return epoch <= r->seen_epoch || epoch - r->seen_epoch <= EPOCH_STEP;
}

/* May this node vote and be counted? */
static inline bool replica_counting(const struct replica *r) {
  return r->durable.may_vote && !r->durable.no_state && !r->unclean &&
         quorum_is_voter(&r->quorum, r->config->self_idx);
}

/* ---- out.c: every action is built here ---- */
struct replica_action *act(struct replica_actions *a, enum replica_action_type type);
void act_log(struct replica_actions *a, struct log_event e);
void act_fast(struct replica_actions *a, struct fast_msg m);
void act_app(struct replica_actions *a, struct app_msg m);
/* act_disk asks the disk thread in the name of owner; returns the tag.  A buffer is noted as lent.
 */
uint32_t act_disk(struct replica *r, int owner, struct disk_msg m, struct replica_actions *a);
void act_send(struct replica_actions *a, int conn, struct packet p);
static inline void act_send_empty(struct replica_actions *a, int conn, int32_t type, zxid_t zxid) {
  act_send(a, conn, (struct packet){.type = type, .zxid = zxid, .data = {NULL, -1}});
}
/* arena_take returns len bytes that live until the next step. */
uint8_t *arena_take(struct replica *r, uint32_t len);
/* own_extension is what we say of ourselves. */
struct extension own_extension(const struct replica *r);
/* extension_span: head (NULL: none), then the extension, in the arena. */
struct span extension_span(struct replica *r, const void *head, uint32_t head_len,
                           const struct extension *e);

/* ---- phases ---- */
void replica_set_phase(struct replica *r, enum phase p);
/* replica_fence leaves whatever we are and starts over: closes connections and the fast path.
 * lost_idx: the leader that is unreachable, or -1. */
void replica_fence(struct replica *r, enum reason why, int lost_idx, struct replica_actions *a);
/* fence_in_place closes everything as replica_fence does, and the role stays. */
void fence_in_place(struct replica *r, struct replica_actions *a);
void fence_on_closed(struct replica *r, const struct fast_msg *m, struct replica_actions *a);
void fence_on_stopped(struct replica *r, const struct app_msg *m, struct replica_actions *a);
void fence_on_drained(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
void replica_stop(struct replica *r, struct replica_actions *a);
void replica_on_clean_stop(struct replica *r, struct replica_actions *a);
void replica_fail(struct replica *r, int exit_code, enum reason why, struct replica_actions *a);

void looking_start(struct replica *r, struct replica_actions *a);
/* looking_others_suffice: as far as we know the other voters can elect without us. */
bool looking_others_suffice(const struct replica *r);
void looking_restart(struct replica *r, struct replica_actions *a);
void looking_on_tick(struct replica *r, struct replica_actions *a);
void replica_on_notification(struct replica *r, const struct replica_event *e,
                             struct replica_actions *a);
void replica_on_link(struct replica *r, const struct replica_event *e, struct replica_actions *a);

/* ---- match.c: REASON_NONE, or why we cannot work together (one line, naming both values) ---- */
enum reason match_extension(struct replica *r, int peer_idx, const struct extension *e,
                            struct replica_actions *a);
enum reason match_config(struct replica *r, int peer_idx, struct span text,
                         struct replica_actions *a);
/* log_no_fast_path: it acked NEWLEADER and was never heard by the fast path (5.2 step 5). */
void log_no_fast_path(struct replica *r, int conn, struct replica_actions *a);
/* log_refusal says once per peer and cause that node id was refused. */
void log_refusal(struct replica *r, int peer_idx, int64_t id, enum reason why,
                 struct replica_actions *a);

/* ---- repair_*.c: damaged records (E1, E3) ---- */
/* As a leader: between the quorum of promises and our currentEpoch. */
void repair_lead(struct replica *r, struct replica_actions *a);
void repair_on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
void repair_on_ready(struct replica *r, int conn, struct replica_actions *a);
void repair_on_answer(struct replica *r, int conn, const struct packet *p,
                      struct replica_actions *a);
void repair_on_tick(struct replica *r, struct replica_actions *a);
/* repair_accept_loss: the operator gives up what is waited for; false: nothing is. */
zxid_t repair_waits_for(const struct replica *r); /* 0: for nothing */
bool repair_accept_loss(struct replica *r, struct replica_actions *a);
/* As a learner: before currentEpoch (R5). */
void repair_learn(struct replica *r, struct replica_actions *a);
void repair_on_learner_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
void repair_on_learner_answer(struct replica *r, const struct packet *p, struct replica_actions *a);
/* Either: conn asks us; the disk has answered. */
void repair_on_ask(struct replica *r, int conn, const struct packet *p, struct replica_actions *a);
void repair_send_answer(struct replica *r, int conn, const struct disk_msg *m,
                        struct replica_actions *a);
void leader_set_step(struct replica *r, enum leading_step step);
void leader_set_current(struct replica *r, struct replica_actions *a);

/* ---- as a learner ---- */
void learner_start(struct replica *r, int leader_idx, struct replica_actions *a);
void learner_leave(struct replica *r, enum reason why, struct replica_actions *a);
/* learner_abandon gives this leader up and fences. */
void learner_abandon(struct replica *r, enum reason why, bool leader_lost,
                     struct replica_actions *a);
void learner_on_connected(struct replica *r, struct replica_actions *a);
void learner_on_disconnected(struct replica *r, enum reason why, struct replica_actions *a);
void learner_on_tick(struct replica *r, struct replica_actions *a);
uint64_t learner_deadline(const struct replica *r);
void learner_on_packet(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_on_leaderinfo(struct replica *r, const struct packet *p, struct replica_actions *a);
/* learner_read_leaderinfo takes what the leader says of itself and of its epoch. */
enum reason learner_read_leaderinfo(struct replica *r, const struct packet *p,
                                    struct replica_actions *a);
void learner_promise(struct replica *r, struct replica_actions *a);
void learner_on_promised(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
/* learner_on_next_epoch: LEADERINFO while we follow; learner_fenced: our fast path is closed. */
void learner_on_next_epoch(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_fenced(struct replica *r, struct replica_actions *a);
/* learner_patience_us: so long without progress ends an attempt. */
static inline uint64_t learner_patience_us(const struct replica *r) {
  return r->learn.in_place ? 2 * epoch_limit_us(r) : init_limit_us(r); /* after the leader's own */
}
void learner_on_op(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_on_chunk(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_on_proposal(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_on_newleader(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_on_uptodate(struct replica *r, const struct packet *p, struct replica_actions *a);
void learner_on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
void learner_on_synced(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
void learner_on_history(struct replica *r, struct replica_actions *a);
void learner_on_current(struct replica *r, struct replica_actions *a);
void replica_on_may_vote(struct replica *r, const struct disk_msg *m, struct replica_actions *a);

/* ---- as a leader ---- */
void leader_start(struct replica *r, struct replica_actions *a);
void leader_leave(struct replica *r, enum reason why, struct replica_actions *a);
/* leader_is_unheard: a voter that acked NEWLEADER and is not HEARD on the fast path. */
static inline bool leader_is_unheard(const struct learner_conn *c) {
  return c->step == CONN_ACKED && !c->heard && c->counts;
}
void leader_step_down(struct replica *r, enum reason why, struct replica_actions *a);
/* leader_choose_epoch takes the next epoch above all seen, and promises it. */
void leader_choose_epoch(struct replica *r, struct replica_actions *a);
/* leader_may_change_epoch: a quorum goes along in place.  leader_drain asks the app for it. */
bool leader_may_change_epoch(const struct replica *r);
void leader_drain(struct replica *r, struct replica_actions *a);
void leader_on_drained(struct replica *r, const struct app_msg *m, struct replica_actions *a);
void leader_fenced(struct replica *r, struct replica_actions *a);
void leader_on_accepted_conn(struct replica *r, int conn, struct replica_actions *a);
void leader_on_tick(struct replica *r, struct replica_actions *a);
uint64_t leader_deadline(const struct replica *r);
void leader_on_packet(struct replica *r, int conn, const struct packet *p,
                      struct replica_actions *a);
void leader_on_followerinfo(struct replica *r, int conn, const struct packet *p,
                            struct replica_actions *a);
void leader_on_ackepoch(struct replica *r, int conn, const struct packet *p,
                        struct replica_actions *a);
void leader_on_newleader_ack(struct replica *r, int conn, const struct packet *p,
                             struct replica_actions *a);
void leader_on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a);
void leader_on_attached(struct replica *r, const struct fast_msg *m, struct replica_actions *a);
void leader_on_heard(struct replica *r, const struct fast_msg *m, struct replica_actions *a);
void leader_on_detached(struct replica *r, const struct fast_msg *m, struct replica_actions *a);
/* leader_close ends one connection of ours; leader_dropped: the peer did.  Both may step down. */
void leader_close(struct replica *r, int conn, enum reason why, struct replica_actions *a);
void leader_dropped(struct replica *r, int conn, enum reason why, struct replica_actions *a);
/* leader_check_support steps down if too few are left. */
void leader_check_support(struct replica *r, struct replica_actions *a);
/* leader_release is leader_close without the action and without stepping down. */
void leader_release(struct replica *r, int conn, struct replica_actions *a);
void leader_try_epoch(struct replica *r, struct replica_actions *a);
void leader_send_leaderinfo(struct replica *r, int conn, struct replica_actions *a);
void leader_try_promised(struct replica *r, struct replica_actions *a);
/* leader_try_count: ACK and HEARD are there -> COUNT, ESTABLISH, UPTODATE as far as each may go. */
void leader_try_count(struct replica *r, int conn, struct replica_actions *a);
/* leader_try_grant tells nodes that do not count that they do, as soon as that is safe;
 * leader_grant_us: when c must be looked at again for it. */
void leader_try_grant(struct replica *r, struct replica_actions *a);
uint64_t leader_grant_us(const struct replica *r, const struct learner_conn *c);
void leader_try_establish(struct replica *r, struct replica_actions *a);
void leader_progress(struct replica *r, int conn);
nodeset_t leader_supporters(const struct replica *r);

/* ---- history to one learner ---- */
enum sync_op { SYNC_DIFF, SYNC_TRUNC, SYNC_SNAP, SYNC_ATTACH_FIRST, SYNC_REFUSE };
struct sync_decision {
  enum sync_op op;
  zxid_t base; /* what the learner holds after the op */
};
/* sync_decide is the matrix of zab-rules 6.  peer: the learner's last zxid; floor: the largest zxid
 * of our log <= peer; below_log: peer is older than our log; epoch: ours.  Never TRUNC of a record
 * of our own epoch, never TRUNC of an (e,0) marker. */
struct sync_decision sync_decide(zxid_t peer, zxid_t floor, bool below_log, uint32_t epoch);
void sync_start(struct replica *r, int conn, struct replica_actions *a);
void sync_on_disk(struct replica *r, int conn, const struct disk_msg *m, struct replica_actions *a);
void sync_on_attached(struct replica *r, int conn, struct replica_actions *a);
void sync_on_writable(struct replica *r, int conn, struct replica_actions *a);
/* sync_buffer_back: a buffer that an earlier connection had lent is ours again. */
void sync_buffer_back(struct replica *r, int conn, struct replica_actions *a);
/* sync_release gives back the snapshot and lets the next learner have its turn. */
void sync_release(struct replica *r, int conn, struct replica_actions *a);
/* sync_ping tells a learner that waits for its turn that we live (B23). */
void sync_ping(struct replica *r, int conn, struct replica_actions *a);

/* ---- frames.c: frames of the broadcast over TCP (5.4) ---- */
void frames_on_fast(struct replica *r, const struct replica_event *e, struct replica_actions *a);
void frames_on_packet(struct replica *r, int conn, const struct packet *p,
                      struct replica_actions *a);
/* frames_on_moved says by which path a peer's frames go now, a flapping one once in a while. */
void frames_on_moved(struct replica *r, const struct fast_msg *m, struct replica_actions *a);

/* ---- sync_rounds.c: catch-up in rounds ---- */
/* rounds_next: a part has been sent and the learner is not yet near; true: where the next round
 * ends must be asked first. */
bool rounds_next(struct replica *r, int conn, struct replica_actions *a);
void rounds_begin(struct replica *r, int conn, zxid_t end);
/* rounds_over: conn is ATTACHED, or gone. */
void rounds_over(struct replica *r, int conn, struct replica_actions *a);
void rounds_on_tick(struct replica *r, struct replica_actions *a);
/* rounds_push_back returns the level, 0: none needs it. */
int rounds_push_back(const struct replica *r);

#endif
