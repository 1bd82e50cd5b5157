/* replica.h - the replica machine: everything of Zab but the broadcast.
 *
 * Election (election.h), discovery, synchronisation, hand-over to the fast path, fencing, stepping
 * down.  Phases and their legal moves: proto/phase.h.  One file per received message:
 * slowpath/leader_followerinfo.c, learner_leaderinfo.c, ...; a handler is <role>_on_<message>.
 *
 * Owner: slow thread.  Blocks: no.  Allocates: no (struct replica_memory is taken at start).
 * Source: design 5; zab-rules R1-R16; zookeeper/quorum.md, election.md. */
#ifndef ZABLINE_SLOWPATH_REPLICA_H
#define ZABLINE_SLOWPATH_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "proto/action.h"
#include "proto/event.h"
#include "proto/extension.h"
#include "proto/quorum.h"
#include "proto/reason.h"
#include "proto/status.h"
#include "slowpath/election.h"

/* Buffers of LIMIT_SYNC_BUFFER bytes each: [0] for the learner role, [conn] for a learner's
 * connection. */
struct replica_memory {
  void *buffer[LIMIT_LEARNERS + 1];
};

/* ---- fencing: who has still to answer (design 5.2) ---- */
enum { FENCE_FAST = 1u << 0, FENCE_APP = 1u << 1, FENCE_DISK = 1u << 2 };

/* ---- as a learner ---- */
enum learning_step {
  LEARNING_CONNECT,      /* connecting, or waiting to try again */
  LEARNING_LEADERINFO,   /* FOLLOWERINFO sent */
  LEARNING_FENCE,        /* in place: LEADERINFO of the next epoch came; our fast path closes */
  LEARNING_PROMISE,      /* disk: acceptedEpoch (R1) */
  LEARNING_OP,           /* ACKEPOCH sent; DIFF, TRUNC or SNAP comes */
  LEARNING_ANSWER,       /* disk: what the leader's ASK wants; then back to OP */
  LEARNING_TRUNCATE,     /* disk */
  LEARNING_SNAP_WRITE,   /* disk: SNAP_BEGIN or one chunk */
  LEARNING_SNAP_CHUNK,   /* the next chunk comes */
  LEARNING_SNAP_INSTALL, /* disk */
  LEARNING_RECORDS,      /* PROPOSAL, COMMIT, NEWLEADER come */
  LEARNING_APPEND,       /* disk: the buffer is lent */
  LEARNING_HISTORY,      /* disk: the last records before NEWLEADER's ACK (R5) */
  LEARNING_REPAIR,       /* disk: damaged records (E1) */
  LEARNING_ASK,          /* ASK sent for the next of them */
  LEARNING_CURRENT,      /* disk: currentEpoch (R5) */
  LEARNING_UPTODATE,     /* ACK sent, fast path open */
  LEARNING_SETTLED,
};

struct learning {
  enum learning_step step;
  int leader_idx;
  bool open;        /* conn 0 stands or is being made */
  int refusals;     /* times it did not let us in */
  bool zabline;     /* the leader sent an extension */
  bool tcp;         /* ... and takes frames over TCP */
  bool established; /* it has committed above P */
  bool yields;      /* we have just lost a quorum, and were shy in the election */
  bool repairs;     /* it answers ASK */
  bool in_place;    /* since the leader began a next epoch in place, until UPTODATE of it */
  uint32_t epoch;
  uint64_t iteration;
  uint64_t resumes;     /* in place: the iteration of before, whose REQUESTs go on; else 0 */
  pos_t requests;       /* the leader holds those up to here */
  pos_t pos;            /* P */
  zxid_t tail;          /* last record received, on disk or in the buffer */
  uint32_t len;         /* bytes of whole records in memory.buffer[0] */
  uint64_t retry_us;    /* next ACT_CONNECT, when not open */
  uint64_t limit_us;    /* no retry after this */
  uint64_t deadline_us; /* progress */
  uint64_t ping_us;     /* REPAIR: the next PING is due */
};

/* ---- as a leader ---- */
enum leading_step {
  LEADING_FENCE,    /* in place: our fast path closes, and we lead on (leader_epoch.c) */
  LEADING_CEPOCH,   /* waiting for FOLLOWERINFO of a quorum (R2) */
  LEADING_PROMISE,  /* disk: own acceptedEpoch */
  LEADING_ACKEPOCH, /* LEADERINFO sent; waiting for a quorum of promises (R3) */
  LEADING_REPAIR,   /* disk and peers: damaged records of ours (E1, E3) */
  LEADING_CURRENT,  /* disk: own currentEpoch (R4) */
  LEADING_SYNC,     /* FAST_LEAD sent; waiting for a quorum of COUNTs */
  LEADING_ESTABLISHED,
};

struct leading {
  enum leading_step step;
  uint32_t epoch;       /* 0: not chosen */
  nodeset_t promised;   /* counting ACKEPOCHs, own included */
  nodeset_t acked;      /* ACKs of NEWLEADER in this epoch, own included; COUNT needs it (R6) */
  nodeset_t counted;    /* COUNTed and connected, own included */
  nodeset_t unheard;    /* voters gone with NEWLEADER acked and not HEARD on the fast path */
  zxid_t initial;       /* last zxid of the initial history */
  int snap_conn;        /* whose snapshot is open; 0: nobody's */
  uint64_t ask_snap_us; /* when the app may be asked for one again */
  bool push_on;         /* the app takes no requests now */
  uint64_t push_us;     /* time of the next PUSH_BACK; 0: no learner needs it */
  bool in_place;     /* the epoch was begun by the leader of the one before, without an election */
  uint64_t drain_us; /* the app drains; given up then; 0: it does not */
  uint64_t deadline_us;
  /* REPAIR */
  bool asking;      /* for the record behind ask_after, up to ask_upto */
  bool waits, told; /* ... and nobody here has it */
  zxid_t ask_after, ask_upto;
  zxid_t hole_upto;    /* where the hole ends: ask_upto, but for a salvage */
  zxid_t salvage;      /* a loss was accepted: up to here a peer's records take the place of ours */
  nodeset_t dont_have; /* of those whose vote counts */
  int put_conn;        /* whose record is at the disk, or was last */
  uint64_t ping_us;
};

enum conn_asked { ASKED_NOT, ASKED_OPEN, ASKED_ANSWERED };

enum conn_step { /* in this order */
                 CONN_FREE,
                 CONN_FOLLOWERINFO, /* accepted: the learner speaks first */
                 CONN_EPOCH,        /* waiting until our epoch is fixed and durable */
                 CONN_ACKEPOCH,     /* LEADERINFO sent */
                 CONN_READY,        /* ACKEPOCH came; waiting for our currentEpoch */
                 CONN_LOOKUP,       /* disk */
                 CONN_SNAP_TURN,    /* another learner's snapshot is open */
                 CONN_SNAP_OPEN,    /* disk */
                 CONN_SNAP_READ,    /* disk */
                 CONN_SNAP_SEND,
                 CONN_ROUND,   /* disk: where does this round of catch-up end? */
                 CONN_READ,    /* disk */
                 CONN_SEND,    /* records of the buffer go out */
                 CONN_ATTACH,  /* waiting for ATTACHED */
                 CONN_ACK,     /* NEWLEADER sent */
                 CONN_ACKED,   /* waiting for HEARD, establishment, or the commit of P */
                 CONN_SETTLED, /* UPTODATE sent */
};

enum conn_attachment { ATTACHMENT_NONE, ATTACHMENT_ASKED, ATTACHMENT_OPEN };

struct learner_conn {
  enum conn_step step;
  enum conn_attachment attachment;
  int peer_idx; /* -1: not yet known */
  bool zabline;
  bool counts;       /* a voter, as follower, that may be counted (R16) */
  bool heard;        /* by the fast path, and hears us, on whatever way */
  bool tcp;          /* takes frames over TCP */
  bool in_place;     /* goes to the next epoch on this connection */
  bool at_end;       /* the records in the buffer are all there was, and less than a quarter ring */
  uint64_t features; /* FEATURE_* of its FOLLOWERINFO; cleared when it has been told MAY_VOTE */
  enum conn_asked asked; /* for the record that lead.ask_after is about */
  bool below_log;        /* it answered so */
  bool asked_wrong;      /* its answer was damaged: to be asked again */
  bool repairs;          /* its log: it has asked us */
  uint64_t came_us;      /* its FOLLOWERINFO */
  uint64_t iteration;
  uint64_t resumes;  /* in place: the iteration of before, whose REQUESTs go on; else 0 */
  pos_t requests;    /* we hold those up to here */
  zxid_t last;       /* its last zxid at ACKEPOCH */
  zxid_t sent;       /* it will hold the history up to here when it has read what we sent */
  zxid_t target;     /* Z */
  pos_t pos;         /* P */
  uint32_t tag;      /* disk answer waited for; 0: none */
  uint32_t off, len; /* of memory.buffer[conn]: not yet sent from off on */
  uint64_t snap_offset;
  zxid_t round_end;     /* durable when this round of catch-up began; 0: none is measured */
  uint64_t round_bytes; /* sent in it */
  pos_t round_pos;      /* committed when it began */
  int stale_rounds;     /* in a row that did not shrink */
  int push;             /* level of the push back that it needs; 0: none */
  uint64_t ping_us;     /* SNAP_TURN: next PING; UINT64_MAX: the last one has not left */
  uint64_t deadline_us;
};

#define REPLICA_ARENA (16u << 10) /* bytes of packet data that one step writes */

struct replica {
  uint64_t deadline_us; /* the driver gives EV_TICK at this time; UINT64_MAX: none */
  const struct config *config;
  struct counters *counters;
  struct replica_memory memory;
  struct quorum quorum;
  char build[LIMIT_NAME_LEN];
  char config_text[LIMIT_CONFIG_TEXT];
  int config_text_len;

  /* this step */
  uint64_t now_us, random;
  pos_t committed;
  uint32_t arena_len;
  uint8_t arena[REPLICA_ARENA];
  char differs[2][LIMIT_CONFIG_TEXT]; /* texts of a log line about two values */

  enum phase phase;
  enum role role;
  struct durable_state durable;
  bool unclean;    /* `memory`, last stop not clean: neither votes nor counts */
  bool needs_snap; /* damaged records of ours exist only in others' snapshots */
  struct {
    zxid_t after, upto;
    uint64_t again_us, wait_us;
  } yielded; /* the hole for which we have stepped down, and when we may again */
  bool stopping;
  bool fast_open; /* OPEN or LEAD sent since the last CLOSED */
  unsigned fence; /* FENCE_*: still to answer */
  uint64_t fence_warn_us;
  int lost_idx;        /* leader just lost, for the election; -1 */
  uint64_t hold_us;    /* LOOKING: the ballot starts then; 0: it runs */
  uint64_t shy_us;     /* stepped down, others go first: no vote for ourselves until then; 0: not */
  int failures;        /* attempts in a row that did not reach BROADCAST */
  uint32_t seen_epoch; /* largest acceptedEpoch ever heard of (R2, A10) */
  uint64_t bumped_us;  /* last time we began an epoch, or stepped down, for a higher one (A10) */
  uint64_t
      avoid_us[LIMIT_PEERS]; /* elected, but not to be worked with: no vote for it until then */
  uint32_t disk_seq;
  uint32_t lent[LIMIT_LEARNERS + 1]; /* tag with which the buffer is at the disk thread; 0: ours */

  struct election election;
  nodeset_t held; /* peers whose notification waits for the ballot */
  struct notification held_notification[LIMIT_PEERS];

  struct learning learn;
  struct leading lead;
  struct learner_conn conns[LIMIT_LEARNERS + 1]; /* [0] unused */
  struct {
    zxid_t after, upto;
  } ask[LIMIT_LEARNERS + 1]; /* of the peer that is answered when the disk has */

  struct {
    uint64_t first_us, last_us; /* refused because its id is in use; 0: not since it was let in */
    uint64_t follows_us;        /* it says that it follows us, who do not lead, since; 0: not */
  } twin[LIMIT_PEERS];
  bool twin_told; /* since we last had a role */

  enum reason last_loss;
  uint64_t elections;
  uint64_t diffs, snaps; /* syncs of learners begun: with records (TRUNC too), with a snapshot */
  struct {
    uint64_t again_us; /* the next line may come then */
    uint64_t unsaid;
  } moves[LIMIT_PEERS];             /* of the path to a peer */
  enum reason refused[LIMIT_PEERS]; /* last refusal logged: one line per peer and cause */
  char builds[LIMIT_PEERS][LIMIT_NAME_LEN];
};

void replica_init(struct replica *r, const struct config *c, const struct replica_memory *m,
                  struct counters *counters, const char *build);
void replica_step(struct replica *r, const struct replica_event *e, struct replica_actions *a);

/* replica_wants_input: false while packets of conn must wait in the driver (a disk write is under
 * way). To be asked before every EV_PACKET (asserted). */
bool replica_wants_input(const struct replica *r, int conn);

/* replica_status fills *s (not the lags, which the driver adds from struct positions). */
void replica_status(const struct replica *r, struct status *s);

/* replica_check asserts the machine's invariants (law 6); called after every step by its drivers.
 */
void replica_check(const struct replica *r);

#endif
